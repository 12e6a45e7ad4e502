"""How small a difference the runs of a board would have to show to be told from chance."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from openbook_eval.leaderboard.statistics import power
from openbook_eval.leaderboard.statistics.values import Numbers

_POINT = 0.01
_ROUNDING = 1e-20


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The smallest difference, as a share of 1, that is found with a power of 80 %, and the items that 0.01 would need.

    None where the runs do not say it: they agree on all items, or there are too few.
    """

    detectable: float | None = None
    items_for_a_point: int | None = None


def of_pairs(marks: Numbers, drawn: Numbers, pairs: Iterable[tuple[int, int]]) -> Sensitivity:
    """The sensitivity to the median pair, of marks (runs, n) and the runs' averages in each draw, (draws, runs).

    A pair is described by its discordance, the share of items that only one of the two gets right, and by the design
    effect: the variance of their difference over the draws, which knows clusters and the weights of exams, over that of
    as many independent items (L. Kish, Survey Sampling, 1965, section 8.2).
    """
    described = (_pair(marks[one] - marks[other], drawn[:, one] - drawn[:, other]) for one, other in pairs)
    known = [pair for pair in described if pair]
    if not known:
        return Sensitivity()
    items, discordance, effect = (float(value) for value in np.median(known, axis=0))
    needed = power.items_needed(_POINT, discordance, effect) if discordance >= _POINT else None
    return Sensitivity(power.detectable(items, discordance, effect), needed)


def _pair(apart: Numbers, drawn: Numbers) -> tuple[int, float, float] | None:
    """Items, discordance and design effect; None where a difference does not vary."""
    apart, drawn = apart[~np.isnan(apart)], drawn[~np.isnan(drawn)]
    if not len(apart) or not len(drawn):
        return None
    discordance = float(np.abs(apart).mean())
    alone = (discordance - float(apart.mean()) ** 2) / len(apart)
    together = float(drawn.var())
    # Where each exam is one cluster, draws differ by rounding only.
    return (len(apart), discordance, together / alone) if together > _ROUNDING and alone > 0 else None
