"""The kept rows of all jobs: their index, and the lines that it points to."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from mmap import ACCESS_READ, mmap
from types import TracebackType

import orjson
import polars as pl

from data_prep.building.examining import COUNTS, INDEX, INDEX_SCHEMA, SHARD, Counts
from data_prep.building.jobs import Job
from data_prep.building.work import Work
from data_prep.spec import DOMAINS

# `job` is the number of the job whose shard holds the line.
COLUMNS = ("source", "domain", "job", *INDEX_SCHEMA)


def index(jobs: Iterable[Job], work: Work) -> pl.DataFrame:
    """The kept rows of all jobs, in the order of the jobs; columns as COLUMNS."""
    names = pl.Enum(sorted({job.source.name for job in jobs}))
    frames = [_index(job, work, names) for job in jobs]
    return pl.concat(frames, rechunk=True)


def _index(job: Job, work: Work, names: pl.Enum) -> pl.DataFrame:
    # As bytes: polars would take signs such as * and [ in the path for a pattern.
    frame = pl.read_ipc((work.place(job.number) / INDEX).read_bytes())
    return frame.select(
        pl.lit(job.source.name, dtype=names).alias("source"),
        pl.lit(job.source.domain, dtype=pl.Enum(DOMAINS)).alias("domain"),
        pl.lit(job.number, dtype=pl.UInt32).alias("job"),
        *INDEX_SCHEMA,
    )


def counts(job: Job, work: Work) -> Counts:
    """What a finished job counted."""
    return Counts(**orjson.loads((work.place(job.number) / COUNTS).read_bytes()))


def contents(line: bytes) -> list[str]:
    """The texts of a line's messages."""
    return [message["content"] for message in orjson.loads(line)["messages"]]


class Shards:
    """The lines of kept rows, read from the work folder as they are asked for; to be closed."""

    def __init__(self, work: Work) -> None:
        """Opens nothing yet."""
        self.work = work
        self._open: dict[int, memoryview] = {}
        self._closing = ExitStack()

    def __enter__(self) -> "Shards":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the files."""
        self._closing.close()

    def lines(self, rows: pl.DataFrame) -> Iterator[bytes]:
        """The lines of rows of the index, in their order."""
        return map(bytes, self.views(rows))

    def views(self, rows: pl.DataFrame) -> Iterator[memoryview]:
        """The same lines where they stand, without a copy; none may be kept when the shards are closed."""
        columns = (rows[name].to_list() for name in ("job", "start", "length"))
        for job, start, length in zip(*columns, strict=True):
            shard = self._open.get(job) or self._opened(job)
            yield shard[start : start + length]

    def texts(self, rows: pl.DataFrame) -> tuple[list[str], list[str]]:
        """The texts of all messages of each row, joined by line breaks, and those of the assistant alone."""
        whole, answers = [], []
        for line in self.lines(rows):
            messages = orjson.loads(line)["messages"]
            whole.append("\n".join(message["content"] for message in messages))
            answers.append("\n".join(each["content"] for each in messages if each["role"] == "assistant"))
        return whole, answers

    def _opened(self, job: int) -> memoryview:
        with (self.work.place(job) / SHARD).open("rb") as file:
            whole = self._closing.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ))
        self._open[job] = self._closing.enter_context(memoryview(whole))
        return self._open[job]
