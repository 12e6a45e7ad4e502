"""One condition fitted, and its ensemble: fits to data that could as well have come out, each with its own choice.

A parametric bootstrap around the settings' means, not around the chosen law, so that draws can choose another one
(B. Efron, J. Am. Stat. Assoc. 109 (2014), 991-1007). Seeds count through the variance of a mean over them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openbook_eval.draws import draw
from openbook_eval.leaderboard.statistics.values import LEVEL, Interval, Numbers
from openbook_eval.study.fitting.choosing import Choice, choose
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.scatter import Scatter, scatter
from openbook_eval.study.fitting.values import Place

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The choice by the data themselves (one draw), and by `draws` that could have come out."""

    settings: Settings
    scatter: Scatter
    choice: Choice
    draws: Choice

    def share(self, places: Sequence[Place]) -> Numbers:
        """The accuracy (places) by the chosen law."""
        return np.asarray(1 - self.choice.predict(places)[0])

    def shares(self, places: Sequence[Place]) -> Numbers:
        """The accuracy (draws, places), each by the law that its draw chose."""
        return np.asarray(1 - self.draws.predict(places))

    @property
    def decided(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which draws chose another law than a constant."""
        return np.asarray(self.draws.chosen > 0)


def ensemble(settings: Settings, count: int, seed: int, *names: str) -> Ensemble:
    """The choice and `count` draws, seeded by `names`."""
    choice, spread = _chosen(settings)
    generator = np.random.default_rng(draw(seed, *names, settings.condition))
    variances = settings.binomial + spread.drawn(count, generator)[:, None] / settings.seeds
    noise = generator.standard_normal(variances.shape) * np.sqrt(variances)
    return Ensemble(settings, spread, choice, choose(settings, 1 / spread.of(settings), settings.errors + noise))


def interval(values: Numbers) -> Interval:
    """The 95 % interval of draws, by percentiles."""
    low, high = np.quantile(values, TAILS)
    return Interval(float(low), float(high))


def _chosen(settings: Settings) -> tuple[Choice, Scatter]:
    """The choice and the scatter around it; its weights need a scatter first, so the whole is done twice."""
    _, found = _round(settings, np.ones(len(settings.places)))
    return _round(settings, 1 / found.of(settings))


def _round(settings: Settings, weights: Numbers) -> tuple[Choice, Scatter]:
    choice = choose(settings, weights, settings.errors[None, :])
    law = choice.fitted[int(choice.chosen[0])].law
    residuals = settings.errors - choice.predict(settings.places)[0]
    return choice, scatter(settings, residuals, law.parameters(len(settings.models)))
