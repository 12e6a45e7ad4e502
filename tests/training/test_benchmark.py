"""What the training benchmark compares is the same: its rows, its mix, its model, and the settings of its recipes."""

import json
from pathlib import Path

import pytest

from benchmarks.plain_training import tokenised
from benchmarks.random_model import lay_model, shape
from benchmarks.training import (
    PACKED,
    PLAIN,
    RECIPE,
    Figures,
    card_memory,
    cell_of,
    check_same,
    lay_mix,
    print_figures,
    recipe,
)
from openbook_eval.models.profiles import profile
from openbook_eval.training.mixes import training_mix
from openbook_eval.training.utilisation import utilisation

_H100 = "NVIDIA H100 80GB HBM3"


def _figures(
    tokens: int, seconds: float, losses: tuple[float, float] = (8.0, 7.0), mfu: float | None = None
) -> Figures:
    return Figures(tokens, seconds, whole=2 * seconds, memory=1e9, losses=losses, mfu=mfu)


def test_the_answer_and_its_end_are_learnt_and_nothing_else(examinee: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(examinee)
    messages = [{"role": "user", "content": "厚朴的性味如何？"}, {"role": "assistant", "content": "苦、辛，温。"}]
    row = tokenised(tokenizer, messages)
    assert tokenizer.decode(row["input_ids"]) == (
        "<|im_start|>user\n厚朴的性味如何？<|im_end|>\n<|im_start|>assistant\n苦、辛，温。<|im_end|>\n"
    )
    learnt = [token for token in row["labels"] if token != -100]
    assert tokenizer.decode(learnt) == "苦、辛，温。<|im_end|>"
    assert row["labels"][-1] == -100


def test_rows_are_repeated_and_the_plugin_takes_the_mix(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"row": 1}\n{"row": 2}')
    lay_mix(tmp_path, 5, tmp_path / "mixes" / "bench")
    lines = (tmp_path / "mixes" / "bench" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [1, 2, 1, 2, 1]
    assert training_mix(tmp_path / "mixes" / "bench").rows == 5


@pytest.mark.parametrize("size", ["1.8b", "4b", "7b", "14b"])
def test_a_model_of_a_shape_has_the_parameters_of_the_one_it_is_named_for(size: str) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(**(shape(f"qwen1.5-{size}") or {})))
    assert sum(each.numel() for each in model.parameters()) == profile("qwen1.5-chat").sizes[size].parameters


def test_a_small_model_has_five_million_weights_and_the_words_of_the_examinee(tmp_path: Path, examinee: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lay_model("small", None, tmp_path / "models" / "small")
    made, known = (AutoTokenizer.from_pretrained(each) for each in (tmp_path / "models" / "small", examinee))
    assert made.get_vocab() == known.get_vocab()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "models" / "small")
    assert sum(each.numel() for each in model.parameters()) == 5_281_024


def test_a_folder_is_trained_as_it_is(tmp_path: Path, examinee: Path) -> None:
    lay_model(str(examinee), None, tmp_path / "models" / "bench")
    assert (tmp_path / "models" / "bench").resolve() == examinee.resolve()


def test_a_name_that_means_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"qwen1\.5-9b: no folder, and no shape"):
        lay_model("qwen1.5-9b", None, tmp_path / "models" / "bench")


@pytest.mark.parametrize("name", ["qwen1.5-9b", "qwen1.5-", "7b", "models/mine"])
def test_other_names_are_no_shapes(name: str) -> None:
    assert shape(name) is None


@pytest.mark.parametrize(
    ("model", "on_card", "cell"),
    [
        ("examinee", True, "tiny_lora"),
        ("small", True, "tiny_lora"),
        ("qwen1.5-7b", True, "qwen7b_mix41"),
        ("qwen1.5-1.8b", True, "qwen1b8_mix41"),
        ("models/mine", True, "qwen7b_mix41"),
        ("qwen1.5-7b", False, "tiny_lora"),
    ],
)
def test_a_model_is_trained_with_the_settings_of_its_recipe(model: str, on_card: bool, cell: str) -> None:
    assert cell_of(model, on_card=on_card).name == cell


def test_the_three_ways_differ_in_packing_and_output_only() -> None:
    cell = cell_of("examinee", on_card=False)
    plain, unpacked, packed = (recipe(cell, way, "checkpoints/one", None) for way in (PLAIN, RECIPE, PACKED))
    assert plain == unpacked
    assert packed == {**plain, "sample_packing": True}
    assert packed != plain


def test_a_batch_of_another_size_leaves_the_packed_one_as_the_recipe_has_it() -> None:
    cell = cell_of("qwen1.5-7b", on_card=True)
    sizes = [recipe(cell, way, "checkpoints/one", 32)["micro_batch_size"] for way in (PLAIN, RECIPE, PACKED)]
    assert sizes == [32, 32, 4]


def test_the_memory_of_a_card_is_the_most_that_was_logged() -> None:
    logged = "{'loss': '8.3', 'memory/max_allocated (GiB)': '1.5'}\n{'memory/max_allocated (GiB)': '0.25'}"
    assert card_memory(logged) == 1.5 * 2**30
    assert card_memory("{'loss': '8.3'}") is None


@pytest.mark.parametrize("other", [_figures(999, 10), _figures(1000, 10, losses=(8.0011, 7.0))])
def test_trainings_of_other_tokens_or_another_first_loss_are_not_compared(other: Figures) -> None:
    with pytest.raises(SystemExit, match=r"did not train the same: 1,000 tokens, first loss 8\.00000, and"):
        check_same(_figures(1000, 10), other)


def test_trainings_of_the_same_are_compared_whatever_comes_last() -> None:
    check_same(_figures(1000, 10), _figures(1000, 20, losses=(8.0009, 1.0)))


def test_ratios_are_of_one_round_and_the_share_of_peak_goes_with_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    mfu = utilisation(1000, 4 * 7e9, _H100, 1)
    print_figures(
        [
            {PLAIN: _figures(1000, 1), RECIPE: _figures(1000, 1, mfu=mfu), PACKED: _figures(900, 0.3)},
            {PLAIN: _figures(1000, 2), RECIPE: _figures(1000, 1, mfu=mfu), PACKED: _figures(900, 0.3)},
            {PLAIN: _figures(1000, 4), RECIPE: _figures(1000, 5, mfu=mfu), PACKED: _figures(900, 0.9)},
        ]
    )
    plain, unpacked, packed = capsys.readouterr().out.splitlines()[1:]
    assert plain.split()[2:6] == ["500", "1,000", "1.00", "(1.00-1.00)"]
    assert unpacked.split()[1:5] == ["1,000", "1,000", "1.00", "(0.80-2.00)"]
    assert packed.split()[2:7] == ["3,000", "3,000", "4.00", "(3.00-6.00)", "900"]
    assert unpacked.endswith("2.8% of peak")
