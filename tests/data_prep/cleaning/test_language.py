"""Rows that are not Chinese are dropped; code, formulae and translations that Chinese asks for stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_prep.cleaning.judged import ANSWER, applies

ENGLISH = "Drink water and rest for three days."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What helps against a cough?", ENGLISH),
        ("What does 感冒 mean?", ENGLISH),
        ("頭が痛いです", "やすんでください、みずをのんでください"),
        ("감기에 걸렸어요", "물을 많이 드세요"),
        ("Что помогает от кашля?", "Пейте воду."),
    ],
)
def test_other_languages_are_dropped(question: str, answer: str) -> None:
    assert applies("not_chinese", question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("编写一个将罗马数字转换为整数的函数。", "def convert(roman):\n    return sum(VALUES[sign] for sign in roman)"),
        ("用主动语态改写这句话：The data was analyzed by the team", "The team analyzed the data."),
        ("6 + 3 = ?", "6 + 3 = 9."),
        ("感冒，咳嗽？", "对症。VitC"),
        ("感冒咳嗽发热頭痛", "多喝水。"),
        ("What is 感冒?", ANSWER),
    ],
)
def test_what_is_chinese_or_asked_in_chinese_stays(question: str, answer: str) -> None:
    assert not applies("not_chinese", question, answer)


def test_the_share_is_of_letters_in_question_and_answer() -> None:
    # Three of ten letters are Han; digits and signs are no letters.
    assert not applies("not_chinese", "感冒 12345, abcd", "药 (abc) ???", min_chinese=0.3)
    assert applies("not_chinese", "感冒 12345, abcd", "药 (abcd) ???", min_chinese=0.3)


@pytest.mark.parametrize("least", [0.1, 0.9])
def test_the_bound_is_a_setting(least: float) -> None:
    assert applies("not_chinese", "药 abc", "药 def", min_chinese=least) == (least == 0.9)


def test_three_han_characters_in_a_row_are_no_chinese_question() -> None:
    assert applies("not_chinese", f"感冒吗 {ENGLISH}", ENGLISH)
    assert not applies("not_chinese", f"感冒怎么 {ENGLISH}", ENGLISH)


def test_with_no_least_share_any_language_stays() -> None:
    assert not applies("not_chinese", "What helps?", ENGLISH, min_chinese=0.0)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_chinese_question_stays_whatever_is_said_to_it(answer: str) -> None:
    assert not applies("not_chinese", "感冒怎么", answer, min_chinese=1.0)
