"""The 95 % intervals hold the truth 93 to 97 times in 100, by 1,000 simulations of each case.

Clusters are drawn 500 times in each; of items that stand for themselves no interval needs draws.
Where they do not, the figure is pinned: no interval from a handful of clusters, or of two discordant items, can do it.
"""

import numpy as np
import pytest

from openbook_eval.leaderboard.statistics import paired
from openbook_eval.leaderboard.statistics.resampling import averages, draw, estimate, macro_draws
from tests.leaderboard.statistics.designs import alone, correlated, covered, grouped, holding, six_exams

RUNS, DRAWS = 1000, 500
RIGHT = pytest.approx((0.95, 0.95, 0.95), abs=0.02)
ONE_RIGHT = pytest.approx(0.95, abs=0.02)


def independent(n: int, share: float, seed: int) -> tuple[float, float, float]:
    """Six exams of 43 items, or of n together."""
    exams = np.repeat(np.arange(6), 43) if n == 43 else six_exams(n)
    marks = (np.random.default_rng(seed).random((RUNS, len(exams))) < share).astype(np.float64)
    return covered(averages(marks, alone(exams), draw(alone(exams), 2)), share)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("n", [43, 400, 11_200])
def test_of_independent_items(n: int, share: float) -> None:
    assert independent(n, share, seed=n) == RIGHT


def test_of_exams_that_differ() -> None:
    exams, shares = six_exams(400), np.array([0.05, 0.3, 0.5, 0.7, 0.9, 0.97])
    marks = (np.random.default_rng(1).random((RUNS, 400)) < shares[exams]).astype(np.float64)
    found = averages(marks, alone(exams), draw(alone(exams), 2))
    assert holding([run.macro for run in found], shares.mean()) == ONE_RIGHT
    assert holding([run.micro for run in found], shares[exams].mean()) == ONE_RIGHT


@pytest.mark.parametrize(("share", "correlation"), [(0.5, 0.01), (0.5, 0.1), (0.5, 0.3), (0.9, 0.01), (0.9, 0.1)])
def test_of_groups_that_share_a_book(share: float, correlation: float) -> None:
    generator = np.random.default_rng(2)
    design = grouped(generator.integers(8, 25, 60), np.repeat(np.arange(6), 10))
    marks = correlated(generator, RUNS, design, share, correlation)
    assert covered(averages(marks, design, draw(design, DRAWS)), share) == RIGHT


@pytest.mark.parametrize(("share", "correlation"), [(0.5, 0.01), (0.8, 0.01), (0.5, 0.05), (0.8, 0.05)])
def test_of_classes_as_clusters(share: float, correlation: float) -> None:
    generator = np.random.default_rng(3)
    design = grouped(generator.integers(25, 75, 28), np.repeat(np.arange(6), [6, 5, 5, 4, 4, 4]))
    exams, macro, micro = covered(
        averages(correlated(generator, RUNS, design, share, correlation), design, draw(design, DRAWS)), share
    )
    assert (0.95, macro, micro) == RIGHT
    # Four to six classes tell little of how classes differ; where they hardly do, the interval is rather too long.
    assert 0.94 < exams < 0.98


@pytest.mark.parametrize(("only_one", "only_other"), [(0.1, 0.1), (0.15, 0.05), (0.05, 0.01)])
@pytest.mark.parametrize("n", [400, 11_200])
def test_of_paired_differences(n: int, only_one: float, only_other: float) -> None:
    design = alone(six_exams(n))
    uniform = np.random.default_rng(4).random((RUNS, n))
    apart = (uniform < only_one).astype(np.float64) - (uniform > 1 - only_other)
    exams, macro, micro = covered(estimate(apart, design, draw(design, 2), paired.bounds), only_one - only_other)
    assert (0.95, macro, micro) == RIGHT
    # Of exams of 32 items two differ or fewer: the two that are counted on top are as many.
    assert exams == ONE_RIGHT or (n == 400 and 0.93 < exams < 0.99)


def test_of_paired_differences_of_groups() -> None:
    generator = np.random.default_rng(5)
    design = grouped(generator.integers(8, 25, 60), np.repeat(np.arange(6), 10))
    one, other = (correlated(generator, RUNS, design, share, 0.1) for share in (0.8, 0.7))
    found = estimate(one - other, design, draw(design, DRAWS), paired.bounds)
    assert covered(found, 0.1) == RIGHT


def test_limit_three_groups_an_exam_with_little_in_common_are_too_long() -> None:
    generator = np.random.default_rng(6)
    design = grouped(generator.integers(10, 30, 18), np.repeat(np.arange(6), 3))
    marks = correlated(generator, RUNS, design, 0.5, 0.01)
    exams, macro, _ = covered(averages(marks, design, draw(design, DRAWS)), 0.5)
    assert (exams, macro) == pytest.approx((0.982, 0.977), abs=0.01)


def test_limit_ten_groups_of_all_or_nothing_are_too_short() -> None:
    generator = np.random.default_rng(7)
    design = grouped(generator.integers(8, 25, 60), np.repeat(np.arange(6), 10))
    marks = correlated(generator, RUNS, design, 0.9, 0.3)
    exams, macro, _ = covered(averages(marks, design, draw(design, DRAWS)), 0.9)
    assert (exams, macro) == pytest.approx((0.89, 0.935), abs=0.015)


def test_percentiles_of_the_draws_would_cover_less() -> None:
    generator = np.random.default_rng(8)
    design = grouped(generator.integers(10, 30, 18), np.repeat(np.arange(6), 3))
    marks = correlated(generator, RUNS, design, 0.9, 0.1)
    draws = draw(design, DRAWS)
    low, high = np.quantile(macro_draws(marks, design, draws), (0.025, 0.975), axis=0)
    assert np.mean((low <= 0.9) & (high >= 0.9)) < 0.91
    assert holding([run.macro for run in averages(marks, design, draws)], 0.9) == ONE_RIGHT
