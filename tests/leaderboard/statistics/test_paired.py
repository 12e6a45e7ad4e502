"""Differences of two runs on the same items, and how often chance alone is taken for one."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openbook_eval.leaderboard.statistics.paired import (
    MCNEMAR,
    T_TEST,
    PairedDifference,
    bounds,
    difference,
    holm,
    p_of_pairs,
)
from openbook_eval.leaderboard.statistics.resampling import draw
from openbook_eval.leaderboard.statistics.values import Design, Numbers
from tests.leaderboard.statistics.designs import alone, correlated, grouped, six_exams


def compare(one: Numbers, other: Numbers, design: Design) -> PairedDifference:
    return difference(one, other, design, draw(design, 50))


def pairs(both: int, only_one: int, only_other: int, neither: int) -> tuple[Numbers, Numbers]:
    one = np.repeat([1.0, 1.0, 0.0, 0.0], [both, only_one, only_other, neither])
    other = np.repeat([1.0, 0.0, 1.0, 0.0], [both, only_one, only_other, neither])
    return one, other


# Airway hyper-responsiveness before and after a transplantation: M. W. Fagerland, S. Lydersen and P. Laake, BMC Med.
# Res. Methodol. 13 (2013), 91, have 0.070 by the exact conditional test.
def test_independent_items_are_tested_by_the_exact_mcnemar_test() -> None:
    one, other = pairs(1, 1, 7, 12)
    found = compare(one, other, alone(np.zeros(21, dtype=np.int_)))
    assert (found.both, found.only_one, found.only_other, found.neither, found.missing) == (1, 1, 7, 12, 0)
    assert (found.p.micro, *found.p.exams) == pytest.approx((0.0703125, 0.0703125))
    assert found.p.test == MCNEMAR


def test_a_difference_has_the_interval_of_bonett_and_price() -> None:
    one, other = pairs(1, 1, 7, 12)
    (exam,) = compare(one, other, alone(np.zeros(21, dtype=np.int_))).averages.exams
    shares = 2 / 23, 8 / 23
    reach = 1.959964 * math.sqrt((sum(shares) - (shares[0] - shares[1]) ** 2) / 23)
    assert exam.value == pytest.approx(-6 / 21)
    assert exam.interval is not None
    assert (exam.interval.low, exam.interval.high) == pytest.approx((-6 / 23 - reach, -6 / 23 + reach))


def test_the_same_marks_do_not_differ_and_still_have_an_interval() -> None:
    one, _ = pairs(20, 0, 0, 10)
    for design in (alone(np.arange(30) // 15), grouped(np.full(6, 5), np.repeat([0, 1], 3))):
        found = compare(one, one, design)
        assert (found.p.macro, found.p.micro, found.p.exams) == (1, 1, (1, 1))
        assert found.averages.macro.interval is not None
        assert found.averages.macro.interval.low < 0 < found.averages.macro.interval.high


def test_items_that_one_lacks_are_counted_and_left_out() -> None:
    one, other = np.array([1, 0, np.nan, 1, np.nan]), np.array([1, 1, 1, np.nan, np.nan])
    found = compare(one, other, alone(np.zeros(5, dtype=np.int_)))
    assert (found.missing, found.both, found.only_other, found.averages.micro.n) == (3, 1, 1, 2)
    assert found.averages.micro.value == -0.5


def test_without_a_common_item_nothing_can_be_said() -> None:
    found = compare(np.array([1, np.nan]), np.array([np.nan, 1]), alone(np.zeros(2, dtype=np.int_)))
    assert np.isnan([found.p.macro, found.p.micro, *found.p.exams, found.averages.macro.value]).all()
    assert found.missing == 2


def test_clusters_are_tested_by_one_number_each() -> None:
    generator = np.random.default_rng(0)
    design = grouped(generator.integers(3, 9, 30), np.repeat([0, 1], 15))
    one, other = (correlated(generator, 1, design, share, 0.1)[0] for share in (0.8, 0.6))
    found = compare(one, other, design)
    sums = np.bincount(design.clusters, weights=one - other)
    weighed = sums / np.repeat(np.bincount(design.exams), 15)
    assert found.p.test == T_TEST
    assert found.p.micro == pytest.approx(stats.ttest_1samp(sums, 0).pvalue)
    assert found.p.exams[1] == pytest.approx(stats.ttest_1samp(sums[15:], 0).pvalue)
    assert found.p.macro == pytest.approx(stats.ttest_1samp(weighed, 0).pvalue)


def test_a_cluster_without_common_items_is_none() -> None:
    generator = np.random.default_rng(0)
    design = grouped(np.full(6, 4), np.zeros(6, dtype=np.int_))
    one, other = (correlated(generator, 1, design, share, 0.1)[0] for share in (0.8, 0.5))
    one[design.clusters == 2] = np.nan
    kept = design.clusters != 2
    without = Design(design.exams[kept], design.strata[kept], design.clusters[kept])
    assert compare(one, other, design).p.macro == pytest.approx(compare(one[kept], other[kept], without).p.macro)


def test_three_clusters_of_one_difference_are_not_certain() -> None:
    design = grouped(np.full(3, 10), np.zeros(3, dtype=np.int_))
    one = (np.arange(30) % 10 < 8).astype(np.float64)
    other = (np.arange(30) % 10 < 5).astype(np.float64)
    assert compare(one, other, design).p.micro == 0.25


def test_on_equal_exams_the_macro_test_of_independent_items_agrees_with_mcnemar() -> None:
    generator = np.random.default_rng(1)
    one, other = ((generator.random(1200) < share).astype(np.float64) for share in (0.76, 0.71))
    p = compare(one, other, alone(np.arange(1200) // 200)).p
    assert p.macro == pytest.approx(p.micro, rel=0.1)


def test_p_of_pairs_are_those_of_the_macro_differences() -> None:
    generator = np.random.default_rng(2)
    design = alone(six_exams(300))
    marks = (generator.random((4, 300)) < np.array([[0.5], [0.55], [0.6], [0.6]])).astype(np.float64)
    marks[1, ::7] = np.nan
    found = p_of_pairs(marks, design)
    assert found.diagonal().tolist() == [1, 1, 1, 1]
    for one in range(4):
        for other in range(one + 1, 4):
            expected = compare(marks[one], marks[other], design).p.macro
            assert found[one, other] == found[other, one] == pytest.approx(expected)


def test_of_exams_with_one_cluster_each_no_pair_has_a_p() -> None:
    exams = six_exams(60)
    single = Design(exams, exams, exams)
    marks = np.stack([np.ones(60), np.zeros(60)])
    found = p_of_pairs(marks, single)
    assert np.isnan(found[0, 1])
    assert found.diagonal().tolist() == [1, 1]


def test_holms_correction() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, float("nan"), 0.01]).tolist() == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([]).tolist() == []
    assert np.isnan(holm([float("nan")])).all()


@pytest.mark.parametrize("correlation", [0.01, 0.1, 0.3])
def test_of_runs_alike_clusters_tell_5_in_100_apart(correlation: float) -> None:
    generator = np.random.default_rng(4)
    design = grouped(generator.integers(8, 25, 30), np.repeat(np.arange(6), 5))
    one, other = (correlated(generator, 4000, design, 0.8, correlation) for _ in range(2))
    draws = draw(design, 2)
    p = [difference(*marks, design, draws).p for marks in zip(one[:1000], other[:1000], strict=True)]
    assert np.mean([each.macro < 0.05 for each in p]) == pytest.approx(0.05, abs=0.01)
    assert np.mean([each.micro < 0.05 for each in p]) == pytest.approx(0.05, abs=0.01)
    assert np.mean([exam < 0.05 for each in p for exam in each.exams]) < 0.06


def test_of_runs_alike_the_exact_test_tells_no_more_than_5_in_100_apart() -> None:
    generator = np.random.default_rng(5)
    design = alone(six_exams(1000))
    draws = draw(design, 2)
    uniform = generator.random((1000, 1000))
    p = [difference((u < 0.6).astype(float), ((u < 0.5) | (u > 0.9)).astype(float), design, draws).p for u in uniform]
    # Fewer than 5, since the counts are whole numbers.
    assert 0.03 < np.mean([each.micro < 0.05 for each in p]) < 0.05
    assert np.mean([each.macro < 0.05 for each in p]) == pytest.approx(0.05, abs=0.01)


def test_a_regression_with_clustered_covariance_would_tell_more_apart() -> None:
    from statsmodels.api import OLS

    generator = np.random.default_rng(6)
    design = grouped(np.array([60, 10, 10, 5, 5, 5]), np.zeros(6, dtype=np.int_))
    draws = draw(design, 2)
    ours, theirs = 0, 0
    for apart in correlated(generator, 400, design, 0.8, 0.3) - correlated(generator, 400, design, 0.8, 0.3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = OLS(apart, np.ones(95)).fit(cov_type="cluster", cov_kwds={"groups": design.clusters}, use_t=True)
        theirs += fit.pvalues[0] < 0.05
        ours += difference(np.maximum(apart, 0), np.maximum(-apart, 0), design, draws).p.micro < 0.05
    assert ours / 400 < 0.06
    assert theirs / 400 > 0.15


MARKS = st.sampled_from([0.0, 1.0, np.nan])
ITEMS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), MARKS, MARKS), min_size=1, max_size=40)


@settings(deadline=None, max_examples=100)
@given(ITEMS)
def test_the_other_way_round_only_signs_change(items: list[tuple[int, int, float, float]]) -> None:
    exams, clusters, one, other = (np.array(column) for column in zip(*items, strict=True))
    design = Design(exams, np.zeros_like(exams), clusters)
    forth, back = compare(one, other, design), compare(other, one, design)
    assert (forth.only_one, forth.only_other, forth.both) == (back.only_other, back.only_one, back.both)
    assert (forth.p.micro, forth.p.macro) == pytest.approx((back.p.micro, back.p.macro), nan_ok=True)
    for there, here in zip(
        (*forth.averages.exams, forth.averages.macro), (*back.averages.exams, back.averages.macro), strict=True
    ):
        assert there.value == pytest.approx(-here.value, nan_ok=True)
        assert (there.interval is None) == (here.interval is None)
        if there.interval and here.interval:
            assert -1 <= there.interval.low <= there.value + 1e-12
            assert there.value - 1e-12 <= there.interval.high <= 1
            assert (there.interval.low, there.interval.high) == pytest.approx((-here.interval.high, -here.interval.low))


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1000))
def test_a_difference_lies_within_its_bounds(mean: float, part: float, items: float) -> None:
    square = mean**2 + part * (abs(mean) - mean**2)
    low, high = bounds(np.array([mean]), np.array([square]), np.array([items]))
    assert -1 <= low[0] <= mean + 1e-12
    assert mean - 1e-12 <= high[0] <= 1
    assert low[0] < high[0]
