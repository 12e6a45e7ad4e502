"""A close look sees the suspects alone, and its verdicts come back to their rows."""

from collections.abc import Iterable

import polars as pl

from data_prep.cleaning.suspects import QUESTION, close_look, either, matches, one_by_one
from tests.data_prep.cleaning.judged import rows

FRAME = rows(("a", "b"), ("ab", "c"), ("c", "ab"), ("b", "b"))


def test_only_suspects_are_looked_at_and_verdicts_come_back_to_their_rows() -> None:
    seen: list[tuple[str, str]] = []

    def look(suspects: pl.DataFrame) -> Iterable[bool]:
        seen.extend(suspects.rows())
        return [question == "ab" for question, _ in suspects.iter_rows()]

    found = FRAME.select(close_look(QUESTION.str.contains("a"), look)).to_series()
    assert seen == [("a", "b"), ("ab", "c")]
    assert found.to_list() == [False, True, False, False]


def test_without_suspects_there_is_no_look() -> None:
    def look(_suspects: pl.DataFrame) -> Iterable[bool]:
        raise AssertionError

    assert FRAME.select(close_look(QUESTION == "x", look)).to_series().to_list() == [False] * 4


def test_a_row_is_found_by_its_question_or_its_answer() -> None:
    assert FRAME.select(matches("ab")).to_series().to_list() == [False, True, True, False]
    assert FRAME.select(either(lambda text: text == "c")).to_series().to_list() == [False, True, True, False]
    assert list(one_by_one(lambda text: text == "c")(FRAME)) == [False, True, True, False]
