"""Why a program failed, in one line, out of its log."""

import re
from pathlib import Path

from openbook_eval.errors import visible

_TAIL = 200_000
_LONGEST = 400
# What helps most, first: our own words; what the system says; what the card says.
_TELLING = (
    re.compile(r"^(?:openbook-eval|data-prep): .+"),
    re.compile(r"^.*\[Errno \d+\] [A-Z].*|^.*No space left on device.*"),
    re.compile(r"^.*(?:OutOfMemoryError|CUDA out of memory|CUDA error).*"),
    re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*"),
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Wrapped around every failure of what they start.
_WRAPPERS = ("CalledProcessError", "ChildFailedError")


def reason(log: Path, code: int) -> str:
    """One line that says why; `code` is the exit code, below 0 for the signal that ended the program."""
    lines = _last_lines(log)
    for telling in _TELLING:
        if found := [line for line in lines if telling.match(line) and not any(each in line for each in _WRAPPERS)]:
            return found[-1][:_LONGEST]
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{how}{f'; its last words: {lines[-1]}' if lines else ''}"[:_LONGEST]


def _last_lines(log: Path) -> list[str]:
    """The lines of the last start: the log of earlier ones stands before it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [visible(_COLOURS.sub("", part).strip()) for part in re.split(r"[\r\n]+", text)]
    begins = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    return [line for line in lines[(begins[-1] + 1 if begins else 0) :] if line]
