"""Entries from a file of one's own: JSONL, one `{"id": ..., "text": ...}` a line, for any exam."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval.errors import ExamError, OpenbookError, validation_message
from openbook_eval.types import Entry


class Row(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    text: str
    # Told by files that `openbook-eval exam entries` wrote; the file's name stands for it where it is missing.
    provider: str = ""


def read_entry_file(path: Path) -> tuple[dict[str, Row], str]:
    """The rows by question id, and the file's sha256. Raises ExamError with every faulty line at once."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExamError(f"entry file {path}: cannot be read ({error}); it must be JSONL in UTF-8") from error
    rows: dict[str, Row] = {}
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = Row.model_validate_json(line)
        except ValidationError as error:
            found += [f"line {number}: {validation_message(dict(fault), Row.model_fields)}" for fault in error.errors()]
            continue
        if row.id in rows:
            found.append(f"line {number}: id {row.id!r} is there twice")
        if not row.text.strip():
            found.append(f"line {number}: the entry of {row.id!r} has no text; leave the line out")
        rows[row.id] = row
    if found:
        raise ExamError.from_faults(f"entry file {path}", found)
    return rows, hashlib.sha256(data).hexdigest()


def write_entry_file(path: Path, entries: Iterable[Entry]) -> None:
    """Writes entries as `read_entry_file` reads them, whole or not at all. Raises OpenbookError where it cannot."""
    rows = (orjson.dumps({"id": e.question_id, "text": e.text, "provider": e.provider}) + b"\n" for e in entries)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(b"".join(rows))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OpenbookError(f"{path}: cannot be written ({error.strerror}); name another file") from error
