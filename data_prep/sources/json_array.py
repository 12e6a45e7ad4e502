"""A JSON array of objects, whole or broken; a row's number is its place in the array.

The array is read in pieces; from the first piece that is not JSON on, object by object, so that no row but the broken
one is lost.
"""

import re
from collections.abc import Iterator

import orjson

from data_prep.sources.batch import ROWS, Batch, Fault
from data_prep.sources.json_lines import kind, shown
from data_prep.sources.salvage import salvaged

_PIECE = 4 << 20
_OPENS = re.compile(rb"\s*\[")
_FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*")\s*:')


def read_array(data: bytes) -> Iterator[Batch]:
    """The rows of an array, in UTF-8. The whole text is held, the objects of no more than a piece of it."""
    opens = _OPENS.match(data)
    start, number = opens.end() if opens else 0, 1
    for end, next_start in _pieces(data, start) if opens else ():
        try:
            values = orjson.loads(b"[" + data[start:end] + b"]" if next_start else b"[" + data[start:end])
        except orjson.JSONDecodeError:
            break
        yield from _batches(values, number)
        start, number = next_start, number + len(values)
        if not next_start:
            return
    yield from salvaged(data, start, number)


def _pieces(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where pieces of the array end and the next begin (0 for the last), cut where the first key comes again.

    In JSON a quotation mark inside a text is escaped, so the cut is never in a text. It may be inside a row whose parts
    begin with the same key: then the piece is not JSON.
    """
    if first := _FIRST_KEY.search(data, start):
        boundary = re.compile(rb"\}\s*,\s*(?=\{\s*" + re.escape(first[1]) + rb"\s*:)")
        while cut := boundary.search(data, start + _PIECE):
            yield cut.start() + 1, cut.end()
            start = cut.end()
    yield len(data), 0


def _batches(values: list[object], first: int) -> Iterator[Batch]:
    for start in range(0, len(values), ROWS):
        chosen = list(enumerate(values[start : start + ROWS], first + start))
        whole = [(number, value) for number, value in chosen if isinstance(value, dict)]
        faults = [
            Fault(number, f"is {kind(value)}, not an object", shown(value))
            for number, value in chosen
            if not isinstance(value, dict)
        ]
        yield Batch([number for number, _ in whole], [value for _, value in whole], faults)
