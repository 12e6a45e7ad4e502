"""CMB-Exam (Wang et al. 2023) and the book that the paper's authors published for its test set.

Four files, found by base name in a folder, a zip or a hub data set: questions (CMB-test-choice-question-merge.json),
answers (CMB-test-choice-answer.json), the book (test-book.json), all joined by `id`, or the validation set
(CMB-val-merge.json), which carries answers and explanations itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from openbook_eval.book import statement
from openbook_eval.errors import ExamError
from openbook_eval.exams.exam_file import ExamFile, ExamSource, build, parse_rows
from openbook_eval.question import CHINESE_NAMES, ExamName, QType, Question, sorted_letters

QUESTION_FILES = ("CMB-test-choice-question*.json", "*question*.json")
ANSWER_FILES = ("CMB-test-choice-answer.json", "*answer*.json")
BOOK_FILES = ("test-book.json", "*book*.json")
VALIDATION_FILES = ("CMB-val-merge.json", "*val*.json")
EXAM_FILES = QUESTION_FILES + VALIDATION_FILES

Rows = Sequence[Mapping[str, Any]]

_EXAMS: Mapping[str, ExamName] = {chinese: name for name, chinese in CHINESE_NAMES.items()}
_QTYPES: Mapping[str, QType] = {"单项选择题": "single", "多项选择题": "multi"}
# Case questions were cut apart when CMB was made: the stem still names a background that is gone.
_NEEDS_BACKGROUND = re.compile(r"共用(?:题干|备选|选项)|[(（]\s*\d+\s*[-~～—]\s*\d+\s*题")


def read(source: ExamSource) -> ExamFile:
    """Reads the test set, or where there is none the validation set; raises ExamError with all faults of a file."""
    if name := source.find(*QUESTION_FILES):
        return _read_test(source, name)
    if name := source.find(*VALIDATION_FILES):
        label = source.label(name)
        return from_rows(source, label, parse_rows(source.read(name), label))
    raise ExamError(
        f"{source.path}: no CMB questions here (wanted CMB-test-choice-question-merge.json or CMB-val-merge.json); "
        f"found: {', '.join(source.names()[:10]) or 'nothing'}"
    )


def fits(row: Mapping[str, Any]) -> bool:
    """Whether the row has CMB's shape."""
    return isinstance(row.get("option"), dict)


def from_rows(source: ExamSource, label: str, rows: Rows, answers: Mapping[str, Any] | None = None) -> ExamFile:
    """The exam of a file's rows, which carry their answers or are joined with `answers` by id; raises ExamError."""
    return build(source, label, _questions(rows, answers or {}), _notices(rows))


def _read_test(source: ExamSource, name: str) -> ExamFile:
    label = source.label(name)
    rows = parse_rows(source.read(name), label)
    answers = {} if all(row.get("answer") for row in rows) else _read_answers(source, label)
    exam = from_rows(source, label, rows, answers)
    asked = {question.id for question in exam.questions}
    if spare := [key for key in answers if key not in asked]:
        notice = f"{len(spare)} answers belong to no question (ids {_some(spare)})"
        exam = replace(exam, notices=(*exam.notices, notice))
    book = source.find(*BOOK_FILES)
    return _with_book(exam, source, book) if book else exam


def _read_answers(source: ExamSource, questions: str) -> dict[str, Any]:
    name = source.find(*ANSWER_FILES)
    if not name:
        raise ExamError(
            f"{questions}: has no answers, and no CMB-test-choice-answer.json lies beside it; "
            "CMB publishes the answers apart, put that file into the same folder"
        )
    label = source.label(name)
    answers: dict[str, Any] = {}
    found = []
    for number, row in enumerate(parse_rows(source.read(name), label), 1):
        if str(row.get("id")) in answers:
            found.append(f"row {number}: id {row.get('id')!r} is there twice")
        answers[str(row.get("id"))] = row.get("answer")
    if found:
        raise ExamError.from_faults(label, found)
    return answers


def _questions(rows: Rows, answers: Mapping[str, Any]) -> Iterator[tuple[str, Question | str]]:
    for number, row in enumerate(rows, 1):
        # The validation set has no ids: its rows are told apart by their place.
        key = str(row.get("id") or f"val-{number}")
        yield f"row {number}", _question(row, key, row.get("answer") or answers.get(key))


def _question(row: Mapping[str, Any], key: str, answer: Any) -> Question | str:
    if unknown := _unknown(row, answer):
        return unknown
    return Question(
        id=key,
        exam=_EXAMS.get(str(row.get("exam_type", "")), "other"),
        exam_class=str(row.get("exam_class") or ""),
        subject=str(row.get("exam_subject") or ""),
        qtype=_QTYPES[row["question_type"]],
        stem=row["question"],
        # A question with fewer options than others of its file carries the rest as None or "".
        options={letter: str(text) for letter, text in row["option"].items() if text not in (None, "")},
        answer=sorted_letters(answer or ""),
        explanation=row.get("explanation") or None,
    )


def _unknown(row: Mapping[str, Any], answer: Any) -> str | None:
    if not isinstance(row.get("question"), str):
        return "key 'question' is missing or not text"
    if not isinstance(row.get("option"), dict):
        return "key 'option' is missing or not an object of letters and texts"
    if row.get("question_type") not in _QTYPES:
        return f"question_type {row.get('question_type')!r} is neither {' nor '.join(_QTYPES)}"
    if answer is not None and not (isinstance(answer, str) and re.fullmatch("[A-Z]*", answer)):
        return f"answer {answer!r} is not a string of capital letters"
    return None


def _notices(rows: Rows) -> list[str]:
    cut = [str(n) for n, row in enumerate(rows, 1) if _NEEDS_BACKGROUND.search(str(row.get("question")))]
    return [f"{len(cut)} questions name a shared background that the file lacks (rows {_some(cut)})"] if cut else []


def _with_book(exam: ExamFile, source: ExamSource, name: str) -> ExamFile:
    """Gives each question the authors' entry; where there is none the statement rule makes it, and a notice says so."""
    entries = _read_book(source, name)
    questions = [replace(question, knowledge=entries.get(question.id)) for question in exam.questions]
    bare = [question.id for question in questions if not question.knowledge]
    other = [question.id for question in questions if question.knowledge and question.knowledge != statement(question)]
    spare = sorted(entries.keys() - {question.id for question in questions})
    notices = list(exam.notices)
    if bare:
        notices.append(
            f"{len(bare)} questions have no entry in {name}; theirs is made by the authors' rule (ids {_some(bare)})"
        )
    if other:
        notices.append(f"{len(other)} entries of {name} differ from the authors' own rule (ids {_some(other)})")
    if spare:
        notices.append(f"{len(spare)} entries of {name} belong to no question (ids {_some(spare)})")
    return replace(exam, questions=tuple(questions), sha256=source.sha256, notices=tuple(notices))


def _read_book(source: ExamSource, name: str) -> dict[str, str]:
    label = source.label(name)
    entries: dict[str, str] = {}
    found = []
    for number, row in enumerate(parse_rows(source.read(name), label), 1):
        key, text = str(row.get("id")), row.get("book_content")
        if not isinstance(text, str) or not text.strip():
            found.append(f"row {number}: key 'book_content' is missing or empty")
        elif key in entries:
            found.append(f"row {number}: id {key!r} is there twice")
        else:
            entries[key] = text
    if found:
        raise ExamError.from_faults(label, found)
    return entries


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
