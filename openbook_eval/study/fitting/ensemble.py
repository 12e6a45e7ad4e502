"""One condition fitted, and its ensemble: fits to data that could as well have come out, each with its own choice.

A parametric bootstrap around the settings' means, not around the chosen law, so that draws can choose another one
(B. Efron, J. Am. Stat. Assoc. 109 (2014), 991-1007). What other questions would have done is a shift of all settings
alike, for all were asked the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openbook_eval.leaderboard.stats import LEVEL, Interval, Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.fitting.choosing import Choice, choose
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.scatter import Scatter, scatter
from openbook_eval.study.fitting.values import Place

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The choice by the data themselves (one draw), and by `draws` that could have come out, with their `shifts`."""

    settings: Settings
    scatter: Scatter
    choice: Choice
    draws: Choice
    shifts: Numbers

    def share(self, places: Sequence[Place]) -> Numbers:
        """The accuracy (places) by the chosen law."""
        return np.asarray(np.clip(1 - self.choice.predict(places)[0], 0.0, 1.0))

    def shares_of_asked(self, places: Sequence[Place]) -> Numbers:
        """The accuracy (draws, places) on the questions that were asked, each by the law that its draw chose."""
        return np.clip(1 - self.draws.predict(places), 0.0, 1.0)

    def shares(self, places: Sequence[Place]) -> Numbers:
        """The accuracy (draws, places) on all questions that could be asked."""
        return np.clip(self.shares_of_asked(places) + self.shifts[:, None], 0.0, 1.0)

    @property
    def decided(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which draws chose another law than a constant."""
        return np.asarray(self.draws.chosen > 0)


def ensemble(settings: Settings, count: int, seed: int, *names: str) -> Ensemble:
    """The choice and `count` draws, seeded by `names`."""
    choice, found = _chosen(settings)
    generator = np.random.default_rng(seeded_draw(seed, *names, settings.condition))
    drawn = found.drawn(count, generator)
    variances = drawn.mix[:, None] + drawn.training[:, None] / settings.seeds
    noise = generator.standard_normal(variances.shape) * np.sqrt(variances)
    shifts = generator.standard_normal(count) * np.sqrt(settings.binomial.mean())
    draws = choose(settings, 1 / found.of(settings.seeds), settings.errors + noise)
    return Ensemble(settings, found, choice, draws, shifts)


def interval(values: Numbers) -> Interval:
    """The 95 % interval of draws, by percentiles."""
    low, high = np.quantile(values, TAILS)
    return Interval(float(low), float(high))


def _chosen(settings: Settings) -> tuple[Choice, Scatter]:
    """The choice and the scatter around it; its weights need a scatter first, so the whole is done twice."""
    _, found = _round(settings, np.ones(len(settings.places)))
    return _round(settings, 1 / found.of(settings.seeds))


def _round(settings: Settings, weights: Numbers) -> tuple[Choice, Scatter]:
    choice = choose(settings, weights, settings.errors[None, :])
    law = choice.fitted[int(choice.chosen[0])].law
    residuals = settings.errors - np.clip(choice.predict(settings.places)[0], 0.0, 1.0)
    return choice, scatter(settings, residuals, law.parameters(len(settings.models)))
