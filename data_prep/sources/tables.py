"""Excel and parquet files; the columns are the keys of a row."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from data_prep.sources.batch import ROWS, Batch
from data_prep.sources.content import is_packed, whole
from openbook_eval.errors import OpenbookError


def read_workbook(file: Path, label: str) -> Iterator[Batch]:
    """The rows of the only sheet of an .xlsx file that has any, all cells as text; row 1 is the one after the header.

    Empty rows are no rows. Raises OpenbookError where it is no workbook, or rows stand in several sheets.
    """
    try:
        # Read as text throughout: type guessing would turn a column of bare numbers into floats.
        sheets = pl.read_excel(
            io.BytesIO(whole(file)), sheet_id=0, infer_schema_length=0, drop_empty_rows=False, raise_if_empty=False
        )
    except OpenbookError:
        raise
    except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
        raise _unreadable(label, "Excel workbook", error) from error
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    if len(filled) > 1:
        raise OpenbookError(f"{label}: rows stand in {len(filled)} sheets ({', '.join(filled)}); keep one sheet a file")
    for sheet in filled.values():
        written = sheet.select(~pl.all_horizontal(pl.all().is_null())).to_series()
        yield from _batches(sheet.filter(written), (written.arg_true() + 1).to_list())


def read_parquet(file: Path, label: str) -> Iterator[Batch]:
    """The rows of a parquet file, which is held as a whole. Raises OpenbookError where it is none."""
    try:
        table = pl.read_parquet(io.BytesIO(whole(file)) if is_packed(file) else file, glob=False)
    except OpenbookError:
        raise
    except Exception as error:  # polars raises its own kinds, and panics on some broken files
        raise _unreadable(label, "parquet file", error) from error
    yield from _batches(table, range(1, table.height + 1))


def _batches(table: pl.DataFrame, numbers: Sequence[int]) -> Iterator[Batch]:
    for start, some in zip(range(0, table.height, ROWS), table.iter_slices(ROWS), strict=True):
        yield Batch(numbers[start : start + ROWS], some.to_dicts())


def _unreadable(label: str, what: str, error: Exception) -> OpenbookError:
    reason = str(error).strip().partition("\n")[0]
    return OpenbookError(f"{label}: not a readable {what} ({reason}); save or fetch it again")
