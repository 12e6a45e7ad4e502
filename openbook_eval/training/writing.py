"""A cell as a recipe: the YAML file that Axolotl reads, under a head for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.training.cells import PLUGIN, TINY_MODEL, Cell
from openbook_eval.training.costs import CARD, costs
from openbook_eval.training.settings import Settings, settings

SEED = 42
_WIDTH = 120
_TRAIN = "accelerate launch -m axolotl.cli.train"
_ZERO3 = "recipes/sharding/zero3.json"
# GB of an A100 or H100.
_CARD_MEMORY = 80
# Axolotl turns its own LoRA kernels on, on a CPU too, where they crash.
_KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")

Part = dict[str, Any]


def write(cells: Sequence[Cell], folder: Path) -> list[Path]:
    """Writes a recipe for each cell into `folder`; those that stand there already are replaced.

    Raises OpenbookError where the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / f"{cell.name}.yml", recipe(cell, folder.as_posix())) for cell in cells]
    except OSError as error:
        raise OpenbookError(f"{folder}: cannot be written to ({error.strerror}); name another with --out") from error


def _write(path: Path, text: str) -> Path:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8", newline="\n")
    return beside.replace(path)


def recipe(cell: Cell, folder: str = "recipes") -> str:
    """The text of a recipe; `folder` is where its head says that it lies."""
    head = "\n".join(f"# {line}".rstrip() for line in _head(cell, settings(cell), f"{folder}/{cell.name}.yml"))
    parts = "\n".join(map(_dumped, _parts(cell, settings(cell))))
    return f"{head}\n\n{parts}"


def _head(cell: Cell, how: Settings, path: str) -> Iterator[str]:
    of_table = f" (table {cell.table} of the paper)" if cell.table else ""
    yield f"{cell.title[0].upper()}{cell.title[1:]} on {cell.mix.about}{of_table}; {_METHODS[cell.method]}."
    yield from _warnings(cell)
    yield ""
    yield f"Needs   {_device(cell, how)}, and the mix:"
    if cell.mix.spec == "tiny":
        yield "          data-prep invent --out data"
    data = " --data data" if cell.mix.spec == "tiny" else ""
    yield f"          data-prep build {cell.mix.spec}{data} --out mixes --mix {cell.mix.name}"
    if cell.size is None:
        yield "        and the model:"
        yield f"          openbook-eval tiny-model --out {TINY_MODEL}"
    yield "Run     from the folder that holds mixes/; what was cut off goes on when the same is run again:"
    if _fits_one(cell, how):
        yield f"          {_TRAIN} {path}"
    if how.on_gpu:
        yield from _on_several_cards(path, how)
    if cell.method == "lora":
        yield f"After   openbook-eval recipes merge checkpoints/{cell.name}"
    yield from _expected(cell, how)


_METHODS = {"lora": "a LoRA adapter", "full": "all weights"}


def _device(cell: Cell, how: Settings) -> str:
    if not how.on_gpu:
        return "a CPU"
    return f"{'one GPU' if _fits_one(cell, how) else 'several GPUs'} of {_CARD_MEMORY} GB"


def _fits_one(cell: Cell, how: Settings) -> bool:
    return cell.size is None or costs(cell.size, cell.mix, how).memory <= _CARD_MEMORY


def _warnings(cell: Cell) -> Iterator[str]:
    if cell.profile and cell.profile.guess:
        yield "Which weights the paper means, and how they want to be asked, is a guess: see the profile."
    if cell.size and cell.size.trust_remote_code:
        yield "trust_remote_code: transformers has no such model and runs the code of its authors on the hub, which was"
        yield "written for transformers 4. Read that code before you run it. It has been tried with no newer version."


def _on_several_cards(path: str, how: Settings) -> Iterator[str]:
    # As many texts a step as on one card.
    texts = max(1, how.micro_batch_size * how.gradient_accumulation_steps // 8)
    batch = f"--micro_batch_size {texts} --gradient_accumulation_steps 1"
    zero = f"--deepspeed {_ZERO3}"
    yield "        on 8 cards, with as many texts a step, the model shared out by DeepSpeed's ZeRO-3:"
    yield f"          {_TRAIN.replace('launch', 'launch --multi_gpu --num_processes 8')} {path} \\"
    yield f"            {batch} {zero}"
    yield "        on 2 machines of 8 (twice as many texts), the same command on each, HOST being one of them:"
    yield f"          axolotl train {path} {batch.replace('_', '-')} \\"
    yield f"            {zero} --launcher torchrun -- \\"
    yield "            --nnodes 2 --nproc_per_node 8 --rdzv_backend c10d --rdzv_endpoint HOST:29500"
    yield "        on a Ray cluster with 8 cards:"
    yield f"          axolotl train {path} {batch.replace('_', '-')} \\"
    yield f"            {zero} --use-ray --ray-num-workers 8"


def _expected(cell: Cell, how: Settings) -> Iterator[str]:
    if cell.size is None:
        yield "Expect  about a minute on two cores, and 1 GB of memory."
        return
    need = costs(cell.size, cell.mix, how)
    whose = "of the card's memory" if _fits_one(cell, how) else "of memory, on all cards together,"
    yield f"Expect  {need.memory:.0f} GB {whose} and {need.hours:.1f} hours of one {CARD} for"
    yield f"        {need.tokens / 1e6:.1f} million tokens (formulas: openbook_eval/training/costs.py)."


def _parts(cell: Cell, how: Settings) -> Iterator[Part]:
    yield _model(cell)
    yield _data(cell, how)
    if cell.method == "lora":
        yield _adapter(how)
    yield {
        "micro_batch_size": how.micro_batch_size,
        "gradient_accumulation_steps": how.gradient_accumulation_steps,
        "num_epochs": how.epochs,
        "optimizer": "adamw_torch_fused" if how.on_gpu else "adamw_torch",
        "learning_rate": how.learning_rate,
        "lr_scheduler": "cosine",
        "warmup_ratio": 0.03,
        "seed": SEED,
    }
    yield _hardware(how)
    yield {
        "output_dir": f"checkpoints/{cell.name}",
        "logging_steps": 10 if how.on_gpu else 1,
        "saves_per_epoch": 2,
        "save_total_limit": 2,
        "auto_resume_from_checkpoints": True,
    }


def _model(cell: Cell) -> Part:
    remote = {"trust_remote_code": True} if cell.size and cell.size.trust_remote_code else {}
    return {"base_model": cell.base_model, **remote, "plugins": [PLUGIN]}


def _data(cell: Cell, how: Settings) -> Part:
    mix = cell.mix.name
    data: Part = {
        "datasets": [
            {
                "path": f"mixes/{mix}/train.jsonl",
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
            }
        ],
        # The plugin adds the hash of the mix.
        "dataset_prepared_path": f"prepared/{mix}",
        "sequence_len": how.sequence_len,
        "sample_packing": how.packed,
    }
    if cell.profile is None:
        return {**data, "chat_template": "tokenizer_default"}
    end = {"special_tokens": {"eos_token": cell.profile.end_token}} if cell.profile.end_token else {}
    return {**data, **end, "chat_template": "jinja", "chat_template_jinja": cell.profile.template}


def _adapter(how: Settings) -> Part:
    adapter: Part = {
        "adapter": "lora",
        "lora_r": how.lora_r,
        "lora_alpha": how.lora_alpha,
        "lora_dropout": 0.0,
        "lora_target_modules": list(how.lora_modules),
    }
    return adapter if how.on_gpu else {**adapter, **dict.fromkeys(_KERNELS, False)}


def _hardware(how: Settings) -> Part:
    if not how.on_gpu:
        return {"attn_implementation": "sdpa", "bf16": False, "fp16": False}
    attention = {"attn_implementation": "flash_attention_2"} if how.flash else {}
    return {**attention, "bf16": True, "tf32": True, "gradient_checkpointing": True}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Texts of several lines as such."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _dumped(part: Part) -> str:
    dumped: str = yaml.dump(part, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return dumped
