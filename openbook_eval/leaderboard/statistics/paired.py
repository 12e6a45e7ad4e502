"""What differs between two runs on the same items, and whether chance alone may do that.

The mean of differences has the interval of D. G. Bonett and R. M. Price, J. Educ. Behav. Stat. 37 (2012), 479-488.
Items that stand for themselves are tested by the exact McNemar test. Clusters are tested by Student's t-test on one
number each, their part of the difference. It keeps its level with few of them and of different spread (R. Ibragimov and
U. K. Müller, J. Bus. Econ. Stat. 28 (2010), 453-468), where a regression's cluster-robust covariance rejects too often;
and its p is as small as the data say, where one of ten thousand sign flips could not pass a correction over a board's
pairs.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from openbook_eval.leaderboard.statistics.clusters import Clusters, arrange
from openbook_eval.leaderboard.statistics.resampling import Draws, estimate
from openbook_eval.leaderboard.statistics.values import LEVEL, Averages, Design, Estimate, Numbers

MCNEMAR = "exact McNemar test"
T_TEST = "t-test of clusters"


@dataclass(frozen=True, slots=True)
class PValues:
    """Of the exams in the order of their codes, of their plain mean, and of all items; NaN where nothing can be said.

    `test` is that of exams and micro. The plain mean weighs items unlike, so that no count of them can test it: `macro`
    is of the t-test always.
    """

    exams: tuple[float, ...]
    macro: float
    micro: float
    test: str


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """One run less another: differences with intervals, the p-values, and the counts of items, right being a mark of 1.

    `missing` items have no mark in one of them, and are left out of all the rest.
    """

    averages: Averages
    p: PValues
    only_one: int
    only_other: int
    both: int
    neither: int
    missing: int


def difference(one: Numbers, other: Numbers, design: Design, draws: Draws) -> PairedDifference:
    """The difference of marks `one` less `other`, of 0 or 1 or NaN, (n,) each, in the order of the design's items."""
    apart = one - other
    present = ~np.isnan(apart)
    right, right_too = one[present] == 1, other[present] == 1
    (averages,) = estimate(apart[None, :], design, draws, bounds)
    return PairedDifference(
        averages=averages,
        p=_where_told(averages, _p_values(apart, design, draws.clusters)),
        only_one=int((right & ~right_too).sum()),
        only_other=int((~right & right_too).sum()),
        both=int((right & right_too).sum()),
        neither=int((~right & ~right_too).sum()),
        missing=int((~present).sum()),
    )


def bounds(means: Numbers, squares: Numbers, items: Numbers) -> tuple[Numbers, Numbers]:
    """Lower and upper 95 % bounds of mean differences, from the means of their squares, too; all of one shape.

    Bonett and Price count one more item for each side. So no interval is empty, and the mean lies inside. Where about
    two items differ it is too long: it holds the truth in 98 of 100 cases or more.
    """
    less = items / (items + 2)
    middle = means * less
    spread = squares * less + 2 / (items + 2) - middle**2
    reach = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(spread / (items + 2))
    return np.maximum(middle - reach, -1.0), np.minimum(middle + reach, 1.0)


def holm(p_values: Sequence[float] | Numbers) -> Numbers:
    """The p-values corrected for their number: S. Holm, Scand. J. Stat. 6 (1979), 65-70.

    A NaN stays one and is not counted.
    """
    adjusted = np.array(p_values, dtype=np.float64)
    told = ~np.isnan(adjusted)
    if told.any():
        adjusted[told] = multipletests(adjusted[told], method="holm")[1]
    return adjusted


def p_of_pairs(marks: Numbers, design: Design) -> Numbers:
    """The p-values `macro` of all pairs of runs, (runs, runs), from marks (runs, n); 1 of a run with itself.

    NaN where the difference has no interval: an exam of a single cluster says nothing of chance, and the exams
    themselves are no sample.
    """
    clusters = arrange(design)
    found = np.ones((len(marks), len(marks)))
    for one in range(len(marks) - 1):
        apart = marks[one] - marks[one + 1 :]
        free = clusters.freedom(~np.isnan(apart))
        p = np.where((free == 0).any(axis=0), np.nan, _t_test(_macro_parts(apart, clusters)))
        found[one, one + 1 :] = found[one + 1 :, one] = p
    return found


def _p_values(apart: Numbers, design: Design, clusters: Clusters) -> PValues:
    present = ~np.isnan(apart)
    exams = [present & (design.exams == exam) for exam in np.unique(design.exams)]
    alone = bool((np.bincount(clusters.of_item[present], minlength=1) <= 1).all())

    def p(items: NDArray[np.bool_]) -> float:
        if not items.any():
            return float("nan")
        if alone:
            return _mcnemar(apart[items])
        sums = clusters.sums(np.where(items, apart, 0.0)[None, :])
        return float(_t_test(sums[np.unique(clusters.of_item[items])])[0])

    macro = _t_test(_macro_parts(apart[None, :], clusters))
    return PValues(tuple(map(p, exams)), float(macro[0]), p(present), MCNEMAR if alone else T_TEST)


def _where_told(averages: Averages, p: PValues) -> PValues:
    """No p without an interval."""

    def told(estimate: Estimate, value: float) -> float:
        return float("nan") if estimate.interval is None else value

    exams = tuple(map(told, averages.exams, p.exams))
    return PValues(exams, told(averages.macro, p.macro), told(averages.micro, p.micro), p.test)


def _mcnemar(apart: Numbers) -> float:
    better, worse = int((apart > 0).sum()), int((apart < 0).sum())
    return float(mcnemar([[0, better], [worse, 0]], exact=True).pvalue)


def _macro_parts(apart: Numbers, clusters: Clusters) -> Numbers:
    """What each cluster adds to the sum of the exams' means, (clusters, pairs), of differences (pairs, n).

    NaN for a cluster without items, and for all of a pair that lacks an exam.
    """
    present = ~np.isnan(apart)
    items = clusters.sums(present.astype(np.float64))
    in_exam = np.add.reduceat(items, [part.start for part in clusters.exams])
    lacking = (in_exam == 0).any(axis=0)
    parts = clusters.sums(np.where(present, apart, 0.0)) / np.maximum(in_exam, 1)[clusters.exam]
    return np.where((items == 0) | lacking, np.nan, parts)


def _t_test(parts: Numbers) -> Numbers:
    """The p-values that the parts, (clusters, pairs), have mean 0; NaN of fewer than two.

    None is below 2 / 2^m, the least that flipping the signs of the m parts other than 0 can give: parts of one size
    would otherwise be certain, be they two.
    """
    with warnings.catch_warnings():
        # Parts that do not vary, of two runs with the same marks, leave nothing to divide by.
        warnings.simplefilter("ignore", RuntimeWarning)
        p = stats.ttest_1samp(parts, 0.0, nan_policy="omit").pvalue
    told = (~np.isnan(parts)).sum(axis=0)
    moved = (np.nan_to_num(parts) != 0).sum(axis=0)
    least = np.minimum(np.exp2(1.0 - moved), 1.0)
    found: Numbers = np.where(told < 2, np.nan, np.where(moved == 0, 1.0, np.fmax(p, least)))
    return found
