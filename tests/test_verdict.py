"""Marks: the exact set is right, partial credit stands apart."""

import pytest

from openbook_eval.choice import Choice, match_choice
from openbook_eval.verdict import Verdict, mark, partial_credit
from tests.conftest import question


def chose(letters: str) -> Choice:
    return Choice(letters, "stated" if letters else "none", "letters_only" if letters else "undecided")


@pytest.mark.parametrize(("letters", "correct"), [("A", True), ("B", False), ("AB", False)])
def test_single_choice_is_right_or_wrong(letters: str, correct: bool) -> None:
    assert mark(chose(letters), question()) == Verdict(
        correct=correct, correct_strict=correct, format_followed=True, answered=True, partial_credit=None
    )


def test_no_commitment_is_counted_as_such() -> None:
    assert mark(chose(""), question()) == Verdict(
        correct=False, correct_strict=False, format_followed=False, answered=False, partial_credit=None
    )


def test_a_right_answer_in_another_form_is_right_but_not_strictly() -> None:
    verdict = mark(match_choice("答案：A。", question().options), question())
    assert (verdict.correct, verdict.correct_strict, verdict.format_followed) == (True, False, False)


def test_a_wrong_answer_in_the_demanded_form_follows_the_format() -> None:
    verdict = mark(match_choice("B", question().options), question())
    assert (verdict.correct, verdict.correct_strict, verdict.format_followed) == (False, False, True)


@pytest.mark.parametrize(("letters", "correct", "credit"), [("AC", True, 1.0), ("A", False, 0.5), ("AB", False, 0.0)])
def test_multiple_choice_also_has_partial_credit(letters: str, correct: bool, credit: float) -> None:
    verdict = mark(chose(letters), question(qtype="multi", answer="AC"))
    assert (verdict.correct, verdict.partial_credit) == (correct, credit)


@pytest.mark.parametrize(
    ("chosen", "credit"), [("", 0.0), ("A", 1 / 3), ("AB", 2 / 3), ("ABC", 1.0), ("ABCD", 0.0), ("D", 0.0)]
)
def test_a_wrong_letter_voids_partial_credit(chosen: str, credit: float) -> None:
    assert partial_credit(set(chosen), set("ABC")) == credit
