"""An exam laid out for the terminal: counts, oddities, the first prompt."""

import re
from collections import Counter
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from openbook_eval.exams import ExamFile
from openbook_eval.prompt import build_prompt
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES, Book, Question

# Signs that move the cursor or change the terminal; a line break and a tab are as the model sees them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def exam_report(exam: ExamFile) -> Iterator[Table | Text | str]:
    """Origin, counts by exam, class and type, where the entries come from, notices, and the first prompt, as it is."""
    read = len(exam.questions) + len(exam.unmarkable)
    given = sum(bool(question.knowledge) for question in exam.questions)
    yield Text(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield Text(f"{read} questions read, {len(exam.questions)} to be asked")
    yield Text(f"entries: {given} given by the file, {len(exam.questions) - given} made from question and answer")
    for notice in exam.notices:
        yield Text(f"notice: {notice}")
    yield _counts_table((*exam.questions, *exam.unmarkable))
    first = exam.questions[0]
    yield Text(f"The first prompt (question {first.id}), as the model sees it:\n")
    yield _CONTROL.sub(lambda sign: repr(sign.group())[1:-1], build_prompt(first, Book.of(first)))


def _counts_table(questions: tuple[Question, ...]) -> Table:
    table = Table("exam", "class")
    for name in ("single", "multi", "all"):
        table.add_column(name, justify="right")
    counts = Counter((question.exam, question.exam_class, question.qtype) for question in questions)
    for exam in EXAM_NAMES:
        classes = list(dict.fromkeys(question.exam_class for question in questions if question.exam == exam))
        for exam_class in classes:
            single, multi = (counts[exam, exam_class, qtype] for qtype in ("single", "multi"))
            _add(table, f"{exam} {CHINESE_NAMES[exam]}", exam_class, single, multi)
    single, multi = (sum(question.qtype == qtype for question in questions) for qtype in ("single", "multi"))
    table.add_section()
    _add(table, "all", "", single, multi)
    return table


def _add(table: Table, exam: str, exam_class: str, single: int, multi: int) -> None:
    # Text, not markup: class names come from files.
    table.add_row(exam, Text(exam_class), str(single), str(multi), str(single + multi))
