"""Raw files, whatever their format, encoding and layout, as frames of rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data_prep.spec import Source

# `question` is what the user says and `answer` what the assistant says, several turns joined by line breaks; `turns` is
# the JSON of the whole conversation where it is more than one question and one answer, else null. `file` and `row`
# (from 1) name the place that a row was read from.
SCHEMA: Mapping[str, pl.DataType] = {
    "source": pl.String(),
    "domain": pl.String(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "question": pl.String(),
    "answer": pl.String(),
    "turns": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source.

    `label` is the file's name relative to the data folder, or its data set's name and its name in that; `size` is in bytes.
    """

    source: Source
    label: str
    file: Path
    size: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read: its file's label, its number (from 1), what is wrong, and its first characters."""

    file: str
    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a part, with the columns of SCHEMA, and those among them that could not be read.

    `breaks` says where the file is not as it should be but no row is lost, such as by a comma after the last one.
    """

    frame: pl.DataFrame
    broken: tuple[Broken, ...] = ()
    breaks: tuple[str, ...] = ()


def parts(sources: Sequence[Source], root: Path) -> list[Part]:
    """Return the files of all sources by name of source and label; raise OpenbookError with every source's fault."""
    raise NotImplementedError


def read(part: Part) -> Iterator[Chunk]:
    """Yield the rows of a part in chunks of some 20,000 rows; texts have no white space around them.

    Where the source says `broken: refuse`, raises OpenbookError with all faults of the part.
    """
    raise NotImplementedError


def train_line() -> pl.Expr:
    """Return the lines of train.jsonl (String, with line break) of a frame with columns question, answer and turns."""
    raise NotImplementedError
