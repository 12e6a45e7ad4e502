"""Errors that are the user's to mend: the command line prints them without a traceback and exits with 2."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Row = TypeVar("Row", bound="BaseModel")

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
        """Return one error for all faults of `file`; the message of a run names the first twenty, the report all."""
        if len(faults) == 1:
            return cls(f"{file}: {faults[0]}")
        head = f"{file}: {len(faults)} faults, nothing was read:"
        more = [f"and {len(faults) - _SHOWN} more; openbook-eval exam show lists them all"][: len(faults) > _SHOWN]
        return cls("\n  ".join([head, *faults[:_SHOWN], *more]), "\n  ".join([head, *faults]))


class ExamNotFetchedError(ExamError):
    """An exam on the hub that could not be fetched."""


def some(names: Sequence[str], shown: int = 5) -> str:
    """Return the first few names, for a notice."""
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def validation_message(fault: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return what a fault that pydantic found means to the author of the file; `keys` are those that are known."""
    key = ".".join(map(str, fault["loc"])) or "the line"
    if fault["type"] == "extra_forbidden":
        return f"unknown key '{key}'; {did_you_mean(key, keys)}"
    if fault["type"] == "missing":
        return f"key '{key}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}"


def validation_messages(error: "ValidationError", kind: "type[BaseModel]") -> list[str]:
    """Return every fault that pydantic found in a `kind`, a line each."""
    found = []
    for fault in error.errors():
        known, (*place, _) = kind, fault["loc"] or ("",)
        # Members of lists and keys of mappings lead nowhere else.
        for part in place:
            field = known.model_fields.get(str(part))
            known = next(models_in(field.annotation), known) if field else known
        message = validation_message(fault, [".".join([*map(str, place), key]) for key in known.model_fields])
        found.append(message if fault["loc"] else fault["msg"].removeprefix("Value error, "))
    return found


def models_in(annotation: Any) -> "Iterator[type[BaseModel]]":
    """Yield the models that a value of a type may be or hold; what their own fields hold is not looked at."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def parsed(kind: type[Row], row: object) -> Row | str:
    """Return a row, as an object or as JSON text, as a pydantic model, or what is wrong with it."""
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(row) if isinstance(row, str) else kind.model_validate(row)
    except ValidationError as error:
        keys = [field.alias or name for name, field in kind.model_fields.items()]
        return "; ".join(validation_message(dict(fault), keys) for fault in error.errors())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is none of the known ones: the nearest, or all."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(names)}"


def visible(text: str, kept: str = "", spelt: str | None = None) -> str:
    r"""Return text from outside with what would move the cursor, turn the writing around or hide in it spelt out.

    It is one line for a terminal or a table: an escape character is shown as \x1b, and the wide blank of Chinese text
    stays. A page keeps other characters, `kept`, and shows what is hidden by a format of its number, `spelt`.
    """
    return "".join(
        character
        if character.isprintable() or character in "\u3000" + kept
        else spelt.format(ord(character))
        if spelt
        else repr(character)[1:-1]
        for character in text
    )


def first_line(error: Exception) -> str:
    """Return what a library's error says, without the explanations below it."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
