"""Rows that hold too little or too much are dropped."""

import pytest

from data_prep.tokens import estimate
from tests.data_prep.cleaning.judged import ANSWER, QUESTION, applies, rows


@pytest.mark.parametrize("text", ["", " \t\r\n", "\u3000", "\u200b\ufeff", "nan", " NaN\n", "null", "NULL"])
def test_what_cannot_be_seen_or_says_that_it_is_missing_is_empty(text: str) -> None:
    assert applies("empty", QUESTION, text)
    assert applies("empty", text, ANSWER)


@pytest.mark.parametrize("text", ["无", "？", "A", "0", "nano", "null 是空值", "None", "❤️"])
def test_what_says_something_is_not_empty(text: str) -> None:
    assert not applies("empty", text, text)


def test_characters_are_counted_without_the_blanks_around_them() -> None:
    assert applies("too_short", "  头痛  ", ANSWER, min_question=3)
    assert not applies("too_short", "  头痛吗  ", ANSWER, min_question=3)
    assert applies("too_short", QUESTION, "是\n\n", min_answer=2)
    assert not applies("too_short", QUESTION, "是的\n", min_answer=2)


def test_question_and_answer_have_bounds_of_their_own() -> None:
    assert not applies("too_short", "头痛", "休息三天", min_question=2, min_answer=4)
    assert applies("too_short", "休息三天", "头痛", min_question=2, min_answer=4)


def test_a_row_may_have_as_many_estimated_tokens_as_it_may() -> None:
    tokens = estimate(rows((QUESTION, ANSWER))).item()
    assert not applies("too_long", max_tokens=tokens)
    assert applies("too_long", max_tokens=tokens - 1)


def test_a_row_of_line_ends_is_found_though_it_has_few_characters() -> None:
    assert applies("too_long", "\n" * 10, "\n" * 10, max_tokens=43)
    assert not applies("too_long", "\n" * 10, "\n" * 10, max_tokens=44)
