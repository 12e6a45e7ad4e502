"""CMB-Exam (Wang et al. 2023) and the book that the paper's authors published for its test set.

Four files, found by base name in a folder, a zip or a hub data set: questions (CMB-test-choice-question-merge.json),
answers (CMB-test-choice-answer.json), the book (test-book.json), all joined by `id`, or the validation set
(CMB-val-merge.json), which carries answers and explanations itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval.errors import ExamError, some, validation_message
from openbook_eval.exams.exam_file import ExamFile, ExamSource, as_published, build
from openbook_eval.types import CHINESE_NAMES, ExamName, QType, Question, sorted_letters

QUESTION_FILES = ("CMB-test-choice-question-merge.json", "*question*.json")
ANSWER_FILES = ("CMB-test-choice-answer.json", "*answer*.json")
BOOK_FILES = ("test-book.json", "*-book.json")
VALIDATION_FILES = ("CMB-val-merge.json", "*val*.json")
EXAM_FILES = QUESTION_FILES + VALIDATION_FILES

Rows = Sequence[Mapping[str, Any]]

_EXAMS: Mapping[str, ExamName] = {chinese: name for name, chinese in CHINESE_NAMES.items()}
_QTYPES: Mapping[str, QType] = {"单项选择题": "single", "多项选择题": "multi"}


class _Row(BaseModel):
    """A question as CMB publishes it; keys that are not named here are not needed."""

    model_config = ConfigDict(strict=True)

    id: int | str | None = None
    exam_type: str = ""
    exam_class: str = ""
    exam_subject: str = ""
    question: str
    question_type: Literal["单项选择题", "多项选择题"]
    option: dict[str, str | None]
    answer: str | None = Field(default=None, pattern="^[A-Z]*$")
    explanation: str | None = None


def read_any(source: ExamSource) -> ExamFile:
    """Read a folder, a zip or one file of CMB. Raises ExamError with all faults of a file."""
    if source.path.is_dir() or source.path.suffix.lower() == ".zip":
        return read(unpacked(source))
    return read_one(source, (source.path.name,))


def read_one(source: ExamSource, patterns: tuple[str, ...]) -> ExamFile:
    """Read the one file of a source that matches a pattern. Raises ExamError."""
    source = unpacked(source, patterns)
    name = source.find(*patterns)
    if not name:
        raise ExamError(f"{source.path}: has no file {patterns[0]}; it has {', '.join(source.names()[:10])}")
    return _build(source, name, source.rows(name))


def unpacked(source: ExamSource, patterns: tuple[str, ...] = EXAM_FILES) -> ExamSource:
    """Return the zip that a folder holds instead of the files, as FreedomIntelligence/CMB does; else the source."""
    if source.path.is_dir() and not source.find(*patterns) and (packed := source.find("CMB*.zip", "*.zip")):
        return ExamSource(source.path / packed)
    return source


def read(source: ExamSource, answers_from: ExamSource | None = None) -> ExamFile:
    """Read the test set, or where there is none the validation set; raises ExamError with all faults of a file.

    The answers of the test set lie in the same source, or in `answers_from`.
    """
    if name := source.find(*QUESTION_FILES):
        return _read_test(source, name, answers_from or source)
    if name := source.find(*VALIDATION_FILES):
        return _build(source, name, source.rows(name))
    raise ExamError(
        f"{source.path}: no CMB questions here (wanted CMB-test-choice-question-merge.json or CMB-val-merge.json); "
        f"found: {', '.join(source.names()[:10]) or 'nothing'}"
    )


def _build(source: ExamSource, name: str, rows: Rows, answers: Mapping[str, str] | None = None) -> ExamFile:
    """Build the exam of a file's rows, which carry their answers or are joined with `answers` by id."""
    cut = [str(n) for n, row in enumerate(rows, 1) if any(missing_background(str(row.get("question"))))]
    notices = [f"{len(cut)} questions name a background that the file lacks (rows {some(cut)})"] if cut else []
    return build(source, source.label(name), _questions(rows, answers), notices)


def _read_test(source: ExamSource, name: str, answers_from: ExamSource) -> ExamFile:
    rows = source.rows(name)
    answers = None if all(row.get("answer") for row in rows) else _read_answers(answers_from, source.label(name))
    exam = _build(source, name, rows, answers)
    asked = {question.id for question in exam.questions}
    if spare := [key for key in answers or () if key not in asked]:
        notice = f"{len(spare)} answers belong to no question (ids {some(spare)})"
        exam = replace(exam, notices=(*exam.notices, notice))
    book = source.find(*BOOK_FILES)
    return _with_book(exam, source, book) if book else exam


def _read_answers(source: ExamSource, questions: str) -> dict[str, str]:
    name = source.find(*ANSWER_FILES)
    if not name:
        raise ExamError(
            f"{questions}: has questions without an answer, and no CMB-test-choice-answer.json lies beside it; "
            "CMB publishes the answers apart: put that file into the same folder, or take OPENBOOK_EXAM=cmb"
        )
    return _by_id(source, name, "answer")


def _by_id(source: ExamSource, name: str, key: str) -> dict[str, str]:
    """Return the texts under `key` of a file's rows, by id."""
    texts: dict[str, str] = {}
    found = []
    for number, row in enumerate(source.rows(name), 1):
        if not isinstance(row.get("id"), int | str):
            found.append(f"row {number}: key 'id' is missing or neither number nor text")
        elif not isinstance(row.get(key), str) or not row[key].strip():
            found.append(f"row {number}: key {key!r} is missing or empty")
        elif str(row["id"]) in texts:
            found.append(f"row {number}: id {row['id']!r} is there twice")
        else:
            texts[str(row["id"])] = row[key]
    if found:
        raise ExamError.from_faults(source.label(name), found)
    return texts


def _questions(rows: Rows, answers: Mapping[str, str] | None) -> Iterator[tuple[str, Question | str]]:
    for number, row in enumerate(rows, 1):
        try:
            parsed = _Row.model_validate(row)
        except ValidationError as error:
            keys = list(_Row.model_fields)
            yield f"row {number}", "; ".join(validation_message(dict(fault), keys) for fault in error.errors())
        else:
            yield f"row {number}", _question(parsed, number, answers)


def _question(row: _Row, number: int, answers: Mapping[str, str] | None) -> Question | str:
    if answers is not None and row.id is None:
        return "has no id to find its answer by"
    # The validation set has no ids: its rows are told apart by their place.
    key = f"val-{number}" if row.id is None else str(row.id)
    published = (answers or {}).get(key)
    if published and not re.fullmatch("[A-Z]+", published):
        return f"answer {published!r} of the answer file is not a string of capital letters"
    if row.answer and published and sorted_letters(row.answer) != sorted_letters(published):
        return f"answer {row.answer} here, but {published} in the answer file"
    return Question(
        id=key,
        exam=_EXAMS.get(row.exam_type, "other"),
        exam_class=row.exam_class,
        subject=row.exam_subject,
        qtype=_QTYPES[row.question_type],
        stem=row.question,
        # A question with fewer options than others of its file carries the rest as None or blank.
        options={letter: text for letter, text in row.option.items() if text and text.strip()},
        answer=sorted_letters(row.answer or published or ""),
        explanation=row.explanation or None,
        published=as_published(row.answer or published or ""),
    )


def _with_book(exam: ExamFile, source: ExamSource, name: str) -> ExamFile:
    """Give each question the authors' entry; where there is none the statement rule makes it, and a notice says so."""
    entries = _by_id(source, name, "book_content")
    questions = [replace(question, knowledge=entries.get(question.id)) for question in exam.questions]
    bare = [question.id for question in questions if not question.knowledge]
    other = [question.id for question in questions if question.knowledge and question.knowledge != question.statement()]
    spare = sorted(entries.keys() - {question.id for question in questions})
    notices = list(exam.notices)
    if bare:
        notices.append(
            f"{len(bare)} questions have no entry in {name}; theirs is made by the authors' rule (ids {some(bare)})"
        )
    if other:
        notices.append(f"{len(other)} entries of {name} differ from the authors' own rule (ids {some(other)})")
    if spare:
        notices.append(f"{len(spare)} entries of {name} belong to no question (ids {some(spare)})")
    return replace(exam, questions=tuple(questions), sha256=source.sha256, notices=tuple(notices))


# Stems that point at something the exam no longer holds: a case, a figure, a table.

# （1～3题共用题干）, 共用备选答案, (4-6题: what is left of a heading over several questions.
_RANGE = r"\d{1,4}\s{0,3}[-~～—–至]\s{0,3}\d{1,4}\s{0,3}"
_MARK = re.compile(
    rf"[(（]?\s{{0,3}}(?:{_RANGE}题?)?\s{{0,3}}共用(?:题干|备选(?:答案)?|选项)\s{{0,3}}[)）]?"
    rf"|[(（]\s{{0,3}}{_RANGE}题(?:[^)）]{{0,12}}[)）])?"
)
# An age, or a sentence before the last one: the case itself.
_CASE = re.compile(r"\d\s{0,3}岁|[。；;]\s{0,3}[^。；;\s]")
_NO_PERSON = "[^岁男女婴儿孩妇产孕人者例某，。；]"
_UNITS = r"mm[lH]*Hg|[mμu]?mol/L|[mμkn]?g/d?L|I?U(?:/L)?|次/分|/HP|×10\S*/L|cm|kPa|℃|%"
_POINTERS: Mapping[str, re.Pattern[str]] = {
    # 该患者 with nothing before it that could have told of one.
    "patient": re.compile(
        rf"^{_NO_PERSON}{{0,8}}[，。；]?{_NO_PERSON}{{0,6}}"
        "(?:该|此|本|上述|前述)(?:患者|病人|患儿|产妇|孕妇|病例|病儿|婴儿|新生儿)"
    ),
    # Not 心电图示 nor 脑电图中度异常, which tell what a picture shows.
    "figure": re.compile(
        r"暂无图|附图|[如见][右下左上附]?图(?![像书])|(?<!以)[上下]图(?![像书])"
        r"|(?<![电象声脑肌动])图中(?!度)|[（(]图\s{0,3}\d{0,3}[）)]"
    ),
    # A table that was kept has lines or bars.
    "table": re.compile(r"暂无表|[如见][下附上]表(?![现面皮明])(?![^|\n\t]{0,200}[|\n\t])"),
    # The front of the stem is gone: it begins amid a measured value or after one.
    "beginning": re.compile(rf"^\s*(?:[，。、；×✕]|\d+(?:[./～]\d+)?\s*(?:{_UNITS})\s*[，。、；（])"),
}
BACKGROUNDS = ("shared stem", "shared options", *_POINTERS)


def missing_background(stem: str) -> Iterator[str]:
    """Return what the stem points at and does not hold, by the names of `BACKGROUNDS`.

    A mark such as （1～3题共用题干） is no loss where the case follows it, nor is 上述哪项, which means the options.
    """
    rest = _MARK.sub("", stem)
    if rest != stem and not _CASE.search(rest):
        yield "shared options" if "备选" in stem or "共用选项" in stem else "shared stem"
    yield from (name for name, pattern in _POINTERS.items() if pattern.search(rest))
