"""Fit a model's accuracy by the medical share r of a mix and its rows D: laws with their chance, best ratio, next cell.

Given its exponents a law is linear, and all fits without one arm have a closed form (D. M. Allen, Technometrics 16
(1974), 125-127): the exponents alone are searched, on a grid. The simplest law within one standard error of the best
wins. Intervals, for the mean over trainings, are those of a parametric bootstrap around the arms' means, in which every
draw chooses its law anew. See docs/study_fit.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.stats import ALPHA, Codes, Interval, Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.results import CLOSED, OPEN, paper_points

# Of the error, 1 - accuracy. It is accuracy that is fitted: the signs of b, c, B and C are the other way round there.
LAWS = ("constant", "linear", "saturating")
FORMULAS = {
    "ratio": ("E", "E + b r", "E + B r^h"),
    "size": ("E", "E + b log D", "E + B/D^k"),
    "ratio and size": ("E", "E + b r + c log D", "E + B r^h + C/D^k"),
}
_FEWEST = 3  # arms: a constant without one of them leaves two, whose difference tells the error
# A curve steeper than these would bend below the smallest arm, where nothing was trained.
_H, _K = np.geomspace(0.25, 4, 61), np.geomspace(0.05, 1, 61)
_EQUAL, _SINGULAR = 1e-12, 1e-9
_SHOWN = 3
_CELL = ["medical", "rows"]


@dataclass(frozen=True, slots=True, eq=False)
class FitArms:
    """A model's arms under a condition, a row a cell: the mean `share` over its `seeds`, their variance `within` it.

    `items` is the variance that the choice of questions brings to all alike.
    """

    condition: str
    cells: pl.DataFrame
    items: float

    @property
    def shares(self) -> Numbers:
        """The means, (1, arms)."""
        return self.cells["share"].to_numpy()[None, :]

    @property
    def varies(self) -> Literal["ratio", "size", "ratio and size"]:
        """In what they differ; ratio where in nothing."""
        if self.cells["rows"].n_unique() == 1:
            return "ratio"
        return "size" if self.cells["medical"].n_unique() == 1 else "ratio and size"

    @property
    def usual_rows(self) -> int:
        """The rows with most ratios; the larger of equals."""
        return int(self.cells.group_by("rows").len().sort("len", "rows")["rows"][-1])

    @property
    def places(self) -> pl.DataFrame:
        """The cells of the paper's tables and of the study, each ratio with each size."""
        published = paper_points()
        shares, sizes = {*self.cells["medical"]}, {*self.cells["rows"]}
        if self.varies != "size":
            shares |= {0.0, 1.0, *(published["medical"] / (published["general"] + published["medical"]))}
        if self.varies != "ratio":
            # A law is not stretched further than to half and double of what it was fitted to.
            low, high = max(1, min(sizes) // 2), 2 * max(sizes)
            sizes |= {low, high, *published["rows"].filter(published["rows"].is_between(low, high))}
        return pl.DataFrame(sorted(product(shares, sizes)), schema=_CELL, orient="row")

    def parameters(self, law: str) -> int:
        """Return how many a law has: level, coefficients and exponents."""
        return 1 + LAWS.index(law) * (2 if self.varies == "ratio and size" else 1)

    def bases(self, law: str, cells: pl.DataFrame) -> Numbers:
        """Return for each set of exponents the columns (sets, cells, coefficients); D is in parts of the usual rows."""
        r, d = cells["medical"].to_numpy(), np.maximum(cells["rows"].to_numpy(), 1) / max(self.usual_rows, 1)
        step = 4 if self.varies == "ratio and size" else 1
        ratios = [r] if law == "linear" else [r**h for h in _H[::step]]
        sizes = [np.log(d)] if law == "linear" else [d**-k for k in _K[::step]]
        terms = {"ratio": [ratios], "size": [sizes], "ratio and size": [ratios, sizes]}[self.varies]
        columns = product(*terms) if law != "constant" else [()]
        return np.stack([np.column_stack([np.ones(len(r)), *own]) for own in columns])


def fit_arms(points: pl.DataFrame, name: str) -> FitArms:
    """Return the arms of one model under one condition. Raises OpenbookError, which names them, if they are too few."""
    condition = points["condition"][0]
    share, items = pl.col("share"), pl.col("items").min()
    mild = (share.mean() * items + 2) / (items + 4)
    # All right or all wrong is no proof of no variance: two of each are added (Agresti and Coull 1998).
    asked = mild * (1 - mild) / items
    cells = points.group_by(_CELL).agg(share.mean(), seeds=pl.len(), within=share.var(ddof=0), asked=asked).sort(_CELL)
    if cells.height < _FEWEST:
        few = f"{cells.height} {'mix' if cells.height == 1 else 'mixes'} with {condition}"
        raise OpenbookError(f"{name}: {few}: too few, a constant needs {_FEWEST} and a line {_FEWEST + 1}")
    if (cells["rows"] > 0).n_unique() > 1:
        raise OpenbookError(f"{name}: the rows of some mixes are not known; fit one table at a time (--table)")
    return FitArms(condition, cells, cells["asked"].to_numpy().mean())


class LawFit(NamedTuple):
    """A law fitted to m draws: `coefficients` (m, columns) belong to the exponents number `exponents` (m).

    `left_out` (m, arms) is the squared error with which each arm is predicted by the fit to all others.
    """

    exponents: Codes
    coefficients: Numbers
    left_out: Numbers


def fit_law(law: str, arms: FitArms, shares: Numbers) -> LawFit | str:
    """Fit to `shares` (m, arms), which weigh as much as they have seeds; return why not where that cannot be."""
    parameters, there = arms.parameters(law), shares.shape[1]
    # A fit without one arm must have one more left than it has parameters.
    if there < parameters + 2:
        return f"{parameters} parameters need {parameters + 2} arms, there are {there}"
    roots = np.sqrt(arms.cells["seeds"].to_numpy())
    q, r = np.linalg.qr(arms.bases(law, arms.cells) * roots[:, None])
    leverage, diagonal = np.square(q).sum(axis=2), np.abs(np.diagonal(r, axis1=1, axis2=2))
    sound = (diagonal.min(axis=1) >= _SINGULAR * diagonal.max(axis=1)) & (leverage.max(axis=1) <= 1 - _SINGULAR)
    if not sound.any():
        return "one arm alone would tell a parameter"
    q, r, leverage, target = q[sound], r[sound], leverage[sound], shares * roots
    residuals = target - target @ q @ q.swapaxes(1, 2)
    without = residuals / (1 - leverage)[:, None]
    squares = np.square(residuals).sum(axis=2)
    # What is left of the sum of squares when an arm is taken out.
    folds = (squares[:, :, None] - residuals * without).argmin(axis=0)
    errors = np.take_along_axis(without, folds[None], axis=0)[0] / roots
    chosen = squares.argmin(axis=0)
    coefficients = np.einsum("mpa,ma->mp", np.linalg.solve(r, q.swapaxes(1, 2))[chosen], target)
    return LawFit(np.flatnonzero(sound)[chosen], coefficients, np.square(shares - np.clip(shares - errors, 0.0, 1.0)))


@dataclass(frozen=True, slots=True, eq=False)
class FittedCondition:
    """The laws fitted to the arms' means, in the first row, and to draws that could have come out in their place."""

    arms: FitArms
    fits: Mapping[str, LawFit | str]  # a text says why a law is not fitted
    mean: Numbers  # (m, laws), squared errors of predicting arms left out
    spread: Numbers  # their standard errors
    chosen: Codes  # (m), the number of each row's law
    scatter: float = 0.0  # the standard deviation of a training around the chosen law
    # (m), what other questions would have done to all arms alike, for all trainings answer the same.
    shifts: Numbers | float = 0.0

    @classmethod
    def of(cls, arms: FitArms, shares: Numbers) -> "FittedCondition":
        """Choose for each row of `shares` (m, arms) the simplest law within one standard error of the best."""
        fits = {law: fit_law(law, arms, shares) for law in LAWS}
        # No error of a share is larger than 1.
        worse = np.full_like(shares, 2.0)
        left_out = np.stack([worse if isinstance(fit, str) else fit.left_out for fit in fits.values()], axis=1)
        mean, spread = left_out.mean(axis=2), left_out.std(axis=2, ddof=1) / np.sqrt(shares.shape[1])
        rows, best = np.arange(len(mean)), mean.argmin(axis=1)
        within = mean <= (mean[rows, best] + spread[rows, best] + _EQUAL)[:, None]
        return cls(arms, fits, mean, spread, within.argmax(axis=1))

    @classmethod
    def drawn(cls, arms: FitArms, draws: int, seed: int, *names: str) -> "FittedCondition":
        """Fit to the data and to `draws`, seeded by `names`, whose variances vary as behind t."""
        data, seeds = cls.of(arms, arms.shares), arms.cells["seeds"].to_numpy()
        around = float((seeds * np.square(arms.shares - data.shares(arms.cells))).sum())
        freedom, repeats = len(seeds) - arms.parameters(LAWS[data.chosen[0]]), int(seeds.sum()) - len(seeds)
        within = float(seeds @ arms.cells["within"].to_numpy())
        # Mixes that scatter more than their seeds do are not made surer by many seeds.
        if repeats and around / freedom <= within / repeats:
            around, freedom = around + within, freedom + repeats
        squares = around + _EQUAL
        generator = np.random.default_rng(seeded_draw(seed, *names, arms.condition))
        variances = squares / generator.chisquare(freedom, draws)[:, None] / seeds
        noise = generator.standard_normal(variances.shape) * np.sqrt(variances)
        shifts = np.append(0.0, generator.standard_normal(draws) * np.sqrt(arms.items))[:, None]
        found = cls.of(arms, np.vstack([arms.shares, arms.shares - noise]))
        return replace(found, scatter=(squares / freedom) ** 0.5, shifts=shifts)

    def predict(self, law: str, cells: pl.DataFrame) -> Numbers:
        """Return the accuracy (m, cells) by one law, as it goes on: it may lie below 0 and above 1."""
        fit = self.fits[law]
        assert isinstance(fit, LawFit)  # noqa: S101 (no other is chosen)
        return np.asarray(np.einsum("mc,mpc->mp", fit.coefficients, self.arms.bases(law, cells)[fit.exponents]))

    def shares(self, cells: pl.DataFrame) -> Numbers:
        """Return the accuracy (m, cells) by each row's law."""
        found = np.zeros((len(self.chosen), cells.height))
        for number in np.unique(self.chosen):
            own = self.chosen == number
            found[own] = self.predict(LAWS[number], cells)[own]
        return np.clip(found, 0.0, 1.0)

    @property
    def laws(self) -> pl.DataFrame:
        """A row a law, the simplest first: its `error` with the `spread`, the share of draws, or a `reason`."""
        return pl.DataFrame({"name": LAWS, "formula": FORMULAS[self.arms.varies]}).with_columns(
            parameters=pl.Series(map(self.arms.parameters, LAWS)),
            error=self.mean[0],
            spread=self.spread[0],
            drawn=np.bincount(self.chosen[1:], minlength=len(LAWS)) / (len(self.chosen) - 1),
            chosen=np.arange(len(LAWS)) == self.chosen[0],
            reason=pl.Series([fit if isinstance(fit, str) else None for fit in self.fits.values()], dtype=pl.String),
        )

    def expected(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return cells with what is expected there, and its interval by the trainings and the choice of questions."""
        return _with_shares(cells, np.clip(self.shares(cells) + self.shifts, 0.0, 1.0))

    @property
    def predicted(self) -> pl.DataFrame:
        """What is expected at the cells of study and paper, and what was `observed`."""
        own = self.arms.cells.select(*_CELL, observed="share")
        places = own.select(_CELL) if self.arms.varies == "ratio and size" else self.arms.places
        return self.expected(places).join(own, on=_CELL, how="left", maintain_order="left")


def _with_shares(cells: pl.DataFrame, shares: Numbers) -> pl.DataFrame:
    """Return cells with what the data say of them and the 95 % interval of the draws, by percentiles."""
    low, high = np.quantile(shares[1:], (ALPHA / 2, 1 - ALPHA / 2), axis=0)
    return cells.with_columns(share=shares[0], low=low, high=high)


class Optimum(NamedTuple):
    """The best medical share; None where all are equal, or the interval leaves all open but a twentieth at each end."""

    medical: float | None
    interval: Interval


@dataclass(frozen=True, slots=True, eq=False)
class ModelFit:
    """A model's arms fitted; `lacking` says why knowledge is not, and `weight` is that of reading in the trade-off."""

    source: str
    table: int | None
    model: str
    reading: FittedCondition
    knowledge: FittedCondition | None
    lacking: str
    weight: float
    seed: int

    def _values(self, cells: pl.DataFrame) -> Numbers:
        """Return what is wanted (1 + draws, cells): reading and knowledge by their weights."""
        if self.knowledge is None:
            return self.reading.shares(cells)
        return self.weight * self.reading.shares(cells) + (1 - self.weight) * self.knowledge.shares(cells)

    @property
    def optimum(self) -> Optimum | None:
        """The best ratio with the usual rows, None where ratios do not vary; draws that prefer none have any."""
        arms = self.reading.arms
        if arms.varies == "size":
            return None
        values = self._values(pl.DataFrame({"medical": np.arange(101) / 100, "rows": [arms.usual_rows] * 101}))
        highest = values >= values.max(axis=1, keepdims=True) - _EQUAL
        # Of equals that in the middle.
        middle = (highest.sum(axis=1, keepdims=True) + 1) // 2
        best = (highest.cumsum(axis=1) >= middle).argmax(axis=1) / 100
        none, generator = highest.all(axis=1), np.random.default_rng(seeded_draw(self.seed, "undecided", self.model))
        drawn = np.where(none[1:], generator.uniform(size=len(best) - 1), best[1:])
        low, high = np.quantile(drawn, (ALPHA / 2, 1 - ALPHA / 2)).tolist()
        undetermined = none[0] or (low <= 0.05 and high >= 0.95)
        return Optimum(None if undetermined else float(best[0]), Interval(low, high))

    @property
    def next(self) -> pl.DataFrame:
        """The untrained cells of study and paper at which the draws' values of the trade-off part most."""
        arms = self.reading.arms
        untrained = arms.places.join(arms.cells, on=_CELL, how="anti")
        predicted = _with_shares(untrained, self._values(untrained))
        return predicted.sort(pl.col("low") - pl.col("high"), *_CELL).head(_SHOWN)


@dataclass(frozen=True, slots=True, eq=False)
class StudyFit:
    """What was fitted, and what is `undetermined`, with the reason."""

    draws: int
    seed: int
    models: tuple[ModelFit, ...]
    undetermined: tuple[str, ...]


def fit(
    points: pl.DataFrame, table: int | None = None, weight: float = 0.5, draws: int = 2000, seed: int = 0
) -> StudyFit:
    """Fit trained points (of one of the paper's tables), whatever order they come in, each model by itself.

    Raises OpenbookError where no model has arms enough.
    """
    trained = _named_points(points if table is None else points.filter(table=table))
    if trained.is_empty():
        of = "the study" if table is None else f"table {table}"
        raise OpenbookError(f"{of}: no trained model is evaluated yet; run the study first")
    # Tables are taken together where the rows of all mixes are known.
    apart = (pl.col("rows") == 0).any().over("source")
    trained = trained.with_columns(table=pl.when(apart).then("table").otherwise(pl.lit(table)))
    models, faults = list[ModelFit](), list[str]()
    for _, own in trained.group_by("source", "table", "model", maintain_order=True):
        try:
            models.append(_model(own, weight, draws, seed))
        except OpenbookError as error:
            faults.append(str(error))
    if not models:
        raise OpenbookError(faults[0])
    return StudyFit(draws, seed, tuple(models), tuple(faults))


def _named_points(points: pl.DataFrame) -> pl.DataFrame:
    """Return the trained points in one order, each evaluation once, with a `model` for each base and recipe.

    Cells of two tables may be one training.
    """
    several = pl.struct("base", "recipe").n_unique().over("model") > 1
    named = pl.when(several).then(pl.format("{} ({})", "base", pl.col("recipe").fill_null("-"))).otherwise("model")
    parts = pl.col("general") + pl.col("medical")
    return (
        points.filter(parts > 0)
        .sort("source", "table", "model", "base", "recipe", "cell", "condition", "general", "rows")
        .filter(pl.col("evaluation").is_null() | pl.struct("source", "evaluation", "condition").is_first_distinct())
        .with_columns(model=named, medical=pl.col("medical") / parts)
    )


def _model(points: pl.DataFrame, weight: float, draws: int, seed: int) -> ModelFit:
    source, table, model = points.select("source", "table", "model").row(0)
    name = ", ".join([source, *([f"table {table}"] if table else []), model])
    by = {str(condition): own for (condition,), own in points.group_by("condition", maintain_order=True)}
    opened, closed = (next((by[each] for each in conditions if each in by), None) for conditions in (OPEN, CLOSED))
    if opened is None:
        raise OpenbookError(f"{name}: no run with the open book ({' or '.join(OPEN)}); add its condition to the study")
    read, known, lacking = fit_arms(opened, name), None, "there are none"
    if closed is not None:
        try:
            known, lacking = fit_arms(closed, name), ""
        except OpenbookError as error:
            lacking = str(error)
    if known and known.varies != read.varies:
        unlike = f"with {known.condition} {known.varies} differs, with {read.condition} {read.varies}"
        known, lacking = None, f"{name}: {unlike}; evaluate the same cells"
    reading = FittedCondition.drawn(read, draws, seed, source, str(table), model)
    knowledge = FittedCondition.drawn(known, draws, seed, source, str(table), model) if known else None
    return ModelFit(source, table, model, reading, knowledge, lacking, weight, seed)
