"""What a step leaves in its folder: a receipt when it is done, else why it failed; each whole or not at all."""

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openbook_eval.study.steps import FAILURE, RECEIPT, Kind, Step

LOG = "log.txt"
# What comes of a step, as far as others build on it.
_RESULTS: dict[Kind, tuple[str, ...]] = {
    "mix": ("*/train.jsonl", "*/manifest.json"),
    "base": ("model/*",),
    "train": ("model/*.safetensors", "model/*.bin"),
    "merge": ("model/*.safetensors", "model/*.bin"),
    "exam": ("results/**/results_*.json", "results/**/samples_*.jsonl"),
}


class Clock:
    """When a step began."""

    def __init__(self) -> None:
        """It begins now."""
        self._at, self._ticks = datetime.now(UTC), time.monotonic()

    def receipt(self, step: Step, folder: Path) -> dict[str, Any]:
        """The receipt of a step that is done now, with a sha256 of each of its results."""
        return {
            "step": step.id,
            "kind": step.kind,
            "cells": step.cells,
            "seconds": round(time.monotonic() - self._ticks, 1),
            "started": self._at.isoformat(timespec="seconds"),
            "outputs": dict(_digests(step.kind, folder)),
        }


def leave_receipt(receipt: dict[str, Any], folder: Path) -> None:
    """The last act of a step; from now on it is done."""
    _write(folder / RECEIPT, receipt)
    (folder / FAILURE).unlink(missing_ok=True)


def leave_failure(step: Step, folder: Path, reason: str) -> None:
    """Why a step failed, in one line."""
    _write(folder / FAILURE, {"step": step.id, "reason": reason, "log": LOG})


def _write(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
    beside.replace(path)


def _digests(kind: Kind, folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted({path for pattern in _RESULTS[kind] for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            yield path.relative_to(folder).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()
