"""Laws of the error, 1 - accuracy, by the medical share r of a mix and its rows D, for one size of model.

The saturating law has the form of the D-CPT law, L = E + A/N^a + B r^h/D^k + C/(r + e)^g (Que et al. 2024,
arXiv:2406.01375), fitted there to the loss of continued pre-training. Here N is fixed, so that A/N^a is part of E; and
B and C may be negative, for accuracy can fall with more data. Where only the ratio or only the size differs, so does
what is left of it. Each law has a level E for every model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from openbook_eval.leaderboard.stats import Numbers
from openbook_eval.study.fitting.values import Place, Varies

# Columns beside the level of n places: from their shares, their rows as parts of the usual, and the exponents.
Columns = Callable[[Numbers, Numbers, tuple[float, ...]], Sequence[Numbers]]


@dataclass(frozen=True, slots=True)
class Law:
    """A law that is linear in its coefficients once its exponents are given; `exponents` are all that are tried."""

    name: str
    formula: str
    coefficients: int
    exponents: tuple[tuple[float, ...], ...]
    columns: Columns

    def parameters(self, models: int = 1) -> int:
        """How many are fitted: levels, coefficients and exponents."""
        return models + self.coefficients + len(self.exponents[0])

    def bases(self, places: Sequence[Place], models: Sequence[str], unit: int) -> Iterator[Numbers]:
        """For each set of exponents the columns (places, models + coefficients); a place without a model is their mean.

        Rows count in parts of `unit`, so that no column is far from 1.
        """
        shares = np.array([float(place.medical) for place in places])
        rows = np.array([place.rows / unit if unit else 1.0 for place in places])
        mean = [1 / len(models)] * len(models)
        levels = np.array(
            [[float(place.model == name) for name in models] if place.model else mean for place in places]
        )
        for exponents in self.exponents:
            yield np.column_stack([levels, *self.columns(shares, rows, exponents)])


def laws(varies: Varies) -> tuple[Law, ...]:
    """Those that are tried, the simplest first."""
    return _LAWS[varies]


def _grid(*axes: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    return tuple(product(*axes))


def _spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(map(float, np.geomspace(low, high, count)))


_CONSTANT = Law("constant", "E", 0, ((),), lambda _r, _d, _: ())
# The range of h, k, e and g. A curve steeper than these at r = 0 or at small D would rest on no data: it would bend
# below the smallest setting.
_H, _K, _E, _G = (0.5, 5), (0.05, 1), (0.1, 1), (0.25, 2)
_LAWS = {
    Varies.RATIO: (
        _CONSTANT,
        Law("linear", "E + b r", 1, ((),), lambda r, _d, _: (r,)),
        Law("D-CPT, first term", "E + B r^h", 1, _grid(_spaced(*_H, 61)), lambda r, _d, e: (r ** e[0],)),
        Law("D-CPT, second term", "E + C/(r + e)", 1, _grid(_spaced(*_E, 41)), lambda r, _d, e: (1 / (r + e[0]),)),
        Law(
            "D-CPT",
            "E + B r^h + C/(r + e)^g",
            2,
            _grid(_spaced(*_H, 11), _spaced(*_E, 5), _spaced(*_G, 5)),
            lambda r, _d, e: (r ** e[0], (r + e[1]) ** -e[2]),
        ),
    ),
    Varies.SIZE: (
        _CONSTANT,
        Law("linear", "E + b log D", 1, ((),), lambda _r, d, _: (np.log(d),)),
        Law("D-CPT", "E + B/D^k", 1, _grid(_spaced(*_K, 61)), lambda _r, d, e: (d ** -e[0],)),
    ),
    Varies.BOTH: (
        _CONSTANT,
        Law("linear", "E + b r + c log D", 2, ((),), lambda r, d, _: (r, np.log(d))),
        Law(
            "D-CPT, first term",
            "E + B r^h/D^k",
            1,
            _grid(_spaced(*_H, 16), _spaced(*_K, 9)),
            lambda r, d, e: (r ** e[0] * d ** -e[1],),
        ),
        Law(
            "D-CPT",
            "E + B r^h/D^k + C/(r + e)^g",
            2,
            _grid(_spaced(*_H, 5), _spaced(*_K, 4), _spaced(*_E, 3), _spaced(*_G, 3)),
            lambda r, d, e: (r ** e[0] * d ** -e[1], (r + e[2]) ** -e[3]),
        ),
    ),
}
