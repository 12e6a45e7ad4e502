"""The rows of a file as it holds them: JSON, CSV, text, Excel and parquet, unpacked and as UTF-8.

Every reader keeps the whole rows of a broken file, and says of the others which they are and what is wrong with them.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
import polars as pl
from backports import zstd

from data_prep.layouts import Layout, Row, kind
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import decode

# No more rows, broken ones or not, and not much more text than this are handed on at once.
ROWS, BYTES = 20_000, 16 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The first bytes of JSON lines, by which their encoding is recognised.
_SAMPLE = 1 << 20
_NOT_TEXT = "is neither UTF-8 nor gb18030"
# Stand for bytes that are no text, and are the same bytes again where a text is encoded.
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Fault(NamedTuple):
    """A row that is not whole: its number in the file (from 1), what is wrong with it, and its text as it stands."""

    row: int
    reason: str
    text: str


@dataclass(slots=True)
class Batch:
    """Whole rows by number (from 1), rows that are not whole, and breaks: faults of the file that cost no row.

    Where they could be read at once, `texts` holds numbers, questions and answers, and `rows` nothing.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    texts: pl.DataFrame | None = None


# --- Bytes


def _packing(file: Path) -> bytes:
    with file.open("rb") as opened:
        start = opened.read(4)
    return next((magic for magic in (_GZIP, _ZSTD) if start.startswith(magic)), b"")


def is_packed(file: Path) -> bool:
    """Return whether a file is gzip or zstd, by what it begins with: names lie."""
    return bool(_packing(file))


@contextmanager
def _unpacked(file: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked; raise OpenbookError where it cannot be read or is cut off while packed."""
    try:
        opener: Any = {_GZIP: gzip.open, _ZSTD: zstd.open}.get(_packing(file), Path.open)
        with opener(file, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        raise OpenbookError(f"{file}: cannot be unpacked ({error}); fetch or pack it again") from error
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror or error})") from error


def read_head(file: Path, size: int = 64 << 10) -> bytes:
    """Return the first bytes of a file, unpacked; of UTF-16 as UTF-8."""
    with _unpacked(file) as stream:
        start = stream.read(size)
    if start.startswith(_UTF16):
        return start.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return start.removeprefix(codecs.BOM_UTF8)


def read_text(file: Path) -> bytes:
    """Return all of a text file, unpacked, as UTF-8."""
    with _unpacked(file) as stream:
        return as_utf8(stream.read())


def as_utf8(data: bytes) -> bytes:
    """Return a text in UTF-8 without BOM, whether UTF-8, UTF-16 or gb18030; what is none of these stays as it is."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if _is_utf8(data) or _is_mostly_utf8(data):
        return data
    try:
        return decode(data, "").encode()
    except OpenbookError:
        return data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more lines are UTF-8 than not: then a few bytes were damaged, and gb18030 would garble the rest."""
    foreign = [line for line in data.split(b"\n") if not line.isascii()]
    return not data.startswith(_UTF16) and 2 * sum(map(_is_utf8, foreign)) > len(foreign)


def _printable(text: str) -> str:
    return _SURROGATE.sub("?", text)


# --- JSON lines: the number of a row is that of its line


def read_lines(file: Path, layout: Layout) -> Iterator[Batch]:
    """Read the lines of a file, many at once where the layout wants plain texts and they hold such."""
    with _unpacked(file) as stream:
        block, first, in_utf8 = stream.read(BYTES) + stream.readline(), 1, True
        if block.startswith(_UTF16):
            block = as_utf8(block + stream.read())
        else:
            block = block.removeprefix(codecs.BOM_UTF8)
            # In whole lines: half a character is no text in any encoding.
            sample = block[: block.rfind(b"\n", 0, _SAMPLE) + 1] or block
            in_utf8 = as_utf8(sample) is sample
        while block:
            lines = [] if in_utf8 else [_from_gb18030(line) for line in block.split(b"\n")]
            block = b"\n".join(lines) if lines else block
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            texts = _read_at_once(block, count, layout)
            yield _parse_lines(block, first) if texts is None else Batch(texts=texts.with_row_index("row", first))
            block, first = stream.read(BYTES) + stream.readline(), first + count


def _from_gb18030(line: bytes) -> bytes:
    try:
        return line.decode("gb18030").encode()
    except UnicodeDecodeError:
        return line


def _read_at_once(block: bytes, count: int, layout: Layout) -> pl.DataFrame | None:
    """The questions and answers of as many lines, or none where these must be looked at one by one."""
    if not (sides := layout.plain):
        return None
    keys = list(dict.fromkeys(key for side in sides for key in side.items))
    # As strings polars would take numbers and lists; a category is a text or an error. They have a pool of their own,
    # which goes with them.
    schema: dict[str, pl.DataType] = dict.fromkeys(keys, pl.Categorical(pl.Categories.random()))
    try:
        table = pl.read_ndjson(block, schema=schema | ({layout.turns: pl.String()} if layout.turns else {}))
    except (pl.exceptions.PolarsError, OSError):  # OSError where it begins as a compressed file does
        return None
    texts = table.select(pl.col(keys).cast(pl.String()))
    # Blank lines are no rows, but are counted. A null may be a key that is missing, and a NUL half a surrogate pair.
    unsure = [pl.all_horizontal(pl.col(side.wanted).is_null()).any() for side in sides]
    unsure += [pl.col(key).str.contains("\0", literal=True).any() for key in keys]
    if table.height != count or any(texts.select(pl.concat_list(unsure)).item()):
        return None
    if layout.turns and not table[layout.turns].fill_null("").is_in(["", "[]"]).all():
        return None
    question, answer = (side.joined() for side in sides)
    return texts.select(question=question, answer=answer, turns=pl.lit(None, pl.String))


def _parse_lines(block: bytes, first: int) -> Batch:
    found = Batch()
    for number, line in enumerate(block.split(b"\n"), first):
        if text := line.strip():
            row = _parse(text)
            if isinstance(row, str):
                found.faults.append(Fault(number, f"line {number} {row}", text.decode("utf-8", "replace")))
            else:
                found.rows[number] = row
    return found


def _parse(text: bytes) -> Row | str:
    """An object in JSON, or what is wrong with it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"is not JSON ({error.msg}, at character {error.pos + 1})" if _is_utf8(text) else _NOT_TEXT
    return value if isinstance(value, dict) else f"is {kind(value)}, not an object"


def shown(value: object) -> str:
    """Return a value as JSON, for a reader; say what JSON cannot hold."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        return f"(not shown: {error})"


# --- JSON arrays: the number of a row is its place in the array

_OPENS, _NO_SEPARATOR = re.compile(rb"\s*\["), re.compile(r"[^\s,\[\]]")
_DECODER = json.JSONDecoder()
_TEXT = r'"(?:[^"\\]|\\.)*"'
_FIRST_KEY = re.compile(rf"\{{\s*({_TEXT})\s*:")
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
        numbered = list(enumerate(values, number))
        rows: dict[int, Row] = {place: value for place, value in numbered if isinstance(value, dict)}
        others = [(place, value) for place, value in numbered if place not in rows]
        yield Batch(rows, [Fault(place, f"is {kind(value)}, not an object", shown(value)) for place, value in others])
        start, number = next_start, number + len(values)
        if not next_start:
            return
    yield from _salvage(data, start, number)


def _pieces(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where pieces of the array end and the next begin (0 for the last), cut where the first key comes again.

    In JSON a quotation mark inside a text is escaped, so the cut is never in a text. It may be inside a row whose parts
    begin with the same key: then the piece is not JSON.
    """
    if first := re.compile(_FIRST_KEY.pattern.encode()).search(data, start):
        boundary = re.compile(rb"\}\s*,\s*(?=\{\s*" + re.escape(first[1]) + rb"\s*:)")
        while cut := boundary.search(data, start + BYTES // 4):
            yield cut.start() + 1, cut.end()
            start = cut.end()
    yield len(data), 0


def _salvage(data: bytes, start: int, number: int) -> Iterator[Batch]:
    """Every whole object from a place between two rows on, the next of which is the `number`-th.

    What stands between two objects, but for commas and brackets, is a broken row; the next begins where an object has
    the first key of a whole one.
    """
    text, line = data[start:].decode("utf-8", "surrogateescape"), data.count(b"\n", 0, start) + 1
    found = Batch(breaks=[] if start else [f"line {line}: the array does not begin with ["])
    keys = set(_FIRST_KEY.findall(data[: 1 << 20].decode("utf-8", "ignore"))[:1])
    place, counted = _next(_NO_SEPARATOR, text, 0), 0
    while place < len(text):
        line, counted = line + text.count("\n", counted, place), place
        row = _object(text, place, line) if text[place] == "{" else f"line {line} holds the remains of a row"
        if isinstance(row, str):
            known = "|".join(map(re.escape, sorted(keys))) or _TEXT
            end = _next(re.compile(rf"\{{\s*(?:{known})\s*:"), text, place + 1)
            found.faults.append(Fault(number, row, _printable(text[place:end].rstrip(" \t\r\n,[]"))))
            place = end
        else:
            found.rows[number], end = row
            if (first := _FIRST_KEY.match(text, place)) and len(keys) < _MOST_KEYS:
                keys.add(first[1])
            place = _next(_NO_SEPARATOR, text, end)
            wanted, between = "]" if place == len(text) else ",", "".join(text[end:place].split())
            if between != wanted:
                at = line + text.count("\n", counted, end)
                found.breaks.append(f"line {at}: after a row stands {between or 'nothing'}, where {wanted} is wanted")
        number += 1
        if max(len(found.rows), len(found.faults)) == ROWS:
            yield found
            found = Batch()
    yield found


def _next(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.search(text, place)
    return found.start() if found else len(text)


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


# --- CSV and TSV: row 1 is the one after the header


def read_separated(data: bytes, separator: str, label: str) -> Iterator[Batch]:
    """Read with Python's csv module: polars fills short rows and takes quotation marks that are out of place.

    A row is broken where it has more or fewer cells than the header, a quotation mark out of place, or a cell of more
    than 131,072 characters (the csv module's bound): the next row then begins with the next line, so that a quotation
    mark that is never closed takes no other row with it. Blank lines are no rows.
    """
    lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="").readlines()
    records = _records(lines, separator)
    first = next(records, None)
    if first is None or isinstance(first[1], str):
        fault = f"line 1 {first[1]}" if first else "there are only blank lines"
        raise OpenbookError(f"{label}: has no header: {fault}")
    header = [name.strip() for name in first[1]]
    if twice := [name for name in header if header.count(name) > 1]:
        raise OpenbookError(f"{label}: the header has column {twice[0]!r} twice")
    numbered = enumerate(records, 1)
    while some := list(islice(numbered, ROWS)):
        found = Batch()
        for number, (line, record) in some:
            if isinstance(record, str):
                found.faults.append(Fault(number, f"line {line + 1} {record}", _printable(lines[line].rstrip("\r\n"))))
            else:
                found.rows[number] = dict(zip(header, record, strict=True))
        yield found


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """The header and all rows: the place of the first line, and the cells or what is wrong with them."""

    def reader(start: int) -> Any:
        return csv.reader(islice(lines, start, None), delimiter=separator, strict=True)

    width, start, base, rows = 0, 0, 0, reader(0)
    while start < len(lines):
        try:
            cells, fault = next(rows), ""
        except csv.Error as error:
            cells, fault = [], f"is no row ({error})"
        if cells and len(cells) != (width or len(cells)):
            fault = f"has {len(cells)} cells, the header {width}"
        elif _SURROGATE.search("".join(cells)):
            fault = _NOT_TEXT
        if fault:
            yield start, fault
            start += 1
            rows, base = reader(start), start
            continue
        if cells:
            width = len(cells)
            yield start, cells
        start = base + rows.line_num


# --- Plain text of questions and answers

_QUESTION = re.compile(r"\s*(?:问题?|提问|Q|Question)\s*[:：]", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(?:答案?|回答|A|Answer)\s*[:：]", re.IGNORECASE)


def read_pairs(data: bytes) -> Iterator[Batch]:
    """Rows with the keys question and answer; one that has no answer is broken.

    Either rows are kept apart by blank lines, and the first line of each is the question and the others the answer; or,
    in a file that begins with a mark such as 问： or Q:, every such mark begins a row, and 答： or A: its answer.
    """
    lines = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    marked = _QUESTION.match(next((line for line in lines if line.strip()), "")) is not None
    numbered = enumerate(_blocks(lines, marked), 1)
    while some := list(islice(numbered, ROWS)):
        found = Batch()
        for number, (line, block) in some:
            row = _split_at_mark(block) if marked else {"question": block[0], "answer": "\n".join(block[1:])}
            whole = "\n".join(block)
            fault = "" if row["answer"] else "a question without an answer"
            if fault or _SURROGATE.search(whole):
                reason = f"line {line} begins {fault or f'a row that {_NOT_TEXT}'}"
                found.faults.append(Fault(number, reason, _printable(whole)))
            else:
                found.rows[number] = row
        yield found


def _blocks(lines: Sequence[str], marked: bool) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and lines, of every row."""
    if marked:
        begins = [place for place, line in enumerate(lines) if _QUESTION.match(line)]
        yield from ((begin + 1, list(lines[begin:end])) for begin, end in zip(begins, [*begins[1:], None], strict=True))
        return
    for blank, block in groupby(enumerate(lines, 1), lambda numbered: not numbered[1].strip()):
        if not blank:
            numbered = list(block)
            yield numbered[0][0], [line for _, line in numbered]


def _split_at_mark(block: Sequence[str]) -> Row:
    answer = next((place for place, line in enumerate(block) if _ANSWER.match(line)), len(block))
    question = _QUESTION.sub("", "\n".join(block[:answer]), count=1)
    return {"question": question.strip(), "answer": _ANSWER.sub("", "\n".join(block[answer:]), count=1).strip()}


# --- Excel and parquet: the columns are the keys of a row


def read_table(file: Path, label: str, *, workbook: bool) -> Iterator[Batch]:
    """Read a parquet file, or the only sheet of an .xlsx file that has rows; empty rows of a sheet are none."""
    what = "Excel workbook" if workbook else "parquet file"
    with _unpacked(file) as stream:
        data = stream.read()
    try:
        # As text throughout: type guessing would turn a column of bare numbers into floats.
        sheets = (
            pl.read_excel(data, sheet_id=0, infer_schema_length=0, drop_empty_rows=False, raise_if_empty=False)
            if workbook
            else {"": pl.read_parquet(data)}
        )
    except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
        raise OpenbookError(f"{label}: not a readable {what} ({first_line(error)}); save or fetch it again") from error
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    if len(filled) > 1:
        raise OpenbookError(f"{label}: rows stand in {len(filled)} sheets ({', '.join(filled)}); keep one sheet a file")
    for sheet in filled.values():
        numbered = enumerate(sheet.iter_rows(named=True), 1)
        while some := list(islice(numbered, ROWS)):
            empty = [workbook and all(value is None for value in row.values()) for _, row in some]
            yield Batch({number: row for (number, row), gone in zip(some, empty, strict=True) if not gone})
