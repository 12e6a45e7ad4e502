"""Runs of a study, which say themselves what was trained: their models lie in folders that no recipe of ours names."""

from dataclasses import dataclass

from openbook_eval.results import Run


@dataclass(frozen=True, slots=True)
class Studied:
    """What a study trained, all its seeds together: a place in the paper's table, and the mean with its interval."""

    name: str
    table: int | None
    model: str
    general: int
    medical: int
    rows: int
    share: float
    low: float | None
    high: float | None


class StudiedRun(Run):
    """A run of a study; those that differ in their seed only have the same `studied`, which stands for all of them."""

    studied: Studied | None
