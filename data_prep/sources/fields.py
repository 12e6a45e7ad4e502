"""Texts from the keys of a row: a key, a path into a nested value, or a template with both."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from data_prep.sources.batch import Row
from data_prep.sources.json_lines import kind
from openbook_eval.errors import some

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_LETTER = re.compile(r"[A-Z]")
_DEEPEST = 8


class RowError(ValueError):
    """A row whose fields are not what they should be; the message names the key."""


class _Absent:
    """No value, as opposed to null."""


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Text:
    """What of a row is joined, by line breaks, to one text: keys and templates, of which one must be there.

    Where `needed` is given, it is that key that must be there.
    """

    items: tuple[str, ...]
    needed: str | None = None

    @classmethod
    def of(cls, declared: str | list[str] | None, default: "Text") -> "Text":
        """As declared in a source, else the default."""
        if declared is None:
            return default
        return cls((declared,) if isinstance(declared, str) else tuple(declared))

    @property
    def keys(self) -> tuple[str, ...] | None:
        """The items, where all are keys."""
        return None if any(map(_PLACEHOLDER.search, self.items)) else self.items

    def read(self, row: Row) -> str:
        """The text of a row. Raises RowError where what must be there is missing, or is no text."""
        found = [text for item in self.items if (text := _item(row, item)) is not None]
        if not found or (self.needed and self.needed not in row):
            missing = repr(self.needed) if self.needed else " or ".join(map(repr, self.items))
            raise RowError(f"key {missing} is missing; the row has {some(list(row))[:200] or 'none'}")
        return "\n".join(filter(None, found))


def _item(row: Row, item: str) -> str | None:
    """The text of an item, none where it is not there: of a template, where any of its values is not."""
    if not _PLACEHOLDER.search(item):
        value = find(row, item)
        return None if isinstance(value, _Absent) else plain(value, item)
    values = {path: find(row, path) for path in _PLACEHOLDER.findall(item)}
    if any(isinstance(value, _Absent) for value in values.values()):
        return None
    # In one go: what looks like a placeholder inside a value is part of that value.
    return _PLACEHOLDER.sub(lambda found: written(values[found[1]]), item)


def find(row: Row, path: str) -> Any:
    """The value under a key; else under keys, numbers of a list (from 0) or * for all of a list, between dots."""
    if path in row or "." not in path:
        return row.get(path, ABSENT)
    return _step(row, path.split("."))


def _step(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return value
    step, further = steps[0], steps[1:]
    if isinstance(value, Mapping):
        return _step(value[step], further) if step in value else ABSENT
    if isinstance(value, list) and step == "*":
        return [found for part in value if not isinstance(found := _step(part, further), _Absent)]
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return _step(value[int(step)], further)
    return ABSENT


def plain(value: Any, key: str) -> str:
    """A text, or a list of texts on a line each; null is empty. Raises RowError for any other value."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, list):
        raise RowError(f"key {key!r} is {kind(value)}, not a text; if that is meant, write '{{{key}}}'")
    if others := [part for part in value if not isinstance(part, str)]:
        holds = f"a list that holds {kind(others[0])}"
        raise RowError(f"key {key!r} is {holds}, not texts; if that is meant, write '{{{key}}}'")
    return "\n".join(value)


def written(value: Any, depth: int = 0) -> str:
    """Any value as text: a line for each part of a list or object, as `key：value`, or `A. value` after one letter.

    Raises RowError where it is nested more than 8 deep.
    """
    if depth > _DEEPEST:
        raise RowError(f"a value is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(
            f"{key}. {written(part, depth + 1)}" if _LETTER.fullmatch(key) else f"{key}：{written(part, depth + 1)}"
            for key, part in value.items()
            # Arrow gives every row the keys of all rows; those that a row lacks are null.
            if part is not None
        )
    if isinstance(value, list):
        return "\n".join(written(part, depth + 1) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
