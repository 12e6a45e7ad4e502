"""CMExam (Liu et al. 2023, arXiv:2306.03030) as .xlsx or .csv: Question, Options, Answer, Explanation."""

import io
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from openbook_eval.errors import ExamError
from openbook_eval.exams.exam_file import ExamFile, ExamSource, as_published, build
from openbook_eval.files import decode
from openbook_eval.types import Question, sorted_letters

_COLUMNS = ("Question", "Options", "Answer")
# The options stand in one cell; between them a line break or, in the .xlsx, the two characters backslash and n.
_NEXT_OPTION = re.compile(r"(?:\\n|\r?\n)+(?=[A-Z][ .、．:：)）])")
_OPTION = re.compile(r"([A-Z])[ .、．:：)）]\s*(.*)", re.DOTALL)
# What spreadsheets and pandas leave for an empty cell.
_EMPTY = {"", "nan", "None"}


def read(source: ExamSource, name: str) -> ExamFile:
    """Reads the file called `name`; raises ExamError with all its faults.

    A question whose answer cell is empty stays in the exam as unmarkable, with a notice.
    """
    label = source.label(name)
    rows = _table(source.read(name), label)
    lacking = [str(n) for n, row in enumerate(rows, 2) if _cell(row, "Question") and not _cell(row, "Answer")]
    notices = []
    if lacking:
        plural = "s" if len(lacking) > 1 else ""
        notices.append(
            f"{len(lacking)} question{plural} without a published answer (row{plural} {', '.join(lacking[:5])}): "
            "read, but not asked, since nothing could mark it"
        )
    return build(source, label, _rows(rows), notices, may_lack_answers=True)


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
    if missing := [column for column in _COLUMNS if column not in table.columns]:
        raise ExamError(f"{label}: column {', '.join(missing)} is missing; it has {', '.join(table.columns)}")
    return table.to_dicts()


def _rows(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Question | str]]:
    # Row 1 of the sheet is the header: errors name the row that the user sees.
    for number, row in enumerate(rows, 2):
        # Spreadsheets leave rows of nothing but commas behind.
        if any(_cell(row, column) for column in _COLUMNS):
            yield f"row {number}", _question(row, number)


def _question(row: dict[str, Any], number: int) -> Question | str:
    options: dict[str, str] = {}
    for line in _NEXT_OPTION.split(_cell(row, "Options")):
        found = _OPTION.fullmatch(line.strip())
        if not found:
            return f"option {line!r} does not begin with its letter and a space, dot, colon or bracket"
        if found.group(1) in options:
            return f"option {found.group(1)} is there twice"
        options[found.group(1)] = found.group(2).strip()
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
