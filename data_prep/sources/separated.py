"""CSV and TSV files; the columns of the header are the keys of a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from data_prep.sources.batch import ROWS, Batch, Fault
from openbook_eval.errors import OpenbookError


@dataclass(frozen=True, slots=True)
class _Record:
    """The cells of a row or what is wrong with them, and the number of its first line."""

    line: int
    cells: Sequence[str]
    fault: str | None = None


def read_separated(data: bytes, separator: str, label: str) -> Iterator[Batch]:
    """The rows of a file with a header, in UTF-8; row 1 is the one after the header. Blank lines are no rows.

    A row is broken where it has more or fewer cells than the header, a quotation mark out of place, or a cell of more
    than 131,072 characters (the csv module's bound): the next row then begins with the next line, so that a quotation
    mark that is never closed takes no other row with it. Raises OpenbookError where the header cannot be used.
    """
    # Bytes that are no text become lone surrogates, which are looked for in every row.
    lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="").readlines()
    records = _records(lines, separator)
    header = _header(next(records, None), label)
    numbered = enumerate(records, 1)
    while some := list(islice(numbered, ROWS)):
        whole = [(number, record) for number, record in some if not record.fault]
        yield Batch(
            [number for number, _ in whole],
            [dict(zip(header, record.cells, strict=True)) for _, record in whole],
            [
                Fault(number, f"line {record.line} {record.fault}", _printable(lines[record.line - 1]))
                for number, record in some
                if record.fault
            ],
        )


def _header(first: _Record | None, label: str) -> list[str]:
    if first is None or first.fault:
        raise OpenbookError(
            f"{label}: has no header: {f'line 1 {first.fault}' if first else 'there are only blank lines'}"
        )
    names = [name.strip() for name in first.cells]
    if twice := [name for name in names if names.count(name) > 1]:
        raise OpenbookError(f"{label}: the header has column {twice[0]!r} twice")
    return names


def _records(lines: Sequence[str], separator: str) -> Iterator[_Record]:
    """The header and all rows."""
    width, start, base = 0, 0, 0
    reader = csv.reader(_from(lines, start), delimiter=separator, strict=True)
    while start < len(lines):
        try:
            cells = next(reader)
            fault = _fault(cells, width or len(cells))
        except csv.Error as error:
            cells, fault = [], f"is no row ({error})"
        if fault:
            yield _Record(start + 1, (), fault)
            start += 1
            reader, base = csv.reader(_from(lines, start), delimiter=separator, strict=True), start
            continue
        if cells:
            width = len(cells)
            yield _Record(start + 1, cells)
        start = base + reader.line_num


def _from(lines: Sequence[str], start: int) -> Iterator[str]:
    return (lines[place] for place in range(start, len(lines)))


def _fault(cells: Sequence[str], width: int) -> str | None:
    if cells and len(cells) != width:
        return f"has {len(cells)} cells, the header {width}"
    return None if all(map(_is_text, cells)) else "is neither UTF-8 nor gb18030"


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str) -> str:
    return text.rstrip("\r\n").encode("utf-8", "replace").decode()
