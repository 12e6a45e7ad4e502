"""Rows to match: responses with their options, one JSON object a line."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError, validation_message
from openbook_eval.files import read_text

_SHOWN = 20


class ResponseRow(BaseModel):
    """A response to match, with the options and the type of its question."""

    model_config = ConfigDict(extra="ignore", strict=True)

    output: str
    options: dict[str, str] | None = None
    qtype: Literal["single", "multi"] = "single"
    id: str | int | None = None


def read_rows(path: Path) -> list[ResponseRow]:
    """Read the rows of a JSONL file. Raises OpenbookError that names every broken line."""
    rows, faults = [], []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        try:
            rows += [ResponseRow.model_validate_json(line)] if line.strip() else []
        except ValidationError as error:
            faults.append(f"line {number}: {validation_message(dict(error.errors()[0]), ResponseRow.model_fields)}")
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise OpenbookError("\n  ".join([f"{path}: {len(faults)} broken lines:", *faults[:_SHOWN], *more]))
    return rows
