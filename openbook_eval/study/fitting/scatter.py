"""How far a mix's mean accuracy lies from the law: what its seeds do, and what stays however many there are.

All trainings answer the same questions. What chance in their choice does to all alike moves the level, not the shape,
and is no part of this scatter; see `ensemble`.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from openbook_eval.leaderboard.stats import Codes, Numbers
from openbook_eval.study.fitting.gathering import Settings

Variance = TypeVar("Variance", float, Numbers)
# So that data without any noise can be weighed.
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Variances(Generic[Variance]):
    """The variance of a training around its mix, and that of a mix around the law; of one estimate or of many draws."""

    training: Variance
    mix: Variance


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Sums of squares on their degrees of freedom: within mixes, and of their means around the law.

    `seeds` is the harmonic mean of how many there are of a mix.
    """

    within: float
    within_freedom: int
    around: float
    around_freedom: int
    seeds: float

    @property
    def estimate(self) -> Variances[float]:
        """The moments of a random effect of the mix; where nothing was repeated, all is taken for the trainings'."""
        around = self.around / self.around_freedom
        if not self.within_freedom:
            return Variances(around, 0.0)
        training = self.within / self.within_freedom
        return Variances(training, max(0.0, around - training / self.seeds))

    def drawn(self, count: int, generator: np.random.Generator) -> Variances[Numbers]:
        """What the true ones could be: sums of squares over chi-squares, as behind Student's t."""
        around = self.around / generator.chisquare(self.around_freedom, count)
        if not self.within_freedom:
            return Variances(around, np.zeros(count))
        training = self.within / generator.chisquare(self.within_freedom, count)
        return Variances(training, np.maximum(0.0, around - training / self.seeds))

    def of(self, seeds: Codes | int) -> Numbers:
        """The variance of a mean over so many seeds around the law."""
        return np.asarray(self.estimate.mix + self.estimate.training / seeds + _LEAST)


def scatter(settings: Settings, residuals: Numbers, parameters: int) -> Scatter:
    """From the residuals (settings) of a law with so many parameters, and from the differences between seeds."""
    return Scatter(
        within=settings.within,
        within_freedom=settings.freedom,
        around=float(np.square(residuals).sum()),
        around_freedom=len(settings.places) - parameters,
        seeds=float(1 / np.mean(1 / settings.seeds)),
    )
