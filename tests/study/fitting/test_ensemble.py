"""The scatter of trainings, intervals that hold the truth as often as they say, trends, and what changes nothing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.study.findings.points import Point
from openbook_eval.study.fitting import fit
from openbook_eval.study.fitting.ensemble import ensemble, interval
from openbook_eval.study.fitting.gathering import settings_of
from openbook_eval.study.fitting.scatter import scatter
from openbook_eval.study.fitting.trends import trends
from openbook_eval.study.fitting.values import Place
from tests.study.fitting.simulated import FIVE, NINE, SIZES, Mix, Truth, points


@pytest.mark.parametrize(
    ("truth", "mixes", "seeds"),
    [
        (lambda _r, _d: 0.55, FIVE, 1),
        (lambda r, _d: 0.6 - 0.05 * r, FIVE, 1),
        (lambda r, _d: 0.6 - 0.02 * r, FIVE, 3),
        (lambda _r, d: 0.6 - 0.08 * (d / 1000) ** -0.5, SIZES, 3),
    ],
)
def test_intervals_of_predictions_hold_the_truth_in_about_95_of_100(
    truth: Truth, mixes: tuple[Mix, ...], seeds: int
) -> None:
    wanted = [mixes[0], mixes[len(mixes) // 2], mixes[-1]]
    places = [Place(Fraction(medical, general + medical), rows) for general, medical, rows in wanted]
    true = np.array([truth(float(place.medical), place.rows) for place in places])
    held = []
    for number in range(150):
        made = points(truth, mixes, 0.01, seeds=seeds, items=11_200, generator=number)
        shares = ensemble(settings_of(made, "openbook", ("m",), "made"), 300, number).shares(places)
        bounds = [interval(shares[:, place]) for place in range(3)]
        held.append([bound.low <= value <= bound.high for bound, value in zip(bounds, true, strict=True)])
    assert 0.9 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(("seeds", "training", "mix"), [(1, 0.02**2 + 0.01**2, 0.0), (4, 0.02**2, 0.01**2)])
def test_the_scatter_tells_seeds_from_mixes_where_trainings_are_repeated(
    seeds: int, training: float, mix: float
) -> None:
    found = []
    for number in range(200):
        made = points(lambda _r, _d: 0.5, NINE, 0.02, mix_noise=0.01, seeds=seeds, items=2000, generator=number)
        gathered = settings_of(made, "openbook", ("m",), "made")
        found.append(scatter(gathered, gathered.errors - gathered.errors.mean(), 1))
    assert {(each.within_freedom, each.around_freedom) for each in found} == {(9 * (seeds - 1), 8)}
    assert np.mean([each.estimate.training for each in found]) == pytest.approx(training, rel=0.1)
    assert np.mean([each.estimate.mix for each in found]) == pytest.approx(mix, rel=0.25)


def test_the_choice_of_items_moves_all_alike_and_so_the_level_alone() -> None:
    made = points(lambda r, _d: 0.5 + 0.05 * r, FIVE, 1e-3)
    few, many = (fit([replace(point, items=items) for point in made], draws=1000).groups[0] for items in (100, 10**9))
    assert few.reading.tried == many.reading.tried
    assert few.optimum
    assert many.optimum
    assert few.optimum.interval == many.optimum.interval
    level = few.reading.predicted[3].interval
    assert level.high - level.low == pytest.approx(2 * 1.96 * (0.25 / 100) ** 0.5, rel=0.1)


def test_a_trend_is_the_slope_of_a_straight_line() -> None:
    (by_ratio,) = trends(settings_of(points(lambda r, _d: 0.6 - 0.1 * r, FIVE, 1e-5), "openbook", ("m",), ""), 0)
    assert by_ratio.slope == pytest.approx(-0.1, abs=1e-3)
    # Of the 120 orders of five two are as steep.
    assert by_ratio.p == pytest.approx(2 / 120, abs=0.006)
    (by_size,) = trends(
        settings_of(points(lambda _r, d: 0.5 + 0.01 * np.log2(d), SIZES, 1e-5), "openbook", ("m",), ""), 0
    )
    assert by_size.slope == pytest.approx(0.01, abs=1e-4)


def test_a_trend_of_the_detectable_size_is_found_in_four_of_five() -> None:
    def found(number: int, slope: float) -> tuple[float, bool]:
        made = points(lambda r, _d: 0.5 + slope * r, NINE, 0.02, generator=number)
        (trend,) = trends(settings_of(made, "openbook", ("m",), ""), number)
        return trend.detectable, trend.interval.low > 0 or trend.interval.high < 0

    detectable = float(np.sqrt(np.mean([found(number, 0)[0] ** 2 for number in range(100)])))
    assert 0.68 <= np.mean([found(number, detectable)[1] for number in range(100)]) <= 0.92


MADE = [
    *points(lambda r, _d: 0.6 - 0.05 * r, FIVE, 0.01, seeds=2, items=1000),
    *points(lambda r, _d: 0.3 + 0.05 * r, FIVE, 0.01, seeds=2, items=1000, generator=1, condition="closedbook"),
    *points(lambda r, _d: 0.7 - 0.05 * r, FIVE, 0.01, seeds=2, items=1000, generator=2, model="other"),
]


@settings(max_examples=4, deadline=None)
@given(st.permutations(MADE))
def test_the_order_of_points_changes_nothing(made: list[Point]) -> None:
    assert fit(made, draws=100) == fit(MADE, draws=100)


@settings(max_examples=4, deadline=None)
@given(st.sampled_from([2, 4, 8, 32]))
def test_the_scale_of_rows_changes_no_prediction_where_sizes_were_trained(scale: int) -> None:
    made = points(lambda _r, d: 0.6 - 0.08 * (d / 1000) ** -0.5, SIZES, 0.005)
    scaled = [replace(point, rows=point.rows * scale) for point in made]
    (one,), (other,) = fit(made, draws=100).groups, fit(scaled, draws=100).groups
    assert [law.drawn for law in one.reading.tried] == [law.drawn for law in other.reading.tried]
    shares = {each.place.rows * scale: each.share for each in one.reading.predicted}
    known = [each for each in other.reading.predicted if each.place.rows in shares]
    assert len(known) >= len(SIZES)
    assert [each.share for each in known] == pytest.approx([shares[each.place.rows] for each in known])


def test_the_same_seed_gives_the_same_fit_and_another_seed_another() -> None:
    assert fit(MADE, draws=100, seed=1) == fit(MADE, draws=100, seed=1)
    assert fit(MADE, draws=100, seed=1).groups[0].next != fit(MADE, draws=100, seed=2).groups[0].next
