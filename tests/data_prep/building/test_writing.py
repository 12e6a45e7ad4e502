"""A mix's lines are gathered from the shards in its order, by one process or several, and are there whole or not."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_prep.building import writing
from data_prep.building.examining import Rules
from data_prep.building.jobs import all_parts, jobs
from data_prep.building.pool import examine_all, workers
from data_prep.building.shards import Shards, contents, index
from data_prep.building.work import Work
from data_prep.building.writing import write_lines, write_mix
from data_prep.manifest import Build, File, file_of
from data_prep.mixing import choose
from data_prep.spec import Cleaning
from tests.data_prep.building.raw import spec, write_data

MIXES = {"mix": {"size": 60, "ratio": "1:1"}}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    todo = jobs(all_parts(spec(MIXES).sources, write_data(tmp_path / "data")))
    made = Work.of(tmp_path, 0)
    examine_all(todo, Rules(Cleaning(), None), made, None)
    return made


@pytest.fixture
def rows(work: Work, tmp_path: Path) -> pl.DataFrame:
    todo = jobs(all_parts(spec(MIXES).sources, tmp_path / "data"))
    return index(todo, work).sample(fraction=1, shuffle=True, seed=1)


@pytest.fixture
def shards(work: Work) -> Iterator[Shards]:
    with Shards(work) as opened:
        yield opened


@pytest.mark.parametrize("processes", [1, 2])
def test_lines_stand_in_the_order_of_the_rows(
    shards: Shards, rows: pl.DataFrame, tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_ROWS", 50)
    done: list[float] = []
    with workers(processes) as pool:
        written = write_lines(tmp_path / "train", rows, shards, pool, done.append)
    whole = (tmp_path / "train").read_bytes()
    assert whole == b"".join(shards.lines(rows))
    assert written == File(bytes=len(whole), sha256=sha256(whole).hexdigest())
    assert sum(done) == rows.height == whole.count(b"\n") > 300


class _LastBlockFirst:
    """In place of a pool: the last block is written before all others, as happens where another process is slow."""

    def map(self, write: Callable[..., int], *arguments: Iterable[Any]) -> Iterator[int]:
        calls = list(zip(*arguments, strict=False))
        last = write(*calls[-1])
        yield from (write(*call) for call in calls[:-1])
        yield last


def test_the_hash_is_that_of_the_file_in_whatever_order_blocks_are_written(
    shards: Shards, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_ROWS", 5)
    pool: Any = _LastBlockFirst()
    written = write_lines(tmp_path / "train", rows, shards, pool, lambda _: None)
    assert written == file_of(tmp_path / "train")


def test_the_index_points_to_the_line_of_each_row(shards: Shards, rows: pl.DataFrame) -> None:
    for line, tokens in zip(shards.lines(rows), rows["tokens"].to_list(), strict=True):
        question, answer = contents(line)
        assert 0.3 < tokens / len(question + answer) < 1.5


def test_a_mix_that_cannot_be_written_leaves_nothing_of_it(
    shards: Shards, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write", full)
    chosen = choose(rows.unique("key"), spec(MIXES).mixes["mix"], 0, "mix")
    with pytest.raises(OSError, match="No space left"):
        write_mix(tmp_path / "mix", chosen, Build.of(spec(MIXES), [], {}), {}, shards)
    assert [file.name for file in (tmp_path / "mix").iterdir()] == ["rows.parquet"]
