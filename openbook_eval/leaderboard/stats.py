"""Say what is certain about scores and what is noise: intervals, paired tests, ranks, detectable differences.

Questions that share a book are right or wrong together. Variances are therefore those of sums over clusters, linearised
around the mean of their exam (K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986), 13-22), within the strata that it
fixes. Intervals are Wilson's, of differences Bonett's and Price's, for as many independent items as the clustered ones
are worth: at 0 and 1 no variance is left to go by. tests/leaderboard/test_stats.py simulates how often they hold.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Codes = NDArray[np.int_]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]
_Bounds = Callable[[Numbers, Numbers, Numbers], tuple[Numbers, Numbers]]  # of means, mean squares, numbers of items

LEVEL, ALPHA, POWER = 0.95, 0.05, 0.8
MCNEMAR, T_TEST = "exact McNemar test", "t-test of clusters"
_Z, _Z_POWER = float(stats.norm.isf(ALPHA / 2)), float(stats.norm.isf(1 - POWER))
_POINT = 0.01


class Interval(NamedTuple):
    """The bounds of a 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of 1, or a difference of two, over `n` items with a score; NaN over none.

    `interval` is None where too little is known of chance: fewer than two clusters of an exam have scores.
    """

    value: float
    interval: Interval | None
    n: int

    @property
    def ends(self) -> tuple[float, float, float]:
        """The value and the bounds of its interval, NaN where there is none."""
        return self.value, *(self.interval or (math.nan, math.nan))


@dataclass(frozen=True, slots=True)
class Averages:
    """The exams in the order of their codes, their plain mean (NaN without one), and the mean of all items."""

    exams: tuple[Estimate, ...]
    macro: Estimate
    micro: Estimate


@dataclass(frozen=True, slots=True)
class Design:
    """How n items were chosen: three arrays of n codes, any integers, those of strata and clusters within an exam.

    The exams are fixed. Each stratum of an exam has its fixed number of clusters, which chance chose with all their
    items; an independent item is its own cluster.
    """

    exams: Codes
    strata: Codes
    clusters: Codes


class Clusters:
    """The clusters of a design: `of_item` is the cluster of each item, `exam` the exam of each cluster, both from 0."""

    def __init__(self, design: Design) -> None:
        """Sort the clusters by exam, stratum and code, whatever the order of the items."""
        (exam, code), of_item = np.unique(np.stack([design.exams, design.clusters]), axis=1, return_inverse=True)
        low, high = np.full(len(code), design.strata.max()), np.full(len(code), design.strata.min())
        np.minimum.at(low, of_item, design.strata)
        np.maximum.at(high, of_item, design.strata)
        # Clusters that lie in several strata of an exam are put together.
        keys = np.stack([exam, low != high, np.where(low != high, 0, low), code])
        (exam, mixed, stratum, _), place = np.unique(keys, axis=1, return_inverse=True)
        begins_exam = _changes(exam)
        begins_stratum = begins_exam | _changes(mixed) | _changes(stratum)
        self.of_item: Codes = place[of_item]
        self.exam: Codes = np.cumsum(begins_exam) - 1
        self._by_cluster = np.argsort(self.of_item, kind="stable")
        self._items = np.flatnonzero(_changes(self.of_item[self._by_cluster]))
        self._exams, self._strata = np.flatnonzero(begins_exam), np.flatnonzero(begins_stratum)
        self._strata_of_exams = np.flatnonzero(begins_exam[begins_stratum])
        self._whole = mixed[begins_stratum] == 0

    def sums(self, values: Numbers | Flags) -> Numbers:
        """Return the sums over the items of each cluster, (runs, clusters), of values (runs, n)."""
        return _sums(values[:, self._by_cluster], self._items)

    def sums_of_exams(self, values: Numbers | Flags) -> Numbers:
        """Return the sums over the clusters of each exam, (runs, exams), of values (runs, clusters)."""
        return _sums(values, self._exams)

    def variance(self, residuals: Numbers, present: Flags) -> tuple[Numbers, Numbers]:
        """Return the variance of the sum of each exam's clusters and its degrees of freedom, both (runs, exams).

        `residuals` (runs, clusters) are sums less what the exam's mean lets expect, 0 where not `present`. They vary
        around the mean of their stratum; one alone in its stratum, or in several, around that of the exam, which is too
        much rather than too little (T. Lumley, Complex Surveys, 2010, section 3.2).
        """
        number, total, squares = (_sums(each, self._strata) for each in (present, residuals, residuals**2))
        own, less = self._whole & (number > 1), np.maximum(number - 1, 1)
        within = number / less * (squares - total**2 / np.maximum(number, 1))
        parts = (np.where(own, within, 0), np.where(own, less, 0), np.where(own, 0, number), np.where(own, 0, squares))
        inside, free, rest, apart = (_sums(part, self._strata_of_exams) for part in parts)
        outside = apart * rest / np.maximum(rest - 1, 1)
        return np.maximum(inside + outside, 0.0), free + np.maximum(rest - 1, 0)


def _sums(values: Numbers | Flags, begins: Codes) -> Numbers:
    found: Numbers = np.add.reduceat(values, begins, axis=1, dtype=np.float64)
    return found


def _changes(sorted_codes: Codes) -> Flags:
    return np.append(True, sorted_codes[1:] != sorted_codes[:-1])


@dataclass(frozen=True, slots=True)
class _Moments:
    """Means of scores, each field (runs, exams) or (runs,); `square` is that of squared scores, `items` their number.

    The `variance` of the mean has degrees of `freedom`, infinite where it follows from the scores themselves, 0 where
    it is unknown; `least` is that of independent items.
    """

    mean: Numbers
    square: Numbers
    items: Numbers
    variance: Numbers
    least: Numbers
    freedom: Numbers

    @classmethod
    def of(cls, scores: Numbers, clusters: Clusters) -> "_Moments":
        """Return those of each exam, (runs, exams), of scores (runs, n)."""
        present, filled = ~np.isnan(scores), np.nan_to_num(scores)
        sizes, sums, squares = map(clusters.sums, (present, filled, filled**2))
        items = clusters.sums_of_exams(sizes)
        with np.errstate(invalid="ignore"):
            mean, square = clusters.sums_of_exams(sums) / items, clusters.sums_of_exams(squares) / items
            least = np.maximum(square - mean**2, 0.0) / items
        residuals = (sums - sizes * mean[:, clusters.exam]) / np.maximum(items, 1)[:, clusters.exam]
        variance, free = clusters.variance(np.where(sizes > 0, residuals, 0.0), sizes > 0)
        independent = (clusters.sums_of_exams(sizes > 1) == 0) & (free > 0)
        known = np.where(independent, least, variance), least, np.where(independent, np.inf, free)
        return cls(mean, square, items, *known)

    def weighed(self, weights: Numbers) -> "_Moments":
        """Return those of the mean of exams by fixed weights, (runs, exams); where a weight is 0 no mean is needed.

        Exams share no cluster: variances add up, with the freedom of F. E. Satterthwaite, Biometrics Bull. 2 (1946),
        110-114. The number of items is that of L. Kish, Survey Sampling (1965), section 11.7.
        """
        parts = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)

        def total(values: Numbers) -> Numbers:
            added: Numbers = np.where(weights > 0, values, 0.0).sum(axis=1)
            return np.where((weights > 0).any(axis=1), added, np.nan)

        variance, free = total(parts**2 * self.variance), np.where(self.freedom > 0, self.freedom, np.nan)
        lost = total((parts**2 * self.variance) ** 2 / free)
        freedom = np.divide(variance**2, lost, out=total(free), where=lost > 0)
        items = 1 / total(parts**2 / np.maximum(self.items, 1))
        mean, square, least = total(parts * self.mean), total(parts * self.square), total(parts**2 * self.least)
        return _Moments(mean, square, items, variance, least, np.nan_to_num(freedom, posinf=np.inf))

    def estimates(self, n: Numbers, bounds: _Bounds) -> list[Estimate]:
        """Return one estimate a run, over n items, with the bounds of as many independent items as the mean is worth.

        By the ratio of variances, and by (z/t)^2 since the variance is itself an estimate: E. L. Korn and B. I.
        Graubard, Survey Methodology 24 (1998), 193-201. Where scores do not vary, this alone is left.
        """
        known: Flags = (self.freedom > 0) & ~np.isnan(self.mean)
        unsure = (stats.t.isf(ALPHA / 2, np.where(known, self.freedom, 1)) / _Z) ** 2
        variance, spread = np.maximum(self.least, self.variance * unsure), self.square - self.mean**2
        worth = np.divide(spread, variance, out=self.items / unsure, where=(variance > 0) & (spread > 0))
        low, high = bounds(*(np.where(known, each, 1.0) for each in (self.mean, self.square, worth)))
        ends = zip(low.tolist(), high.tolist(), strict=True)
        intervals = [Interval(*both) if sure else None for sure, both in zip(known, ends, strict=True)]
        return [Estimate(*found) for found in zip(self.mean.tolist(), intervals, map(int, n), strict=True)]


def averages(scores: Numbers, design: Design, bounds: _Bounds | None = None) -> list[Averages]:
    """Return the averages of each run's scores, (runs, n), of 0 to 1; NaN is no score, and goes into no average.

    Without other `bounds` the intervals are Wilson's (N. Dean and M. Pagano, J. Surv. Stat. Methodol. 3 (2015),
    484-503), never shorter than those of independent items. For scores between 0 and 1 they are longer than need be.
    """
    moments = _Moments.of(scores, Clusters(design))
    alone = (np.tile(exam, (len(scores), 1)) for exam in np.eye(moments.mean.shape[1]))
    weights = (*alone, np.ones_like(moments.mean), moments.items)
    counts = (np.where(own > 0, moments.items, 0).sum(axis=1) for own in weights)
    found = [moments.weighed(own).estimates(n, bounds or _wilson) for own, n in zip(weights, counts, strict=True)]
    return [Averages(tuple(exams), macro, micro) for *exams, macro, micro in zip(*found, strict=True)]


def share_interval(share: float, n: int) -> Interval:
    """Return Wilson's interval of a share, maybe rounded, of `n` independent items."""
    low, high = _wilson(np.array([share]), np.array([share]), np.array([float(n)]))
    return Interval(low.item(), high.item())


def are_told_apart(a: float, b: float, n: int) -> bool:
    """Return whether two shares, of `n` independent items each, differ by more than chance explains at 95 %.

    R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10.
    """
    low, high = confint_proportions_2indep(a * n, n, b * n, n, method="newcomb", alpha=ALPHA)
    return bool(low > 0 or high < 0)


def _wilson(shares: Numbers, _squares: Numbers, items: Numbers) -> tuple[Numbers, Numbers]:
    """Return bounds of shares, never empty, which hold the share: E. B. Wilson, JASA 22 (1927), 209-212."""
    low, high = proportion_confint(shares * items, items, alpha=ALPHA, method="wilson")
    # At 0 and 1 the formula comes to the share itself, but for rounding.
    return np.minimum(low, shares), np.maximum(high, shares)


def bonett_price(means: Numbers, squares: Numbers, items: Numbers) -> tuple[Numbers, Numbers]:
    """Return bounds of mean differences: D. G. Bonett and R. M. Price, J. Educ. Behav. Stat. 37 (2012), 479-488.

    They count one more item for each side, so that none is empty. Where about two items differ they are too long: they
    hold the truth in 98 of 100 cases or more.
    """
    less = items / (items + 2)
    middle = means * less
    reach = _Z * np.sqrt((squares * less + 2 / (items + 2) - middle**2) / (items + 2))
    return np.maximum(middle - reach, -1.0), np.minimum(middle + reach, 1.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One run less another: `a` and `b` are shares of the items that both have a score of; `p` is NaN if unknown.

    `adjusted` is p by Holm's method over the exams, None of an average.
    """

    a: float
    b: float
    estimate: Estimate
    p: float
    adjusted: float | None = None

    @property
    def way(self) -> int:
        """Its sign where it is sure: both p and the interval, found in different ways, say so; else 0."""
        interval = self.estimate.interval
        sure = interval and self.p < ALPHA and not interval.low <= 0 <= interval.high
        return (1 if self.estimate.value > 0 else -1) if sure else 0


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """One run less another, by exam in the order of their codes, in the plain mean of exams, and over all items.

    `test` is that of exams and `micro`. No count of items tests the plain mean, which weighs them unequally: `macro`
    always has the t-test of clusters.
    """

    exams: tuple[Difference, ...]
    macro: Difference
    micro: Difference
    test: str


def paired_difference(scores: Numbers, design: Design) -> PairedDifference:
    """Return the first run less the second, of scores (2, n) of 0 or 1 or NaN, in the order of the design's items.

    Independent items have the exact McNemar test, clusters Student's t-test on one number each, their part of the
    difference: with few of them it keeps its level (R. Ibragimov and U. K. Mueller, J. Bus. Econ. Stat. 28 (2010),
    453-468), where a regression's cluster-robust covariance rejects too often.
    """
    (a, b), clusters = scores, Clusters(design)
    apart = a - b
    present = ~np.isnan(apart)
    (found,) = averages(apart[None, :], design, bonett_price)
    sizes = clusters.sums(present[None, :])
    parts = np.where(sizes > 0, clusters.sums(np.nan_to_num(apart)[None, :]), np.nan)
    independent = bool((sizes <= 1).all())

    def difference(estimate: Estimate, inside: Flags) -> Difference:
        kept = inside[clusters.of_item] & present
        shares = (float(a[kept].mean()), float(b[kept].mean())) if kept.any() else (math.nan, math.nan)
        only_a, only_b = (int((way * apart[kept] > 0).sum()) for way in (1, -1))
        exact = independent and mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
        p = exact if independent else _t_test(parts[:, inside])[0]
        return Difference(*shares, estimate, float(p) if estimate.interval else math.nan)

    exams = tuple(difference(estimate, clusters.exam == exam) for exam, estimate in enumerate(found.exams))
    mean_a, mean_b = (math.fsum(shares) / len(exams) for shares in ([e.a for e in exams], [e.b for e in exams]))
    return PairedDifference(
        exams=exams,
        macro=Difference(mean_a, mean_b, found.macro, float(p_of_pairs(scores, design)[0, 1])),
        micro=difference(found.micro, clusters.exam >= 0),
        test=MCNEMAR if independent else T_TEST,
    )


def holm(p_values: Sequence[float] | Numbers) -> Numbers:
    """Return p-values corrected for their number: S. Holm, Scand. J. Stat. 6 (1979), 65-70; a NaN is not counted."""
    adjusted = np.array(p_values, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def p_of_pairs(scores: Numbers, design: Design) -> Numbers:
    """Return the p-values of the plain mean of all pairs of runs, (runs, runs), from scores (runs, n).

    NaN where an exam has a single cluster, which says nothing of chance: the exams themselves are no sample.
    """
    clusters = Clusters(design)
    found = np.ones((len(scores), len(scores)))
    for one in range(len(scores) - 1):
        apart = scores[one] - scores[one + 1 :]
        sizes = clusters.sums(~np.isnan(apart))
        items = clusters.sums_of_exams(sizes)
        # What clusters add to the sum of the exams' means.
        parts = clusters.sums(np.nan_to_num(apart)) / np.maximum(items, 1)[:, clusters.exam]
        few = (clusters.sums_of_exams(sizes > 0) < 2).any(axis=1)
        p = _t_test(np.where(sizes > 0, parts, np.nan))
        found[one, one + 1 :] = found[one + 1 :, one] = np.where(few, np.nan, p)
    return found


def _t_test(parts: Numbers) -> Numbers:
    """Return the p-values that the parts, (pairs, clusters), have mean 0; NaN of fewer than two.

    None is below 2 / 2^m, the least that flipping the signs of the m parts other than 0 can give: two of one size would
    otherwise be certain.
    """
    number, moved = (~np.isnan(parts)).sum(axis=1), (np.nan_to_num(parts) != 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(parts, axis=1) / number
        error = np.sqrt(np.nansum((parts - mean[:, None]) ** 2, axis=1) / (number - 1) / number)
        p = 2 * stats.t.sf(np.abs(mean) / error, number - 1)
    least = np.minimum(np.exp2(1.0 - moved), 1.0)
    found: Numbers = np.where(number < 2, np.nan, np.where(moved == 0, 1.0, np.fmax(p, least)))
    return found


@dataclass(frozen=True, slots=True)
class Rank:
    """A place on a board, one after the runs that are surely better; `last` is the worst that chance may give."""

    place: int
    last: int


def ranks(means: Numbers, p_values: Numbers) -> list[Rank]:
    """Return the ranks of runs with averages `means`, (runs,), by the p-values of their pairs, (runs, runs).

    A run is surely better than another where its average is higher and their p, corrected by Holm's method over all
    pairs, is below 0.05; a NaN is never sure. In 95 of 100 cases all true ranks lie between `place` and `last`: M.
    Mogstad, J. Romano, A. Shaikh and D. Wilhelm, Rev. Econ. Stud. 91 (2024), 476-518.
    """
    upper = np.triu_indices(len(means), 1)
    sure: Flags = np.zeros(p_values.shape, dtype=np.bool_)
    sure[upper] = holm(p_values[upper]) < ALPHA
    better = (sure | sure.T) & (means[:, None] < means[None, :])
    above, below = better.sum(axis=1).tolist(), better.sum(axis=0).tolist()
    return [Rank(1 + surely, len(means) - worse) for surely, worse in zip(above, below, strict=True)]


def sensitivity(scores: Numbers, design: Design, pairs: Iterable[tuple[int, int]]) -> tuple[float | None, int | None]:
    """Return the smallest difference of the median pair that is found, and the items that 0.01 needs; None if unknown.

    With a power of 80 % a two-sided test finds 2.8 standard errors of the difference of two `scores`, (runs, n).
    """
    one, other = np.array(list(pairs), dtype=np.int_).reshape(-1, 2).T
    exams = _Moments.of(scores[one] - scores[other], Clusters(design))
    together, n = exams.weighed(np.ones_like(exams.mean)), exams.items.sum(axis=1)
    known = (together.variance > 0) & (together.freedom > 0)
    if not known.any():
        return None, None
    found = (_Z + _Z_POWER) * float(np.sqrt(np.median(together.variance[known])))
    return found, math.ceil(float(np.median(n[known])) * (found / _POINT) ** 2)
