"""Pass 2: the rows of a mix gathered from the shards and written, with their manifest."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import polars as pl

from data_prep.building.progress import Advance
from data_prep.building.shards import Shards, contents
from data_prep.building.work import Work
from data_prep.manifest import TRAIN, Build, File, Manifest, file_of, write
from data_prep.mixing import Chosen
from data_prep.origins import ROWS, write_rows

_ROWS = 16_384
# The most that one call of the system writes (IOV_MAX on Linux).
_LINES = 1_024


def write_mix(
    folder: Path,
    chosen: Chosen,
    build: Build,
    nested_in: Mapping[str, list[str]],
    shards: Shards,
    pool: ProcessPoolExecutor | None = None,
    advance: Advance = lambda _: None,
) -> Manifest:
    """Writes a mix into `folder`: rows.parquet, manifest.json and, at last, train.jsonl under its name."""
    folder.mkdir(exist_ok=True)
    beside = folder / f"{TRAIN}.part"
    try:
        train = write_lines(beside, chosen.rows, shards, pool, advance)
        # Where train.jsonl is, it is that of the manifest beside it.
        (folder / TRAIN).unlink(missing_ok=True)
        write_rows(folder, chosen.rows)
        manifest = Manifest.of(build, chosen, {TRAIN: train, ROWS: file_of(folder / ROWS)}, nested_in)
        write(folder, manifest)
        beside.replace(folder / TRAIN)
    except BaseException:
        for torn in folder.glob("*.part"):
            torn.unlink()
        raise
    return manifest


def write_lines(
    path: Path, rows: pl.DataFrame, shards: Shards, pool: ProcessPoolExecutor | None, advance: Advance
) -> File:
    """Writes the lines of rows of the index to a new file, each block at its place in it; returns size and hash."""
    blocks = list(rows.select("job", "start", "length").iter_slices(_ROWS))
    sizes = [int(block["length"].cast(pl.UInt64).sum()) for block in blocks]
    places = accumulate(sizes, initial=0)
    path.write_bytes(b"")
    written: Iterator[int]
    if pool is None:
        written = (_write_block(shards, path, place, block) for place, block in zip(places, blocks, strict=False))
    else:
        arguments = ([shards.work] * len(blocks), [path] * len(blocks), places, blocks)
        written = pool.map(_write_block_in_worker, *arguments)
    whole = sha256()
    # Without a buffer: that would read ahead, into blocks that are not written yet.
    with path.open("rb", buffering=0) as file:
        for size, block in zip(written, blocks, strict=True):
            whole.update(file.read(size))
            advance(block.height)
    return File(bytes=sum(sizes), sha256=whole.hexdigest())


def _write_block(shards: Shards, path: Path, place: int, rows: pl.DataFrame) -> int:
    """How many bytes were written."""
    written, lines = 0, shards.views(rows)
    with path.open("r+b", buffering=0) as file:
        while some := list(islice(lines, _LINES)):
            size = sum(map(len, some))
            # From the shards into the file, with no copy between.
            if os.pwritev(file.fileno(), some, place + written) < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += size
    return written


def _write_block_in_worker(work: Work, path: Path, place: int, rows: pl.DataFrame) -> int:
    return _write_block(_shards(work), path, place, rows)


@cache
def _shards(work: Work) -> Shards:
    """The shards of a build, open to the end of the process."""
    return Shards(work)


def recounted(rows: pl.DataFrame, shards: Shards, count: Callable[[Sequence[str]], list[int]]) -> pl.DataFrame:
    """Rows of the index, each key once, with their tokens counted instead of estimated: those of all messages."""
    tokens = [number for block in rows.iter_slices(_ROWS) for number in _counted(block, shards, count)]
    return rows.with_columns(pl.Series("tokens", tokens, dtype=pl.UInt32))


def _counted(rows: pl.DataFrame, shards: Shards, count: Callable[[Sequence[str]], list[int]]) -> list[int]:
    texts = [contents(line) for line in shards.lines(rows)]
    ends = np.cumsum([0, *map(len, texts)])
    upto = np.cumsum([0, *count([text for row in texts for text in row])])
    return [int(each) for each in np.diff(upto[ends])]


def with_tokens(chosen: Chosen, counted: pl.DataFrame) -> Chosen:
    """A mix with the tokens that were counted for its rows, by key."""
    tokens = counted.select("key", "tokens")
    rows = chosen.rows.drop("tokens").join(tokens, on="key", how="left", maintain_order="left")
    return replace(chosen, rows=rows.select(chosen.rows.columns))
