"""Which law is chosen, on data made by a known one; and that its least squares are the least."""

import numpy as np
import pytest
from scipy import optimize

from openbook_eval.study.fitting import fit
from openbook_eval.study.fitting.choosing import Choice, choose
from openbook_eval.study.fitting.gathering import Settings, settings_of
from openbook_eval.study.fitting.laws import laws
from openbook_eval.study.fitting.least_squares import fit_law
from openbook_eval.study.fitting.values import Varies
from tests.study.fitting.simulated import FIVE, GRID, NINE, SIZES, Mix, Truth, points


def settings(truth: Truth, mixes: tuple[Mix, ...], noise: float = 0.0, generator: int = 0) -> Settings:
    return settings_of(points(truth, mixes, noise, generator=generator), "openbook", ("m",), "made")


def chosen(made: Settings) -> str:
    choice = choice_of(made)
    return choice.fitted[int(choice.chosen[0])].law.name


def choice_of(made: Settings) -> Choice:
    return choose(made, np.ones(len(made.places)), made.errors[None, :])


@pytest.mark.parametrize(
    ("law", "truth", "mixes"),
    [
        ("constant", lambda _r, _d: 0.5, FIVE),
        ("linear", lambda r, _d: 0.6 - 0.1 * r, FIVE),
        ("D-CPT, first term", lambda r, _d: 0.6 - 0.2 * r**3, FIVE),
        ("D-CPT, second term", lambda r, _d: 0.6 - 0.02 / (r + 0.2), FIVE),
        ("D-CPT", lambda r, _d: 0.8 - 0.2 * r**3 - 0.05 / (r + 0.1), NINE),
        ("linear", lambda _r, d: 0.5 + 0.02 * np.log(d), SIZES),
        ("D-CPT", lambda _r, d: 0.7 - 2 * d**-0.5, SIZES),
        ("linear", lambda r, d: 0.5 - 0.1 * r + 0.02 * np.log(d), GRID),
        ("D-CPT, first term", lambda r, d: 0.7 - 5 * r * d**-0.5, GRID),
        ("D-CPT", lambda r, d: 0.8 - 5 * r**2 * d**-0.5 - 0.03 / (r + 0.1), GRID),
    ],
)
def test_the_law_that_made_the_data_is_chosen(law: str, truth: Truth, mixes: tuple[Mix, ...]) -> None:
    assert chosen(settings(truth, mixes, noise=5e-4)) == law


def test_where_there_is_nothing_but_noise_the_constant_is_chosen() -> None:
    found = [chosen(settings(lambda _r, _d: 0.5, mixes, 0.02, n)) for mixes in (FIVE, SIZES) for n in range(40)]
    assert found.count("constant") >= 64


def test_a_law_with_too_many_parameters_is_not_tried_and_says_so() -> None:
    choice = choice_of(settings(lambda _r, _d: 0.5, FIVE))
    assert [each.law.name for each in choice.fitted] == [
        "constant",
        "linear",
        "D-CPT, first term",
        "D-CPT, second term",
    ]
    assert [(law.name, reason) for law, reason in choice.refused] == [
        ("D-CPT", "6 parameters need 8 settings, there are 5")
    ]


def test_no_law_has_more_parameters_than_a_fold_has_settings() -> None:
    for mixes in (FIVE[:3], FIVE, NINE, SIZES[:4], SIZES, GRID[:6], GRID):
        made = settings(lambda r, _d: 0.5 + 0.1 * r, mixes)
        assert all(each.law.parameters() < len(mixes) - 1 for each in choice_of(made).fitted)


def test_an_error_left_out_is_that_of_a_fit_without_the_setting() -> None:
    made = points(lambda r, _d: 0.6 - 0.1 * r**2, FIVE, 0.01)
    whole = settings_of(made, "openbook", ("m",), "made")
    weights = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    for law in laws(Varies.RATIO)[:4]:
        fitted = fit_law(law, whole, weights, whole.errors[None, :])
        assert fitted
        for left, place in enumerate(whole.places):
            kept = [point for point in made if f"{point.general}:{point.medical}" != place.ratio]
            rest = settings_of(kept, "openbook", ("m",), "made")
            other = fit_law(law, rest, np.delete(weights, left), rest.errors[None, :])
            assert other
            error = (whole.errors[left] - other.predict([place])[0, 0]) ** 2
            assert fitted.left_out[0, left] == pytest.approx(error, rel=1e-6)


def test_no_other_optimiser_finds_a_lower_sum_of_squares() -> None:
    made = settings(lambda r, _d: 0.6 - 0.1 * r**1.7, NINE, 0.005)
    law = laws(Varies.RATIO)[2]
    fitted = fit_law(law, made, np.ones(9), made.errors[None, :])
    assert fitted
    shares = np.array([float(place.medical) for place in made.places])

    def residuals(x: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> object:
        return x[0] + x[1] * shares ** x[2] - made.errors

    starts = np.random.default_rng(0).uniform([0, -1, 0.5], [1, 1, 5], (20, 3))
    bounds = ([-np.inf, -np.inf, 0.5], [np.inf, np.inf, 5])
    least = min(2 * optimize.least_squares(residuals, start, bounds=bounds).cost for start in starts)
    own = float(np.square(made.errors - fitted.predict(made.places)[0]).sum())
    assert least * (1 - 1e-9) <= own <= least * 1.005


def test_the_simplest_law_within_one_standard_error_of_the_best_wins() -> None:
    made = settings(lambda r, _d: 0.6 - 0.03 * r, FIVE, 0.01, generator=3)
    choice = choice_of(made)
    best = int(choice.mean[0].argmin())
    bound = choice.mean[0, best] + choice.spread[0, best]
    within = [number for number in range(len(choice.fitted)) if choice.mean[0, number] <= bound]
    fewest = min(choice.fitted[number].law.parameters() for number in within)
    assert choice.fitted[int(choice.chosen[0])].law.parameters() == fewest


def test_models_share_a_shape_and_have_levels_of_their_own() -> None:
    low = points(lambda r, _d: 0.3 - 0.1 * r, FIVE, 1e-3, model="a")
    high = points(lambda r, _d: 0.5 - 0.1 * r, FIVE, 1e-3, model="b", generator=1)
    group = fit([*low, *high], draws=100).groups[-1]
    assert group.models == ("a", "b")
    assert (group.reading.chosen.name, group.reading.chosen.parameters) == ("linear", 3)
    assert group.reading.predicted[0].share == pytest.approx(0.4, abs=2e-3)
