"""The recipes of the repository are those of the table; each says what it is for, what it needs and what it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.models.profiles import profile
from openbook_eval.training.cells import Cell, cells
from openbook_eval.training.writing import recipe, write
from tests.training.conftest import RECIPES

CELLS = {cell.name: cell for cell in cells()}
ON_GPU = {name: cell for name, cell in CELLS.items() if cell.size}
QWEN = {name: cell for name, cell in ON_GPU.items() if name.startswith("qwen")}
OF_CELLS = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
TRAIN = "accelerate launch -m axolotl.cli.train"


def head(cell: Cell) -> list[str]:
    """The lines of a recipe's head, as people read them."""
    lines = recipe(cell).partition("\n\n")[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    return [line.removeprefix("#").strip() for line in lines]


def keys(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(recipe(cell))
    return found


def test_the_recipes_of_the_repository_are_those_of_the_table_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = write(cells(), Path("recipes"))
    assert len(written) == 36
    shipped = {path.name: path.read_bytes() for path in RECIPES.rglob("*.y*ml")}
    assert shipped == {path.name: path.read_bytes() for path in written}


def test_a_recipe_of_the_paper_is_read_as_these_keys() -> None:
    assert keys(CELLS["qwen7b_mix41"]) == {
        "base_model": "Qwen/Qwen1.5-7B",
        "plugins": ["openbook_eval.training.plugin.OpenbookPlugin"],
        "datasets": [
            {
                "path": "mixes/mix41/train.jsonl",
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
            }
        ],
        "dataset_prepared_path": "prepared/mix41",
        "sequence_len": 2048,
        "sample_packing": True,
        "special_tokens": {"eos_token": "<|im_end|>"},
        "chat_template": "jinja",
        "chat_template_jinja": profile("qwen1.5-chat").template,
        "adapter": "lora",
        "lora_r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "lora_target_modules": ["q_proj", "v_proj"],
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "num_epochs": 2,
        "optimizer": "adamw_torch_fused",
        "learning_rate": 5e-5,
        "lr_scheduler": "cosine",
        "warmup_ratio": 0.03,
        "seed": 42,
        "attn_implementation": "flash_attention_2",
        "bf16": True,
        "tf32": True,
        "gradient_checkpointing": True,
        "output_dir": "checkpoints/qwen7b_mix41",
        "logging_steps": 10,
        "saves_per_epoch": 2,
        "save_total_limit": 2,
        "auto_resume_from_checkpoints": True,
    }


@OF_CELLS
def test_a_recipe_names_model_mix_and_output_of_its_cell(cell: Cell) -> None:
    found = keys(cell)
    assert found["base_model"] == cell.base_model
    assert [each["path"] for each in found["datasets"]] == [f"mixes/{cell.mix.name}/train.jsonl"]
    assert found["dataset_prepared_path"] == f"prepared/{cell.mix.name}"
    assert found["output_dir"] == f"checkpoints/{cell.name}"
    assert found.get("adapter") == ("lora" if cell.method == "lora" else None)


@pytest.mark.parametrize("cell", ON_GPU.values(), ids=ON_GPU)
def test_a_model_is_trained_on_the_chat_template_and_end_token_of_its_profile(cell: Cell) -> None:
    found = keys(cell)
    assert cell.profile is not None
    assert (found["chat_template"], found["chat_template_jinja"]) == ("jinja", cell.profile.template)
    end = {"eos_token": cell.profile.end_token} if cell.profile.end_token else None
    assert found.get("special_tokens") == end


@pytest.mark.parametrize("cell", ON_GPU.values(), ids=ON_GPU)
def test_rows_are_packed_where_flash_attention_keeps_them_apart(cell: Cell) -> None:
    found = keys(cell)
    flash = found.get("attn_implementation") == "flash_attention_2"
    assert found["sample_packing"] == flash == (cell in QWEN.values())


@pytest.mark.parametrize(
    ("name", "modules", "remote"),
    [
        ("qwen14b_mix11", ["q_proj", "v_proj"], None),
        ("pulse_general", ["query_key_value"], None),
        ("disc_general", ["W_pack"], True),
        ("wingpt2_general", ["c_attn"], True),
        ("ivygpt_general", ["W_pack"], True),
        ("huatuo_general", ["W_pack"], True),
        ("huatuo2_general", ["W_pack"], True),
    ],
)
def test_an_architecture_has_its_own_projections_and_its_own_code(
    name: str, modules: list[str], remote: bool | None
) -> None:
    found = keys(CELLS[name])
    assert (found["lora_target_modules"], found.get("trust_remote_code")) == (modules, remote)
    assert any("trust_remote_code: " in line for line in head(CELLS[name])) == bool(remote)


@pytest.mark.parametrize("name", ["tiny_lora", "tiny_full"])
def test_a_recipe_for_a_cpu_asks_for_nothing_that_needs_a_card(name: str) -> None:
    found = keys(CELLS[name])
    assert [found[key] for key in ("attn_implementation", "bf16", "fp16")] == ["sdpa", False, False]
    assert found["optimizer"] == "adamw_torch"
    assert "tf32" not in found
    kernels = {key: value for key, value in found.items() if key.endswith("_kernel")}
    parts = ("mlp", "qkv", "o", "embedding") if name == "tiny_lora" else ()
    assert kernels == {f"lora_{part}_kernel": False for part in parts}


@OF_CELLS
def test_a_head_says_what_the_recipe_is_for_and_what_it_runs(cell: Cell) -> None:
    lines = head(cell)
    method = "a LoRA adapter" if cell.method == "lora" else "all weights"
    title = cell.title[0].upper() + cell.title[1:]
    table = f" (table {cell.table} of the paper)" if cell.table else ""
    assert lines[0] == f"{title} on {cell.mix.about}{table}; {method}."
    data = " --data data" if cell.mix.name == "tiny" else ""
    assert f"data-prep build {cell.mix.spec}{data} --out mixes --mix {cell.mix.name}" in lines
    assert f"{TRAIN} recipes/{cell.name}.yml" in lines
    assert (f"After   openbook-eval recipes merge checkpoints/{cell.name}" in lines) == (cell.method == "lora")


def test_a_head_tells_memory_hours_and_tokens() -> None:
    assert head(CELLS["qwen7b_mix41"])[-2:] == [
        "Expect  31 GB of the card's memory and 2.0 hours of one A100 for",
        "20.8 million tokens (formulas: openbook_eval/training/costs.py).",
    ]
    assert head(CELLS["tiny_lora"])[-1] == "Expect  about a minute on two cores, and 1 GB of memory."


@OF_CELLS
def test_a_head_names_every_thing_that_must_be_there_before(cell: Cell) -> None:
    lines, tiny = head(cell), cell.mix.name == "tiny"
    assert f"Needs   {'a CPU' if tiny else 'one GPU of 80 GB'}, and the mix:" in lines
    assert ("data-prep invent --out data" in lines) == tiny
    assert ("openbook-eval tiny-model --out models/tiny" in lines) == tiny
    assert any(line.startswith("Expect  ") for line in lines)


@pytest.mark.parametrize(("name", "texts"), [("qwen7b_mix41", 1), ("disc_general", 2)])
def test_a_head_tells_how_to_train_on_several_cards_and_machines(name: str, texts: int) -> None:
    lines = head(CELLS[name])
    launched = f"accelerate launch --multi_gpu --num_processes 8 -m axolotl.cli.train recipes/{name}.yml \\"
    zero = "--deepspeed recipes/sharding/zero3.json"
    assert lines[lines.index(launched) + 1] == f"--micro_batch_size {texts} --gradient_accumulation_steps 1 {zero}"
    train = f"axolotl train recipes/{name}.yml --micro-batch-size {texts} --gradient-accumulation-steps 1 \\"
    machines, ray = (place for place, line in enumerate(lines) if line == train)
    assert lines[machines + 1 : machines + 3] == [
        f"{zero} --launcher torchrun -- \\",
        "--nnodes 2 --nproc_per_node 8 --rdzv_backend c10d --rdzv_endpoint HOST:29500",
    ]
    assert lines[ray + 1] == f"{zero} --use-ray --ray-num-workers 8"


@pytest.mark.parametrize("cell", [cell for cell in cells() if cell.size is not None], ids=lambda cell: cell.name)
def test_eight_cards_see_as_many_texts_a_step_as_one(cell: Cell) -> None:
    told = next(line for line in head(cell) if line.startswith("--micro_batch_size"))
    _, texts, _, accumulated, *_ = told.split()
    one = keys(cell)
    assert 8 * int(texts) * int(accumulated) == one["micro_batch_size"] * one["gradient_accumulation_steps"]


def test_the_shape_of_ivygpt_is_said_to_be_a_guess() -> None:
    guessed = [
        name for name, cell in CELLS.items() if any(" is a guess: see the profile" in line for line in head(cell))
    ]
    assert guessed == ["ivygpt_general"]


def test_all_weights_are_trained_in_smaller_steps_and_without_an_adapter() -> None:
    cell = CELLS["qwen7b_mix41"].with_all_weights()
    lora, full = keys(CELLS["qwen7b_mix41"]), keys(cell)
    assert {key for key in lora if key not in full} == {
        "adapter", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
    }  # fmt: skip
    changed = {key: value for key, value in full.items() if lora[key] != value}
    assert changed == {
        "learning_rate": 1e-5,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "output_dir": "checkpoints/qwen7b_mix41_full",
    }
    assert not any("recipes merge" in line for line in head(cell))


def test_all_weights_of_a_model_too_large_for_one_card_are_shared_out() -> None:
    fits, large = (head(CELLS[f"qwen{size}_mix41"].with_all_weights()) for size in ("7b", "14b"))
    assert "Needs   one GPU of 80 GB, and the mix:" in fits
    assert f"{TRAIN} recipes/qwen7b_mix41_full.yml" in fits
    assert "Needs   several GPUs of 80 GB, and the mix:" in large
    assert f"{TRAIN} recipes/qwen14b_mix41_full.yml" not in large
    assert "Expect  118 GB of memory, on all cards together, and 5.1 hours of one A100 for" in large
    batch = "--micro_batch_size 1 --gradient_accumulation_steps 1"
    assert f"{batch} --deepspeed recipes/sharding/zero3.json" in large
    assert (RECIPES / "sharding" / "zero3.json").is_file()


@OF_CELLS
def test_no_line_is_too_long_to_read_but_a_command(cell: Cell) -> None:
    text = recipe(cell)
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    assert [line for line in text.splitlines() if len(line) > 120 and "launch" not in line] == []


def test_a_recipe_is_written_anew_and_nothing_else_stays(tmp_path: Path) -> None:
    cell = CELLS["tiny_lora"]
    (tmp_path / "tiny_lora.yml").write_text("old")
    (tmp_path / "own.yml").write_text("own")
    assert write([cell], tmp_path) == [tmp_path / "tiny_lora.yml"]
    assert (tmp_path / "tiny_lora.yml").read_text("utf-8") == recipe(cell, tmp_path.as_posix())
    assert f"{TRAIN} {tmp_path.as_posix()}/tiny_lora.yml" in (tmp_path / "tiny_lora.yml").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.yml", "tiny_lora.yml"]


def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenbookError, match=r"file/recipes: cannot be written to \(Not a directory\); name another"):
        write(cells(), tmp_path / "file" / "recipes")


def test_a_text_of_any_mix_stays_a_comment() -> None:
    cell = replace(CELLS["tiny_lora"], mix=replace(CELLS["tiny_lora"].mix, about="rows: {a: 1} # and more"))
    assert keys(cell) == keys(CELLS["tiny_lora"])
