"""CMB-Exam (Wang et al. 2023) and the book that the paper's authors published for its test set.

Four files, found by base name in a folder, a zip or a hub data set: questions (CMB-test-choice-question-merge.json),
answers (CMB-test-choice-answer.json), the book (test-book.json), all joined by `id`, or the validation set
(CMB-val-merge.json), which carries answers and explanations itself.

The answer key was published in January 2024 (FreedomIntelligence/CMB, commit fbbcf55) and replaced in February
(9288d37). They differ in 29 answers, 28 of them sentences or numbers in the first; cmb_corrections.json has both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict

from openbook_eval.errors import ExamError, parsed, some
from openbook_eval.exams.exam_file import ExamFile, ExamSource, Row, build
from openbook_eval.exams.texts import missing_background, read_choice
from openbook_eval.types import CHINESE_NAMES, ExamName, QType, Question

QUESTION_FILES = ("CMB-test-choice-question-merge.json", "*question*.json")
ANSWER_FILES = ("CMB-test-choice-answer.json", "*answer*.json")
BOOK_FILES = ("test-book.json", "*-book.json")
VALIDATION_FILES = ("CMB-val-merge.json", "*val*.json")

_EXAMS: Mapping[str, ExamName] = {chinese: name for name, chinese in CHINESE_NAMES.items()}
_QTYPES: Mapping[str, QType] = {"单项选择题": "single", "多项选择题": "multi"}


class _Row(BaseModel):
    """A question as CMB publishes it; keys that are not named here are not needed."""

    model_config = ConfigDict(strict=True)

    id: int | str | None = None
    exam_type: str | None = None
    exam_class: str | None = None
    exam_subject: str | None = None
    question: str
    question_type: Literal["单项选择题", "多项选择题"]
    option: Any
    answer: Any = None
    explanation: str | None = None


def read(source: ExamSource, patterns: Sequence[str] = (*QUESTION_FILES, *VALIDATION_FILES)) -> ExamFile:
    """Read one file, or of a folder or zip the test set, else the validation set (the first pattern that any matches).

    Raises ExamError, with all faults, where nothing can be asked.
    """
    if source.is_one_file:
        return build(source, _questions(source.rows(), {}, {}))
    # FreedomIntelligence/CMB holds a zip instead of the files.
    if not source.find(*patterns) and source.path.is_dir() and (packed := source.find("CMB*.zip", "*.zip")):
        source = ExamSource(source.path / packed, source.part)
    name = source.find(*patterns)
    if not name:
        raise ExamError(
            f"{source.path}: no CMB questions here (wanted CMB-test-choice-question-merge.json or CMB-val-merge.json); "
            f"found: {', '.join(source.names()[:10]) or 'nothing'}"
        )
    rows = source.rows(name)
    key, book = _answer_file(source, name, rows), source.find(*BOOK_FILES)
    published, unjoined = _by_id(source, key, "answer")
    entries, unjoined_entries = _by_id(source, book, "book_content")
    answers = {id_: _corrections().get((id_, answer), answer) for id_, answer in published.items()}
    corrected = [id_ for id_, answer in published.items() if answer != answers[id_]]
    exam = build(source, _questions(rows, answers, entries), name=name)
    notices = [*exam.notices, *unjoined, *unjoined_entries]
    if corrected:
        notices.append(
            f"{len(corrected)} answers of CMB's first key are corrected as its second has them (ids {some(corrected)})"
        )
    notices += _misfits(exam, {str(row.get("id")) for _, row in rows if isinstance(row, dict)}, answers, entries, book)
    if key and not book:
        notices.append(f"no {BOOK_FILES[0]} lies beside the questions: all entries are made by the authors' rule")
    return replace(exam, corrected=len(corrected), notices=tuple(notices))


@cache
def _corrections() -> Mapping[tuple[str, str], str]:
    """Return what the second key has instead of an answer of the first, by id and that answer."""
    rows = orjson.loads(Path(__file__).with_name("cmb_corrections.json").read_bytes())
    return {(row["id"], row["wrong"]): row["right"] for row in rows}


def _answer_file(source: ExamSource, questions: str, rows: Sequence[Row]) -> str | None:
    """Return the file that has the answers of questions which carry none themselves."""
    bare = [row for _, row in rows if isinstance(row, dict) and not row.get("answer")]
    found = source.find(*ANSWER_FILES) if any("id" in row for row in bare) else None
    if not found and len(bare) == sum(isinstance(row, dict) for _, row in rows):
        raise ExamError(
            f"{source.label(questions)}: has questions without an answer, and no CMB-test-choice-answer.json lies "
            "beside it; CMB publishes the answers apart: put that file into the same folder, or take OPENBOOK_EXAM=cmb"
        )
    return found


def _by_id(source: ExamSource, name: str | None, key: str) -> tuple[dict[str, str], list[str]]:
    """Return the texts under `key` of a file's rows, by id, and a notice of the rows that can be joined to no question.

    Raises ExamError where no row has a text.
    """
    texts: dict[str, str] = {}
    unjoined, doubtful = [], set()
    for place, row in source.rows(name) if name else ():
        own, value = (row.get("id"), row.get(key)) if isinstance(row, dict) else (None, None)
        text = "".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()
        if not isinstance(own, int | str):
            unjoined.append(place)
        elif texts.setdefault(str(own), text) != text:
            unjoined.append(place)
            doubtful.add(str(own))
    if name and not any(texts.values()):
        raise ExamError(f"{source.label(name)}: no row has a text under {key!r}")
    what = "have no id, or that of another row with another text; neither is taken"
    notices = [f"{len(unjoined)} rows of {name} {what} ({some(unjoined)})"] if unjoined else []
    return {id_: text for id_, text in texts.items() if id_ not in doubtful}, notices


def _misfits(
    exam: ExamFile, asked: set[str], answers: Mapping[str, str], entries: Mapping[str, str], book: str | None
) -> Iterator[str]:
    """Say where questions, answers and entries do not fit together, and which questions lost their background."""
    bare = [question.id for question in exam.questions if book and not question.knowledge]
    other = [q.id for q in exam.questions if q.knowledge and q.knowledge != q.statement()]
    cut = [question.id for question in exam.questions if any(missing_background(question.stem))]
    for ids, what in (
        (cut, "questions name a background that the file lacks"),
        ([id_ for id_ in answers if id_ not in asked], "answers belong to no question"),
        (bare, f"questions have no entry in {book}; theirs is made by the authors' rule"),
        (other, f"entries of {book} differ from the authors' own rule"),
        (sorted(entries.keys() - asked), f"entries of {book} belong to no question"),
    ):
        if ids:
            yield f"{len(ids)} {what} (ids {some(ids)})"


def _questions(
    rows: Sequence[Row], answers: Mapping[str, str], entries: Mapping[str, str]
) -> Iterator[tuple[str, Question | str]]:
    for place, raw in rows:
        row = parsed(_Row, raw) if isinstance(raw, dict) else raw
        yield place, row if isinstance(row, str) else _question(row, place, answers, entries)


def _question(row: _Row, place: str, answers: Mapping[str, str], entries: Mapping[str, str]) -> Question | str:
    if answers and row.id is None and not row.answer:
        return "has no id to find its answer by"
    # The validation set has no ids: its rows are told apart by their place.
    key = f"val-{place.rpartition(' ')[2]}" if row.id is None else str(row.id)
    # A question with fewer options than others of its file carries the rest as None or blank.
    choice = read_choice(row.option, row.answer or answers.get(key))
    if isinstance(choice, str):
        return choice
    options, answer = choice
    other = read_choice(row.option, answers.get(key, "")) if row.answer else choice
    if isinstance(other, str) or (other[1] and set(other[1]) != set(answer)):
        return f"answer {answer} here, but {answers[key]} in the answer file"
    return Question(
        id=key,
        exam=_EXAMS.get(row.exam_type or "", "other"),
        exam_class=row.exam_class or "",
        subject=row.exam_subject or "",
        qtype=_QTYPES[row.question_type],
        stem=row.question,
        options=options,
        answer=answer,
        knowledge=entries.get(key) or None,
        explanation=row.explanation or None,
    )
