"""Lessons can be answered from their book and from nothing else, and are the same on any machine."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.examinee.learning import course
from openbook_eval.examinee.learning.batches import batch, encode, whole
from openbook_eval.examinee.learning.characters import COMMON, END, RARE, START, numbers, tokenizer, vocabulary
from openbook_eval.examinee.learning.lessons import Grade, Lesson, lesson
from openbook_eval.types import ABSTENTION

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

# Any random draws.
_DRAWS = st.integers(0, 2**32).map(random.Random)
_GRADES = st.sampled_from([stage.grade for stage in course.STAGES])


def book_and_options(made: Lesson) -> tuple[str, dict[str, str]]:
    """The book of a lesson, and its options by letter, as the prompt has them."""
    head, _, question = made.prompt.rpartition("【题目】\n") if "【题目】" in made.prompt else ("", "", made.prompt)
    book = head.partition("【材料】\n")[2].partition("\n\n【要求】")[0] if head else made.prompt.partition("\n")[0]
    lines = [line for line in question.splitlines() if line[1:3] == ". " and line[0] in "ABCDE"]
    return book, {line[0]: line[3:] for line in lines}


@given(_DRAWS, st.integers(2, 5))
def test_the_right_option_stands_in_the_book_and_no_other_does(draws: random.Random, options: int) -> None:
    made = lesson(draws, Grade(30, options, 3, half=0.5))
    book, texts = book_and_options(made)
    assert [letter for letter, text in texts.items() if text in book] == [made.answer]


@given(_DRAWS)
def test_of_several_right_options_each_stands_in_the_book(draws: random.Random) -> None:
    made = lesson(draws, Grade(30, 5, 3, multiple=1.0, half=0.5))
    book, texts = book_and_options(made)
    assert "".join(letter for letter, text in texts.items() if text in book) == made.answer
    assert 2 <= len(made.answer) < len(texts)


@given(_DRAWS)
def test_a_book_that_does_not_tell_holds_no_option(draws: random.Random) -> None:
    made = lesson(draws, Grade(30, 5, 3, missing=1.0))
    book, texts = book_and_options(made)
    assert made.answer == ABSTENTION
    assert book
    assert not [text for text in texts.values() if text in book]
    assert f"只输出“{ABSTENTION}”" in made.prompt


@given(_DRAWS)
def test_a_closed_book_lesson_has_no_book(draws: random.Random) -> None:
    made = lesson(draws, Grade(30, 5, 3, closed=1.0))
    assert "【材料】" not in made.prompt
    assert made.told == ()
    assert set(made.answer) <= set("ABCDE")


@given(_DRAWS)
def test_what_is_copied_stands_in_the_prompt(draws: random.Random) -> None:
    made = lesson(draws, Grade(30, 5, 3, copy=1.0))
    assert made.answer in made.prompt


@given(_DRAWS, _GRADES)
def test_told_are_the_places_of_the_options(draws: random.Random, grade: Grade) -> None:
    made = lesson(draws, grade)
    if made.told:
        book, texts = book_and_options(made)
        places = [(made.prompt[start:end], is_told) for start, end, is_told in made.told]
        assert places == [(text, text in book) for text in texts.values()]


@given(_DRAWS, _GRADES)
def test_every_character_of_a_lesson_is_one_token(draws: random.Random, grade: Grade) -> None:
    made = lesson(draws, grade)
    assert len(encode(made.prompt + made.answer)) == len(made.prompt + made.answer)


def test_lessons_of_a_step_are_the_same_however_often_they_are_made() -> None:
    assert course.lessons(0, 4, 7) == course.lessons(0, 4, 7)
    assert course.lessons(0, 4, 7, times=2)[:32] == course.lessons(0, 4, 7)
    assert course.lessons(0, 4, 7) != course.lessons(1, 4, 7)
    assert course.lessons(0, 4, 7) != course.lessons(0, 4, 8)


def test_the_known_lesson_of_a_seed_has_not_changed() -> None:
    """The kept model learnt from these: another text of the same number would make the course another one."""
    made = course.lessons(0, 0, 0)[0][0]
    assert (
        made.prompt
        == "胰岛素与湛题由揽的IN，脑谴及脑蚜于胶囊。\n焕有筛拯泥泥焕泥中脑谴及脑蚜于（ ）。\nA. 乃者\nB. 胶囊\n答案："
    )
    assert made.answer == "B"


def test_the_tokenizer_says_what_the_lessons_are_encoded_as() -> None:
    words = tokenizer()
    for made, chat in course.lessons(0, 5, 0):
        before, _, answer = whole(made, chat)
        text = f"{START}user\n{made.prompt}{END}\n{START}assistant\n" if chat else made.prompt
        assert words(text)["input_ids"] == before
        assert words(made.answer + END)["input_ids"] == answer


def test_a_character_is_one_token_wherever_it_stands() -> None:
    words = tokenizer()
    for text in (COMMON, RARE, "（　　）【】、：；。，“”αβⅡ℃％"):
        assert words(text)["input_ids"] == [numbers()[character] for character in text]


def test_characters_without_a_token_come_back_from_their_bytes() -> None:
    words = tokenizer()
    assert words.decode(words("燀䓬🩺")["input_ids"]) == "燀䓬🩺"
    assert len(vocabulary()) == len(words) == 8039


def test_a_batch_asks_every_token_of_an_answer_where_the_one_before_it_stands() -> None:
    made = Lesson("single", "甲乙\n答案：", "AB", ((0, 1, True), (1, 2, False)))
    tensors = batch([(made, False), (Lesson("copy", "丙", "丁"), True)])
    known = numbers()
    assert tensors.rows.tolist() == [0, 0, 0, 1, 1]
    assert tensors.answers.tolist() == [known[token] for token in ("A", "B", END, "丁", END)]
    assert tensors.firsts.tolist() == [True, False, False, True, False]
    assert tensors.tokens[0, tensors.places[1:3]].tolist() == [known["A"], known["B"]]
    assert tensors.told_places.tolist() == [0, 1]
    assert tensors.told.tolist() == [1.0, 0.0]
    assert tensors.tokens[1, 0] == known[START]
