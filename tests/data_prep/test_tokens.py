"""Tokens are estimated from characters, or counted by a tokenizer; texts are compared in one normal form."""

import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opencc import OpenCC

from data_prep.clean import estimate
from data_prep.dedup import plain
from data_prep.mix import counter
from openbook_eval.errors import OpenbookError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
# Letters that compose, or look at the next: marks, jamo, half-width katakana with its sound mark, sigmas.
HARD = st.sampled_from(["e\u0301", "\u1112\u1161\u11ab", "ﾊﾟ", "ΟΔΟΣ", "Σ", "ﬁ", "㍿", "İ", "\u0344"])


def estimated(question: str, answer: str = "") -> int:
    return int(pl.DataFrame({"question": [question], "answer": [answer]}).select(estimate()).item())


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
        ("", 0), ("头" * 1000, 537), ("a" * 1000, 119), ("，" * 100, 171), ("," * 100, 202), ("7" * 100, 128),
        (" " * 100, 36), ("\n" * 100, 219), ("头", 1),
    ],
)  # fmt: skip
def test_each_class_of_characters_has_its_weight(text: str, expected: int) -> None:
    assert estimated(text) == expected


@given(TEXTS, TEXTS)
def test_more_text_never_means_fewer_tokens(text: str, more: str) -> None:
    assert estimated(text + more) >= estimated(text)


def test_the_estimate_is_near_to_what_qwen_counts_on_real_rows(real_exams: Path) -> None:
    pytest.importorskip("transformers")
    data = real_exams.parent
    items = orjson.loads((data / "general" / "alpaca_zh_demo.json").read_bytes())
    texts = [(item["instruction"], item["output"]) for item in items if item["output"]]
    count = counter(str(data / "tokenizer" / "qwen2"))
    counted = [sum(pair) for pair in zip(count([q for q, _ in texts]), count([a for _, a in texts]), strict=True)]
    frame = pl.DataFrame(texts, schema=["question", "answer"], orient="row").with_columns(counted=pl.Series(counted))
    error = (frame.select(estimate()).to_series() / frame["counted"] - 1).abs()
    assert (error < 0.12).sum() > 500
    assert (error < 0.30).sum() > 950


def test_a_tokenizer_counts_each_text_in_order_and_adds_nothing(own_tokenizer: Path) -> None:
    count = counter(str(own_tokenizer))
    assert count(["头痛", "头痛 休息 头痛", "", "发热 头痛"]) == [1, 3, 0, 2]
    assert count([]) == []
    sizes = [number % 7 for number in range(2500)]
    assert count([" ".join(["头痛"] * size) for size in sizes]) == sizes


def test_a_folder_without_a_tokenizer_is_an_error_of_one_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(OpenbookError, match=r"no tokenizer can be loaded \(.*\); name its folder") as caught:
        counter(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "\n" not in str(caught.value)


def test_without_transformers_the_error_says_what_to_do() -> None:
    script = (
        "import sys; sys.modules['transformers'] = None\n"
        "from data_prep.clean import estimate\nfrom data_prep.mix import counter\n"
        "try: counter('x')\nexcept Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("counting tokens needs transformers (")
    assert done.stdout.endswith("; install it, or leave `tokenizer` out for an estimate\n")


HAN = [chr(point) for point in range(0x4E00, 0xA000)]
SIMPLIFIED = dict(zip(HAN, OpenCC("t2s").convert("\n".join(HAN)).split("\n"), strict=True))
IN_FULL = pl.col("text").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s\p{Z}\p{P}\p{S}\p{C}]+", "")
IN_FULL = IN_FULL.str.split("").list.eval(pl.element().replace(SIMPLIFIED)).list.join("")


def plainly(*texts: str, by: pl.Expr = plain(pl.col("text"))) -> list[str]:  # noqa: B008
    return pl.DataFrame({"text": texts}, {"text": pl.String}).select(by)["text"].to_list()


def test_in_the_normal_form_letters_of_all_widths_are_one_and_signs_are_gone() -> None:
    assert plainly("Ａ型（１）、　Ⅱ 度…㎎", "", "Abc，中文。") == ["a型1ii度mg", "", "abc中文"]


def test_the_short_way_to_the_normal_form_is_the_same_for_every_character() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert plainly(*every) == plainly(*every, by=IN_FULL)


@given(st.lists(st.lists(TEXTS | HARD, max_size=3).map("".join), max_size=8))
@example(["é", "e\u0301", "\u1100\u1161", "ΟΔΟΣ", "İ"])
def test_the_short_way_to_the_normal_form_is_the_same_for_every_text(texts: list[str]) -> None:
    assert plainly(*texts) == plainly(*texts, by=IN_FULL)
