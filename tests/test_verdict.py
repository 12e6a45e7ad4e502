"""Marks: the exact set is right, partial credit stands apart."""

import pytest

from openbook_eval.choice import Choice
from openbook_eval.verdict import Verdict, mark, partial_credit
from tests.conftest import question


def chose(letters: str) -> Choice:
    return Choice(letters, "stated" if letters else "none", "only_letters")


@pytest.mark.parametrize(
    ("letters", "verdict"),
    [
        ("A", Verdict(correct=True, answered=True, partial_credit=None)),
        ("B", Verdict(correct=False, answered=True, partial_credit=None)),
        ("AB", Verdict(correct=False, answered=True, partial_credit=None)),
        ("", Verdict(correct=False, answered=False, partial_credit=None)),
    ],
)
def test_single_choice_is_right_or_wrong(letters: str, verdict: Verdict) -> None:
    assert mark(chose(letters), question()) == verdict


@pytest.mark.parametrize(("letters", "correct", "credit"), [("AC", True, 1.0), ("A", False, 0.5), ("AB", False, 0.0)])
def test_multiple_choice_also_has_partial_credit(letters: str, correct: bool, credit: float) -> None:
    multi = question(qtype="multi", answer="AC")
    assert mark(chose(letters), multi) == Verdict(correct=correct, answered=True, partial_credit=credit)


@pytest.mark.parametrize(
    ("chosen", "credit"), [("", 0.0), ("A", 1 / 3), ("AB", 2 / 3), ("ABC", 1.0), ("ABCD", 0.0), ("D", 0.0)]
)
def test_a_wrong_letter_voids_partial_credit(chosen: str, credit: float) -> None:
    assert partial_credit(set(chosen), set("ABC")) == credit
