"""JSON lines: an object a line; a row's number is that of its line."""

from collections.abc import Iterable, Iterator, Sequence

import orjson

from data_prep.sources.batch import ROWS, Batch, Fault, Row


def read_lines(lines: Iterable[Sequence[bytes]], first_row: int) -> Iterator[Batch]:
    """The rows of lines, some of them at a time; the first one's number is `first_row`. Blank lines are no rows."""
    number = first_row
    for some in lines:
        for start in range(0, len(some), ROWS):
            yield _batch(some[start : start + ROWS], number + start)
        number += len(some)


def _batch(lines: Sequence[bytes], first: int) -> Batch:
    try:
        rows = [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        return _batch_with_faults(lines, first)
    if set(map(type, rows)) == {dict}:
        return Batch(range(first, first + len(rows)), rows)
    return _batch_with_faults(lines, first)


def _batch_with_faults(lines: Sequence[bytes], first: int) -> Batch:
    numbers: list[int] = []
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines, first):
        found = parsed(line.rstrip())
        if isinstance(found, str):
            faults.append(Fault(number, f"line {number} {found}", line.rstrip().decode("utf-8", "replace")))
        elif found is not None:
            numbers.append(number)
            rows.append(found)
    return Batch(numbers, rows, faults)


def parsed(text: bytes) -> Row | str | None:
    """An object in JSON, or what is wrong with it; none where there is no more than white space."""
    if not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _not_json(text, error)
    return value if isinstance(value, dict) else f"is {kind(value)}, not an object"


def _not_json(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError:
        return "is neither UTF-8 nor gb18030"
    return f"is not JSON ({error.msg}, at character {error.pos + 1})"


def shown(value: object) -> str:
    """A value as JSON, for a reader; what JSON cannot hold is told instead."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        return f"(not shown: {error})"


def kind(value: object) -> str:
    """What a value of JSON is called."""
    names = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
