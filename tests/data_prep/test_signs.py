"""What is asked of every character is asked of all rows at once."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.signs import END, Kind, Signs, joined

TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("，。.7 \n@Q\ufffd\uffff微é"), max_size=12)
ROWS = st.lists(st.tuples(TEXT, TEXT), max_size=8)
CLASSES = {
    Kind.PAUSE: "、，。：",
    Kind.STOP: ".,",
    Kind.DIGIT: "0123456789",
    Kind.BLANK: " ",
    Kind.LINE_END: "\n",
    Kind.ACCOUNT: "@QqVvWw微薇威扣",
}


def frame(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"question": pl.String, "answer": pl.String}, orient="row")


@given(ROWS)
def test_a_row_counts_the_characters_of_its_question_and_its_answer(rows: list[tuple[str, str]]) -> None:
    signs = Signs.of(frame(rows))
    for kind, characters in CLASSES.items():
        counted = [sum(map((question + answer).count, characters)) for question, answer in rows]
        assert signs.count(kind).tolist() == counted
        assert signs.with_any(kind).tolist() == [count > 0 for count in counted]


@pytest.mark.parametrize("sign", ["\ufffd", "\ufffc", "\uffff", "\ue000", "\U000f0000", "\U0010ffff", "\x00", "\x7f"])
def test_lost_private_and_control_characters_are_strange(sign: str) -> None:
    assert Signs.of(frame([("好", f"头痛{sign}"), ("好", "头痛")])).count(Kind.STRANGE).tolist() == [1, 0]


@pytest.mark.parametrize("sign", ["锛", "锟", "烫", "屯", "Ã", "ÿ", "°"])
def test_what_damage_always_leaves_is_strange(sign: str) -> None:
    assert Signs.of(frame([(sign, "")])).count(Kind.STRANGE).tolist() == [1]


@pytest.mark.parametrize("sign", ["中", "a", "\t", "\r", "…", "“", "Ｑ", "\U00020000"])
def test_what_people_write_is_not(sign: str) -> None:
    assert Signs.of(frame([(sign, sign)])).count(Kind.STRANGE).tolist() == [0]


@given(ROWS, st.data())
def test_only_the_rows_that_are_kept_stay_each_with_its_two_ends(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    codes = Signs.of(frame(rows)).only(np.array(kept, dtype=np.bool_))
    some = [row for row, stays in zip(rows, kept, strict=True) if stays]
    assert codes.tolist() == Signs.of(frame(some)).codes.tolist()


def test_a_missing_text_is_an_empty_one() -> None:
    missing = pl.DataFrame({"question": [None, "头"], "answer": ["痛", None]}, schema_overrides={"question": pl.String})
    assert Signs.of(missing).ends.tolist() == [0, 2, 4, 5]


@given(st.lists(TEXT, max_size=6))
def test_as_many_ends_as_texts_whatever_they_hold(texts: list[str]) -> None:
    whole = joined(texts)
    assert whole.count(chr(END)) == len(texts)
    assert whole == "".join(text.replace(chr(END), "\ufffe") + chr(END) for text in texts)
