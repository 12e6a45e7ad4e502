"""Means over seeds and their differences: exact values, and intervals that hold the truth."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.leaderboard.stats import Design, Numbers
from openbook_eval.study.findings.contrasts import Contrast, Part, contrast, share
from tests.study.made import design

FOUR = Design(np.zeros(4, int), np.zeros(4, int), np.arange(4))


def test_questions_and_seeds_have_each_their_variance() -> None:
    # Means of items 1, 0.5, 0, 0 vary by 0.6875 / 3; means of seeds by 1/32, which is no more than items bring in.
    found = contrast([Part(1.0, np.array([[1.0, 1, 0, 0], [1, 0, 0, 0]]))], FOUR)
    assert astuple(found) == pytest.approx((0.375, 0.6875 / 12, 3.0, 0.0, 1.0, 4, 4))


def test_what_seeds_add_beyond_questions_is_theirs() -> None:
    found = contrast([Part(1.0, np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]]))], FOUR)
    assert (found.value, found.by_items, found.by_seeds) == pytest.approx((0.5, 0.0, 0.25))


def test_a_difference_is_paired_by_questions() -> None:
    one, other = np.array([[1.0, 1, 1, 0]]), np.array([[1.0, 1, 0, 0]])
    found = contrast([Part(1.0, one, False), Part(-1.0, other, False)], FOUR)
    assert found.value == 0.25
    assert found.by_items == pytest.approx(0.75 / 12)
    assert (found.by_seeds, found.seed_freedom) == (0.0, 0.0)


def test_exams_weigh_the_same_whatever_their_size() -> None:
    exams = np.array([0, 0, 0, 1])
    found = contrast([Part(1.0, np.array([[0.0, 0, 0, 1]]), False)], Design(exams, exams, np.arange(4)))
    assert found.value == 0.5


def test_items_of_one_book_are_one_unit() -> None:
    pairs = Design(np.zeros(4, int), np.zeros(4, int), np.array([0, 0, 1, 1]))
    marks = [Part(1.0, np.array([[1.0, 1, 0, 0]]), False)]
    assert contrast(marks, pairs).by_items == pytest.approx(0.25)
    assert contrast(marks, FOUR).by_items == pytest.approx(1 / 12)
    assert contrast(marks, pairs).units == 2


def test_an_item_without_a_mark_is_left_out_of_all_parts() -> None:
    lacking = np.array([[1.0, np.nan, 0, 0]])
    found = contrast([Part(1.0, lacking, False), Part(-1.0, np.array([[0.0, 1, 0, 0]]), False)], FOUR)
    assert (found.value, found.items) == pytest.approx((1 / 3, 3))


def test_an_exam_without_any_mark_is_refused() -> None:
    exams = np.array([0, 0, 0, 1])
    with pytest.raises(ValueError, match="an exam without an item"):
        contrast([Part(1.0, np.array([[0.0, 0, 0, np.nan]]))], Design(exams, exams, np.arange(4)))


def test_of_one_seed_the_interval_is_of_questions_alone() -> None:
    one = contrast([Part(1.0, np.array([[1.0, 1, 0, 0]]))], FOUR)
    assert (one.by_seeds, one.seed_freedom) == (0.0, 0.0)


def test_a_part_of_one_seed_is_taken_to_differ_as_the_others_do() -> None:
    apart = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    found = contrast([Part(1.0, apart), Part(-1.0, apart[:1])], FOUR)
    assert found.by_seeds == pytest.approx(0.5 / 2 + 0.5)


def test_marks_that_are_all_alike_have_wilsons_interval() -> None:
    value, interval = share(np.zeros((3, 120)), design(), seeded=True)
    assert (value, interval.low) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert interval.high == pytest.approx(0.031, abs=0.001)


def test_a_band_lies_between_0_and_1() -> None:
    marks = np.zeros((2, 120))
    marks[0, :3] = 1
    _, interval = share(marks, design(), seeded=True)
    assert interval.low == 0.0 < interval.high < 1


def test_p_is_that_of_the_interval_that_ends_at_0() -> None:
    found = Contrast(0.1, 0.0025, 1e9, 0.0, 0.0, 400, 400)
    assert found.p() == pytest.approx(0.0455, abs=1e-4)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.002, 0.198), abs=1e-4)
    assert found.p(null=0.1) == 1.0


def test_p_is_never_smaller_than_flipping_signs_could_make_it() -> None:
    assert Contrast(1.0, 0.0, 3.0, 0.0, 0.0, 4, 4).p() == 2 / 16


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_items_and_seeds_is_nothing_to_it(seed: int) -> None:
    generator = np.random.default_rng(seed)
    marks = (generator.random((3, 24)) < 0.6).astype(np.float64)
    own = design(4)
    items, seeds = generator.permutation(24), generator.permutation(3)
    turned = Design(own.exams[items], own.strata[items], own.clusters[items])
    one, other = contrast([Part(1.0, marks)], own), contrast([Part(1.0, marks[seeds][:, items])], turned)
    for name in ("value", "by_items", "by_seeds", "item_freedom", "seed_freedom"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def simulated(generator: np.random.Generator, seeds: int, items: int, of_items: float, of_seeds: float) -> Numbers:
    """Marks (seeds, items) with a truth of one half: questions differ in difficulty, seeds in ability."""
    size = (seeds, items)
    latent = (
        generator.normal(0, of_items, items) + generator.normal(0, of_seeds, (seeds, 1)) + generator.normal(size=size)
    )
    return (latent < 0).astype(np.float64)


@pytest.mark.parametrize("of_seeds", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("seeds", "items"), [(3, 20), (3, 80), (5, 40)])
def test_bands_hold_the_truth_92_to_98_times_in_100(seeds: int, items: int, of_seeds: float) -> None:
    generator = np.random.default_rng(seeds * items)
    bands = [
        share(simulated(generator, seeds, 6 * items, 1.0, of_seeds), design(items), seeded=True)[1] for _ in range(1000)
    ]
    assert 0.915 < np.mean([band.low <= 0.5 <= band.high for band in bands]) < 0.985


def test_of_items_alone_the_band_would_hold_far_too_little() -> None:
    generator = np.random.default_rng(1)
    bands = [share(simulated(generator, 3, 480, 1.0, 0.3), design(80), seeded=False)[1] for _ in range(1000)]
    assert np.mean([band.low <= 0.5 <= band.high for band in bands]) < 0.65


@pytest.mark.parametrize("of_seeds", [0.0, 0.2])
def test_a_difference_of_nothing_is_found_5_times_in_100(of_seeds: float) -> None:
    generator = np.random.default_rng(2)
    own, p = design(), []
    for _ in range(500):
        level = generator.normal(0, 1.0, 120)
        one, other = (
            (level + generator.normal(0, of_seeds, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(np.float64)
            for _ in range(2)
        )
        p.append(contrast([Part(1.0, one), Part(-1.0, other)], own).p())
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.08
