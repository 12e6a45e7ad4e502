"""One form for texts, stable keys, the first of each."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.duplicates import first_of_each, keys, normalised


def form(text: str) -> str:
    return str(pl.DataFrame({"t": [text]}).select(normalised(pl.col("t"))).item())


def frame(*rows: tuple[str, str]) -> pl.DataFrame:
    columns = {"question": [q for q, _ in rows], "answer": [a for _, a in rows]}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String()))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("高血压 怎么办？", "高血压怎么办"),
        ("Ｖｉｔ．Ｃ（100ｍｇ）", "vitc100mg"),
        ("a\u200bb\u3000c\n", "abc"),
        ("①②", "12"),
        ("……！？+-=<>", ""),
    ],
)
def test_width_case_signs_and_white_space_make_no_difference(text: str, plain: str) -> None:
    assert form(text) == plain


@given(st.text())
def test_normalising_twice_changes_nothing_that_matters(text: str) -> None:
    once = form(text.encode("utf-8", "ignore").decode())
    assert form(once) == form(form(once))


def test_keys_are_pinned_for_every_platform() -> None:
    assert keys(frame(("高血压怎么办？", "低盐饮食。"))).tolist() == [400389007963087136]


def test_equal_rows_have_equal_keys_and_others_not() -> None:
    found = keys(frame(("问 题？", "答案"), ("问题", "答案。"), ("问题答", "案"), ("问题", "别的答案")))
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3


def test_rows_of_signs_alone_are_told_apart_by_their_raw_text() -> None:
    found = keys(frame(("？", "！"), ("?", "!"), ("？", "！")))
    assert found[0] == found[2] != found[1]


def test_no_rows_have_no_keys() -> None:
    assert keys(frame()).dtype == np.uint64


def test_of_equal_keys_the_lowest_rank_stays() -> None:
    marks = first_of_each(np.array([5, 7, 5, 5], dtype=np.uint64), np.array([3, 9, 1, 2], dtype=np.uint64))
    assert marks.tolist() == [False, True, True, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), max_size=40))
def test_each_key_stays_once_with_its_lowest_rank(rows: list[tuple[int, int]]) -> None:
    marks = first_of_each(*(np.array([row[n] for row in rows], dtype=np.uint64) for n in (0, 1)))
    stayed = {key: rank for (key, rank), mark in zip(rows, marks, strict=True) if mark}
    assert len(stayed) == marks.sum() == len({key for key, _ in rows})
    assert all(rank == min(r for k, r in rows if k == key) for key, rank in stayed.items())


def test_a_key_does_not_hang_on_the_rows_beside_it() -> None:
    plain_row, beyond = ("问题", "答案"), ("𠮷野家", "𪚥")
    together = keys(frame(plain_row, beyond)).tolist()
    assert together == [*keys(frame(plain_row)).tolist(), *keys(frame(beyond)).tolist()]


def test_what_is_question_and_what_is_answer_makes_a_difference() -> None:
    found = keys(frame(("问题答", "案"), ("问题", "答案"), ("", "问题答案"), ("问题答案", "")))
    assert len(set(found.tolist())) == 4
