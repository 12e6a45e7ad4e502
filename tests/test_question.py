"""Rules of a sound question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.question import as_published, faults, sorted_letters
from tests.conftest import question


@pytest.mark.parametrize(("text", "letters"), [("EB", "BE"), ("AAC", "AC"), ("D、A", "AD"), ("", ""), ("C", "C")])
def test_published_letters_are_sorted_and_each_kept_once(text: str, letters: str) -> None:
    assert sorted_letters(text) == letters


@given(st.text(alphabet="ABCDE"))
def test_sorting_letters_twice_changes_nothing(text: str) -> None:
    assert sorted_letters(sorted_letters(text)) == sorted_letters(text)


@pytest.mark.parametrize(
    ("text", "kept"), [("EB", "EB"), ("AAB", "AAB"), ("AB", ""), ("C", ""), ("", ""), ("A、B", "A、B")]
)
def test_only_what_sorting_would_lose_is_kept_as_published(text: str, kept: str) -> None:
    assert as_published(text) == kept


def test_a_sound_question_has_no_faults() -> None:
    assert list(faults(question())) == []


def test_a_multiple_choice_question_may_have_one_right_letter() -> None:
    assert list(faults(question(qtype="multi", answer="C"))) == []


def test_a_one_character_option_is_an_option() -> None:
    assert list(faults(question(options={"A": "肝", "B": "肾"}))) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stem": " "}, "the question has no text"),
        ({"options": {}, "answer": ""}, "needs at least two options, has 0"),
        ({"answer": "D"}, "answer D is not among the options A, B, C"),
        ({"answer": "AB"}, "a single-choice question has 2 right letters: AB"),
        ({"options": {"A": "x", "B": " "}}, "option B has no text"),
        ({"options": {"A": "x", "b1": "y"}}, "option names must be single letters A to Z, not 'b1'"),
    ],
)
def test_a_fault_says_what_is_wrong(changes: dict[str, object], fault: str) -> None:
    assert list(faults(question(**changes))) == [fault]
