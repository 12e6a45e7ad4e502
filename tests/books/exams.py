"""Synthetic exams of any size for the tests of conditions."""

import random
from collections.abc import Sequence

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.shared_books import Item, Material
from openbook_eval.types import Entry, ExamName, Question

_SIGNS = "脉浮沉迟数虚实滑涩弦紧细肝心脾肺肾胃胆肠膀胱头痛发热恶寒汗出烦渴咳嗽喘满呕吐泄泻便秘眩晕失眠"


def make_exam(
    count: int, exam: ExamName = "nursing", *, seed: int = 1, stem: int = 24, classes: int = 3
) -> list[Question]:
    """Questions that ask different things, every fourth of them multiple choice."""
    random_signs = random.Random(f"{exam}{seed}")  # noqa: S311 - no secret
    made = []
    for number in range(count):
        options = {letter: "".join(random_signs.choices(_SIGNS, k=6)) for letter in "ABCD"}
        made.append(
            Question(
                id=f"{exam}-{number}",
                exam=exam,
                exam_class=f"class {number % classes}",
                qtype="multi" if number % 4 == 3 else "single",
                stem="".join(random_signs.choices(_SIGNS, k=stem)),
                options=options,
                answer="BD" if number % 4 == 3 else "ABCD"[number % 4],
            )
        )
    return made


def material(*questions: Question, seed: int = 0, spare: Sequence[Question] = ()) -> Material:
    """The material of questions with their default entries."""
    entries = {q.id: Entry.given_or_statement(q) for q in (*questions, *spare)}
    return Material("synthetic", questions, entries, seed, spare)


def ask(made: Material, exam: ExamName, condition: str, *, full: bool = False) -> list[Item]:
    """The items of one exam under a condition of the reading exam."""
    return CONDITIONS[f"reading_{condition}"].ask(made, exam, full)


def ask_all(made: Material, condition: str) -> list[Item]:
    """The items of all exams."""
    return [item for exam in made.clusters for item in ask(made, exam, condition)]
