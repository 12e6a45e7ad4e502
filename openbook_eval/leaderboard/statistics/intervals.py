"""Puts together what is known of each exam - mean, variance, items, clusters - into averages with their intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from openbook_eval.leaderboard.statistics.values import LEVEL, Averages, Estimate, Interval, Numbers

Bounds = Callable[[Numbers, Numbers, Numbers], tuple[Numbers, Numbers]]
"""Means, means of squares, and effective numbers of items -> lower and upper 95 % bounds, all of one shape."""

_UPPER = (1 + LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Moments:
    """Of means of marks, (exams, runs) or (runs,): how large they are, and how sure.

    `square` is the mean of squared marks and `items` their number. `variance` is that of the mean, as far as is known:
    with `freedom`, infinite where it follows from the marks themselves, 0 where nothing is known. `least` is what it
    would be of independent items.
    """

    mean: Numbers
    square: Numbers
    items: Numbers
    variance: Numbers
    least: Numbers
    freedom: Numbers

    def weighed(self, weights: Numbers) -> "Moments":
        """The mean of exams by weights, (exams, runs), which are fixed; one of weight 0 need not have a mean.

        Exams share no cluster, so that variances add up. The freedom of the sum is that of F. E. Satterthwaite,
        Biometrics Bull. 2 (1946), 110-114; the number of items that of L. Kish, Survey Sampling (1965), section 11.7.
        """
        parts = weights / np.maximum(weights.sum(axis=0), 1)

        def total(values: Numbers, factors: Numbers) -> Numbers:
            added: Numbers = np.where(weights > 0, factors * values, 0.0).sum(axis=0)
            return np.where((weights > 0).any(axis=0), added, np.nan)

        variance = total(self.variance, parts**2)
        free = np.where(self.freedom > 0, self.freedom, np.nan)
        lost = total((parts * parts * self.variance) ** 2 / free, np.ones_like(parts))
        unsure = np.divide(variance**2, lost, out=total(free, np.ones_like(parts)), where=lost > 0)
        return Moments(
            mean=total(self.mean, parts),
            square=total(self.square, parts),
            items=1 / total(1 / np.maximum(self.items, 1), parts**2),
            variance=variance,
            least=total(self.least, parts**2),
            freedom=np.nan_to_num(unsure, posinf=np.inf),
        )

    def effective(self) -> Numbers:
        """As how many independent items the means are sure; an exam's, no more than there are.

        By the ratio of variances, and by (z/t)^2 since the variance is itself an estimate: E. L. Korn and B. I.
        Graubard, Survey Methodology 24 (1998), 193-201. Where marks do not vary, this alone is left.
        """
        known = np.where(self.freedom > 0, self.freedom, 1)
        unsure = (stats.t.ppf(_UPPER, known) / stats.norm.ppf(_UPPER)) ** 2
        variance = np.maximum(self.least, self.variance * unsure)
        spread = np.maximum(self.square - self.mean**2, 0.0)
        found: Numbers = np.divide(spread, variance, out=self.items / unsure, where=(variance > 0) & (spread > 0))
        return found


def averages(exams: Moments, bounds: Bounds) -> list[Averages]:
    """The averages of each run, by the moments of its exams and a form of interval."""
    items = exams.items.sum(axis=0)
    parts = [_estimates(part, n, bounds) for part, n in zip(_each(exams), exams.items, strict=True)]
    macro = _estimates(exams.weighed(np.ones_like(exams.mean)), items, bounds)
    micro = _estimates(exams.weighed(exams.items), items, bounds)
    return [Averages(*known) for known in zip(zip(*parts, strict=True), macro, micro, strict=True)]


def _each(exams: Moments) -> list[Moments]:
    columns = (exams.mean, exams.square, exams.items, exams.variance, exams.least, exams.freedom)
    return [Moments(*values) for values in zip(*columns, strict=True)]


def _estimates(of: Moments, items: Numbers, bounds: Bounds) -> list[Estimate]:
    """One estimate a run, over so many items; without interval where nothing is known of its variance."""
    known: NDArray[np.bool_] = (of.freedom > 0) & ~np.isnan(of.mean)
    mean, square, effective = (np.where(known, values, 1.0) for values in (of.mean, of.square, of.effective()))
    return [
        Estimate(float(value), Interval(float(low), float(high)) if told else None, int(n))
        for value, low, high, told, n in zip(of.mean, *bounds(mean, square, effective), known, items, strict=True)
    ]
