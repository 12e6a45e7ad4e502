"""Answers of an endpoint, kept one a line as they come, so that a run that is killed has lost none."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError


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
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OpenbookError(f"{self.path}: cannot be read ({error.strerror}); move it away") from error
        return [row for line in lines if line and (row := _row(line))]

    def append(self, row: Row) -> None:
        """Writes `row` at once. Raises OpenbookError where it cannot be written whole."""
        line = row.model_dump_json().encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                line = line if _ends_whole(file) else b"\n" + line
                # One write: with O_APPEND the rows of two processes never mix.
                written = os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise OpenbookError(
                f"{self.path}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to a folder of yours"
            ) from error
        if written < len(line):
            raise OpenbookError(f"{self.path}: cannot be written (the disk is full); set XDG_CACHE_HOME to another")


def _row(line: bytes) -> Row | None:
    try:
        return Row.model_validate_json(line)
    except ValidationError:
        return None


def _ends_whole(file: int) -> bool:
    """Whether the last line is complete; behind a torn one a row would be lost.

    In the midst of another process's write it looks torn as well: that leaves a blank line and does no harm.
    """
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"
