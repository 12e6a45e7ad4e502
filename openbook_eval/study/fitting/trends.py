"""Whether accuracy changes along a straight line at all, whatever law was chosen, and how large a change would show."""

import math
from collections.abc import Iterator

import numpy as np

from openbook_eval.leaderboard.stats import Interval, Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.values import Trend, Varies

_PERMUTATIONS = 5000


def trends(settings: Settings, seed: int) -> Iterator[Trend]:
    """The trend by ratio or by size; none where both vary, for neither can be permuted alone."""
    levels = len(settings.models)
    freedom = len(settings.places) - levels - 1
    if settings.varies is Varies.BOTH or freedom < 1:
        return
    from scipy import stats

    from openbook_eval.leaderboard.stats import ALPHA, POWER

    x = _within_models(settings, _abscissa(settings))
    y = _within_models(settings, 1 - settings.errors)
    squares = float(x @ x)
    slope = float(x @ y) / squares
    error = math.sqrt(float(np.square(y - slope * x).sum()) / freedom / squares)
    reach = error * float(stats.t.isf(ALPHA / 2, freedom))
    detectable = error * float(stats.t.isf(ALPHA / 2, freedom) + stats.t.isf(1 - POWER, freedom))
    p, least = _permuted(settings, x, 1 - settings.errors, seed)
    yield Trend(settings.varies, slope, Interval(slope - reach, slope + reach), p, least, detectable)


def _abscissa(settings: Settings) -> Numbers:
    if settings.varies is Varies.RATIO:
        return np.array([float(place.medical) for place in settings.places])
    return np.log2([place.rows for place in settings.places])


def _members(settings: Settings) -> list[Numbers]:
    return [np.array([place.model == name for place in settings.places]) for name in settings.models]


def _within_models(settings: Settings, values: Numbers) -> Numbers:
    """Less the mean of the same model."""
    values = values.astype(float)
    for own in _members(settings):
        values[own] -= values[own].mean()
    return values


def _permuted(settings: Settings, x: Numbers, y: Numbers, seed: int) -> tuple[float, float]:
    """The p of the slope, two-sided, settings of one model exchanged at random; and that of the steepest order."""
    generator = np.random.default_rng(seeded_draw(seed, "trend", *settings.models, settings.condition))
    shuffled = np.tile(y, (_PERMUTATIONS, 1))
    for own in _members(settings):
        shuffled[:, own] = generator.permuted(shuffled[:, own], axis=1)
    slopes = np.abs(shuffled @ x)
    steepest = max(abs(float(_ordered(settings, x, way * y) @ x)) for way in (1, -1))

    def p(slope: float) -> float:
        # Equal sums may differ in their last digit.
        return float(1 + (slopes >= slope * (1 - 1e-9)).sum()) / (1 + _PERMUTATIONS)

    return p(abs(float(y @ x))), p(steepest)


def _ordered(settings: Settings, x: Numbers, y: Numbers) -> Numbers:
    """The values of each model in the order of x, which make the steepest slope (rearrangement inequality)."""
    ordered = y.copy()
    for own in _members(settings):
        ordered[np.flatnonzero(own)[x[own].argsort()]] = np.sort(y[own])
    return ordered
