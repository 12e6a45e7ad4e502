"""Texts as code points agree with the rule of data_prep.duplicates, whatever they hold."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from data_prep.duplicates.plain import PlainRows, plain, plain_texts
from data_prep.signs import END

# Letters that compose, or look at the next: marks, jamo, half-width katakana with its sound mark, sigmas.
HARD = st.sampled_from(["e\u0301", "\u1112\u1161\u11ab", "ﾊﾟ", "ΟΔΟΣ", "Σ", "ﬁ", "㍿", "İ", "\u0344"])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters=chr(END)), max_size=9)
TEXTS = st.lists(st.lists(TEXT | HARD, max_size=3).map("".join), max_size=8)


def texts(found: pl.Series | list[str]) -> list[str]:
    codes = plain(found)
    return [codes.text(place) for place in range(len(codes.ends))]


def test_letters_of_all_widths_become_one_and_signs_go() -> None:
    assert texts(pl.Series(["Ａ型（１）、　Ⅱ 度…㎎", ""])) == ["a型1ii度mg", ""]


def test_a_text_with_the_end_sign_stays_one_text() -> None:
    assert texts(pl.Series([f"甲{chr(END)}乙", "丙"])) == ["甲乙", "丙"]


def test_the_series_itself_is_left_as_it_is() -> None:
    series = pl.Series(["Ⅱ度", "甲"])
    plain(series)
    assert series.to_list() == ["Ⅱ度", "甲"]


def test_no_texts_are_no_codes() -> None:
    assert texts(pl.Series([], dtype=pl.String)) == []


@given(TEXTS)
@example(["é", "e\u0301", "\u1100\u1161", "ΟΔΟΣ", "İ"])
def test_the_form_is_that_of_normalised(found: list[str]) -> None:
    series = pl.Series(found, dtype=pl.String)
    assert texts(series) == texts(found) == plain_texts(series).to_list()


def test_the_form_of_every_character_is_that_of_normalised() -> None:
    found = pl.Series([chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code != END])
    assert texts(found) == plain_texts(found).to_list()


@given(TEXTS)
def test_the_length_of_a_form_is_its_number_of_characters(found: list[str]) -> None:
    assert plain(found).lengths().tolist() == [len(text) for text in texts(found)]


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=1, max_size=8), st.data())
def test_rows_joined_are_question_and_answer_one_after_the_other(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(rows) - 1))
    stop = data.draw(st.integers(start + 1, len(rows)))
    frame = pl.DataFrame({"question": [q for q, _ in rows], "answer": [a for _, a in rows]})
    joined = PlainRows.of_frame(frame).joined(start, stop)
    assert [joined.text(place) for place in range(stop - start)] == [
        plain([q]).text(0) + plain([a]).text(0) for q, a in rows[start:stop]
    ]
