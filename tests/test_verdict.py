"""Marks: the exact set is right, partial credit stands apart."""

import pytest

from openbook_eval.choice import Choice, match_choice
from openbook_eval.verdict import ReadingVerdict, Verdict, mark, mark_reading, partial_credit
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


def read(response: str, answer: str, *, contrary: bool = False, multi: bool = False) -> ReadingVerdict:
    asked = question(qtype="multi", answer="AC") if multi else question()
    return mark_reading(match_choice(response, asked.options, asked.qtype), asked, answer, contrary=contrary)


def test_where_the_material_tells_abstention_is_wrong_and_counted() -> None:
    verdict = read("材料未提及", "A")
    assert (verdict.correct, verdict.abstained, verdict.answered, verdict.format_followed) == (False, True, False, True)


@pytest.mark.parametrize(
    ("response", "correct", "strict"),
    [("材料未提及", True, True), ("材料中没有提到。", True, False), ("A", False, False), ("不知道", False, False)],
)
def test_where_it_does_not_tell_abstention_is_right(response: str, correct: bool, strict: bool) -> None:
    verdict = read(response, "")
    assert (verdict.correct, verdict.correct_strict) == (correct, strict)
    assert verdict.partial_credit is None


@pytest.mark.parametrize(
    ("response", "followed"),
    [
        ("B", (True, False, False)),
        ("A", (False, True, False)),
        ("C", (False, False, True)),
        ("材料未提及", (False, False, True)),
    ],
)
def test_of_a_contrary_book_it_is_told_whom_the_answer_followed(
    response: str, followed: tuple[bool, bool, bool]
) -> None:
    verdict = read(response, "B", contrary=True)
    assert (verdict.followed_book, verdict.followed_memory, verdict.followed_neither) == followed
    assert verdict.correct == followed[0]


def test_elsewhere_nobody_is_followed() -> None:
    verdict = read("A", "A")
    assert (verdict.followed_book, verdict.followed_memory, verdict.followed_neither) == (None, None, None)


def test_partial_credit_is_against_the_books_letters() -> None:
    assert read("A", "AB", contrary=True, multi=True).partial_credit == 0.5
    assert read("AC", "AB", contrary=True, multi=True).partial_credit == 0.0
