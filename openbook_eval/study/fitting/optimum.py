"""The ratio that is best for a wanted trade-off between reading and knowledge."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from openbook_eval.leaderboard.stats import Codes, Interval, Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.fitting.ensemble import Ensemble, interval
from openbook_eval.study.fitting.values import Optimum, Place

RATIOS = tuple(Fraction(percent, 100) for percent in range(101))
# Of shares of 1: what is nearer than this is equal.
_EQUAL = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Trade:
    """What is weighed: reading alone, or `weight` * reading + (1 - weight) * knowledge."""

    reading: Ensemble
    knowledge: Ensemble | None
    weight: float

    @property
    def parts(self) -> tuple[tuple[float, Ensemble], ...]:
        """The conditions with their weights."""
        if self.knowledge is None:
            return ((1.0, self.reading),)
        return ((self.weight, self.reading), (1 - self.weight, self.knowledge))

    def value(self, places: list[Place]) -> Numbers:
        """What the chosen laws make of places."""
        return np.asarray(sum(weight * each.share(places) for weight, each in self.parts))

    def values(self, places: list[Place]) -> Numbers:
        """What each draw makes of them: (draws, places)."""
        return np.asarray(sum(weight * each.shares(places) for weight, each in self.parts))

    def unbounded(self, places: list[Place], *, drawn: bool) -> Numbers:
        """What each draw makes of places, or what the chosen laws do (one row), on the questions that were asked.

        Laws go on past 0 and 1 here: a bound would make equal what a law holds for unlike.
        """
        choices = [(weight, each.draws if drawn else each.choice) for weight, each in self.parts]
        return np.asarray(sum(weight * (1 - choice.predict(places)) for weight, choice in choices))

    @property
    def decided(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """The draws that do not hold all places for equal."""
        return np.asarray(np.any([each.decided for weight, each in self.parts if weight], axis=0))


def optima(trade: Trade, seed: int) -> Numbers:
    """The best medical share of each draw; of those that prefer none, one at random."""
    best = np.array(RATIOS, dtype=float)[_highest(trade.unbounded(_places(trade), drawn=True))]
    generator = np.random.default_rng(seeded_draw(seed, "undecided", *trade.reading.settings.models))
    return np.where(trade.decided, best, generator.uniform(size=len(best)))


def optimum(trade: Trade, best: Numbers) -> Optimum:
    """The best ratio by the chosen laws, its interval by the optima `best` of the draws."""
    places = _places(trade)
    value = trade.value(places)
    unbounded = trade.unbounded(places, drawn=False)
    settled = np.ptp(unbounded) > _EQUAL
    chosen = int(_highest(unbounded)[0])
    trained = [float(place.medical) for place in trade.reading.settings.places]
    return Optimum(
        medical=float(RATIOS[chosen]) if settled else None,
        interval=interval(best),
        value=float(value[chosen]),
        value_interval=interval(trade.values([places[chosen]])),
        trained=Interval(min(trained), max(trained)),
        rows=places[0].rows,
        undecided=float(np.mean(~trade.decided)),
    )


def _places(trade: Trade) -> list[Place]:
    rows = trade.reading.settings.usual.rows
    return [Place(medical, rows) for medical in RATIOS]


def _highest(values: Numbers) -> Codes:
    """Where each row (m, n) of `values` is highest; of equals that in the middle."""
    best = values >= values.max(axis=1, keepdims=True) - _EQUAL
    middle = (best.sum(axis=1, keepdims=True) + 1) // 2
    return np.asarray((best.cumsum(axis=1) >= middle).argmax(axis=1))
