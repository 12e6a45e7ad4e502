"""Statistics: published values, properties, and how often intervals hold the truth.

Coverage is simulated 2,000 times a case, with a margin of half a point for the simulation's own chance. Where it cannot
be had the figure is pinned: no interval from a handful of clusters, or of two discordant items, can do it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openbook_eval.leaderboard.stats import (
    MCNEMAR,
    T_TEST,
    Averages,
    Clusters,
    Codes,
    Design,
    Estimate,
    Numbers,
    Rank,
    averages,
    bonett_price,
    holm,
    p_of_pairs,
    paired_difference,
    ranks,
    sensitivity,
    share_interval,
)

RUNS = 2000
TWO_EXAMS = np.array([0, 0, 0, 0, 1, 1])
SCORES = np.array([[1, 1, 0, np.nan, 1, 0]])


def bounds(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval is not None
    return estimate.interval.low, estimate.interval.high


def pairs(both: int, only_a: int, only_b: int, neither: int) -> Numbers:
    counts = [both, only_a, only_b, neither]
    return np.stack([np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)])


def alone(exams: Codes | Sequence[int]) -> Design:
    """Independent items, in one stratum an exam."""
    return Design(np.array(exams), np.zeros(len(exams), int), np.arange(len(exams)))


def six_exams(n: int) -> Codes:
    """The exam of each of n items, the exams unequal in size."""
    sizes = np.round(np.array([0.3, 0.25, 0.15, 0.12, 0.1, 0.08]) * n).astype(np.int_)
    sizes[0] += n - sizes.sum()
    return np.repeat(np.arange(6), sizes)


def grouped(sizes: Codes, exam_of_group: Codes) -> Design:
    """Groups of these sizes, in one stratum an exam."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    exams = exam_of_group[groups]
    return Design(exams, np.zeros_like(exams), groups)


def correlated(generator: np.random.Generator, runs: int, design: Design, share: float, correlation: float) -> Numbers:
    """Scores (runs, n) that are right with probability `share`, in a group with this correlation: beta-binomial."""
    scale = (1 - correlation) / correlation
    of_group = generator.beta(share * scale, (1 - share) * scale, (runs, int(design.clusters.max()) + 1))
    return (generator.random((runs, len(design.exams))) < of_group[:, design.clusters]).astype(np.float64)


def covered(found: list[Averages], truth: float) -> tuple[float, float, float]:
    """The shares of intervals that hold the truth, the same for all: of exams (all of them), of macro and of micro."""
    kinds = ([e for run in found for e in run.exams], [run.macro for run in found], [run.micro for run in found])
    exams, macro, micro = (np.mean([low <= truth <= high for _, low, high in (e.ends for e in of)]) for of in kinds)
    return float(exams), float(macro), float(micro)


# R. G. Newcombe, Stat. Med. 17 (1998), 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_intervals_of_shares(right: int, n: int, low: float, high: float) -> None:
    found = share_interval(right / n, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    (own,) = averages((np.arange(n) < right).astype(float)[None, :], alone([0] * n))
    assert bounds(own.micro) == pytest.approx((low, high), abs=5e-5)


def test_macro_is_the_mean_of_exams_and_micro_that_of_items() -> None:
    (found,) = averages(SCORES, alone(TWO_EXAMS))
    assert [(e.value, e.n) for e in found.exams] == [(pytest.approx(2 / 3), 3), (0.5, 2)]
    assert (found.macro.value, found.macro.n) == pytest.approx((7 / 12, 5))
    assert (found.micro.value, found.micro.n) == pytest.approx((3 / 5, 5))


def test_an_exam_without_scores_has_no_mean_and_neither_has_the_macro_average() -> None:
    (found,) = averages(np.array([[1, 0, 1, 1, np.nan, np.nan]]), alone(TWO_EXAMS))
    assert np.isnan([found.exams[1].value, found.macro.value]).all()
    assert (found.exams[1].interval, found.exams[1].n, found.macro.interval) == (None, 0, None)
    assert (found.micro.value, found.micro.interval) == (0.75, found.exams[0].interval)


@pytest.mark.parametrize(
    ("strata", "groups", "residuals", "variance", "freedom"),
    [
        # Around the mean of their stratum: 4 (0.5 + 0.5) 4 / 3, with 6 degrees.
        ([0] * 4 + [1] * 4, range(8), [1, 2, 3, 2, -2, -2, -3, -1], 4 * (2 / 4 + 2 / 4) * 4 / 3, 6),
        # Two clusters in two strata each, four alone in theirs, and one that is: around the mean of the exam.
        ([0, 0, 1, 1], [0, 1, 0, 1], [1, -1], 2 * 2, 1),
        ([0, 1, 2, 3], range(4), [2, -1, -2, 1], 10 * 4 / 3, 3),
        ([0, 0, 1], range(3), [1, 1, -2], 4, 1),
    ],
)
def test_the_variance_is_that_of_cluster_sums_around_their_mean(
    strata: list[int], groups: Sequence[int], residuals: list[int], variance: float, freedom: int
) -> None:
    clusters = Clusters(Design(np.zeros(len(strata), int), np.array(strata), np.array(groups)))
    own = np.array([residuals], dtype=np.float64)
    found, free = clusters.variance(own, np.ones(own.shape, dtype=bool))
    assert (found[0, 0], free[0, 0]) == (pytest.approx(variance), freedom)


def test_the_interval_of_equal_clusters_is_that_of_their_t_interval_in_wilsons_form() -> None:
    # Five clusters of four: as many independent items as give their variance, by Student's t of four.
    scores = np.array([[1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0.0]])
    (found,) = averages(scores, grouped(np.full(5, 4), np.zeros(5, dtype=np.int_)))
    share, variance = scores.mean(), scores.reshape(5, 4).mean(axis=1).var(ddof=1) / 5
    worth = share * (1 - share) / (variance * (stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)) ** 2)
    assert bounds(found.micro) == bounds(found.macro)
    z = stats.norm.ppf(0.975)
    middle, reach = (share + z**2 / 2 / worth), z * math.sqrt(share * (1 - share) / worth + z**2 / 4 / worth**2)
    assert bounds(found.micro) == pytest.approx(tuple((middle + way * reach) / (1 + z**2 / worth) for way in (-1, 1)))


def test_neither_the_order_of_items_nor_the_codes_matter() -> None:
    generator = np.random.default_rng(0)
    design = grouped(generator.integers(2, 9, 24), np.repeat([0, 1, 2], 8))
    scores = correlated(generator, 3, design, 0.7, 0.2)
    order = generator.permutation(len(design.exams))
    other = Design(design.exams[order] * 3 - 5, design.strata[order] + 11, design.clusters[order] * 2 + 100)
    for one, two in zip(averages(scores, design), averages(scores[:, order], other), strict=True):
        assert bounds(one.macro) == pytest.approx(bounds(two.macro))
        assert bounds(one.exams[2]) == pytest.approx(bounds(two.exams[2]))


SOME = st.sampled_from([0.0, 1.0, np.nan])
ITEMS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4), SOME, SOME), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=200)
@given(ITEMS)
def test_shares_lie_in_their_intervals_and_these_between_0_and_1(
    items: list[tuple[int, int, int, float, float]],
) -> None:
    exams, strata, clusters, scores, _ = (np.array(column) for column in zip(*items, strict=True))
    (found,) = averages(scores[None, :], Design(exams, strata, clusters))
    for estimate in (*found.exams, found.macro, found.micro):
        if estimate.interval is not None:
            assert 0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1
            assert estimate.interval.high > estimate.interval.low
    for exam, estimate in zip(np.unique(exams), found.exams, strict=True):
        known = np.unique(clusters[(exams == exam) & ~np.isnan(scores)])
        assert (estimate.interval is None) == (len(known) < 2)


@settings(deadline=None, max_examples=200)
@given(ITEMS)
def test_the_other_way_round_only_signs_change(items: list[tuple[int, int, int, float, float]]) -> None:
    exams, strata, clusters, *scores = (np.array(column) for column in zip(*items, strict=True))
    design, both = Design(exams, strata, clusters), np.array(scores)
    forth, back = paired_difference(both, design), paired_difference(both[::-1], design)
    for there, here in zip(
        (*forth.exams, forth.macro, forth.micro), (*back.exams, back.macro, back.micro), strict=True
    ):
        assert (there.p, there.a, there.b) == pytest.approx((here.p, here.b, here.a), nan_ok=True)
        assert there.estimate.value == pytest.approx(-here.estimate.value, nan_ok=True)
        assert np.isnan(there.p) == (there.estimate.interval is None)
        if there.estimate.interval:
            low, high = bounds(there.estimate)
            assert -1 <= low <= there.estimate.value + 1e-12
            assert there.estimate.value - 1e-12 <= high <= 1
            assert (low, high) == pytest.approx(tuple(-end for end in bounds(here.estimate)[::-1]))


# Airway hyper-responsiveness before and after a transplantation: M. W. Fagerland, S. Lydersen and P. Laake, BMC Med.
# Res. Methodol. 13 (2013), 91, have 0.070 by the exact conditional test.
def test_independent_items_have_the_exact_mcnemar_test_and_the_interval_of_bonett_and_price() -> None:
    found = paired_difference(pairs(1, 1, 7, 12), alone([0] * 21))
    assert (found.micro.p, found.exams[0].p) == pytest.approx((0.0703125,) * 2)
    assert found.test == MCNEMAR
    shares = 2 / 23, 8 / 23
    reach = 1.959964 * math.sqrt((sum(shares) - (shares[0] - shares[1]) ** 2) / 23)
    assert found.micro.estimate.value == pytest.approx(-6 / 21)
    assert bounds(found.micro.estimate) == pytest.approx((-6 / 23 - reach, -6 / 23 + reach))


def test_the_same_scores_do_not_differ_and_still_have_an_interval() -> None:
    same = pairs(20, 0, 0, 10)
    for design in (alone(np.arange(30) // 15), grouped(np.full(6, 5), np.repeat([0, 1], 3))):
        found = paired_difference(same, design)
        assert [each.p for each in (found.macro, found.micro, *found.exams)] == [1, 1, 1, 1]
        low, high = bounds(found.macro.estimate)
        assert low < 0 < high


def test_items_that_one_lacks_are_left_out() -> None:
    found = paired_difference(np.array([[1, 0, np.nan, 1, np.nan], [1, 1, 1, np.nan, np.nan]]), alone([0] * 5))
    assert (found.micro.a, found.micro.b, found.micro.estimate.value, found.micro.estimate.n) == (0.5, 1.0, -0.5, 2)
    nothing = paired_difference(np.array([[1, np.nan], [np.nan, 1]]), alone([0] * 2))
    assert np.isnan([nothing.macro.p, nothing.micro.p, nothing.exams[0].p, nothing.macro.estimate.value]).all()


def test_clusters_are_tested_by_one_number_each() -> None:
    generator = np.random.default_rng(0)
    design = grouped(generator.integers(3, 9, 30), np.repeat([0, 1], 15))
    scores = np.concatenate([correlated(generator, 1, design, share, 0.1) for share in (0.8, 0.6)])
    found = paired_difference(scores, design)
    sums = np.bincount(design.clusters, weights=scores[0] - scores[1])
    weighed = sums / np.repeat(np.bincount(design.exams), 15)
    assert found.test == T_TEST
    assert found.micro.p == pytest.approx(stats.ttest_1samp(sums, 0).pvalue)
    assert found.exams[1].p == pytest.approx(stats.ttest_1samp(sums[15:], 0).pvalue)
    assert found.macro.p == pytest.approx(stats.ttest_1samp(weighed, 0).pvalue)
    single = Design(design.exams, design.exams, design.exams)
    assert np.isnan([p_of_pairs(scores, single)[0, 1], paired_difference(scores, single).macro.p]).all()


def test_three_clusters_of_one_difference_are_not_certain() -> None:
    scores = np.stack([np.arange(30) % 10 < right for right in (8, 5)]).astype(np.float64)
    assert paired_difference(scores, grouped(np.full(3, 10), np.zeros(3, dtype=np.int_))).micro.p == 0.25


def test_holms_correction() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, float("nan"), 0.01]).tolist() == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([]).tolist() == []


def test_a_rank_counts_the_runs_that_are_surely_better() -> None:
    p = np.array([[1, 0.03, 0.01], [0.03, 1, 0.5], [0.01, 0.5, 1]])
    # Of three pairs 0.01 is corrected to 0.03, 0.03 to 0.06.
    assert ranks(np.array([0.9, 0.8, 0.7]), p) == [Rank(1, 2), Rank(1, 3), Rank(2, 3)]
    assert ranks(np.array([0.7, 0.9, 0.7]), np.where(np.eye(3), 1, 0.001)) == [Rank(2, 3), Rank(1, 1), Rank(2, 3)]
    # Where nothing is known any rank may be.
    assert ranks(np.array([0.9, 0.5]), np.array([[1, np.nan], [np.nan, 1]])) == [Rank(1, 2), Rank(1, 2)]
    assert ranks(np.empty(0), np.empty((0, 0))) == []


def test_whole_books_that_flip_detect_as_much_as_items_as_many_as_they_are() -> None:
    scores = np.stack([np.arange(2400) // 10 % 4 == which for which in (0, 1)]).astype(np.float64)
    exams = np.repeat(np.arange(6), 400)
    books = Design(exams, exams, np.arange(2400) // 10)
    (_, items), (found, needed) = (sensitivity(scores, design, [(0, 1)]) for design in (alone(exams), books))
    assert needed == pytest.approx(10 * (items or 0), rel=0.03)
    # z of 0.975 and of 0.8, of 240 books half of which differ.
    assert found == pytest.approx((1.96 + 0.842) * math.sqrt(0.5 / 240), rel=0.02)
    assert sensitivity(scores[[0, 0]], alone(exams), [(0, 1)]) == sensitivity(scores, alone(exams), []) == (None, None)


def independent(n: int, share: float) -> list[Averages]:
    exams = six_exams(n)
    return averages((np.random.default_rng(n).random((RUNS, n)) < share).astype(np.float64), alone(exams))


def groups(share: float, correlation: float, sizes: tuple[int, int], an_exam: int) -> list[Averages]:
    generator = np.random.default_rng(2)
    design = grouped(generator.integers(*sizes, 6 * an_exam), np.repeat(np.arange(6), an_exam))
    return averages(correlated(generator, RUNS, design, share, correlation), design)


def differences(both: Numbers, design: Design) -> list[Averages]:
    """The differences of `paired_difference`, of scores (2, runs, n), all at once."""
    return averages(both[0] - both[1], design, bonett_price)


def discordant(n: int, only_a: float, only_b: float) -> list[Averages]:
    uniform = np.random.default_rng(4).random((RUNS, n))
    return differences(np.stack([uniform < only_a, uniform > 1 - only_b]).astype(np.float64), alone(six_exams(n)))


def books_that_differ() -> list[Averages]:
    generator = np.random.default_rng(5)
    design = grouped(generator.integers(8, 25, 60), np.repeat(np.arange(6), 10))
    return differences(np.stack([correlated(generator, RUNS, design, share, 0.1) for share in (0.8, 0.7)]), design)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        pytest.param(lambda: independent(400, 0.05), 0.05, id="400 items, 5 % right"),
        pytest.param(lambda: independent(400, 0.9), 0.9, id="400 items, 90 % right"),
        pytest.param(lambda: independent(2000, 0.5), 0.5, id="2,000 items"),
        pytest.param(lambda: groups(0.5, 0.01, (8, 25), 10), 0.5, id="ten books an exam with little in common"),
        pytest.param(lambda: groups(0.5, 0.3, (8, 25), 10), 0.5, id="ten books an exam with much in common"),
        pytest.param(lambda: groups(0.9, 0.1, (8, 25), 10), 0.9, id="ten books an exam, 90 % right"),
        pytest.param(lambda: groups(0.8, 0.05, (25, 75), 5), 0.8, id="five classes an exam"),
        pytest.param(lambda: discordant(2000, 0.15, 0.05), 0.1, id="differences"),
        pytest.param(books_that_differ, 0.1, id="differences over ten books an exam"),
    ],
)
def test_intervals_hold_the_truth(found: Callable[[], list[Averages]], truth: float) -> None:
    exams, macro, micro = covered(found(), truth)
    assert 0.93 < exams < 0.97
    assert 0.935 < macro < 0.97
    assert 0.935 < micro < 0.97


@pytest.mark.parametrize(
    ("found", "truth", "exams", "macro"),
    [
        pytest.param(lambda: groups(0.5, 0.01, (10, 30), 3), 0.5, 0.984, 0.970, id="three books an exam: too long"),
        pytest.param(lambda: groups(0.9, 0.3, (8, 25), 10), 0.9, 0.893, 0.945, id="ten all right or wrong: too short"),
        pytest.param(lambda: discordant(400, 0.05, 0.01), 0.04, 0.98, 0.951, id="two items differ: too long"),
    ],
)
def test_limits_of_intervals(found: Callable[[], list[Averages]], truth: float, exams: float, macro: float) -> None:
    assert covered(found(), truth)[:2] == pytest.approx((exams, macro), abs=0.01)


def test_the_interval_of_the_average_of_exams_that_differ_holds_the_truth() -> None:
    exams, shares = six_exams(400), np.array([0.05, 0.3, 0.5, 0.7, 0.9, 0.97])
    scores = (np.random.default_rng(1).random((RUNS, 400)) < shares[exams]).astype(np.float64)
    found = averages(scores, alone(exams))
    assert covered(found, shares.mean())[1] == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("correlation", [0.01, 0.3])
def test_of_runs_alike_5_pairs_in_100_are_told_apart(correlation: float) -> None:
    generator = np.random.default_rng(4)
    design = grouped(generator.integers(8, 25, 30), np.repeat(np.arange(6), 5))
    p = p_of_pairs(correlated(generator, 150, design, 0.8, correlation), design)
    assert (p[np.triu_indices(150, 1)] < 0.05).mean() == pytest.approx(0.05, abs=0.015)
