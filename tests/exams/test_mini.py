"""The bundled exam: structure, balance, no duplicates, and passages that support the right options and no others."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from openbook_eval.exams import load_exam
from openbook_eval.types import SIX_EXAMS, Question

FOLDER = Path(__file__).parents[2] / "openbook_eval" / "exams" / "mini"

# CMB-Exam's classes (Wang et al. 2023, table of subclasses).
CLASSES = {
    "physician": {"规培结业", "执业助理医师", "执业医师", "中级职称", "高级职称"},
    "nursing": {"护士执业资格", "护师执业资格", "主管护师", "高级护师"},
    "pharmacist": {
        "执业西药师", "执业中药师", "初级药士", "初级药师", "初级中药士", "初级中药师", "主管药师", "主管中药师",
    },
    "technician": {"医技士", "医技师", "主管技师"},
    "professional": {"基础医学", "临床医学", "预防医学与公共卫生学", "中医学与中药学"},
    "postgraduate": {"护理学", "考研政治", "西医综合", "中医综合"},
}  # fmt: skip


@pytest.fixture(scope="module")
def questions() -> tuple[Question, ...]:
    return load_exam("mini").questions


def plain(text: str) -> str:
    return re.sub(r"[\s，。、；：,.;:（）()]", "", text)


def test_each_of_the_six_exams_has_its_questions(questions: tuple[Question, ...]) -> None:
    counts = Counter((question.exam, question.qtype) for question in questions)
    assert counts == {(exam, qtype): n for exam in SIX_EXAMS for qtype, n in (("single", 31), ("multi", 12))}


def test_questions_are_spread_over_all_of_cmbs_classes(questions: tuple[Question, ...]) -> None:
    classes = {exam: {q.exam_class for q in questions if q.exam == exam} for exam in SIX_EXAMS}
    assert classes == CLASSES
    assert min(Counter((q.exam, q.exam_class) for q in questions).values()) >= 5


def test_there_are_four_or_five_options_from_a_on(questions: tuple[Question, ...]) -> None:
    assert {"".join(question.options) for question in questions} == {"ABCD", "ABCDE"}


def test_right_letters_of_single_choice_are_balanced(questions: tuple[Question, ...]) -> None:
    for exam in SIX_EXAMS:
        for number, share in (("ABCD", 4), ("ABCDE", 3)):
            single = [q for q in questions if q.exam == exam and q.qtype == "single" and "".join(q.options) == number]
            assert Counter(question.answer for question in single) == dict.fromkeys(number, share), exam


def test_right_letters_of_multiple_choice_are_balanced(questions: tuple[Question, ...]) -> None:
    multi = [question for question in questions if question.qtype == "multi"]
    for number in ("ABCD", "ABCDE"):
        counts = Counter("".join(q.answer for q in multi if "".join(q.options) == number))
        assert max(counts.values()) - min(counts.values()) <= len(SIX_EXAMS), counts
    assert {len(question.answer) for question in multi} == {2, 3, 4}


def test_an_answer_is_never_all_options(questions: tuple[Question, ...]) -> None:
    assert [question.id for question in questions if len(question.answer) == len(question.options)] == []


@pytest.mark.parametrize("field", ["id", "stem", "knowledge"])
def test_nothing_is_there_twice(questions: tuple[Question, ...], field: str) -> None:
    counts = Counter(plain(getattr(question, field)) for question in questions)
    assert [text for text, count in counts.items() if count > 1] == []


def test_options_of_a_question_differ(questions: tuple[Question, ...]) -> None:
    assert [q.id for q in questions if len(set(map(plain, q.options.values()))) < len(q.options)] == []


def test_passages_have_60_to_200_characters(questions: tuple[Question, ...]) -> None:
    assert [q.id for q in questions if not 60 <= len(q.knowledge or "") <= 200] == []


def test_no_text_names_a_letter(questions: tuple[Question, ...]) -> None:
    letter = re.compile(r"(?<![A-Za-z])[A-EＡ-Ｅ](?![A-Za-z])")
    texts = {q.id: [q.stem, q.knowledge or "", q.explanation or "", *q.options.values()] for q in questions}
    assert [key for key, parts in texts.items() if any(letter.search(part) for part in parts)] == []


def test_the_passage_holds_every_right_option_word_for_word(questions: tuple[Question, ...]) -> None:
    lacking = [
        (question.id, letter)
        for question in questions
        for letter in question.answer
        if plain(question.options[letter]) not in plain(question.knowledge or "")
    ]
    assert lacking == []


def test_the_passage_holds_no_wrong_option(questions: tuple[Question, ...]) -> None:
    supported = [
        (question.id, letter)
        for question in questions
        for letter, text in question.options.items()
        if letter not in question.answer and plain(text) in plain(question.knowledge or "")
    ]
    assert supported == []


def test_the_passage_is_more_than_the_question_and_its_answer(questions: tuple[Question, ...]) -> None:
    assert [q.id for q in questions if plain(q.stem) in plain(q.knowledge or "")] == []


def test_every_question_is_explained(questions: tuple[Question, ...]) -> None:
    assert [question.id for question in questions if not 8 <= len(question.explanation or "") <= 150] == []


def test_the_data_card_names_this_very_file() -> None:
    """A changed question makes another exam: raise the version in the card and in loading.py, and note the hash."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    exam = load_exam("mini")
    assert exam.sha256 == hashlib.sha256((FOLDER / "mini.jsonl").read_bytes()).hexdigest()
    assert f"| {exam.version} | `{exam.sha256}` |" in card
