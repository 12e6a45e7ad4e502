"""Exams and scores laid out for the terminal."""

import re
from collections import Counter
from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.book import open_book, providers
from openbook_eval.exams import ExamFile
from openbook_eval.prompt import render
from openbook_eval.question import CHINESE_NAMES, EXAM_NAMES, Question
from openbook_eval.rescoring import Rescored
from openbook_eval.scores import MARKS, RunScores

# Signs that move the cursor or change the terminal; a line break and a tab are as the model sees them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def exam_report(exam: ExamFile) -> Iterator[Table | Text | str]:
    """Origin, counts by exam, class and type, where the entries come from, notices, and the first prompt, as it is."""
    read = len(exam.questions) + len(exam.unmarkable)
    counts = providers(exam.questions)
    yield Text(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield Text(f"{read} questions read, {len(exam.questions)} to be asked")
    yield Text(f"entries: {counts['given']} given by the file, {counts['statement']} made from question and answer")
    for notice in exam.notices:
        yield Text(f"notice: {notice}")
    yield _counts_table((*exam.questions, *exam.unmarkable))
    first = exam.questions[0]
    yield Text(f"The first prompt (question {first.id}), as the model sees it:\n")
    yield _CONTROL.sub(lambda sign: repr(sign.group())[1:-1], render(first, open_book(first)))


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


def scores_table(scores: RunScores) -> Table:
    """The exams of a run in percent, the paper's average and the size-weighted one below them."""
    title = Text(f"{scores.model}, {scores.condition}\nexam {scores.exam_file}; run {scores.date}")
    # Without upright lines all columns stand whole in a terminal of 80.
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, pad_edge=False, collapse_padding=True
    )
    table.add_column("exam", no_wrap=True)
    for name in ("asked", "correct", "strict", "format", "answered", "partial"):
        table.add_column(name, justify="right")
    for score in scores.exams:
        table.add_row(
            f"{score.exam} {CHINESE_NAMES[score.exam]}",
            str(score.questions),
            *(_percent(getattr(score, mark)) for mark in MARKS),
        )
    if scores.six:
        table.add_section()
        asked = str(sum(score.questions for score in scores.six))
        table.add_row("Avg.(All exams)", asked, _percent(scores.average))
        table.add_row("weighted by size", asked, _percent(scores.weighted_average))
    table.caption = "percent; strict: nothing but the right letters; format: nothing but letters"
    if scores.limited:
        table.caption += "\ntaken with --limit: not all questions were asked"
    return table


def rescored_report(rescored: Rescored, shown: int) -> Iterator[Table | Text]:
    """Score and rank of each model under each matcher, a warning where the order changes, what is read differently."""
    table = Table(title="correct in percent (rank)", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in rescored.scores:
        table.add_column(name, justify="right")
    for model in next(iter(rescored.scores.values())):
        cells = (
            f"{_percent(rescored.scores[name][model])} ({rescored.ranks[name][model]})" for name in rescored.scores
        )
        table.add_row(Text(model), *cells)
    yield table
    if rescored.order_depends_on_matcher:
        yield Text("warning: the order of the models depends on the matcher", style="bold")
    different = len(rescored.differences)
    yield Text(f"{different} of {rescored.samples} responses are not read the same by all")
    for difference in rescored.differences[:shown]:
        readings = ", ".join(f"{name} {letters or '-'}" for name, letters in difference.readings.items())
        excerpt = " ".join(difference.sample.response.split())
        excerpt = excerpt if len(excerpt) <= 100 else f"{excerpt[:50]} ... {excerpt[-45:]}"
        yield Text(f"{difference.sample.id} (answer {difference.sample.answer}): {readings} | {excerpt}")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
