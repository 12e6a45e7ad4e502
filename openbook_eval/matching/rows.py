"""Rows to match: responses with their options, one JSON object a line."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from openbook_eval.errors import ExamError, parsed
from openbook_eval.files import read_text


class ResponseRow(BaseModel):
    """A response to match, with the options and the type of its question."""

    model_config = ConfigDict(extra="ignore", strict=True)

    output: str
    options: dict[str, str] | None = None
    qtype: Literal["single", "multi"] = "single"
    id: str | int | None = None


def read_rows(path: Path) -> list[ResponseRow]:
    """Read the rows of a JSONL file. Raises OpenbookError that names every broken line."""
    rows = [(at, parsed(ResponseRow, row)) for at, row in enumerate(read_text(path).split("\n"), 1) if row.strip()]
    if faults := [f"line {at}: {row}" for at, row in rows if isinstance(row, str)]:
        raise ExamError.from_faults(str(path), faults)
    return [row for _, row in rows if isinstance(row, ResponseRow)]
