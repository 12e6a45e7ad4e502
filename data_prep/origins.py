"""rows.parquet: where each line of train.jsonl came from, and what the lines come to by domain and source."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from openbook_eval.errors import OpenbookError

ROWS = "rows.parquet"

# In the order of the lines of train.jsonl. `file` and `row` are as in data_prep.rows; `repeat` is 0 where a row stands
# for the first time.
ROWS_SCHEMA: Mapping[str, pl.DataType] = {
    "key": pl.UInt64(),
    "domain": pl.String(),
    "source": pl.String(),
    "tokens": pl.UInt32(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "repeat": pl.UInt32(),
}


class Count(BaseModel):
    """Rows and their tokens."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    rows: int
    tokens: int


class Part(Count):
    """A domain in a mix. `wanted` is its share in what the mix counts, `repeats` are rows taken more than once."""

    wanted: int
    repeats: int
    sources: dict[str, Count]


def parts(rows: pl.DataFrame, wanted: Mapping[Any, int]) -> dict[str, Part]:
    """Rows and tokens by domain and source, of a frame with the columns of ROWS_SCHEMA, in alphabetical order."""
    counted = rows.group_by("domain", "source").agg(
        pl.len().alias("rows"), pl.col("tokens").cast(pl.Int64).sum(), (pl.col("repeat") > 0).sum().alias("repeats")
    )
    found: dict[str, Part] = {}
    for domain in sorted({*wanted, *counted["domain"]}):
        groups = counted.filter(pl.col("domain") == domain).sort("source").to_dicts()
        found[domain] = Part(
            wanted=wanted.get(domain, 0),
            rows=sum(group["rows"] for group in groups),
            tokens=sum(group["tokens"] for group in groups),
            repeats=sum(group["repeats"] for group in groups),
            sources={group["source"]: Count(rows=group["rows"], tokens=group["tokens"]) for group in groups},
        )
    return found


def keys_digest(keys: NDArray[np.uint64]) -> str:
    """The sha256 over the keys, sorted, eight bytes each, the lowest byte first."""
    return hashlib.sha256(np.sort(keys).astype("<u8").tobytes()).hexdigest()


def write_rows(folder: Path, rows: pl.DataFrame) -> None:
    """Writes rows.parquet, of a frame with at least the columns of ROWS_SCHEMA in the order of train.jsonl."""
    beside = folder / f"{ROWS}.part"
    # The bytes of a parquet file follow the chunks of the frame; in one chunk they are the same every time.
    rows.select(pl.col(name).cast(kind) for name, kind in ROWS_SCHEMA.items()).rechunk().write_parquet(beside)
    beside.replace(folder / ROWS)


def read_rows(folder: Path) -> pl.DataFrame:
    """The frame that write_rows wrote; raises OpenbookError where it cannot be read as one."""
    path = folder / ROWS
    try:
        # As bytes: polars would take signs such as * and [ in the path for a pattern.
        rows = pl.read_parquet(path.read_bytes())
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error
    except pl.exceptions.PolarsError as error:
        raise OpenbookError(f"{path}: not a parquet file ({str(error).splitlines()[0]})") from error
    if dict(rows.schema) != dict(ROWS_SCHEMA):
        raise OpenbookError(f"{path}: wants the columns {', '.join(ROWS_SCHEMA)}, as data-prep writes them")
    return rows
