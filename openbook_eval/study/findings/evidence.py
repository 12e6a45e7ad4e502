"""Evidence for or against a claim: a difference with its interval and p, and the claims' margin of likeness."""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign

from openbook_eval.leaderboard.statistics.values import Interval

# Two averages are alike where they differ by less, a share of 1. The paper's 9:1 and 4:1 differ by 0.007 at most.
MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Evidence:
    """A difference of averages, a share of 1; `interval` is of 95 %, None where nothing is known of chance.

    `p` is NaN then. `seeds` is the least number behind a trained setting, 0 where none was trained or none is told.
    `by_model` has the difference of each model.
    """

    value: float
    interval: Interval | None
    p: float
    test: str
    seeds: int
    by_model: tuple[tuple[str, float], ...] = ()
    note: str = ""


def likeness(value: float, p: Callable[[float], float]) -> float:
    """The p of a difference lying within `MARGIN` of 0, where it does, else of it lying beyond.

    Two one-sided tests (D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680); `p` gives the two-sided p of
    a value that the difference may have.
    """
    if abs(value) < MARGIN:
        return max(p(-MARGIN), p(MARGIN)) / 2
    return p(copysign(MARGIN, value))
