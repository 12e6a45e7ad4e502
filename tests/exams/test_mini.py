"""The bundled exam: structure, balance, no duplicates, and passages that support the right options and no others."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook_eval.exams import load_exam
from openbook_eval.types import SIX_EXAMS, Question

FOLDER = Path(__file__).parents[2] / "openbook_eval" / "exams" / "mini"


@pytest.fixture(scope="module")
def questions() -> tuple[Question, ...]:
    return load_exam("mini").questions


def plain(text: str) -> str:
    return re.sub(r"[\s，。、；：,.;:（）()]", "", text)


def test_each_of_the_six_exams_has_its_questions(questions: tuple[Question, ...]) -> None:
    counts = Counter((question.exam, question.qtype) for question in questions)
    assert {"".join(question.options) for question in questions} == {"ABCD", "ABCDE"}
    assert counts == {(exam, qtype): n for exam in SIX_EXAMS for qtype, n in (("single", 31), ("multi", 12))}


def test_questions_are_spread_over_all_of_cmbs_classes(questions: tuple[Question, ...]) -> None:
    classes = Counter((question.exam, question.exam_class) for question in questions)
    # CMB-Exam's numbers of classes (Wang et al. 2023, table of subclasses).
    assert list(Counter(exam for exam, _ in classes).values()) == [5, 4, 8, 3, 4, 4]
    assert min(classes.values()) >= 5


def test_right_letters_are_balanced(questions: tuple[Question, ...]) -> None:
    for number, share in (("ABCD", 4), ("ABCDE", 3)):
        mine = [q for q in questions if "".join(q.options) == number]
        for exam in SIX_EXAMS:
            counts = Counter(q.answer for q in mine if q.exam == exam and q.qtype == "single")
            assert counts == dict.fromkeys(number, share), exam
        sets = [q.answer for q in mine if q.qtype == "multi"]
        counts = Counter("".join(sets))
        assert {len(answer) for answer in sets} <= {2, 3, 4}
        assert max(counts.values()) - min(counts.values()) <= len(SIX_EXAMS), counts


@pytest.mark.parametrize("field", ["id", "stem", "knowledge"])
def test_nothing_is_there_twice(questions: tuple[Question, ...], field: str) -> None:
    counts = Counter(plain(getattr(question, field)) for question in questions)
    assert [text for text, count in counts.items() if count > 1] == []


def names_a_letter(q: Question) -> bool:
    texts = [q.stem, q.knowledge or "", q.explanation or "", *q.options.values()]
    return any(re.search(r"(?<![A-Za-z])[A-EＡ-Ｅ](?![A-Za-z])", text) for text in texts)


def held(q: Question) -> str:
    return "".join(letter for letter, text in q.options.items() if plain(text) in plain(q.knowledge or ""))


FAULTS: dict[str, Callable[[Question], bool]] = {
    "the answer is all options": lambda q: len(q.answer) == len(q.options),
    "two options are the same": lambda q: len(set(map(plain, q.options.values()))) < len(q.options),
    "the passage is too short or too long": lambda q: not 60 <= len(q.knowledge or "") <= 200,
    "the passage does not hold the right options and no others": lambda q: held(q) != q.answer,
    "the passage repeats the question": lambda q: plain(q.stem) in plain(q.knowledge or ""),
    "it is not explained": lambda q: not 8 <= len(q.explanation or "") <= 150,
    "a text names a letter": names_a_letter,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_question_has_a_fault(questions: tuple[Question, ...], fault: str) -> None:
    assert [question.id for question in questions if FAULTS[fault](question)] == []


def test_the_data_card_names_this_very_file() -> None:
    """A changed question makes another exam: raise the version in the card and in loading.py, and note the hash."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    exam = load_exam("mini")
    assert exam.sha256 == hashlib.sha256((FOLDER / "mini.jsonl").read_bytes()).hexdigest()
    assert f"| {exam.version} | `{exam.sha256}` |" in card
