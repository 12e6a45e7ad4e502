"""CMB-Exam (Wang et al. 2023) and the book that the paper's authors published for its test set.

Four files, found by base name in a folder, a zip or a hub data set: questions (CMB-test-choice-question-merge.json),
answers (CMB-test-choice-answer.json), the book (test-book.json), all joined by `id`, or the validation set
(CMB-val-merge.json), which carries answers and explanations itself.

The answer key was published in January 2024 (FreedomIntelligence/CMB, commit fbbcf55) and replaced in February
(9288d37). They differ in 29 answers, 28 of them sentences or numbers in the first; cmb_corrections.json has both.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from openbook_eval.errors import ExamError, parsed, some
from openbook_eval.exams.exam_file import ExamFile, ExamSource, build
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
    exam_type: str = ""
    exam_class: str = ""
    exam_subject: str = ""
    question: str
    question_type: Literal["单项选择题", "多项选择题"]
    option: dict[str, str | None]
    answer: str | None = Field(default=None, pattern="^[A-Z]*$")
    explanation: str | None = None


def read(source: ExamSource, patterns: Sequence[str] = (*QUESTION_FILES, *VALIDATION_FILES)) -> ExamFile:
    """Read one file, or of a folder or zip the test set, else the validation set (the first pattern that any matches).

    Raises ExamError with all faults of a file.
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
    published = {} if all(row.get("answer") for row in rows) else _answers(source, name)
    answers = {key: _corrections().get((key, answer), answer) for key, answer in published.items()}
    corrected = [key for key, answer in published.items() if answer != answers[key]]
    book = source.find(*BOOK_FILES)
    entries = _by_id(source, book, "book_content") if book else {}
    exam = build(source, _questions(rows, answers, entries), name=name)
    notices = [
        f"{len(corrected)} answers of CMB's first key are corrected as its second has them (ids {some(corrected)})"
    ]
    misfits = [*_misfits(exam, answers, entries, book)]
    if published and not book:
        misfits.append(f"no {BOOK_FILES[0]} lies beside the questions: all entries are made by the authors' rule")
    return replace(exam, notices=(*exam.notices, *(notices if corrected else ()), *misfits))


@cache
def _corrections() -> Mapping[tuple[str, str], str]:
    """Return what the second key has instead of an answer of the first, by id and that answer."""
    rows = orjson.loads(Path(__file__).with_name("cmb_corrections.json").read_bytes())
    return {(row["id"], row["wrong"]): row["right"] for row in rows}


def _answers(source: ExamSource, questions: str) -> dict[str, str]:
    name = source.find(*ANSWER_FILES)
    if not name:
        raise ExamError(
            f"{source.label(questions)}: has questions without an answer, and no CMB-test-choice-answer.json lies "
            "beside it; CMB publishes the answers apart: put that file into the same folder, or take OPENBOOK_EXAM=cmb"
        )
    return _by_id(source, name, "answer")


def _by_id(source: ExamSource, name: str, key: str) -> dict[str, str]:
    """Return the texts under `key` of a file's rows, by id; a row without one has none.

    Raises ExamError where a row cannot be joined to its question.
    """
    texts: dict[str, str] = {}
    faults = []
    for number, row in enumerate(source.rows(name), 1):
        own = row.get("id")
        if not isinstance(own, int | str) or str(own) in texts:
            faults.append(f"row {number}: wants an 'id' that stands once in the file")
        else:
            texts[str(own)] = str(row.get(key) or "").strip()
    if faults:
        raise ExamError.from_faults(source.label(name), faults)
    if not any(texts.values()):
        raise ExamError(f"{source.label(name)}: no row has a text under {key!r}")
    return texts


def _misfits(exam: ExamFile, answers: Mapping[str, str], entries: Mapping[str, str], book: str | None) -> Iterator[str]:
    """Say where questions, answers and entries do not fit together, and which questions lost their background."""
    asked = {question.id: question for question in (*exam.questions, *exam.unmarkable)}
    bare = [question.id for question in exam.questions if book and not question.knowledge]
    other = [q.id for q in exam.questions if q.knowledge and q.knowledge != q.statement()]
    cut = [key for key, question in asked.items() if any(missing_background(question.stem))]
    unreadable = [question.id for question in exam.unmarkable if answers.get(question.id)]
    for ids, what in (
        (unreadable, "answers of the answer file are no letters of their question's options"),
        (cut, "questions name a background that the file lacks"),
        ([key for key in answers if key not in asked], "answers belong to no question"),
        (bare, f"questions have no entry in {book}; theirs is made by the authors' rule"),
        (other, f"entries of {book} differ from the authors' own rule"),
        (sorted(entries.keys() - asked.keys()), f"entries of {book} belong to no question"),
    ):
        if ids:
            yield f"{len(ids)} {what} (ids {some(ids)})"


def _questions(
    rows: Sequence[Mapping[str, Any]], answers: Mapping[str, str], entries: Mapping[str, str]
) -> Iterator[tuple[str, Question | str]]:
    for number, raw in enumerate(rows, 1):
        row = parsed(_Row, raw)
        yield f"row {number}", row if isinstance(row, str) else _question(row, number, answers, entries)


def _question(row: _Row, number: int, answers: Mapping[str, str], entries: Mapping[str, str]) -> Question | str:
    if answers and row.id is None:
        return "has no id to find its answer by"
    # The validation set has no ids: its rows are told apart by their place.
    key = f"val-{number}" if row.id is None else str(row.id)
    options = {letter: text for letter, text in row.option.items() if text and text.strip()}
    published = answers.get(key, "").strip().upper()
    # An answer that cannot be one of the question costs this question, not the exam: it counts as not published.
    if not set(published) <= options.keys() or (len(set(published)) > 1 and _QTYPES[row.question_type] == "single"):
        published = ""
    if row.answer and published and set(row.answer) != set(published):
        return f"answer {row.answer} here, but {published} in the answer file"
    return Question(
        id=key,
        exam=_EXAMS.get(row.exam_type, "other"),
        exam_class=row.exam_class,
        subject=row.exam_subject,
        qtype=_QTYPES[row.question_type],
        stem=row.question,
        # A question with fewer options than others of its file carries the rest as None or blank.
        options=options,
        answer=row.answer or published,
        knowledge=entries.get(key) or None,
        explanation=row.explanation or None,
    )


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
