"""The rows of JSON files: an object a line, or an array of objects, whole or broken."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson
import polars as pl

from data_prep import formats
from data_prep.formats import NOT_TEXT, ROWS, UTF16, Batch, Fault, Gathered
from data_prep.layouts import Layout, Row, kind

# --- JSON lines: the number of a row is that of its line

# The first bytes, by which the encoding is recognised.
_SAMPLE = 1 << 20


def read_lines(file: Path, layout: Layout) -> Iterator[Batch]:
    """Read the lines of a file as a table of the texts that the layout wants, where these are no more than texts."""
    for first, count, block in _line_blocks(file):
        table = _table(block, count, layout)
        if table is None:
            yield _parse_lines(block.split(b"\n"), first)
        else:
            yield Batch(range(first, first + table.height), table=table)


def _line_blocks(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Lines in UTF-8, many at a time and without the last line break: number of the first, how many, and the lines.

    A line that is no text in the encoding of the others stays as it is.
    """
    with formats.unpacked(file) as stream:
        more = stream.read(formats.BYTES)
        if more.startswith(UTF16):
            block = formats.as_utf8(more + stream.read())
            yield 1, block.count(b"\n") + 1, block
            return
        more = more.removeprefix(codecs.BOM_UTF8)
        while b"\n" not in more and (further := stream.read(formats.BYTES)):
            more += further
        # In whole lines: half a character is no text in any encoding.
        sample = more[: more.rfind(b"\n", 0, _SAMPLE) + 1] or more
        in_utf8 = formats.as_utf8(sample) is sample
        first, rest = 1, b""
        while more:
            block, line_end, rest = (rest + more).rpartition(b"\n")
            if line_end:
                count = block.count(b"\n") + 1
                yield first, count, block if in_utf8 else b"\n".join(map(_from_gb18030, block.split(b"\n")))
                first += count
            more = stream.read(formats.BYTES)
        if rest:
            yield first, 1, rest if in_utf8 else _from_gb18030(rest)


def _from_gb18030(line: bytes) -> bytes:
    try:
        return line.decode("gb18030").encode()
    except UnicodeDecodeError:
        return line


def _table(block: bytes, count: int, layout: Layout) -> pl.DataFrame | None:
    """The wanted columns of a block, all texts, or none where its rows must be looked at one by one."""
    if not layout.keys:
        return None
    # As strings polars would take numbers and lists; a category is a text or an error. They have a pool of their own,
    # which goes with them.
    schema: dict[str, pl.DataType] = dict.fromkeys(layout.keys, pl.Categorical(pl.Categories.random()))
    try:
        table = pl.read_ndjson(block, schema=schema | ({layout.turns: pl.String()} if layout.turns else {}))
    except pl.exceptions.PolarsError:
        return None
    texts = table.select(pl.col(layout.keys).cast(pl.String()))
    # Blank lines are no rows, but are counted. A null may be a key that is missing, and a NUL half a surrogate pair.
    unsure = [pl.all_horizontal(pl.col(keys).is_null()).any() for keys in layout.needed]
    unsure += [pl.col(key).str.contains("\0", literal=True).any() for key in layout.keys]
    if table.height != count or any(texts.select(pl.concat_list(unsure)).item()):
        return None
    if layout.turns and not table[layout.turns].fill_null("").is_in(["", "[]"]).all():
        return None
    return texts


def _parse_lines(lines: Sequence[bytes], first: int) -> Batch:
    found = Gathered()
    for number, line in enumerate(lines, first):
        if text := line.strip():
            row = _parse(text)
            if isinstance(row, str):
                found.faults.append(Fault(number, f"line {number} {row}", text.decode("utf-8", "replace")))
            else:
                found.rows[number] = row
    return found.batch()


def _parse(text: bytes) -> Row | str:
    """An object in JSON, or what is wrong with it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"is not JSON ({error.msg}, at character {error.pos + 1})" if formats.is_utf8(text) else NOT_TEXT
    return value if isinstance(value, dict) else f"is {kind(value)}, not an object"


def shown(value: object) -> str:
    """Return a value as JSON, for a reader; say what JSON cannot hold."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        return f"(not shown: {error})"


# --- JSON arrays: the number of a row is its place in the array

_OPENS, _SEPARATORS = re.compile(rb"\s*\["), re.compile(r"[\s,\[\]]*")
_DECODER = json.JSONDecoder()
_FIRST_KEY = r'\{\s*("(?:[^"\\]|\\.)*")\s*:'
# Rows of a file begin with a few keys; a file that is not so may have its say in time, but not in ours.
_MOST_KEYS = 50


def read_array(data: bytes) -> Iterator[Batch]:
    """Read an array in pieces; from the first that is not JSON on, object by object, so that no other row is lost.

    The whole text is held, the objects of no more than a piece of it.
    """
    opens = _OPENS.match(data)
    start, number = opens.end() if opens else 0, 1
    for end, next_start in _pieces(data, start) if opens else ():
        try:
            values = orjson.loads(b"[" + data[start:end] + (b"]" if next_start else b""))
        except orjson.JSONDecodeError:
            break
        yield _array_batch(values, number)
        start, number = next_start, number + len(values)
        if not next_start:
            return
    yield from _salvage(data, start, number)


def _pieces(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where pieces of the array end and the next begin (0 for the last), cut where the first key comes again.

    In JSON a quotation mark inside a text is escaped, so the cut is never in a text. It may be inside a row whose parts
    begin with the same key: then the piece is not JSON.
    """
    if first := re.compile(_FIRST_KEY.encode()).search(data, start):
        boundary = re.compile(rb"\}\s*,\s*(?=\{\s*" + re.escape(first[1]) + rb"\s*:)")
        while cut := boundary.search(data, start + formats.BYTES // 4):
            yield cut.start() + 1, cut.end()
            start = cut.end()
    yield len(data), 0


def _array_batch(values: Sequence[object], first: int) -> Batch:
    found = Gathered()
    for number, value in enumerate(values, first):
        if isinstance(value, dict):
            found.rows[number] = value
        else:
            found.faults.append(Fault(number, f"is {kind(value)}, not an object", shown(value)))
    return found.batch()


class _Remains(NamedTuple):
    """What is left of a row that is not whole."""

    reason: str
    text: str


@dataclass(slots=True)
class _Starts:
    """Where rows seem to begin: at an object whose first key is that of another row."""

    keys: set[str] = field(default_factory=set)
    pattern: re.Pattern[str] = re.compile(_FIRST_KEY)

    def learn(self, text: str, place: int) -> None:
        """Take in the first key of the whole row at a place."""
        first = re.compile(_FIRST_KEY).match(text, place)
        if first and first[1] not in self.keys and len(self.keys) < _MOST_KEYS:
            self.keys.add(first[1])
            self.pattern = re.compile(rf"\{{\s*(?:{'|'.join(map(re.escape, sorted(self.keys)))})\s*:")

    def after(self, text: str, place: int) -> int:
        """Return the next place where a row seems to begin, or the end of the text."""
        found = self.pattern.search(text, place)
        return found.start() if found else len(text)


def _salvage(data: bytes, start: int, number: int) -> Iterator[Batch]:
    """Every whole object from a place between two rows on, the next of which is the `number`-th.

    What stands between two objects, but for commas and brackets, is a broken row.
    """
    # Bytes that are no text become lone surrogates, and are the same bytes again where a row is read.
    text, line = data[start:].decode("utf-8", "surrogateescape"), data.count(b"\n", 0, start) + 1
    starts = _Starts()
    head = data[: 1 << 20].decode("utf-8", "ignore")
    starts.learn(head, starts.after(head, 0))
    found = Gathered(breaks=[] if start else [f"line {line}: the array does not begin with ["])
    for what in _objects(text, line, starts):
        if isinstance(what, str):
            found.breaks.append(what)
            continue
        if isinstance(what, _Remains):
            found.faults.append(Fault(number, *what))
        else:
            found.rows[number] = what
        number += 1
        if max(len(found.rows), len(found.faults)) == ROWS:
            yield found.batch()
            found = Gathered()
    yield found.batch()


def _objects(text: str, line: int, starts: _Starts) -> Iterator[Row | _Remains | str]:
    """Rows, what is left of rows, and breaks between rows that cost none; `line` is the number of the first line."""
    place, counted = _after_separators(text, 0), 0
    while place < len(text):
        line, counted = line + text.count("\n", counted, place), place
        row = _object(text, place, line) if text[place] == "{" else f"line {line} holds the remains of a row"
        if isinstance(row, str):
            end = starts.after(text, place + 1)
            yield _Remains(row, formats.printable(text[place:end].rstrip(" \t\r\n,[]")))
            place = end
            continue
        yield row[0]
        starts.learn(text, place)
        place, end = _after_separators(text, row[1]), row[1]
        wanted, between = "]" if place == len(text) else ",", "".join(text[end:place].split())
        if between != wanted:
            line, counted = line + text.count("\n", counted, end), end
            yield f"line {line}: after a row stands {between or 'nothing'}, where {wanted} is wanted"


def _after_separators(text: str, place: int) -> int:
    separators = _SEPARATORS.match(text, place)
    return separators.end() if separators else place


def _object(text: str, place: int, line: int) -> tuple[Row, int] | str:
    """The object that begins at a place and where it ends, or what is wrong with it."""
    begins = f"line {line} begins a row that"
    try:
        _, end = _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        further = line + text.count("\n", place, error.pos)
        return f"{begins} is not JSON ({error.msg}, at line {further})"
    except RecursionError:
        return f"{begins} is nested too deeply"
    # What Python takes for JSON, such as NaN, is not always JSON.
    row = _parse(text[place:end].encode("utf-8", "surrogateescape"))
    return f"{begins} {row}" if isinstance(row, str) else (row, end)
