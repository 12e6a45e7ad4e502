"""The table of the recipes holds the cells of the paper's tables, and names mixes that data-prep builds."""

from pathlib import Path

import pytest

from data_prep.spec import read_spec
from openbook_eval.training.cells import Cell, cells

SPECS = Path(__file__).parents[2] / "data_prep" / "specs"
CELLS = {cell.name: cell for cell in cells()}
RATIOS = ("mix91", "mix41", "mix11", "mix14", "mix19")
QWEN = {"1b8": "Qwen/Qwen1.5-1.8B", "4b": "Qwen/Qwen1.5-4B", "7b": "Qwen/Qwen1.5-7B", "14b": "Qwen/Qwen1.5-14B"}
MEDICAL = {
    "pulse": "OpenMEDLab/PULSE-7bv5",
    "disc": "Flmc/DISC-MedLLM",
    "wingpt2": "winninghealth/WiNGPT2-7B-Chat",
    "ivygpt": "wangrongsheng/Baichuan2-13B-Chat-sft-multi-mix",
    "huatuo": "FreedomIntelligence/HuatuoGPT-7B",
    "huatuo2": "FreedomIntelligence/HuatuoGPT2-7B",
}


def of_table(number: int | None) -> dict[str, tuple[str, str]]:
    """Model and mix of a table's recipes."""
    return {name: (cell.base_model, cell.mix.name) for name, cell in CELLS.items() if cell.table == number}


def test_every_recipe_has_a_name_of_its_own() -> None:
    assert len(CELLS) == len(cells()) == 36


def test_table_3_trains_the_medical_models_on_general_data() -> None:
    assert of_table(3) == {f"{name}_general": (model, "general") for name, model in MEDICAL.items()}


def test_table_4_trains_four_sizes_of_the_base_model_on_five_ratios() -> None:
    expected = {f"qwen{size}_{mix}": (model, mix) for size, model in QWEN.items() for mix in RATIOS}
    assert of_table(4) == expected
    assert len(expected) == 20


def test_table_5_trains_the_base_model_of_7b_on_eight_sizes_of_medical_data() -> None:
    sizes = ("10k", "20k", "50k", "70k", "80k", "90k", "100k", "200k")
    assert of_table(5) == {f"qwen7b_med{size}": (QWEN["7b"], f"med{size}") for size in sizes}


def test_the_examinee_is_trained_by_an_adapter_and_whole() -> None:
    examinee = ("models/tiny", "tiny")
    assert of_table(None) == {"tiny_lora": examinee, "tiny_full": examinee}
    assert [name for name, cell in CELLS.items() if cell.method == "full"] == ["tiny_full"]


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_mix_has_the_rows_and_the_medical_share_of_its_spec(cell: Cell) -> None:
    declared = read_spec(SPECS / f"{cell.mix.spec}.yml").mixes[cell.mix.name]
    weights = declared.weights()
    assert (declared.over, declared.size) == ("rows", cell.mix.rows)
    assert float(1 - weights.get("general", 0)) == cell.mix.medical
    assert weights.get("tcm") == weights.get("western")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("qwen1b8_mix19", "Qwen1.5-1.8B"),
        ("pulse_general", "PULSE 7B"),
        ("ivygpt_general", "IvyGPT 13B"),
        ("tiny_lora", "the tiny model"),
    ],
)
def test_a_model_is_called_what_people_call_it(name: str, title: str) -> None:
    assert CELLS[name].title == title


def test_with_all_weights_the_name_says_so_and_what_was_so_stays_as_it_is() -> None:
    full = CELLS["qwen7b_mix41"].with_all_weights()
    assert (full.name, full.method, full.mix) == ("qwen7b_mix41_full", "full", CELLS["qwen7b_mix41"].mix)
    assert full.with_all_weights() is full
    assert CELLS["tiny_full"].with_all_weights() is CELLS["tiny_full"]
