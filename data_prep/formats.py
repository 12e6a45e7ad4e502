"""The rows of a file as it holds them: JSON, CSV, text, Excel and parquet, unpacked and as UTF-8.

Every reader yields the whole rows of a broken file, and says of the others which they are and what is wrong with them.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import orjson
import polars as pl
from backports import zstd

from openbook_eval.errors import OpenbookError, first_line

# Not much more text than this is handed on at once.
BYTES = 16 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = "neither UTF-8 nor gb18030"
# Big5 and others decode as gb18030 too, but into characters that no Chinese text contains.
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
# Stand for bytes that are no text, and are the same bytes again where a text is encoded.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")

Row: TypeAlias = Mapping[str, Any]


class Fault(NamedTuple):
    """What is wrong with a row, its number in the file (from 1), and its text; row 0: of the file, and costs no row."""

    row: int
    reason: str
    text: str = ""


Item: TypeAlias = tuple[int, Row] | Fault


@contextmanager
def _unpacked(file: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked if it is packed, by what it begins with: names lie."""
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
        opener: Any = gzip.open if start.startswith(_GZIP) else zstd.open if start == _ZSTD else Path.open
        with opener(file, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        raise OpenbookError(f"{file}: cannot be unpacked ({error}); fetch or pack it again") from error
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror or error})") from error


class Foreign(NamedTuple):
    """How many lines of a text are gb18030, and the number of the first."""

    lines: int
    first: int | None


UTF8 = Foreign(0, None)


def read_text(file: Path, size: int = -1) -> tuple[bytes, Foreign]:
    """Return a text file, or its first bytes, unpacked and as UTF-8, and which lines were not."""
    with _unpacked(file) as stream:
        return as_utf8(stream.read(size))


def as_utf8(data: bytes, first: int = 1) -> tuple[bytes, Foreign]:
    """Return a text in UTF-8 without BOM, whether UTF-8, UTF-16 or line by line UTF-8 or gb18030, and which lines were.

    Lines that are none of these stay. `first` is the number of the first line.
    """
    if data.startswith(_UTF16):
        return data.decode("utf-16", "replace").encode(), UTF8
    data = data.removeprefix(codecs.BOM_UTF8)
    if _is_utf8(data):
        return data, UTF8
    lines = data.split(b"\n")
    foreign = {place for place, line in enumerate(lines) if not line.isascii() and not _is_utf8(line)}
    utf8 = {place for place, line in enumerate(lines) if not line.isascii()} - foreign
    if len(utf8) < len(foreign):
        # A few characters of gb18030 may be two-byte characters of UTF-8 by chance, such as no Chinese text has.
        foreign |= {place for place in utf8 if max(lines[place].decode()) < "\u0800"}
    mostly_utf8 = len(utf8) > len(foreign)
    kept = {place for place in foreign if mostly_utf8 and _is_damaged(lines[place])}
    read = {place: text for place in sorted(foreign - kept) if (text := _from_gb18030(lines[place]))}
    for place, text in read.items():
        lines[place] = text
    return b"\n".join(lines), Foreign(len(read), first + min(read)) if read else UTF8


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_damaged(line: bytes) -> bool:
    """Return whether a line is UTF-8 but for some bytes: those of one character, or fewer than it has Chinese ones."""
    text = line.decode("utf-8", "surrogateescape")
    return len(_SURROGATE.findall(text)) <= max(3, len(_CHINESE.findall(text)))


def _from_gb18030(line: bytes) -> bytes | None:
    try:
        text = line.decode("gb18030")
    except UnicodeDecodeError:
        return None
    return None if _PRIVATE_USE.search(text) else text.encode()


def _printable(text: str) -> str:
    return _SURROGATE.sub("?", text)


# --- JSON lines: the number of a row is that of its line


def read_blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file in blocks, each with the number of its first line; only UTF-16 is decoded."""
    with _unpacked(file) as stream:
        block, first = stream.read(BYTES) + stream.readline(), 1
        if block.startswith(_UTF16):
            block, _ = as_utf8(block + stream.read())
        while block:
            yield first, block.removeprefix(codecs.BOM_UTF8)
            first += block.count(b"\n")
            block = stream.read(BYTES) + stream.readline()


def read_lines(block: bytes, first: int) -> Iterator[Item]:
    """Read lines of JSON objects, the first of this number; blank lines are no rows."""
    for number, line in enumerate(block.split(b"\n"), first):
        if text := line.strip():
            row = _parse(text)
            yield Fault(number, row, text.decode("utf-8", "replace")) if isinstance(row, str) else (number, row)


def _parse(text: bytes) -> Row | str:
    """Return an object in JSON, or what is wrong with it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"is not JSON ({error.msg}, at character {error.pos + 1})" if _is_utf8(text) else f"is {_NOT_TEXT}"
    return value if isinstance(value, dict) else _no_object(value)


def _no_object(value: object) -> str:
    return f"is {kind(value)}, not an object"


def kind(value: object) -> str:
    """Return what a value of JSON is called."""
    names = {
        str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
    }  # fmt: skip
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def shown(value: object) -> str:
    """Return a value as JSON, for a reader; say what JSON cannot hold."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        return f"(not shown: {error})"


# --- JSON arrays: the number of a row is its place in the array

_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_DECODER = json.JSONDecoder()
# What stands between two rows.
_BETWEEN = " \t\r\n,[]"


def read_array(data: bytes, under: str | None = None) -> Iterator[Item]:
    """Read an array of objects, that `under` a key of an object if named; where it is not JSON, every whole object."""
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        yield from _salvage(data, f"is no array of JSON ({error.msg}, at line {error.lineno})")
        return
    for key in under.split(".") if under else ():
        values = values.get(key) if isinstance(values, dict) else None
    if under and not isinstance(values, list):
        yield Fault(1, f"the file has no list of rows under {under!r}, as the source's rows says")
        return
    for number, value in enumerate(values if isinstance(values, list) else [values], 1):
        yield (number, value) if isinstance(value, dict) else Fault(number, _no_object(value), shown(value))


def _salvage(data: bytes, problem: str) -> Iterator[Item]:
    """Yield the objects of a broken array: a broken one ends where the first key of the first row comes again.

    In JSON a quotation mark inside a text is escaped, so that is never in a text. Where all rows are whole, the problem
    is the file's own.
    """
    text = data.decode("utf-8", "surrogateescape")
    first = _FIRST_KEY.search(text)
    pieces = re.split(rf"(?=\{{\s*{re.escape(first[1])}\s*:)", text) if first else [text]
    number = broken = 0
    for piece in (piece.strip(_BETWEEN) for piece in pieces):
        rest = piece
        while rest:
            number, end = number + 1, _end_of_object(rest)
            row = _parse(rest[:end].encode("utf-8", "surrogateescape"))
            broken += isinstance(row, str)
            yield Fault(number, row, _printable(rest[:end])) if isinstance(row, str) else (number, row)
            rest = rest[end:].strip(_BETWEEN)
    if not broken:
        yield Fault(0, problem)


def _end_of_object(text: str) -> int:
    """Return where the object that a text begins with ends; where it is broken, that is the end of the text."""
    with suppress(json.JSONDecodeError, RecursionError):
        return _DECODER.raw_decode(text)[1] if text.startswith("{") else len(text)
    return len(text)


# --- CSV and TSV: row 1 is the one after the header


def read_separated(data: bytes, separator: str, label: str) -> Iterator[Item]:
    """Read with Python's csv module: polars fills short rows and takes quotation marks that are out of place.

    A row is broken where it has more or fewer cells than the header, a quotation mark out of place, or a cell of more
    than 131,072 characters (the csv module's bound): the next row then begins with the next line, so that a quotation
    mark that is never closed takes no other row with it. Blank lines are no rows.
    """
    lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="").readlines()
    records = _records(lines, separator)
    _, header = next(records, (0, "is blank"))
    if isinstance(header, str):
        raise OpenbookError(f"{label}: has no header: the first line {header}")
    names = [name.strip() for name in header]
    if twice := [name for name in names if names.count(name) > 1]:
        raise OpenbookError(f"{label}: the header has column {twice[0]!r} twice")
    for number, (line, cells) in enumerate(records, 1):
        if isinstance(cells, str):
            yield Fault(number, f"(line {line + 1}) {cells}", _printable(lines[line].rstrip("\r\n")))
        else:
            yield number, dict(zip(names, cells, strict=True))


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the header and all rows: the place of the first line, and the cells or what is wrong with them."""
    start, width = 0, 0
    while start < len(lines):
        begin, rows = start, csv.reader(islice(lines, start, None), delimiter=separator, strict=True)
        try:
            for cells in rows:
                _check_cells(cells, width)
                if cells:
                    width = len(cells)
                    yield start, cells
                start = begin + rows.line_num
        except csv.Error as error:
            yield start, f"is no row ({error})"
            start += 1


def _check_cells(cells: Sequence[str], width: int) -> None:
    if cells and width and len(cells) != width:
        raise csv.Error(f"{len(cells)} cells, the header has {width}")
    if _SURROGATE.search("".join(cells)):
        raise csv.Error(_NOT_TEXT)


# --- Plain text of questions and answers

_ASKS = re.compile(r"^[^\S\n]*(?:问题?|提问|Q|Question)[^\S\n]*[:：]", re.IGNORECASE | re.MULTILINE)
_ANSWERS = re.compile(r"^[^\S\n]*(?:答案?|回答|A|Answer)[^\S\n]*[:：]", re.IGNORECASE | re.MULTILINE)


def read_pairs(data: bytes) -> Iterator[Item]:
    """Read rows with the keys question and answer; one that has no answer is broken.

    Either rows are kept apart by blank lines, and the first line of each is the question and the others the answer; or,
    in a file that begins with a mark such as 问： or Q:, every such mark begins a row, and 答： or A: its answer.
    """
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").strip()
    marked = _ASKS.match(text)
    for number, block in enumerate(_ASKS.split(text)[1:] if marked else re.split(r"\n\s*\n", text), 1):
        pieces = _ANSWERS.split(block, 1) if marked else block.split("\n", 1)
        question, answer = pieces[0], "".join(pieces[1:])
        if _SURROGATE.search(block):
            yield Fault(number, f"is {_NOT_TEXT}", _printable(block))
        elif not answer.strip():
            yield Fault(number, "is a question without an answer", block.strip())
        else:
            yield number, {"question": question, "answer": answer}


# --- Excel and parquet: the columns are the keys of a row


def read_table(file: Path, label: str, *, workbook: bool) -> Iterator[Item]:
    """Read a parquet file, or the only sheet of an .xlsx file that has rows; empty rows of a sheet are none."""
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
        what = "Excel workbook" if workbook else "parquet file"
        raise OpenbookError(f"{label}: not a readable {what} ({first_line(error)}); save or fetch it again") from error
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    if len(filled) > 1:
        raise OpenbookError(f"{label}: rows stand in {len(filled)} sheets ({', '.join(filled)}); keep one sheet a file")
    for sheet in filled.values():
        for number, row in enumerate(sheet.iter_rows(named=True), 1):
            if not workbook or any(value is not None for value in row.values()):
                yield number, row
