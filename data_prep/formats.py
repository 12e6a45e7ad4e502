"""The bytes of a file, unpacked and as UTF-8, and the rows of all formats but JSON as the file holds them.

Every reader keeps the whole rows of a broken file, and says of the others which they are and what is wrong with them.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import polars as pl
from backports import zstd

from data_prep.layouts import Row
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import decode

# No more rows, broken ones or not, and not much more text than this are handed on at once.
ROWS, BYTES = 20_000, 16 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NOT_TEXT = "is neither UTF-8 nor gb18030"


class Fault(NamedTuple):
    """A row that is not whole: its number in the file (from 1), what is wrong with it, and its text as it stands."""

    row: int
    reason: str
    text: str


@dataclass(slots=True)
class Batch:
    """Numbers (from 1) of whole rows, and these as objects or as a table; rows that are not whole; and breaks.

    A break is a place where the file is not as it should be though no row is lost.
    """

    numbers: Sequence[int]
    rows: Sequence[Row] = ()
    table: pl.DataFrame | None = None
    faults: Sequence[Fault] = ()
    breaks: Sequence[str] = ()


@dataclass(slots=True)
class Gathered:
    """Rows as they are found one by one."""

    rows: dict[int, Row] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)

    def batch(self) -> Batch:
        """Return what was found."""
        return Batch(list(self.rows), list(self.rows.values()), None, self.faults, self.breaks)


# --- Bytes


def _magic(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(4)


def is_packed(file: Path) -> bool:
    """Return whether a file is gzip or zstd, by what it begins with: names lie."""
    return _magic(file).startswith((_GZIP, _ZSTD))


@contextmanager
def unpacked(file: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked; raise OpenbookError where it cannot be read or is cut off while packed."""
    try:
        start = _magic(file)
        opener = gzip.open if start.startswith(_GZIP) else zstd.open if start.startswith(_ZSTD) else Path.open
        with cast(Callable[..., IO[bytes]], opener)(file, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        raise OpenbookError(f"{file}: cannot be unpacked ({error}); fetch or pack it again") from error
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror or error})") from error


def read_head(file: Path, size: int = 64 << 10) -> bytes:
    """Return the first bytes of a file, unpacked; of UTF-16 as UTF-8."""
    with unpacked(file) as stream:
        start = stream.read(size)
    if start.startswith(UTF16):
        return start.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return start.removeprefix(codecs.BOM_UTF8)


def read_text(file: Path) -> bytes:
    """Return all of a text file, unpacked, as UTF-8."""
    with unpacked(file) as stream:
        return as_utf8(stream.read())


def as_utf8(data: bytes) -> bytes:
    """The same text in UTF-8 without BOM, whether UTF-8, UTF-16 or gb18030; what is none of these stays as it is."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if is_utf8(data) or _is_mostly_utf8(data):
        return data
    try:
        return decode(data, "").encode()
    except OpenbookError:
        return data


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are a text in UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more lines are UTF-8 than not: then a few bytes were damaged, and gb18030 would garble the rest."""
    foreign = [line for line in data.split(b"\n") if not line.isascii()]
    return not data.startswith(UTF16) and 2 * sum(map(is_utf8, foreign)) > len(foreign)


def printable(text: str) -> str:
    """A text without the lone surrogates that stand for bytes that are no text."""
    return text.encode("utf-8", "replace").decode()


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
        cells = {number: record for number, (_, record) in some if not isinstance(record, str)}
        faults = [
            Fault(number, f"line {line + 1} {record}", printable(lines[line].rstrip("\r\n")))
            for number, (line, record) in some
            if isinstance(record, str)
        ]
        table = pl.DataFrame(list(cells.values()), dict.fromkeys(header, pl.String()), orient="row")
        yield Batch(list(cells), table=table, faults=faults)


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """The header and all rows: the place of the first line, and the cells or what is wrong with them."""

    def reader(start: int) -> Any:
        return csv.reader(islice(lines, start, None), delimiter=separator, strict=True)

    width, start, base, rows = 0, 0, 0, reader(0)
    while start < len(lines):
        try:
            cells = next(rows)
            fault = _cell_fault(cells, width or len(cells))
        except csv.Error as error:
            cells, fault = [], f"is no row ({error})"
        if fault:
            yield start, fault
            start += 1
            rows, base = reader(start), start
            continue
        if cells:
            width = len(cells)
            yield start, cells
        start = base + rows.line_num


def _cell_fault(cells: Sequence[str], width: int) -> str | None:
    if cells and len(cells) != width:
        return f"has {len(cells)} cells, the header {width}"
    return None if _is_text("".join(cells)) else NOT_TEXT


def _is_text(text: str) -> bool:
    """Whether a text is without the lone surrogates that stand for bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    numbered = enumerate(_marked(lines) if marked else _apart(lines), 1)
    while some := list(islice(numbered, ROWS)):
        found = Gathered()
        for number, (line, block) in some:
            row = _split_at_mark(block) if marked else {"question": block[0], "answer": "\n".join(block[1:])}
            whole = "\n".join(block)
            if not row["answer"]:
                found.faults.append(Fault(number, f"line {line} begins a question without an answer", printable(whole)))
            elif not _is_text(whole):
                found.faults.append(Fault(number, f"line {line} begins a row that {NOT_TEXT}", printable(whole)))
            else:
                found.rows[number] = row
        yield found.batch()


def _apart(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and lines, of every row between blank lines."""
    for blank, block in groupby(enumerate(lines, 1), lambda numbered: not numbered[1].strip()):
        if not blank:
            numbered = list(block)
            yield numbered[0][0], [line for _, line in numbered]


def _marked(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and lines, of every row that begins with the mark of a question."""
    begins = [place for place, line in enumerate(lines) if _QUESTION.match(line)]
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        yield begin + 1, list(lines[begin:end])


def _split_at_mark(block: Sequence[str]) -> dict[str, str]:
    answer = next((place for place, line in enumerate(block) if _ANSWER.match(line)), len(block))
    question = _QUESTION.sub("", "\n".join(block[:answer]), count=1)
    return {"question": question.strip(), "answer": _ANSWER.sub("", "\n".join(block[answer:]), count=1).strip()}


# --- Excel and parquet: the columns are the keys of a row


def read_workbook(file: Path, label: str) -> Iterator[Batch]:
    """Read the only sheet of an .xlsx file that has rows, all cells as text; row 1 is the one after the header."""
    with _unreadable(label, "Excel workbook"), unpacked(file) as stream:
        # As text throughout: type guessing would turn a column of bare numbers into floats.
        sheets = pl.read_excel(
            io.BytesIO(stream.read()), sheet_id=0, infer_schema_length=0, drop_empty_rows=False, raise_if_empty=False
        )
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    if len(filled) > 1:
        raise OpenbookError(f"{label}: rows stand in {len(filled)} sheets ({', '.join(filled)}); keep one sheet a file")
    for sheet in filled.values():
        written = sheet.select(~pl.all_horizontal(pl.all().is_null())).to_series()
        yield from _slices(sheet.filter(written), (written.arg_true() + 1).to_list())


def read_parquet(file: Path, label: str) -> Iterator[Batch]:
    """Read a parquet file, which is held as a whole."""
    with _unreadable(label, "parquet file"), unpacked(file) as stream:
        table = pl.read_parquet(stream.read())
    yield from _slices(table, range(1, table.height + 1))


def _slices(table: pl.DataFrame, numbers: Sequence[int]) -> Iterator[Batch]:
    for start in range(0, table.height, ROWS):
        yield Batch(numbers[start : start + ROWS], table=table.slice(start, ROWS))


@contextmanager
def _unreadable(label: str, what: str) -> Iterator[None]:
    try:
        yield
    except OpenbookError:
        raise
    except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
        raise OpenbookError(f"{label}: not a readable {what} ({first_line(error)}); save or fetch it again") from error
