"""Means over seeds, and differences of them, with what the choice of questions and of seeds may do to them.

All trainings of a study answer the same questions, so that questions and seeds are crossed. The variance between
questions, of their means over seeds, goes in whole; that between seeds without the part that questions bring into it:
the moments of a two-way layout (S. R. Searle, G. Casella, C. E. McCulloch, Variance Components, 1992), as for clusters
in two ways (A. C. Cameron, J. B. Gelbach, D. L. Miller, J. Bus. Econ. Stat. 29 (2011), 238-249). Each has Student's t
of its own, and their reaches add up as squares (W. G. Howe, J. Am. Stat. Assoc. 69 (1974), 789-794). Three seeds leave
two degrees of freedom: where seeds differ, the interval is wide. In simulations of 3 and 5 seeds it holds the truth in
92 to 98 of 100 cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from openbook_eval.leaderboard.stats import LEVEL, Clusters, Design, Interval, Numbers, share_interval

_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Part:
    """Marks (seeds, items) that go into a contrast by `weight`; NaN is no mark.

    `seeded` says that seeds were drawn; a model that was examined as it is has one row and no seed.
    """

    weight: float
    marks: Numbers
    seeded: bool = True


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighed sum of plain means of exams: a share of 1, or a difference of such.

    `by_items` and `by_seeds` are its variances, each with its degrees of freedom; with `seed_freedom` 0 nothing is
    known of seeds. `items` have a mark everywhere, in `units` that stand for themselves.
    """

    value: float
    by_items: float
    item_freedom: float
    by_seeds: float
    seed_freedom: float
    items: int
    units: int

    @property
    def interval(self) -> Interval:
        """The 95 % interval; of questions alone where nothing is known of seeds."""
        reach = self._reach(1 - LEVEL)
        return Interval(self.value - reach, self.value + reach)

    def p(self, null: float = 0.0) -> float:
        """The two-sided p of the value being `null`: one less the level of the interval that ends there.

        Never below 2 / 2^m, the least that flipping the signs of m units could give.
        """
        apart = abs(self.value - null)
        if apart <= _LEAST:
            return 1.0
        if self._reach(_LEAST) <= apart:
            return float(max(_LEAST, 2.0 ** (1 - self.units)))
        found = optimize.brentq(lambda p: self._reach(p) - apart, _LEAST, 1.0, xtol=_LEAST)
        return float(max(found, 2.0 ** (1 - self.units)))

    def _reach(self, alpha: float) -> float:
        reach = _squared(alpha, self.by_items, self.item_freedom) + _squared(alpha, self.by_seeds, self.seed_freedom)
        return float(np.sqrt(reach))


def contrast(parts: Sequence[Part], design: Design) -> Contrast:
    """The sum of the parts' means by their weights, over the items that have a mark in all; the exams are fixed.

    Items that share a book are one unit. Raises ValueError where an exam has no such item.
    """
    marked = np.logical_and.reduce([~np.isnan(part.marks).any(axis=0) for part in parts])
    kept = Design(design.exams[marked], design.strata[marked], design.clusters[marked])
    if len(np.unique(kept.exams)) < len(np.unique(design.exams)):
        raise ValueError("an exam without an item that has a mark everywhere")
    layout = _Layout(Clusters(kept), kept)
    own = [layout.of(part.marks[:, marked]) for part in parts]
    weights = [part.weight for part in parts]
    by_items = layout.squares(sum(w * each.units.mean(axis=0) for w, each in zip(weights, own, strict=True)))
    by_seeds, seed_freedom = _of_seeds(
        [(part.weight, each) for part, each in zip(parts, own, strict=True) if part.seeded]
    )
    return Contrast(
        value=float(sum(w * each.mean for w, each in zip(weights, own, strict=True))),
        by_items=float(by_items.sum()),
        item_freedom=_freedom(by_items, layout.sizes - 1),
        by_seeds=by_seeds,
        seed_freedom=seed_freedom,
        items=int(marked.sum()),
        units=int(layout.sizes.sum()),
    )


def share(marks: Numbers, design: Design, *, seeded: bool) -> tuple[float, Interval]:
    """The mean over seeds of marks (seeds, items) and its 95 % interval, a band of a curve.

    Where all marks are alike, Wilson's interval of as many items: no variance is left to go by.
    """
    found = contrast([Part(1.0, marks, seeded)], design)
    if found.by_items + found.by_seeds <= _LEAST:
        return found.value, share_interval(min(max(found.value, 0.0), 1.0), found.units)
    return found.value, Interval(max(found.interval.low, 0.0), min(found.interval.high, 1.0))


@dataclass(frozen=True, slots=True)
class _Means:
    """`units` is (seeds, units): what each adds to a seed's mean, less what was to be expected.

    `between` is the variance of the seeds' means, `mixed` the part of it that questions bring in; both 0 of one seed.
    """

    mean: float
    units: Numbers
    between: float
    mixed: float


class _Layout:
    """The units of a design, and sums over them."""

    def __init__(self, clusters: Clusters, design: Design) -> None:
        self._clusters = clusters
        self._exam_of_item = np.unique(design.exams, return_inverse=True)[1]
        self._items = np.bincount(self._exam_of_item)
        self.sizes = np.bincount(clusters.exam).astype(np.float64)

    def of(self, marks: Numbers) -> _Means:
        """The means of marks (seeds, items)."""
        exams = len(self._items)
        by_exam = np.stack([marks[:, self._exam_of_item == exam].mean(axis=1) for exam in range(exams)], axis=1)
        apart = (marks - by_exam[:, self._exam_of_item]) / (exams * self._items[self._exam_of_item])
        units = self._clusters.sums(apart)
        seeds = len(marks)
        if seeds < 2:
            return _Means(float(by_exam.mean()), units, 0.0, 0.0)
        each = [self.squares(row).sum() for row in units - units.mean(axis=0)]
        between = float(by_exam.mean(axis=1).var(ddof=1))
        return _Means(float(by_exam.mean()), units, between, float(sum(each)) / (seeds - 1))

    def squares(self, units: Numbers) -> Numbers:
        """The variance of a sum of units, (units,), exam by exam; an exam of a single unit tells nothing: 0."""
        sums = np.bincount(self._clusters.exam, weights=units**2)
        variance: Numbers = sums * self.sizes / np.maximum(self.sizes - 1, 1) * (self.sizes > 1)
        return variance


def _of_seeds(parts: Sequence[tuple[float, _Means]]) -> tuple[float, float]:
    """The variance of a contrast by its seeds, and its freedom; 0 where no part has two seeds.

    A part of one seed is taken to differ between seeds as the others do on average.
    """
    known = [each for _, each in parts if len(each.units) > 1]
    if not known:
        return 0.0, 0.0
    typical = float(np.mean([each.between - each.mixed for each in known]))
    added = sum(
        weight**2 / len(each.units) * (each.between - each.mixed if len(each.units) > 1 else typical)
        for weight, each in parts
    )
    told = [(weight**2 * each.between / len(each.units), len(each.units) - 1) for weight, each in parts]
    variances, free = np.array([one for one in told if one[1]]).T
    return max(0.0, float(added)), _freedom(variances, free)


def _freedom(variances: Numbers, free: Numbers) -> float:
    """Of a sum of variances: F. E. Satterthwaite, Biometrics Bull. 2 (1946), 110-114."""
    lost = float((variances**2 / np.maximum(free, 1)).sum())
    total = float(variances.sum())
    return max(total**2 / lost, 1.0) if lost > 0 else float(max(free.sum(), 1))


def _squared(alpha: float, variance: float, freedom: float) -> float:
    return 0.0 if variance <= 0 or freedom <= 0 else float(stats.t.isf(alpha / 2, freedom)) ** 2 * variance
