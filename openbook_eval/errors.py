"""Errors that are the user's to mend: the command line prints them without a traceback and exits with 2."""

from collections.abc import Sequence

_SHOWN = 20


class OpenbookError(Exception):
    """A mistake in input, files or setting. The message says what is wrong, where, and what to do."""


class ExamError(OpenbookError):
    """An exam that cannot be read: missing, broken or at odds with itself. `report` tells every fault of the file."""

    def __init__(self, message: str, report: str | None = None) -> None:
        """`report` where it says more than the message."""
        super().__init__(message)
        self.report = report or message

    @classmethod
    def from_faults(cls, file: str, faults: Sequence[str]) -> "ExamError":
        """One error for all faults of `file`; the message of a run names the first twenty, the report all."""
        if len(faults) == 1:
            return cls(f"{file}: {faults[0]}")
        head = f"{file}: {len(faults)} faults, nothing was read:"
        report = "\n  ".join([head, *faults])
        if len(faults) <= _SHOWN:
            return cls(report)
        more = f"and {len(faults) - _SHOWN} more; openbook-eval exam show lists them all"
        return cls("\n  ".join([head, *faults[:_SHOWN], more]), report)
