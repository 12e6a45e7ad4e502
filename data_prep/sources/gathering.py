"""Columns of texts gathered until they make a frame that is worth handing on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import polars as pl

from data_prep.rows import SCHEMA
from data_prep.signs import Signs, joined
from data_prep.sources.batch import ROWS
from data_prep.sources.files import Part
from data_prep.sources.layouts import Columns, without_no_input

# A frame ends with this many bytes of text, if not with its rows.
_BYTES = 32 << 20
# Texts of so many rows go into a frame at once: fewer cost a call each, more have left the processor's cache.
_FEW = 500
# Of a broken row, no more characters than this are handed on: it may be the rest of a large file.
_LONGEST = 10_000
_GATHERED = {name: SCHEMA[name] for name in ("row", "question", "answer", "turns")}


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read: its file's label, its number (from 1), what is wrong, and its first characters."""

    file: str
    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a part, with the columns of SCHEMA, their signs, and those among them that could not be read.

    `breaks` tells where the file is not as it should be but no row is lost, such as by a comma after the last one.
    """

    frame: pl.DataFrame
    signs: Signs
    broken: tuple[Broken, ...]
    breaks: tuple[str, ...] = ()


@dataclass(slots=True)
class Gathering:
    """The rows, broken rows and breaks of a part that were not handed on so far."""

    part: Part
    _texts: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _GATHERED})
    _frames: list[pl.DataFrame] = field(default_factory=list)
    _joined: list[str] = field(default_factory=list)
    _broken: list[Broken] = field(default_factory=list)
    _breaks: list[str] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0

    @property
    def holds_any(self) -> bool:
        """Whether there is anything to hand on."""
        return bool(self._rows or self._broken or self._breaks)

    @property
    def _is_alpaca(self) -> bool:
        return self.part.source.layout == "alpaca"

    def is_full(self, more: Columns) -> bool:
        """Whether what there is should be handed on before more is added."""
        return self.holds_any and (
            self._rows + len(more.numbers) > ROWS or len(self._broken) + len(more.faults) > ROWS or self._bytes > _BYTES
        )

    def add(self, columns: Columns, breaks: Sequence[str]) -> None:
        """Takes in some rows."""
        self._texts["row"] += columns.numbers
        questions = map(str.strip, columns.question)
        self._texts["question"] += map(without_no_input, questions) if self._is_alpaca else questions
        self._texts["answer"] += map(str.strip, columns.answer)
        self._texts["turns"] += columns.turns
        self._rows += len(columns.numbers)
        self._breaks += breaks
        self._broken += (
            Broken(self.part.label, fault.row, fault.reason, fault.text[:_LONGEST]) for fault in columns.faults
        )
        if len(self._texts["row"]) >= _FEW:
            self._frame_texts()

    def chunk(self) -> Chunk:
        """Hands on all there is."""
        self._frame_texts()
        constants = {"source": self.part.source.name, "domain": self.part.source.domain, "file": self.part.label}
        frame = pl.concat(self._frames, rechunk=True).with_columns(
            pl.lit(value, dtype=pl.String).alias(name) for name, value in constants.items()
        )
        signs = Signs.of_joined("".join(self._joined))
        chunk = Chunk(frame.select(list(SCHEMA)), signs, tuple(self._broken), tuple(self._breaks))
        self._frames, self._joined, self._broken, self._breaks, self._rows, self._bytes = [], [], [], [], 0, 0
        return chunk

    def _frame_texts(self) -> None:
        frame = pl.DataFrame(self._texts, schema=_GATHERED)
        # To make strings of Python from those of polars again takes longer than all else that is done with signs.
        pairs = zip(self._texts["question"], self._texts["answer"], strict=True)
        self._joined.append(joined(chain.from_iterable(pairs)))
        self._frames.append(frame)
        self._bytes += int(frame.estimated_size())
        self._texts = {name: [] for name in _GATHERED}
