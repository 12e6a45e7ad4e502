"""Averages, and the draws that their standard errors come from."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openbook_eval.leaderboard.statistics import proportions
from openbook_eval.leaderboard.statistics.resampling import averages, draw, exam_draws, macro_draws
from openbook_eval.leaderboard.statistics.values import Design, Estimate, Numbers
from tests.leaderboard.statistics.designs import alone, correlated, grouped, six_exams

TWO_EXAMS = np.array([0, 0, 0, 0, 1, 1])
MARKS = np.array([[1, 1, 0, np.nan, 1, 0]])


def random_groups(seed: int = 0) -> tuple[Design, Numbers]:
    generator = np.random.default_rng(seed)
    design = grouped(generator.integers(2, 9, 24), np.repeat([0, 1, 2], 8))
    return design, correlated(generator, 3, design, 0.7, 0.2)


def bounds(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval is not None
    return estimate.interval.low, estimate.interval.high


def numbers(found: Any) -> list[float]:
    return [x for run in found for e in (*run.exams, run.macro, run.micro) for x in (e.value, *bounds(e))]


def test_macro_is_the_mean_of_exams_and_micro_that_of_items() -> None:
    (found,) = averages(MARKS, alone(TWO_EXAMS), draw(alone(TWO_EXAMS), 10))
    assert [(e.value, e.n) for e in found.exams] == [(pytest.approx(2 / 3), 3), (0.5, 2)]
    assert (found.macro.value, found.macro.n) == pytest.approx((7 / 12, 5))
    assert (found.micro.value, found.micro.n) == pytest.approx((3 / 5, 5))


def test_an_exam_of_independent_items_has_wilsons_interval() -> None:
    exams = six_exams(1000)
    (found,) = averages(np.arange(1000)[None, :] % 4 / 3 // 1, alone(exams), draw(alone(exams), 2))
    for exam in found.exams:
        expected = proportions.interval(exam.value, exam.n)
        assert bounds(exam) == pytest.approx((expected.low, expected.high))


def test_an_exam_without_marks_has_no_mean_and_neither_has_the_macro_average() -> None:
    marks = np.array([[1, 0, 1, 1, np.nan, np.nan]])
    (found,) = averages(marks, alone(TWO_EXAMS), draw(alone(TWO_EXAMS), 10))
    assert np.isnan([found.exams[1].value, found.macro.value]).all()
    assert (found.exams[1].interval, found.exams[1].n, found.macro.interval) == (None, 0, None)
    assert (found.micro.value, found.micro.interval) == (0.75, found.exams[0].interval)


def test_a_run_without_marks_has_nothing() -> None:
    (found,) = averages(np.full((1, 6), np.nan), alone(TWO_EXAMS), draw(alone(TWO_EXAMS), 10))
    assert all(np.isnan(e.value) and e.interval is None and e.n == 0 for e in (*found.exams, found.macro, found.micro))


def test_the_only_cluster_of_an_exam_gives_no_interval() -> None:
    design = Design(TWO_EXAMS, np.zeros(6, dtype=np.int_), np.array([0, 0, 1, 1, 2, 2]))
    (found,) = averages(MARKS, design, draw(design, 100))
    assert (found.exams[1].interval, found.macro.interval, found.micro.interval) == (None, None, None)
    assert found.exams[0].interval is not None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_interval_is_empty_where_all_are_right_or_wrong(share: float) -> None:
    design, _ = random_groups()
    for of in (design, alone(design.exams)):
        (found,) = averages(np.full((1, len(design.exams)), share), of, draw(of, 100))
        for estimate in (*found.exams, found.macro, found.micro):
            low, high = bounds(estimate)
            assert (low, high)[int(share)] == share
            assert high - low > 0.01


def test_no_interval_is_empty_where_exams_are_all_right_or_all_wrong() -> None:
    exams = six_exams(600)
    (found,) = averages((exams < 3).astype(np.float64)[None, :], alone(exams), draw(alone(exams), 2))
    low, high = bounds(found.macro)
    assert low < 0.48
    assert high > 0.52


def test_the_draws_variance_is_that_of_the_clusters_means() -> None:
    # Five clusters of four: the variance of their mean is s^2 / 5, with n - 1 in s^2.
    design = grouped(np.full(5, 4), np.zeros(5, dtype=np.int_))
    marks = (np.arange(20)[None, :] % 4 < np.repeat([0, 1, 2, 2, 4], 4)).astype(np.float64)
    expected = np.var([0, 0.25, 0.5, 0.5, 1], ddof=1) / 5
    errors = [
        [abs(macro_draws(marks, design, draw(design, draws, seed)).var() / expected - 1) for seed in range(5)]
        for draws in (100, 100_000)
    ]
    assert max(errors[1]) < 0.01 < max(errors[0])


def test_strata_keep_their_sizes_in_every_draw() -> None:
    exams, strata = np.zeros(40, dtype=np.int_), np.repeat([0, 1], [8, 32])
    design = Design(exams, strata, np.arange(40) // 2)
    between = macro_draws(strata[None, :].astype(np.float64), design, draw(design, 100))
    assert between == pytest.approx(np.full_like(between, 0.8))


def test_on_many_items_scipys_bootstrap_says_the_same() -> None:
    marks = (np.random.default_rng(0).random(2000) < 0.7).astype(np.float64)
    design = alone(np.zeros(2000, dtype=np.int_))
    draws = draw(design, 5000)
    peer = stats.bootstrap((marks,), np.mean, n_resamples=5000, method="percentile", batch=500, rng=0)
    limits = (peer.confidence_interval.low, peer.confidence_interval.high)
    assert np.quantile(macro_draws(marks[None, :], design, draws), (0.025, 0.975)) == pytest.approx(limits, abs=0.001)
    assert bounds(averages(marks[None, :], design, draws)[0].macro) == pytest.approx(limits, abs=0.001)


def test_draws_are_the_same_on_every_machine() -> None:
    counts = draw(grouped(np.array([1, 2, 3, 4, 5]), np.array([0, 0, 0, 1, 1])), 4).counts
    assert counts.tolist() == [[2, 0, 0, 1, 0], [1, 0, 1, 0, 1], [0, 2, 0, 0, 1], [1, 1, 0, 1, 0]]
    assert (counts[:, :3].sum(axis=1) == 2).all()


def test_the_order_of_items_does_not_matter() -> None:
    design, marks = random_groups()
    order = np.random.default_rng(1).permutation(len(design.exams))
    other = Design(design.exams[order], design.strata[order], design.clusters[order])
    assert (draw(design, 50).counts == draw(other, 50).counts).all()
    found = averages(marks, design, draw(design, 50))
    assert numbers(averages(marks[:, order], other, draw(other, 50))) == pytest.approx(numbers(found), abs=1e-12)


def test_the_other_runs_do_not_matter() -> None:
    design, marks = random_groups()
    draws = draw(design, 50)
    together = averages(marks, design, draws)
    by_themselves = [averages(marks[[run]], design, draws)[0] for run in (2, 1, 0)]
    assert numbers(by_themselves[::-1]) == pytest.approx(numbers(together), abs=1e-12)


def test_codes_are_only_names() -> None:
    design, marks = random_groups()
    other = Design(design.exams * 3 - 5, design.strata + 11, design.clusters * 2 + 100)
    found = averages(marks, design, draw(design, 50))
    assert averages(marks, other, draw(other, 50)) == found


def test_another_seed_gives_other_draws() -> None:
    design, _ = random_groups()
    assert (draw(design, 50, seed=1).counts != draw(design, 50, seed=2).counts).any()


def test_missing_marks_are_left_out_of_the_draws() -> None:
    design, marks = random_groups()
    marks[0, design.clusters == 3] = np.nan
    drawn = exam_draws(marks, design, draw(design, 200))
    kept = design.clusters != 3
    without = Design(design.exams[kept], design.strata[kept], design.clusters[kept])
    assert drawn[:, 0, 0].mean() == pytest.approx(
        exam_draws(marks[:, kept], without, draw(without, 200))[:, 0, 0].mean(), abs=0.02
    )
    assert not np.isnan(drawn).any()


def test_marks_of_other_items_are_refused() -> None:
    design, marks = random_groups()
    with pytest.raises(ValueError, match="5 marks, a design of"):
        exam_draws(marks[:, :5], design, draw(design, 2))


ITEMS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 1.0, np.nan])),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(ITEMS)
def test_shares_lie_in_their_intervals_and_these_between_0_and_1(items: list[tuple[int, int, int, float]]) -> None:
    exams, strata, clusters, marks = (np.array(column) for column in zip(*items, strict=True))
    design = Design(exams, strata, clusters)
    (found,) = averages(marks[None, :], design, draw(design, 20))
    for estimate in (*found.exams, found.macro, found.micro):
        if estimate.interval is not None:
            assert 0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1
            assert estimate.interval.high > estimate.interval.low
    for exam, estimate in zip(np.unique(exams), found.exams, strict=True):
        marked = clusters[(exams == exam) & ~np.isnan(marks)]
        if len(np.unique(marked)) < 2 or not np.isnan(marks[exams == exam]).any():
            assert (estimate.interval is None) == (len(np.unique(marked)) < 2)
