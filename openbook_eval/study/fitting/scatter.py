"""How far trainings on one mix scatter: from their seeds and from what the chosen law leaves, put together."""

from dataclasses import dataclass

import numpy as np

from openbook_eval.leaderboard.statistics.values import Numbers
from openbook_eval.study.fitting.gathering import Settings

_LEAST, _MOST = 1e-12, 1.0
_STEPS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """The variance of a training's accuracy beside that of its items, on so many degrees of freedom.

    `sums` (steps) are the weighed sums of squares of what was observed, would `variances` be the true one; they fall.
    """

    freedom: int
    variances: Numbers
    sums: Numbers

    @property
    def variance(self) -> float:
        """With which the sum of squares is what is to be expected; 0 where the choice of items explains all."""
        return float(self._solved(np.array([self.freedom]))[0])

    def of(self, settings: Settings) -> Numbers:
        """The variance of each setting's mean over its seeds."""
        return np.asarray(settings.binomial + self.variance / settings.seeds)

    def drawn(self, count: int, generator: np.random.Generator) -> Numbers:
        """Variances that could be the true one: those with which the sum is as a chi-square falls out.

        With items without number that is the estimate over a chi-square, as behind Student's t; the quantiles are the
        limits of W. Viechtbauer, Stat. Med. 26 (2007), 37-52.
        """
        return self._solved(generator.chisquare(self.freedom, count))

    def _solved(self, sums: Numbers) -> Numbers:
        found = np.interp(-sums, -self.sums, self.variances)
        return np.where(found > _LEAST, found, 0.0)


def scatter(settings: Settings, residuals: Numbers, parameters: int) -> Scatter:
    """From the residuals (settings) of a law with so many parameters, and from the differences between seeds.

    The estimating equation of R. C. Paule and J. Mandel (J. Res. Natl. Bur. Stand. 87 (1982), 377-385), with the sum of
    squares within settings added: what the law leaves unexplained counts like differences between seeds.
    """
    variances = np.geomspace(_LEAST, _MOST, _STEPS)
    between = np.square(residuals) / (settings.binomial + variances[:, None] / settings.seeds)
    freedom = len(settings.places) - parameters + settings.freedom
    return Scatter(freedom, variances, between.sum(axis=1) + settings.within / variances)
