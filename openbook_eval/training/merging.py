"""Makes a whole model of a LoRA run: the adapter added to its base, on the CPU, in the base's own number format.

Memory is that of the base's weights, held once: the adapter is added in place, a layer at a time.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, first_line, some
from openbook_eval.training.readiness import checkpoints, whole
from openbook_eval.training.record import RECORD

MERGED = "merged"
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_GENERATION = "generation_config.json"
_WHOLE_MODELS = ("model.safetensors", "model.safetensors.index.json")
# What a tokenizer is kept in, its chat template and code of its own with it.
_TOKENIZER = (
    "tokenizer*", "tokenization_*.py", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", "*.tiktoken", "chat_template*",
)  # fmt: skip
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.A)


def merge(run: Path, out: Path | None = None, base: str | None = None, trust_remote_code: bool = False) -> Path:
    """Writes the model of a run's adapter to `out`, by default `run`/merged, and returns that folder.

    transformers and vLLM load it like any model: weights in safetensors, the base's generation_config, the run's
    tokenizer and chat template, and its trained_on.json where it has one. The folder is there whole or not at all.
    `base` is the base model, where that of the adapter lies elsewhere now. Raises OpenbookError where `run` holds no
    adapter that is whole and fits, where the base cannot be loaded, and where `out` is there already.
    """
    out = out or run / MERGED
    adapter = _adapter_config(run)
    if out.exists():
        raise OpenbookError(f"{out}: is there already; remove it, or name another folder by --out")
    source, revision = _base(run, adapter) if base is None else (base, None)
    _check_place(run, source)
    model = _with_adapter(_base_model(source, revision, trust_remote_code), run)
    small = _small_files(source, revision)
    with _made_aside(out) as folder:
        _save(model, small / _GENERATION, folder)
        _copy_tokenizer(run, small, folder)
        if (run / RECORD).is_file():
            shutil.copyfile(run / RECORD, folder / RECORD)
    return out


def _adapter_config(run: Path) -> dict[str, Any]:
    if not run.is_dir():
        raise OpenbookError(f"{run}: no such folder; name the output_dir of a recipe")
    if missing := [name for name in (_CONFIG, _WEIGHTS) if not (run / name).is_file()]:
        raise OpenbookError(f"{run}: holds no adapter, {missing[0]} is missing; {_instead(run)}")
    try:
        config = json.loads((run / _CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise OpenbookError(f"{run / _CONFIG}: cannot be read ({error}); train again, or fetch it again") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise OpenbookError(f"{run / _CONFIG}: not of a LoRA adapter; only those are merged")
    return config


def _instead(run: Path) -> str:
    """What to do about a folder without an adapter."""
    if any((run / name).is_file() for name in _WHOLE_MODELS):
        return "it is a whole model already, and needs no merging"
    if found := [each for each in checkpoints(run) if whole(each)]:
        return f"its training has not ended; finish it, or merge {found[-1]}"
    return "name the output_dir of a recipe with adapter: lora that was trained to its end"


def _base(run: Path, adapter: dict[str, Any]) -> tuple[str, str | None]:
    """The base model that an adapter names, and the revision of it."""
    name, revision = adapter.get("base_model_name_or_path"), adapter.get("revision")
    if not isinstance(name, str) or not name:
        raise OpenbookError(f"{run / _CONFIG}: names no base model; name it by --base")
    return name, revision if isinstance(revision, str) else None


def _check_place(run: Path, base: str) -> None:
    if not Path(base).is_dir() and not _HUB_NAME.fullmatch(base):
        raise OpenbookError(f"{run}: its base model {base} is not there; name the folder where it is now by --base")


def _base_model(name: str, revision: str | None, trust_remote_code: bool) -> Any:
    try:
        from transformers import AutoModelForCausalLM

        model, found = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, trust_remote_code=trust_remote_code, dtype="auto", output_loading_info=True
        )
    except Exception as error:  # of a dozen kinds: no such model, no network, broken weights, code not trusted
        code = "trust_remote_code" in str(error)
        advice = "read its code, then give --trust-remote-code" if code else "name its folder or hub name by --base"
        raise OpenbookError(f"base model {name}: cannot be loaded ({_reason(error)}); {advice}") from error
    # transformers warns only, and fills them with random numbers.
    if lacking := sorted(found["missing_keys"]):
        raise OpenbookError(f"base model {name}: weights are missing ({some(lacking)}); fetch it again")
    return model


def _with_adapter(model: Any, run: Path) -> Any:
    """The model with the adapter of a run added to its weights, which are changed in place."""
    try:
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors import safe_open

        with safe_open(run / _WEIGHTS, framework="pt") as file:
            held = set(file.keys())
        adapted = PeftModel.from_pretrained(model, run, torch_device="cpu")
        # peft warns only, and leaves out what is on one side alone.
        odd = held ^ set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
        merged = None if odd else adapted.merge_and_unload(safe_merge=True)
    except ImportError as error:
        raise OpenbookError(f"merging needs peft ({error}); install openbook-eval[train]") from error
    except Exception as error:  # of many kinds: a file cut off, shapes of another model, numbers that are none
        raise OpenbookError(
            f"{run}: its adapter is broken, or of another base model ({_reason(error)}); name its own by --base"
        ) from error
    if odd:
        raise OpenbookError(
            f"{run}: its adapter is of another base model ({some(sorted(odd))}); name its own by --base"
        )
    return merged


def _small_files(base: str, revision: str | None) -> Path:
    """A folder with the base's files that are no weights; of a model of the hub they are fetched."""
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base, revision=revision, allow_patterns=[*_TOKENIZER, _GENERATION]))
    except Exception as error:  # as with its weights
        raise OpenbookError(f"base model {base}: its tokenizer cannot be fetched ({_reason(error)})") from error


def _save(model: Any, generation: Path, folder: Path) -> None:
    """Saves config and weights; how to generate is copied, for transformers loads some of it that it does not save."""
    from transformers import GenerationConfig

    if generation.is_file():
        model.generation_config = GenerationConfig()
    model.save_pretrained(folder)
    if generation.is_file():
        shutil.copyfile(generation, folder / _GENERATION)


def _copy_tokenizer(run: Path, base: Path, folder: Path) -> None:
    """Copies the run's tokenizer byte by byte, that of the base where the run has none."""
    of_run, of_base = ([path for each in _TOKENIZER for path in place.glob(each)] for place in (run, base))
    if not (found := of_run or of_base):
        raise OpenbookError(f"{run}: has no tokenizer, nor has its base; copy the one that it was trained with there")
    for path in found:
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copyfile(path, folder / path.name)


@contextmanager
def _made_aside(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is moved there in one step; nothing stays of it where anything fails."""
    from safetensors import SafetensorError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix="merging-") as building:
            folder = Path(building) / MERGED
            folder.mkdir()
            yield folder
            folder.rename(out)
    except (OSError, SafetensorError) as error:
        raise OpenbookError(f"{out}: cannot be written ({_reason(error)}); name another folder by --out") from error


def _reason(error: Exception) -> str:
    """The first line of what a library says, to stand in brackets."""
    return first_line(error).rstrip(".:")
