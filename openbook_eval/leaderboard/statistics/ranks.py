"""Places on a board: runs that cannot be told apart share one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from openbook_eval.leaderboard.statistics.paired import holm
from openbook_eval.leaderboard.statistics.values import LEVEL, Numbers

# Runs with the same marks must tie in every draw, whatever the last bits of a matrix product.
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Rank:
    """1 is best. `place` is one more than the runs that are surely better, `low` to `high` where chance may put it."""

    place: int
    low: int
    high: int


def ranks(macro: Numbers, macro_draws: Numbers, p_of_pairs: Numbers | None = None) -> list[Rank]:
    """The ranks of runs with averages `macro`, (runs,), and those of their draws, (draws, runs).

    A run is surely better than another where its average is higher and their p, of (runs, runs), corrected by Holm's
    method over all pairs, is below 0.05; a NaN is never sure. Without p it is surely better by a higher average. `low`
    and `high` hold 95 % of the ranks over the draws, equal ones sharing the better, and in any case the place. They are
    of each run by itself, not of all at once. A run whose average is NaN comes last.
    """
    values = _comparable(macro)
    better = values[:, None] < values[None, :]
    if p_of_pairs is not None:
        better = better & _sure(p_of_pairs)
    places = 1 + better.sum(axis=1)
    drawn = stats.rankdata(-_comparable(macro_draws), method="min", axis=1)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(drawn, tails, axis=0, method="inverted_cdf")
    return [
        Rank(int(place), int(min(place, least)), int(max(place, most)))
        for place, least, most in zip(places, low, high, strict=True)
    ]


def _comparable(values: Numbers) -> Numbers:
    rounded: Numbers = np.where(np.isnan(values), -np.inf, np.round(values, _DIGITS))
    return rounded


def _sure(p_of_pairs: Numbers) -> NDArray[np.bool_]:
    """Which pairs differ, each counted once in the correction."""
    upper = np.triu_indices(len(p_of_pairs), 1)
    differ: NDArray[np.bool_] = np.zeros(p_of_pairs.shape, dtype=np.bool_)
    differ[upper] = holm(p_of_pairs[upper]) < 1 - LEVEL
    return differ | differ.T
