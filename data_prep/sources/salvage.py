"""A JSON array that is broken: every whole object of it, and every place where one is not whole."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from data_prep.sources.batch import ROWS, Batch, Fault, Row
from data_prep.sources.json_lines import parsed

_SEPARATORS = re.compile(r"[\s,\[\]]*")
_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
# Rows of a file begin with a few keys; a file that is not so may have its say in time, but not in ours.
_MOST_KEYS = 50
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Remains:
    """What is left of a row that is not whole."""

    reason: str
    text: str


# A row, what is left of one, or a break between rows that cost none.
_Found: TypeAlias = Row | _Remains | str


@dataclass(slots=True)
class _Text:
    """Text with the numbers of its lines, counted as far as was asked."""

    text: str
    line: int
    counted: int = 0

    def line_at(self, place: int) -> int:
        """The line of a place; places come in order."""
        self.line += self.text.count("\n", self.counted, place)
        self.counted = place
        return self.line


@dataclass(slots=True)
class _Starts:
    """Where rows seem to begin: at an object whose first key is that of another row."""

    keys: set[str] = field(default_factory=set)
    pattern: re.Pattern[str] = _FIRST_KEY

    def learn(self, text: str, place: int) -> None:
        """Takes in the first key of the whole row at a place."""
        if (first := _FIRST_KEY.match(text, place)) and first[1] not in self.keys and len(self.keys) < _MOST_KEYS:
            self.keys.add(first[1])
            self.pattern = re.compile(rf"\{{\s*(?:{'|'.join(map(re.escape, sorted(self.keys)))})\s*:")

    def after(self, text: str, place: int) -> int:
        """The next place where a row seems to begin, or the end of the text."""
        found = self.pattern.search(text, place)
        return found.start() if found else len(text)


def salvaged(data: bytes, start: int, number: int) -> Iterator[Batch]:
    """The rows of an array from a place between two rows on, the next of which is the `number`-th.

    Every whole object is a row, and what stands between two of them, but for commas and brackets, is a broken one.
    """
    # Bytes that are no text become lone surrogates, and are the same bytes again where a row is read.
    text = _Text(data[start:].decode("utf-8", "surrogateescape"), data.count(b"\n", 0, start) + 1)
    starts = _Starts()
    if (first := _FIRST_KEY.search(data[: 1 << 20].decode("utf-8", "ignore"))) is not None:
        starts.learn(first.string, first.start())
    breaks = [] if start else [f"line {text.line}: the array does not begin with ["]
    numbers: list[int] = []
    rows: list[Row] = []
    faults: list[Fault] = []
    for found in _found(text, starts):
        if isinstance(found, str):
            breaks.append(found)
            continue
        if isinstance(found, _Remains):
            faults.append(Fault(number, found.reason, found.text))
        else:
            numbers.append(number)
            rows.append(found)
        number += 1
        if len(numbers) == ROWS:
            yield Batch(numbers, rows, faults, breaks)
            numbers, rows, faults, breaks = [], [], [], []
    yield Batch(numbers, rows, faults, breaks)


def _found(text: _Text, starts: _Starts) -> Iterator[_Found]:
    whole = text.text
    place = _after_separators(whole, 0)
    while place < len(whole):
        line = text.line_at(place)
        found = _row_at(text, place) if whole[place] == "{" else f"line {line} holds the remains of a row"
        if isinstance(found, str):
            end = starts.after(whole, place + 1)
            yield _Remains(found, whole[place:end].rstrip(" \t\r\n,[]").encode("utf-8", "replace").decode())
            place = end
            continue
        row, end = found
        yield row
        starts.learn(whole, place)
        place = _after_separators(whole, end)
        wanted, between = "]" if place == len(whole) else ",", "".join(whole[end:place].split())
        if between != wanted:
            yield f"line {text.line_at(end)}: after a row stands {between or 'nothing'}, where {wanted} is wanted"


def _after_separators(text: str, place: int) -> int:
    separators = _SEPARATORS.match(text, place)
    return separators.end() if separators else place


def _row_at(text: _Text, place: int) -> tuple[Row, int] | str:
    """The object that begins at a place and where it ends, or what is wrong with it."""
    begins = f"line {text.line} begins a row that"
    try:
        _, end = _DECODER.raw_decode(text.text, place)
    except json.JSONDecodeError as error:
        further = text.line + text.text.count("\n", place, error.pos)
        return f"{begins} is not JSON ({error.msg}, at line {further})"
    except RecursionError:
        return f"{begins} is nested too deeply"
    # What Python takes for JSON, such as NaN, is not always JSON.
    row = parsed(text.text[place:end].encode("utf-8", "surrogateescape"))
    return (row, end) if row is not None and not isinstance(row, str) else f"{begins} {row}"
