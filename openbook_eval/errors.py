"""Errors that are the user's to mend: the command line prints them without a traceback and exits with 2."""

from collections.abc import Sequence

_SHOWN = 20


class OpenbookError(Exception):
    """A mistake in input, files or setting. The message says what is wrong, where, and what to do."""


class ExamError(OpenbookError):
    """An exam that cannot be read: missing, broken or at odds with itself."""

    @classmethod
    def from_faults(cls, file: str, faults: Sequence[str]) -> "ExamError":
        """One error for all faults of `file`; past the first twenty they are only counted."""
        if len(faults) == 1:
            return cls(f"{file}: {faults[0]}")
        lines = [f"{file}: {len(faults)} faults, nothing was read:", *faults[:_SHOWN]]
        if len(faults) > _SHOWN:
            lines.append(f"and {len(faults) - _SHOWN} more")
        return cls("\n  ".join(lines))
