"""The recipes of the repository are those of table and template; costs follow from their formulas."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.models.profiles import profile
from openbook_eval.training.recipes import (
    Costs,
    RecipeCell,
    cells,
    costs,
    flops_per_token,
    lora_parameters,
    multiplied,
    recipe_text,
    settings,
    utilisation,
    write,
)
from tests.test_cli import assert_one_line_error, call
from tests.training.conftest import RECIPES

CELLS = cells()
TRAIN = "accelerate launch -m axolotl.cli.train"


def header(cell: RecipeCell) -> list[str]:
    lines = recipe_text(cell).partition("\n\n")[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    return [line.removeprefix("#").strip() for line in lines]


def need(cell: RecipeCell, **changes: Any) -> Costs:
    assert cell.size is not None
    return costs(cell.size, cell.mix, replace(settings(cell), **changes))


def test_the_recipes_of_the_repository_are_written_from_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = {path.name: path.read_text("utf-8") for path in write(list(CELLS.values()), Path("recipes"))}
    assert len(written) == 36
    assert written == {path.name: path.read_text("utf-8") for path in RECIPES.rglob("*.y*ml")}
    lines = [line for text in written.values() for line in text.splitlines()]
    assert [line for line in lines if line != line.rstrip() or (len(line) > 120 and "launch" not in line)] == []


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (3, {f"{name}_general" for name in ("pulse", "disc", "wingpt2", "ivygpt", "huatuo", "huatuo2")}),
        (4, {f"qwen{size}_mix{ratio}" for size in ("1b8", "4b", "7b", "14b") for ratio in (91, 41, 11, 14, 19)}),
        (5, {f"qwen7b_med{rows}k" for rows in (10, 20, 50, 70, 80, 90, 100, 200)}),
        (None, {"tiny_lora", "tiny_full"}),
    ],
)
def test_the_cells_are_those_of_the_papers_tables(table: int | None, names: set[str]) -> None:
    assert {cell.name for cell in CELLS.values() if cell.table == table} == names


def test_a_header_says_what_the_recipe_needs_runs_and_costs() -> None:
    lines = header(CELLS["qwen7b_mix41"])
    title = "Qwen1.5-7B on 100,000 rows of general and medical questions and answers, 4:1 (table 4 of the paper)"
    assert lines[0] == f"{title}; a LoRA adapter."
    for line in (
        "Needs   one GPU of 80 GB, and the mix:",
        "data-prep build paper --out mixes --mix mix41",
        f"{TRAIN} recipes/qwen7b_mix41.yml",
        "accelerate launch --multi_gpu --num_processes 8 -m axolotl.cli.train recipes/qwen7b_mix41.yml \\",
        "--micro_batch_size 1 --gradient_accumulation_steps 1 --deepspeed recipes/sharding/zero3.json",
        "After   openbook-eval recipes merge checkpoints/qwen7b_mix41",
    ):
        assert line in lines
    assert lines[-2:] == [
        "Expect  31 GB of GPU memory and 2.0 hours of one A100 for",
        "20.8 million tokens (formulas: openbook_eval/training/recipes.py).",
    ]
    tiny = header(CELLS["tiny_full"])
    assert "openbook-eval tiny-model --out models/tiny" in tiny
    assert not any("merge" in line for line in tiny)
    guessed = [name for name in CELLS if any("is a guess: see the profile" in line for line in header(CELLS[name]))]
    assert guessed == ["ivygpt_general"]


def test_all_weights_of_a_model_too_large_for_one_gpu_are_sharded() -> None:
    fits, large = (header(CELLS[f"qwen{size}_mix41"].with_all_weights()) for size in ("7b", "14b"))
    assert f"{TRAIN} recipes/qwen7b_mix41_full.yml" in fits
    assert "Needs   several GPUs of 80 GB, and the mix:" in large
    assert f"{TRAIN} recipes/qwen14b_mix41_full.yml" not in large
    assert "Expect  118 GB of memory, on all GPUs together, and 5.1 hours of one A100 for" in large
    assert (RECIPES / "sharding" / "zero3.json").is_file()


def test_recipes_are_written_by_name_with_all_weights_and_under_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("own")
    done = call("recipes", "write", "--full", "qwen7b_mix41", "tiny_full", "tiny_full", "--out", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}: 2 recipes written\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.yml", "qwen7b_mix41_full.yml", "tiny_full.yml"]
    assert f"{TRAIN} {tmp_path.as_posix()}/tiny_full.yml" in (tmp_path / "tiny_full.yml").read_text("utf-8")
    unknown = call("recipes", "write", "tiny_lora", "qwen7b_mix42", "--out", str(tmp_path / "out"))
    assert_one_line_error(unknown, "recipe 'qwen7b_mix42' is not in the table; did you mean 'qwen7b_mix41'?")
    assert not (tmp_path / "out").exists()
    result = call("recipes", "write", "--out", str(tmp_path / "own.yml" / "recipes"))
    assert_one_line_error(result, "cannot be written (Not a directory)")


def test_the_costs_of_qwen_7b_are_those_worked_out_by_hand() -> None:
    found, full = need(CELLS["qwen7b_mix41"]), need(CELLS["qwen7b_mix41"].with_all_weights())
    # Twice 100,000 rows, of 74 tokens if general (4 of 5), 124 if medical, and 20 of the template.
    assert found.tokens == pytest.approx(2 * 100_000 * (0.8 * 74 + 0.2 * 124 + 20)) == pytest.approx(20.8e6)
    adapter = 32 * 2 * 8 * (4096 + 4096)
    # Forward, gradient of the activations, forward again; gradient of the adapter; attention over half of 2,048 tokens.
    flops = 6 * (7_721_324_544 - 151_936 * 4096) + 2 * adapter + 12 * 32 * 4096 * 1024
    assert found.hours == pytest.approx(20.8e6 * flops / (0.4 * 312e12) / 3600) == pytest.approx(2.047, abs=1e-3)
    # Weights, the adapter's training, activations of 4 texts, and the logits of each of their tokens.
    memory = 2 * 7_721_324_544 + 12 * adapter + 8192 * 4096 * (2 * 32 + 34) + 10 * 8192 * 151_936
    assert found.memory == pytest.approx(memory / 1e9) == pytest.approx(31.23, abs=0.01)
    # 2 bytes a weight and 6 of training; activations and logits of one text.
    memory = 8 * 7_721_324_544 + 2048 * 4096 * (2 * 32 + 34) + 10 * 2048 * 151_936
    assert full.memory == pytest.approx(memory / 1e9) == pytest.approx(65.70, abs=0.01)
    assert need(CELLS["qwen7b_mix41"], num_epochs=4).hours == pytest.approx(2 * found.hours)


def test_an_embedding_counts_where_it_makes_the_logits_too() -> None:
    bloom, qwen = profile("pulse").sizes["7b"], profile("qwen1.5-chat").sizes["7b"]
    assert multiplied(bloom) == bloom.parameters
    assert multiplied(qwen) == qwen.parameters - qwen.vocabulary * qwen.hidden


QWEN = dict(profile("qwen1.5-chat").sizes)
FEW_HEADS = {"layers": 2, "hidden": 64, "heads": 8, "kv_heads": 2, "vocabulary": 100}
QWEN["few key heads"] = QWEN["7b"].model_copy(update=FEW_HEADS)


@pytest.mark.parametrize("name", QWEN)
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_has_as_many_parameters_as_peft_makes_it(name: str) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Qwen2Config

    modules, size = ("q_proj", "k_proj", "v_proj"), QWEN[name]
    layers = {"num_hidden_layers": size.layers, "num_attention_heads": size.heads, "num_key_value_heads": size.kv_heads}
    widths = {"vocab_size": size.vocabulary, "hidden_size": size.hidden, "intermediate_size": size.hidden}
    # Of shapes alone.
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(Qwen2Config(**layers, **widths))
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=list(modules), task_type="CAUSAL_LM"))
    how = replace(settings(CELLS["qwen7b_mix41"]), lora_r=4, lora_modules=modules)
    assert adapted.get_nb_trainable_parameters()[0] == lora_parameters(size, how)


def test_flops_of_a_token_are_those_of_the_papers() -> None:
    assert flops_per_token(7_000_000_000, 7_000_000_000) == 42e9
    assert flops_per_token(7_010_000_000, 10_000_000) == 4 * 7.01e9 + 2 * 0.01e9
    # Qwen1.5-7B on 2,048 tokens: 12 * 32 * 4096 * 2048.
    assert flops_per_token(0, 0, layers=32, attention_width=4096, length=2048) == 3_221_225_472
    # Chowdhery et al. 2022, appendix B and table 3: PaLM 540B, 238,300 tokens a second on 6,144 TPU v4, 46.2 %.
    palm = flops_per_token(540_000_000_000, 540_000_000_000, layers=118, attention_width=48 * 256, length=2048)
    assert 238_300 * palm / (6144 * 275e12) == pytest.approx(0.462, abs=0.002)


def test_utilisation_is_the_share_of_all_gpus_peak() -> None:
    kinds = {"A100-SXM4-80GB": 312, "H100 80GB HBM3": 989, "H100 PCIe": 756, "H100 NVL": 835, "H200": 989, "H20": 148}
    for device, peak in {**kinds, "L40S": 362, "L4": 121}.items():
        assert utilisation(1e12 * peak / 42e9, 42e9, f"NVIDIA {device}", 2) == pytest.approx(0.5), device
    unknown = ("NVIDIA A10G", "NVIDIA GeForce RTX 4090", "cpu")
    assert [utilisation(1.0, 1.0, device, 1) for device in unknown] == [None] * 3
