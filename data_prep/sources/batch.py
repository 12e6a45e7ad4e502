"""What a file's reader hands on: the rows as the file holds them, before anyone asks what their fields mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# Frames hold no more rows than this.
ROWS = 20_000

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that is not whole: its number in the file (from 1), what is wrong with it, and its text as it stands."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole rows with their numbers (from 1), those that are not whole, and breaks of the file that cost no row."""

    numbers: Sequence[int]
    rows: Sequence[Row]
    faults: Sequence[Fault] = ()
    breaks: Sequence[str] = ()
