"""Answers of an endpoint, kept one a line as they come, so that a run that is killed has lost none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.lines import append_line, read_lines


class Row(BaseModel):
    """One answer as the endpoint gave it. `key` is a hash of all that determines it, `prompt` the prompt's version."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    key: str
    question: str
    provider: Literal["generated"] = "generated"
    model: str
    prompt: str
    finish: str
    response: str


@dataclass(frozen=True, slots=True)
class Journal:
    """A JSONL file that is only ever appended to, by any number of processes at once."""

    path: Path

    def rows(self) -> list[Row]:
        """The rows in the order they were written; lines that were torn by a kill are passed over.

        Raises OpenbookError where the file cannot be read.
        """
        try:
            lines = read_lines(self.path)
        except OSError as error:
            raise OpenbookError(f"{self.path}: cannot be read ({error.strerror}); move it away") from error
        return [row for line in lines if (row := _row(line))]

    def append(self, row: Row) -> None:
        """Writes `row` at once. Raises OpenbookError where it cannot be written whole."""
        try:
            append_line(self.path, row.model_dump_json().encode())
        except OSError as error:
            raise OpenbookError(
                f"{self.path}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder of yours"
            ) from error


def _row(line: bytes) -> Row | None:
    try:
        return Row.model_validate_json(line)
    except ValidationError:
        return None
