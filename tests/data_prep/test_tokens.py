"""Tokens are estimated from characters, or counted by a tokenizer that is loaded when it is wanted."""

import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.tokens import at_most, counter, estimate
from openbook_eval.errors import OpenbookError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def estimated(question: str, answer: str = "") -> int:
    return int(estimate(pl.DataFrame({"question": [question], "answer": [answer]})).item())


@pytest.fixture
def own_tokenizer(tmp_path: Path) -> Path:
    """A tokenizer that knows the two words 头痛 and 休息, splits at blanks, and would begin every text with [BOS]."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"头痛": 0, "休息": 1, "[UNK]": 2, "[BOS]": 3}, unk_token="[UNK]"))  # noqa: S106
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", 3)])
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "words")
    return tmp_path / "words"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("头" * 1000, 537),
        ("a" * 1000, 119),
        ("，" * 100, 171),
        ("," * 100, 202),
        ("7" * 100, 128),
        (" " * 100, 36),
        ("\n" * 100, 219),
        ("头", 1),
    ],
)
def test_each_class_of_characters_has_its_weight(text: str, expected: int) -> None:
    assert estimated(text) == expected


def test_question_and_answer_are_added_before_rounding_up() -> None:
    assert estimated("头", "头") == 2
    assert estimated("a", "a") == 1


def test_an_estimate_is_a_column_of_uint32() -> None:
    frame = pl.DataFrame({"question": ["头痛？", ""], "answer": ["休息。", ""]})
    assert estimate(frame).dtype == pl.UInt32
    assert estimate(frame.clear()).len() == 0


@given(TEXTS, TEXTS)
def test_no_estimate_is_above_its_bound(question: str, answer: str) -> None:
    frame = pl.DataFrame({"question": [question], "answer": [answer]})
    assert estimate(frame).item() <= frame.select(at_most()).item()


@given(TEXTS, TEXTS)
def test_more_text_never_means_fewer_tokens(text: str, more: str) -> None:
    assert estimated(text + more) >= estimated(text)


def test_a_tokenizer_counts_each_text_and_adds_nothing(own_tokenizer: Path) -> None:
    count = counter(str(own_tokenizer))
    assert count(["头痛", "头痛 休息 头痛", "", "发热 头痛"]) == [1, 3, 0, 2]
    assert count([]) == []


def test_many_texts_are_counted_in_their_order(own_tokenizer: Path) -> None:
    texts = [" ".join(["头痛"] * (number % 7)) for number in range(2500)]
    assert counter(str(own_tokenizer))(texts) == [number % 7 for number in range(2500)]


def test_a_folder_without_a_tokenizer_is_told_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(OpenbookError, match=r"no tokenizer can be loaded \(.*\); name its folder") as caught:
        counter(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "\n" not in str(caught.value)


def test_without_transformers_it_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        OpenbookError, match=r"counting tokens needs transformers .*; install it, or leave `tokenizer` out"
    ):
        counter("anything")


def test_an_estimate_loads_no_tokenizer_library() -> None:
    script = "import sys, data_prep.cleaning, data_prep.tokens; print({'transformers', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_estimate_is_near_to_what_qwen_counts_on_real_rows(real_exams: Path) -> None:
    pytest.importorskip("transformers")
    data = real_exams.parent
    items = orjson.loads((data / "general" / "alpaca_zh_demo.json").read_bytes())
    texts = [(item["instruction"], item["output"]) for item in items if item["output"]]
    count = counter(str(data / "tokenizer" / "qwen2"))
    counted = [sum(pair) for pair in zip(count([q for q, _ in texts]), count([a for _, a in texts]), strict=True)]
    frame = pl.DataFrame(texts, schema=["question", "answer"], orient="row").with_columns(counted=pl.Series(counted))
    error = (estimate(frame).cast(pl.Float64) / frame["counted"] - 1).abs()
    assert (error < 0.12).sum() > 500
    assert (error < 0.30).sum() > 950
