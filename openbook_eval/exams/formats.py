"""The formats of exam files: EXAM_FORMATS is the registry, an entry a format.

Apollo: the Chinese test file of FreedomIntelligence/ApolloMoEBench, zh.json, several exams in one, told by `source`.
CMExam (Liu et al. 2023, arXiv:2306.03030): .xlsx or .csv with Question, Options, Answer, Explanation. JSONL: our own
format, one question a line, for anybody's exam (docs/exam_format.md). CMB has a file of its own.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from openbook_eval.errors import ExamError, first_line, parsed
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource, build
from openbook_eval.types import ExamName, Question


@dataclass(frozen=True, slots=True)
class ExamFormat:
    """A kind of exam file: how it is recognised and read.

    `description` is for users. A file is of this format by its suffix; where several share one, `fits` tells by the
    first row. `read` raises ExamError with all faults of the file at once.
    """

    description: str
    suffixes: tuple[str, ...]
    read: Callable[[ExamSource], ExamFile]
    fits: Callable[[Mapping[str, Any]], bool] | None = None


# "(A) 后鼻道狭窄.": Apollo puts the letter in brackets and a full stop after each option.
_APOLLO_OPTION = re.compile(r"\(([A-Z])\)[ \t]*(.*?)\.?\s*", re.DOTALL)
_APOLLO_NEXT_OPTION = re.compile(r"\n(?=\([A-Z]\))")
_APOLLO_ANSWER = re.compile(r"\s*\(([A-Z]+)\)\s*")
_APOLLO_KEYS = ("question", "options", "answer", "source")


def _read_apollo(source: ExamSource) -> ExamFile:
    return build(source, ((f"row {n}", _apollo_question(row, n)) for n, row in enumerate(source.rows(), 1)))


def _apollo_question(row: Mapping[str, Any], number: int) -> Question | str:
    if missing := [key for key in _APOLLO_KEYS if not isinstance(row.get(key), str)]:
        return f"keys missing or not text: {', '.join(missing)}"
    answer = _APOLLO_ANSWER.fullmatch(row["answer"])
    if not answer:
        return f"answer {row['answer']!r} is not of the form (A) or (ACD)"
    options = _options(_APOLLO_NEXT_OPTION.split(row["options"]), _APOLLO_OPTION, "is not of the form (A) text.")
    if isinstance(options, str):
        return options
    return Question(
        id=f"{row['source']}-{number}",
        # Apollo keeps no exam type: all its questions are of "other", and the source tells them apart.
        exam_class=row["source"],
        qtype="single" if len(set(answer[1])) == 1 else "multi",
        stem=row["question"],
        # CMB's questions with four options come with an empty fifth, "(E) .".
        options={letter: text for letter, text in options.items() if text.strip()},
        answer=answer[1],
    )


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


_CMEXAM_COLUMNS = ("Question", "Options", "Answer")
# The options stand in one cell; between them a line break or, in the .xlsx, the two characters backslash and n.
_CMEXAM_NEXT_OPTION = re.compile(r"(?:\\n|\r?\n)+(?=[A-Z][ .、．:：)）])")
_CMEXAM_OPTION = re.compile(r"([A-Z])[ .、．:：)）]\s*(.*)", re.DOTALL)
# What spreadsheets and pandas leave for an empty cell.
_EMPTY = {"", "nan", "None"}


def _read_cmexam(source: ExamSource) -> ExamFile:
    return build(source, ((f"row {number}", _cmexam_question(row, number)) for number, row in _table(source)))


def _table(source: ExamSource) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the numbered rows that are not empty, as spreadsheets leave them behind."""
    label = source.label()
    try:
        if label.lower().endswith(".csv"):
            # Read as text throughout: type guessing would turn a column of bare numbers into floats.
            table = pl.read_csv(io.BytesIO(source.text().encode()), infer_schema=False)
        else:
            table = pl.read_excel(io.BytesIO(source.read()), infer_schema_length=0)
    except ExamError:
        raise
    except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
        raise ExamError(f"{label}: not a readable table ({first_line(error)})") from error
    if missing := [column for column in _CMEXAM_COLUMNS if column not in table.columns]:
        raise ExamError(f"{label}: column {', '.join(missing)} is missing; it has {', '.join(table.columns)}")
    # Row 1 is the header.
    for number, row in enumerate(table.iter_rows(named=True), 2):
        cells = {column: str(row.get(column) or "").strip() for column in (*_CMEXAM_COLUMNS, "Explanation")}
        cells = {column: "" if text in _EMPTY else text for column, text in cells.items()}
        if any(cells[column] for column in _CMEXAM_COLUMNS):
            yield number, cells


def _cmexam_question(row: Mapping[str, str], number: int) -> Question | str:
    lines = map(str.strip, _CMEXAM_NEXT_OPTION.split(row["Options"]))
    options = _options(lines, _CMEXAM_OPTION, "does not begin with its letter and a space, dot, colon or bracket")
    if isinstance(options, str):
        return options
    if not re.fullmatch("[A-Z]*", row["Answer"]):
        return f"answer {row['Answer']!r} is not a string of capital letters"
    return Question(
        id=f"cmexam-{number}",
        exam_class="CMExam",
        qtype="single" if len(set(row["Answer"])) <= 1 else "multi",
        stem=row["Question"],
        options=options,
        answer=row["Answer"],
        explanation=row["Explanation"] or None,
    )


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


def _read_own(source: ExamSource) -> ExamFile:
    # Not splitlines: it also breaks at characters such as U+2028 that JSON allows inside a string.
    lines = enumerate(source.text().split("\n"), 1)
    return build(source, ((f"line {number}", _own_question(line)) for number, line in lines if line.strip()))


def _own_question(line: str) -> Question | str:
    row = parsed(_OwnRow, line)
    return row if isinstance(row, str) else Question(**row.model_dump())


EXAM_FORMATS: Mapping[str, ExamFormat] = {
    "cmb": ExamFormat("a CMB file or folder", (".json", ".zip"), cmb.read, fits=lambda row: "option" in row),
    "apollo": ExamFormat(
        "Apollo's zh.json",
        (".json",),
        _read_apollo,
        fits=lambda row: isinstance(row.get("options"), str) and "question" in row and "source" in row,
    ),
    "cmexam": ExamFormat("a CMExam .xlsx or .csv", (".xlsx", ".csv"), _read_cmexam),
    "jsonl": ExamFormat("our own .jsonl", (".jsonl",), _read_own),
}
