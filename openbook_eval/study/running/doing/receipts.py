"""What a step leaves in its folder: that it has begun, that it is done, with what came of it, or why it is not."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openbook_eval.errors import visible
from openbook_eval.study.steps import FAILURE, RECEIPT, Step

BEGUN, LOG = "begun.json", "log.txt"
# Room that is kept for the reason of a failure, so that a full disk can be told of.
_ROOM = 4096
_LONGEST = 600
NO_SPACE = "No space left on device"
# Bytes below which a disk counts as full.
_FULL = 64_000


def begin(step: Step, folder: Path) -> None:
    """Says that a step has begun, and forgets how it failed before. Raises OSError where that cannot be written."""
    (folder / FAILURE).unlink(missing_ok=True)
    begun = json.dumps({"step": step.id, "process": os.getpid(), "started": now()})
    _write(folder / BEGUN, begun.ljust(_ROOM))


def end(step: Step, folder: Path, outputs: Iterable[Path], started: str, seconds: float) -> None:
    """Writes the receipt: the last thing that makes a step done. Raises OSError where it cannot be written.

    `outputs` are the files that matter, in `folder`; `started` is as `now` gives it.
    """
    receipt = {
        "step": step.id,
        "kind": step.kind,
        "cells": list(step.cells),
        "seconds": round(seconds, 3),
        "started": started,
        "outputs": {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(outputs)},
    }
    _write(folder / RECEIPT, json.dumps(receipt, ensure_ascii=False, indent=1))
    (folder / BEGUN).unlink(missing_ok=True)


def fail(step: Step, folder: Path, reason: str) -> None:
    """Leaves the reason why a step failed, on one line; where the disk is full, in the room that was kept for it."""
    line = " ".join(visible(reason.replace("\n", " ")).split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
    text = json.dumps({"step": step.id, "reason": line, "log": f"{step.id}/{LOG}"}, ensure_ascii=False)
    with suppress(OSError):
        try:
            _write(folder / FAILURE, text)
        except OSError:
            with (folder / BEGUN).open("r+b") as file:
                file.write(text.encode().ljust(_ROOM))
            (folder / BEGUN).replace(folder / FAILURE)
    with suppress(OSError):
        (folder / BEGUN).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Takes away what an earlier run left of a step that was not done."""
    for name in (BEGUN, FAILURE):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def read(path: Path) -> Mapping[str, Any]:
    """The object in one of these files; an empty one where there is none, or it is broken."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def full(folder: Path) -> bool:
    """Whether there is no room where a folder lies, or would."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(place).free < _FULL


def now() -> str:
    """The time, as ISO 8601 writes it, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            # A receipt that a crash of the machine left empty would be taken for one.
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
