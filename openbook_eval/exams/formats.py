"""The formats of exam files: EXAM_FORMATS is the registry, an entry a format.

Apollo: the Chinese test file of FreedomIntelligence/ApolloMoEBench, zh.json, several exams in one, told by `source`.
CMExam (Liu et al. 2023, arXiv:2306.03030): .xlsx or .csv with Question, Options, Answer, Explanation. JSONL: our own
format, one question a line, for anybody's exam (docs/exam_format.md). CMB has a file of its own.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval.errors import ExamError, validation_message
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource, as_published, build
from openbook_eval.files import decode
from openbook_eval.types import ExamName, Question, sorted_letters


@dataclass(frozen=True, slots=True)
class ExamFormat:
    """A kind of exam file: how it is recognised and read.

    `description` is for users. A file is of this format by its suffix; where several share .json, `fits` tells by the
    first row. `read` takes the source and the name of a part, None for all, of a file that `has_parts`; it raises
    ExamError with all faults of the file at once.
    """

    description: str
    suffixes: tuple[str, ...]
    read: Callable[[ExamSource, str | None], ExamFile]
    fits: Callable[[Mapping[str, Any]], bool] | None = None
    has_parts: bool = False


# "(A) 后鼻道狭窄.": Apollo puts the letter in brackets and a full stop after each option.
_APOLLO_OPTION = re.compile(r"\(([A-Z])\)[ \t]*(.*?)\.?\s*", re.DOTALL)
_APOLLO_NEXT_OPTION = re.compile(r"\n(?=\([A-Z]\))")
_APOLLO_ANSWER = re.compile(r"\(([A-Z]+)\)")
_APOLLO_KEYS = ("question", "options", "answer", "source")


def _read_apollo(source: ExamSource, part: str | None) -> ExamFile:
    label = source.label(source.path.name)
    rows = source.rows(source.path.name)
    parts = sorted({str(row.get("source")) for row in rows})
    if part is not None and part not in parts:
        raise ExamError(f"{label}: no questions of source {part!r}; it has {', '.join(parts)}")
    numbered = [(n, row) for n, row in enumerate(rows, 1) if part is None or row.get("source") == part]
    return build(source, label, ((f"row {n}", _apollo_question(row, n)) for n, row in numbered))


def _options(lines: Iterable[str], pattern: re.Pattern[str], wanted: str) -> dict[str, str] | str:
    """Return texts by letter, or what is wrong with them."""
    options: dict[str, str] = {}
    for line in lines:
        found = pattern.fullmatch(line)
        if not found:
            return f"option {line!r} {wanted}"
        if found[1] in options:
            return f"option {found[1]} is there twice"
        options[found[1]] = found[2]
    return options


def _apollo_question(row: Mapping[str, Any], number: int) -> Question | str:
    if missing := [key for key in _APOLLO_KEYS if not isinstance(row.get(key), str)]:
        return f"keys missing or not text: {', '.join(missing)}"
    answer = _APOLLO_ANSWER.fullmatch(row["answer"].strip())
    if not answer:
        return f"answer {row['answer']!r} is not of the form (A) or (ACD)"
    lines = _APOLLO_NEXT_OPTION.split(row["options"])
    options = _options(lines, _APOLLO_OPTION, "is not of the form (A) text.")
    if isinstance(options, str):
        return options
    letters = sorted_letters(answer.group(1))
    return Question(
        id=f"{row['source']}-{number}",
        # Apollo keeps no exam type: all its questions are "other", and the source tells them apart.
        exam="other",
        exam_class=row["source"],
        subject="",
        qtype="single" if len(letters) == 1 else "multi",
        stem=row["question"],
        # CMB's questions with four options come with an empty fifth, "(E) .".
        options={letter: text for letter, text in options.items() if text.strip()},
        answer=letters,
        published=as_published(answer.group(1)),
    )


_CMEXAM_COLUMNS = ("Question", "Options", "Answer")
# The options stand in one cell; between them a line break or, in the .xlsx, the two characters backslash and n.
_CMEXAM_NEXT_OPTION = re.compile(r"(?:\\n|\r?\n)+(?=[A-Z][ .、．:：)）])")
_CMEXAM_OPTION = re.compile(r"([A-Z])[ .、．:：)）]\s*(.*)", re.DOTALL)
# What spreadsheets and pandas leave for an empty cell.
_EMPTY = {"", "nan", "None"}


def _read_cmexam(source: ExamSource, _: str | None) -> ExamFile:
    label = source.label(source.path.name)
    rows = _table(source.read(source.path.name), label)
    lacking = [str(n) for n, row in enumerate(rows, 2) if _cell(row, "Question") and not _cell(row, "Answer")]
    notices = []
    if lacking:
        plural = "s" if len(lacking) > 1 else ""
        notices.append(
            f"{len(lacking)} question{plural} without a published answer (row{plural} {', '.join(lacking[:5])}): "
            "read, but not asked, since nothing could mark it"
        )
    # Row 1 is the header; spreadsheets leave rows of nothing but commas behind.
    filled = [(n, row) for n, row in enumerate(rows, 2) if any(_cell(row, column) for column in _CMEXAM_COLUMNS)]
    questions = ((f"row {n}", _cmexam_question(row, n)) for n, row in filled)
    return build(source, label, questions, notices, may_lack_answers=True)


def _table(data: bytes, label: str) -> list[dict[str, Any]]:
    try:
        if label.lower().endswith(".csv"):
            text = io.BytesIO(decode(data, label).encode())
            # Read as text throughout: type guessing would turn a column of bare numbers into floats.
            table = pl.read_csv(text, infer_schema=False)
        else:
            table = pl.read_excel(io.BytesIO(data), infer_schema_length=0)
    except ExamError:
        raise
    except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
        reason = str(error).strip().partition("\n")[0]
        raise ExamError(f"{label}: not a readable table ({reason})") from error
    if missing := [column for column in _CMEXAM_COLUMNS if column not in table.columns]:
        raise ExamError(f"{label}: column {', '.join(missing)} is missing; it has {', '.join(table.columns)}")
    return table.to_dicts()


def _cmexam_question(row: dict[str, Any], number: int) -> Question | str:
    lines = map(str.strip, _CMEXAM_NEXT_OPTION.split(_cell(row, "Options")))
    options = _options(lines, _CMEXAM_OPTION, "does not begin with its letter and a space, dot, colon or bracket")
    if isinstance(options, str):
        return options
    answer = _cell(row, "Answer")
    if not re.fullmatch("[A-Z]*", answer):
        return f"answer {answer!r} is not a string of capital letters"
    letters = sorted_letters(answer)
    return Question(
        id=f"cmexam-{number}",
        exam="other",
        exam_class="CMExam",
        subject="",
        qtype="single" if len(letters) <= 1 else "multi",
        stem=_cell(row, "Question"),
        options=options,
        answer=letters,
        explanation=_cell(row, "Explanation") or None,
        published=as_published(answer),
    )


def _cell(row: dict[str, Any], column: str) -> str:
    text = str(row.get(column) or "").strip()
    return "" if text in _EMPTY else text


class _OwnRow(BaseModel):
    """One line of a file of our own format."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    exam: ExamName = "other"
    # "class" is a word of Python's.
    exam_class: str = Field(default="", alias="class")
    subject: str = ""
    qtype: Literal["single", "multi"] = "single"
    stem: str
    options: dict[str, str]
    answer: str = Field(pattern="^[A-Z]+$")
    knowledge: str | None = None
    explanation: str | None = None

    def question(self) -> Question:
        """Return the row as a question; letters of the answer sorted, each once."""
        answers = {"answer": sorted_letters(self.answer), "published": as_published(self.answer)}
        return Question(**{**self.model_dump(), **answers})


_OWN_KEYS = [field.alias or name for name, field in _OwnRow.model_fields.items()]


def _read_own(source: ExamSource, _: str | None) -> ExamFile:
    label = source.label(source.path.name)
    # Not splitlines: it also breaks at characters such as U+2028 that JSON allows inside a string.
    lines = enumerate(decode(source.read(source.path.name), label).split("\n"), 1)
    return build(source, label, ((f"line {n}", _own_question(line)) for n, line in lines if line.strip()))


def _own_question(line: str) -> Question | str:
    try:
        return _OwnRow.model_validate_json(line).question()
    except ValidationError as error:
        return "; ".join(validation_message(dict(fault), _OWN_KEYS) for fault in error.errors())


EXAM_FORMATS: Mapping[str, ExamFormat] = {
    "cmb": ExamFormat(
        "a CMB file or folder",
        (".json", ".zip"),
        lambda source, _: cmb.read_any(source),
        fits=lambda row: "option" in row,
    ),
    "apollo": ExamFormat(
        "Apollo's zh.json",
        (".json",),
        _read_apollo,
        fits=lambda row: isinstance(row.get("options"), str) and "question" in row and "source" in row,
        has_parts=True,
    ),
    "cmexam": ExamFormat("a CMExam .xlsx or .csv", (".xlsx", ".csv"), _read_cmexam),
    "jsonl": ExamFormat("our own .jsonl", (".jsonl",), _read_own),
}
