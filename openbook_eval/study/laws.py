"""Fit three laws of the error, 1 - accuracy, by the medical share r of a mix and its rows D, and choose one of them.

Constant, linear in r and log D, and saturating, E + B r^h and E + B/D^k, each with a level E for every model. Given its
exponents a law is linear, and all fits without one arm have a closed form (D. M. Allen, Technometrics 16 (1974),
125-127): the exponents alone are searched, on a grid. The simplest law within one standard error of the best wins (L.
Breiman and others, Classification and Regression Trees, 1984, section 3.4.3).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import fsum
from typing import Literal

import numpy as np

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.stats import Codes, Numbers
from openbook_eval.study.results import StudyPoint

Varies = Literal["ratio", "size", "ratio and size"]
_FEWEST = 3  # arms: without one of them a constant leaves two, whose difference tells the error
LAWS = ("constant", "linear", "saturating")
FORMULAS = {
    "ratio": ("E", "E + b r", "E + B r^h"),
    "size": ("E", "E + b log D", "E + B/D^k"),
    "ratio and size": ("E", "E + b r + c log D", "E + B r^h + C/D^k"),
}
# A curve steeper than these would bend below the smallest arm, where nothing was trained.
_H, _K = np.geomspace(0.25, 4, 61), np.geomspace(0.05, 1, 61)
_EQUAL, _SINGULAR = 1e-12, 1e-9


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A mix: the medical share of its rows, and how many, 0 where unpublished; without `model` the mean of several."""

    medical: Fraction
    rows: int
    model: str | None = None

    @property
    def ratio(self) -> str:
        """General to medical."""
        return f"{self.medical.denominator - self.medical.numerator}:{self.medical.numerator}"


@dataclass(frozen=True, slots=True, eq=False)
class FitArms:
    """The arms of one condition in the order of their places, with the means over seeds of 1 - accuracy.

    `items` is the variance that the choice of questions brings to all alike, `within` the sum of squares between seeds
    of one arm.
    """

    condition: str
    models: tuple[str, ...]
    places: tuple[Place, ...]
    errors: Numbers
    seeds: Codes
    items: float
    within: float

    @property
    def varies(self) -> Varies:
        """In what they differ; ratio where in nothing."""
        if len({place.rows for place in self.places}) == 1:
            return "ratio"
        return "size" if len({place.medical for place in self.places}) == 1 else "ratio and size"

    @property
    def usual_rows(self) -> int:
        """The rows with most ratios; the larger of equals."""
        sizes = [place.rows for place in self.places]
        return max(sizes, key=lambda size: (sizes.count(size), size))


def fit_arms(points: Iterable[StudyPoint], condition: str, models: tuple[str, ...], name: str) -> FitArms:
    """Return the arms of a condition. Raises OpenbookError, a line that begins with `name`, where they are too few."""
    found: dict[Place, list[StudyPoint]] = {}
    for point in points:
        if point.condition == condition:
            place = Place(Fraction(point.medical, point.general + point.medical), point.rows, point.model)
            found.setdefault(place, []).append(point)
    places = tuple(sorted(found))
    for model in models:
        if (mixes := sum(place.model == model for place in places)) < _FEWEST:
            told = f"{mixes} {'mix' if mixes == 1 else 'mixes'} of {model} with {condition}"
            raise OpenbookError(f"{name}: {told}: too few, a constant needs {_FEWEST} and a line {_FEWEST + 1}")
    sizes = {place.rows for place in places}
    if 0 in sizes and len(sizes) > 1:
        raise OpenbookError(f"{name}: the rows of some mixes are not known; fit one table at a time (--table)")
    shares = [[point.share for point in found[place]] for place in places]
    means = np.array([fsum(own) / len(own) for own in shares])
    # All right or all wrong is no proof of no variance: two of each are added (Agresti and Coull 1998).
    asked = np.array([min(point.items for point in found[place]) for place in places])
    mild = (means * asked + 2) / (asked + 4)
    within = fsum((share - mean) ** 2 for mean, own in zip(means, shares, strict=True) for share in own)
    seeds, items = np.array([len(own) for own in shares]), float(np.mean(mild * (1 - mild) / asked))
    return FitArms(condition, models, places, 1 - means, seeds, items, within)


def _bases(law: str, arms: FitArms, places: Sequence[Place]) -> Iterator[Numbers]:
    """Yield for each set of exponents the columns (places, coefficients); rows count in parts of the usual number."""
    mean = [1 / len(arms.models)] * len(arms.models)
    levels = np.array([[float(p.model == name) for name in arms.models] if p.model else mean for p in places])
    levels = levels.reshape(len(places), len(arms.models))
    r = np.array([float(place.medical) for place in places])
    d = np.array([place.rows / arms.usual_rows if arms.usual_rows else 1.0 for place in places])
    by_ratio, by_size = arms.varies != "size", arms.varies != "ratio"
    if law == "constant":
        yield levels
    elif law == "linear":
        yield np.column_stack([levels, *([r] if by_ratio else []), *([np.log(d)] if by_size else [])])
    else:
        step = 4 if by_ratio and by_size else 1
        ratio: list[list[Numbers]] = [[r**h] for h in _H[::step]] if by_ratio else [[]]
        size: list[list[Numbers]] = [[d**-k] for k in _K[::step]] if by_size else [[]]
        yield from (np.column_stack([levels, *one, *other]) for one, other in product(ratio, size))


def parameters_of(law: str, arms: FitArms) -> int:
    """Return how many are fitted: levels, coefficients and exponents."""
    return len(arms.models) + LAWS.index(law) * (2 if arms.varies == "ratio and size" else 1)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A law fitted to m draws: `coefficients` (m, columns) belong to the exponents number `exponents` (m).

    `left_out` (m, arms) is the squared error with which each arm is predicted by the fit to all others.
    """

    law: str
    arms: FitArms
    exponents: Codes
    coefficients: Numbers
    left_out: Numbers

    def predict(self, places: Sequence[Place]) -> Numbers:
        """Return the errors (m, places), as the law goes on: they may lie below 0 and above 1."""
        bases = np.stack(list(_bases(self.law, self.arms, places)))
        return np.asarray(np.einsum("mc,mpc->mp", self.coefficients, bases[self.exponents]))


def fit_law(law: str, arms: FitArms, errors: Numbers) -> Fitted | str:
    """Fit to `errors` (m, arms), which weigh as much as they have seeds; return why not where that cannot be."""
    parameters, (draws, there) = parameters_of(law, arms), errors.shape
    # A fit without one arm must have one more left than it has parameters.
    if there < parameters + 2:
        return f"{parameters} parameters need {parameters + 2} arms, there are {there}"
    roots = np.sqrt(arms.seeds)
    target = errors * roots
    least, chosen, solvers = np.full(draws, np.inf), np.zeros(draws, dtype=np.int_), dict[int, Numbers]()
    fold_least, out = np.full(errors.shape, np.inf), np.zeros(errors.shape)
    for number, basis in enumerate(_bases(law, arms, arms.places)):
        q, r = np.linalg.qr(basis * roots[:, None])
        leverage, diagonal = np.square(q).sum(axis=1), np.abs(np.diag(r))
        if diagonal.min() < _SINGULAR * diagonal.max() or leverage.max() > 1 - _SINGULAR:
            continue
        solvers[number] = np.linalg.solve(r, q.T)
        residuals = target - target @ q @ q.T
        squares = np.square(residuals).sum(axis=1)
        # What is left of the sum of squares when an arm is taken out.
        folds = squares[:, None] - np.square(residuals) / (1 - leverage)
        better, fold_better = squares < least, folds < fold_least
        least, chosen = np.where(better, squares, least), np.where(better, number, chosen)
        fold_least = np.where(fold_better, folds, fold_least)
        out = np.where(fold_better, residuals / (1 - leverage) / roots, out)
    if not solvers:
        return "one arm alone would tell a parameter"
    coefficients = np.stack([solvers[number] @ row for number, row in zip(chosen.tolist(), target, strict=True)])
    left_out = np.square(errors - np.clip(errors - out, 0.0, 1.0))
    return Fitted(law, arms, chosen, coefficients, left_out)


@dataclass(frozen=True, slots=True, eq=False)
class LawChoice:
    """The laws fitted to m draws, and the number of that which each draw chose; `mean` and `spread` are (m, laws)."""

    fitted: tuple[Fitted, ...]
    mean: Numbers
    spread: Numbers
    chosen: Codes

    @classmethod
    def of(cls, arms: FitArms, errors: Numbers) -> "LawChoice":
        """Choose for each of the draws `errors` (m, arms) the simplest law within one standard error of the best."""
        fitted = tuple(each for law in LAWS if isinstance(each := fit_law(law, arms, errors), Fitted))
        left_out = np.stack([each.left_out for each in fitted], axis=1)
        mean, spread = left_out.mean(axis=2), left_out.std(axis=2, ddof=1) / np.sqrt(left_out.shape[2])
        draws, best = np.arange(len(mean)), mean.argmin(axis=1)
        within = mean <= (mean[draws, best] + spread[draws, best] + _EQUAL)[:, None]
        return cls(fitted, mean, spread, within.argmax(axis=1))

    def shares(self, places: Sequence[Place]) -> Numbers:
        """Return the accuracy (m, places) by the law that each draw chose."""
        every = np.stack([each.predict(places) for each in self.fitted])
        return np.asarray(np.clip(1 - every[self.chosen, np.arange(len(self.chosen))], 0.0, 1.0))
