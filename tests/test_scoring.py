"""Scores: the exact set is right, partial credit stands apart, missing numbers are None."""

import math

import pytest

from openbook_eval.matching import match_choice
from openbook_eval.scoring import METRICS, Scope, score
from openbook_eval.types import Choice, Score
from tests.conftest import question

WRITTEN = ("correct", "correct_strict", "format_followed", "answered", "partial_credit")


def chose(letters: str) -> Choice:
    return Choice(letters, "stated" if letters else "none", "letters_only" if letters else "undecided")


def values(score: Score, *names: str) -> list[float | None]:
    return [score[name] for name in names]


@pytest.mark.parametrize(
    ("letters", "scores"),
    [
        ("A", [1.0, 1.0, 1.0, 1.0, None]),
        ("B", [0.0, 0.0, 1.0, 1.0, None]),
        ("AB", [0.0, 0.0, 1.0, 1.0, None]),
        ("", [0.0, 0.0, 0.0, 0.0, None]),
    ],
)
def test_single_choice_is_right_or_wrong(letters: str, scores: list[float | None]) -> None:
    assert values(score(chose(letters), question()), *WRITTEN) == scores


@pytest.mark.parametrize(("response", "expected"), [("答案：A。", [1.0, 0.0, 0.0]), ("B", [0.0, 0.0, 1.0])])
def test_the_form_of_a_response_is_scored_apart_from_its_letters(response: str, expected: list[float]) -> None:
    found = score(match_choice(response, question().options), question())
    assert values(found, "correct", "correct_strict", "format_followed") == expected


@pytest.mark.parametrize(
    ("chosen", "credit"), [("", 0.0), ("A", 1 / 3), ("AB", 2 / 3), ("ABC", 1.0), ("ABCD", 0.0), ("D", 0.0)]
)
def test_multiple_choice_has_partial_credit_that_a_wrong_letter_voids(chosen: str, credit: float) -> None:
    asked = question(qtype="multi", answer="ABC", options=dict.fromkeys("ABCD", "x"))
    assert values(score(chose(chosen), asked), "correct", "partial_credit") == [credit == 1.0, credit]


def read(response: str, expected: str, scope: Scope = "reading", *, multi: bool = False) -> Score:
    asked = question(qtype="multi", answer="AC") if multi else question()
    return score(match_choice(response, asked.options, asked.qtype), asked, scope, expected)


@pytest.mark.parametrize(
    ("response", "expected", "scores"),
    [
        ("材料未提及", "A", [0.0, 0.0, 1.0]),
        ("材料未提及", "", [1.0, 1.0, 1.0]),
        ("材料中没有提到。", "", [1.0, 0.0, 1.0]),
        ("A", "", [0.0, 0.0, 0.0]),
        ("不知道", "", [0.0, 0.0, 0.0]),
    ],
)
def test_abstention_is_counted_and_right_where_the_book_does_not_tell(
    response: str, expected: str, scores: list[float]
) -> None:
    found = read(response, expected)
    assert values(found, "correct", "correct_strict", "abstained", "partial_credit") == [*scores, None]


@pytest.mark.parametrize(
    ("response", "follows"),
    [("B", [1.0, 0.0, 0.0]), ("A", [0.0, 1.0, 0.0]), ("C", [0.0, 0.0, 1.0]), ("材料未提及", [0.0, 0.0, 1.0])],
)
def test_a_counterfactual_book_shows_what_the_answer_follows(response: str, follows: list[float]) -> None:
    found = read(response, "B", "counterfactual")
    assert values(found, "follows_context", "follows_memory", "follows_neither") == follows
    assert found["correct"] == follows[0]


def test_partial_credit_is_against_the_books_letters() -> None:
    assert read("A", "AB", "counterfactual", multi=True)["partial_credit"] == 0.5
    assert read("AC", "AB", "counterfactual", multi=True)["partial_credit"] == 0.0


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("paper", {*WRITTEN}),
        ("ranked", {"correct", "partial_credit", "letter_mass"}),
        ("reading", {*WRITTEN, "abstained"}),
        ("counterfactual", {*METRICS} - {"letter_mass"}),
    ],
)
def test_each_scope_has_its_metrics(scope: Scope, names: set[str]) -> None:
    assert set(score(chose("A"), question(), scope).metrics) == names


@pytest.mark.parametrize(("parts", "mass"), [((0.5, 0.25), 0.75), ((0.6, 0.4000003), 1.0)])
def test_the_mass_of_letters_is_a_probability_however_its_parts_are_rounded(
    parts: tuple[float, float], mass: float
) -> None:
    logprobs = dict(zip("AB", map(math.log, parts), strict=True))
    assert score(chose("A"), question(), "ranked", logprobs=logprobs)["letter_mass"] == pytest.approx(mass, abs=1e-12)
