"""Fit accuracy by the medical share r of a mix and its rows D: laws with their chance, the best ratio, the next cell.

Given its exponents a law is linear, and all fits without one arm have a closed form (D. M. Allen, Technometrics 16
(1974), 125-127): the exponents alone are searched, on a grid. The simplest law within one standard error of the best
wins. Intervals, for the mean over trainings, are those of a parametric bootstrap around the arms' means, in which every
draw chooses its law anew. See docs/study_fit.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from scipy import stats
from statsmodels.regression.linear_model import OLS

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.stats import ALPHA, POWER, Codes, Interval, Numbers
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
_CELL = ["medical", "rows", "model"]  # what names a cell; without a model it stands for the mean of several


@dataclass(frozen=True, slots=True, eq=False)
class FitArms:
    """The arms of one condition, a row a cell: the mean `share` over its `seeds`, and their variance `within` it.

    `items` is the variance that the choice of questions brings to all alike.
    """

    condition: str
    models: tuple[str, ...]
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

    def parameters(self, law: str) -> int:
        """Return how many a law has: levels, coefficients and exponents."""
        return len(self.models) + LAWS.index(law) * (2 if self.varies == "ratio and size" else 1)

    def bases(self, law: str, cells: pl.DataFrame) -> Numbers:
        """Return for each set of exponents the columns (sets, cells, coefficients); D is in parts of the usual rows."""
        levels = [(cells["model"] == name).cast(pl.Float64).fill_null(1 / len(self.models)) for name in self.models]
        r, d = cells["medical"].to_numpy(), np.maximum(cells["rows"].to_numpy(), 1) / max(self.usual_rows, 1)
        step = 4 if self.varies == "ratio and size" else 1
        ratios = [r] if law == "linear" else [r**h for h in _H[::step]]
        sizes = [np.log(d)] if law == "linear" else [d**-k for k in _K[::step]]
        terms = {"ratio": [ratios], "size": [sizes], "ratio and size": [ratios, sizes]}[self.varies]
        return np.stack([np.column_stack([*levels, *own]) for own in product(*terms if law != "constant" else ())])


def fit_arms(points: pl.DataFrame, models: tuple[str, ...], name: str) -> FitArms:
    """Return the arms of one condition. Raises OpenbookError, a line that begins with `name`, if they are too few."""
    condition = points["condition"][0]
    share, items = pl.col("share"), pl.col("items").min()
    mild = (share.mean() * items + 2) / (items + 4)
    cells = (
        points.filter(pl.col("model").is_in(models))
        .group_by(_CELL)
        # All right or all wrong is no proof of no variance: two of each are added (Agresti and Coull 1998).
        .agg(share.mean(), seeds=pl.len(), within=share.var(ddof=0), asked=mild * (1 - mild) / items)
        .sort(_CELL)
    )
    for model in models:
        if (mixes := cells.filter(model=model).height) < _FEWEST:
            few = f"{mixes} {'mix' if mixes == 1 else 'mixes'} of {model} with {condition}"
            raise OpenbookError(f"{name}: {few}: too few, a constant needs {_FEWEST} and a line {_FEWEST + 1}")
    if (cells["rows"] > 0).n_unique() > 1:
        raise OpenbookError(f"{name}: the rows of some mixes are not known; fit one table at a time (--table)")
    return FitArms(condition, models, cells, cells["asked"].to_numpy().mean())


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


class Trend(NamedTuple):
    """The slope of a straight line: from no medical data to nothing else, or for twice the rows; `p` is a t-test's.

    `detectable` is the slope that so many arms with such a scatter find with a power of 80 %.
    """

    slope: float
    interval: Interval
    p: float
    detectable: float


@dataclass(frozen=True, slots=True, eq=False)
class FittedCondition:
    """The laws fitted to the arms' means, in the first row, and to draws that could have come out in their place.

    `fits` say why where a law is not fitted. `mean` and `spread` (m, laws) are the mean squared error of predicting
    arms left out, and its standard error; `chosen` (m) numbers each row's law. `scatter` is the standard deviation of a
    training around the chosen law. `shifts` (m) are what other questions would have done to all arms alike, for all
    trainings answer the same.
    """

    arms: FitArms
    fits: Mapping[str, LawFit | str]
    mean: Numbers
    spread: Numbers
    chosen: Codes
    scatter: float
    shifts: Numbers

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
        return cls(arms, fits, mean, spread, within.argmax(axis=1), 0.0, np.zeros(len(mean)))

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
        shifts = np.append(0.0, generator.standard_normal(draws) * np.sqrt(arms.items))
        found = cls.of(arms, np.vstack([arms.shares, arms.shares - noise]))
        return replace(found, scatter=(squares / freedom) ** 0.5, shifts=shifts)

    def predict(self, law: str, cells: pl.DataFrame) -> Numbers:
        """Return the accuracy (m, cells) by one law, as it goes on: it may lie below 0 and above 1."""
        fit = self.fits[law]
        assert isinstance(fit, LawFit)  # noqa: S101 (no other is chosen)
        return np.asarray(np.einsum("mc,mpc->mp", fit.coefficients, self.arms.bases(law, cells)[fit.exponents]))

    def shares(self, cells: pl.DataFrame, asked: bool = False) -> Numbers:
        """Return the accuracy (m, cells) by each row's law, with what the choice of questions `asked` brings in."""
        found = np.zeros((len(self.chosen), cells.height))
        for number in np.unique(self.chosen):
            own = self.chosen == number
            found[own] = self.predict(LAWS[number], cells)[own]
        found = np.clip(found, 0.0, 1.0)
        return np.clip(found + self.shifts[:, None], 0.0, 1.0) if asked else found

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

    @property
    def predicted(self) -> pl.DataFrame:
        """What is expected at the cells of study and paper, and what was `observed`; of several models their mean."""
        own = self.arms.cells.select(*_CELL, observed="share")
        places = own.select(_CELL) if self.arms.varies == "ratio and size" else cells(self.arms)
        if len(self.arms.models) > 1:
            places = places.with_columns(model=pl.lit(None, pl.String)).unique()
        places = places.sort(_CELL)
        found = _with_shares(places, self.shares(places, asked=True))
        return found.join(own, on=_CELL, how="left", maintain_order="left")

    @property
    def trend(self) -> Trend | None:
        """How accuracy changes along a straight line; None where both vary, or arms are too few."""
        arms, freedom = self.arms, self.arms.cells.height - len(self.arms.models) - 1
        if arms.varies == "ratio and size" or freedom < 1:
            return None
        line, unit = OLS(arms.shares[0], *arms.bases("linear", arms.cells)).fit(), log(2) ** (arms.varies == "size")
        slope, error = unit * float(line.params[-1]), max(unit * float(line.bse[-1]), _EQUAL)
        t, power = float(stats.t.isf(ALPHA / 2, freedom)), float(stats.t.isf(1 - POWER, freedom))
        p = float(2 * stats.t.sf(abs(slope) / error, freedom))
        return Trend(slope, Interval(slope - error * t, slope + error * t), p, error * (t + power))


def cells(arms: FitArms) -> pl.DataFrame:
    """Return the cells of the paper's tables and of the study in what varies: each with each, of each model."""
    published = paper_points()
    shares, sizes = {*arms.cells["medical"]}, {*arms.cells["rows"]}
    if arms.varies != "size":
        shares |= {0.0, 1.0, *(published["medical"] / (published["general"] + published["medical"]))}
    if arms.varies != "ratio":
        # A law is not stretched further than to half and double of what it was fitted to.
        low, high = max(1, min(sizes) // 2), 2 * max(sizes)
        sizes |= {low, high, *published["rows"].filter(published["rows"].is_between(low, high))}
    return pl.DataFrame(list(product(shares, sizes, arms.models)), schema=_CELL, orient="row")


def interval(values: Numbers) -> Interval:
    """Return the 95 % interval of draws, by percentiles."""
    return Interval(*np.quantile(values, (ALPHA / 2, 1 - ALPHA / 2)).tolist())


def _with_shares(cells: pl.DataFrame, shares: Numbers) -> pl.DataFrame:
    """Return cells with what the data say of them and the interval of the draws."""
    low, high = np.quantile(shares[1:], (ALPHA / 2, 1 - ALPHA / 2), axis=0)
    return cells.with_columns(share=shares[0], low=low, high=high)


class Optimum(NamedTuple):
    """The medical share that is best for the wanted trade-off.

    None where all are equal, or where the interval leaves all open, but for a twentieth at each end.
    """

    medical: float | None
    interval: Interval


@dataclass(frozen=True, slots=True, eq=False)
class FitGroup:
    """What is fitted together: one model's arms, or those of several. `lacking` says why knowledge is not.

    `weight` is that of reading in the trade-off.
    """

    source: str
    table: int | None
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
        ratios = pl.DataFrame({"medical": np.arange(101) / 100})
        ratios = ratios.with_columns(rows=pl.lit(arms.usual_rows), model=pl.lit(None, pl.String))
        best = _highest(self._values(ratios))
        at, generator = int(best[0]), np.random.default_rng(seeded_draw(self.seed, "undecided", *arms.models))
        drawn = interval(np.where(best[1:] >= 0, best[1:] / 100, generator.uniform(size=len(best) - 1)))
        undetermined = at < 0 or (drawn.low <= 0.05 and drawn.high >= 0.95)
        return Optimum(None if undetermined else at / 100, drawn)

    @property
    def next(self) -> pl.DataFrame:
        """The untrained cells of study and paper at which the draws' values of the trade-off part most."""
        arms = self.reading.arms
        untrained = cells(arms).join(arms.cells, on=_CELL, how="anti").sort(_CELL)
        predicted = _with_shares(untrained, self._values(untrained))
        return predicted.sort(pl.col("low") - pl.col("high"), *_CELL).head(_SHOWN)


def _highest(values: Numbers) -> Codes:
    """Return where each row (m, cells) is highest, of equals that in the middle; -1 where all are equal."""
    best = values >= values.max(axis=1, keepdims=True) - _EQUAL
    middle = (best.sum(axis=1, keepdims=True) + 1) // 2
    return np.where(best.all(axis=1), -1, (best.cumsum(axis=1) >= middle).argmax(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class StudyFit:
    """What was fitted, and what is `undetermined`, with the reason."""

    draws: int
    seed: int
    groups: tuple[FitGroup, ...]
    undetermined: tuple[str, ...]


def fit(
    points: pl.DataFrame, table: int | None = None, weight: float = 0.5, draws: int = 2000, seed: int = 0
) -> StudyFit:
    """Fit trained points (of one of the paper's tables), whatever order they come in.

    Models are fitted one by one, then together those whose arms differ in the same thing alone. Raises OpenbookError
    where no group has arms enough.
    """
    trained = _named_points(points if table is None else points.filter(table=table))
    if trained.is_empty():
        of = "the study" if table is None else f"table {table}"
        raise OpenbookError(f"{of}: no trained model is evaluated yet; run the study first")
    # Tables are taken together where the rows of all mixes are known.
    apart = (pl.col("rows") == 0).any().over("source")
    trained = trained.with_columns(table=pl.when(apart).then("table").otherwise(pl.lit(table)))
    groups, faults = list[FitGroup](), list[str]()
    for _, members in trained.group_by("source", "table", maintain_order=True):
        alike = dict[object, list[str]]()
        for model in members["model"].unique(maintain_order=True):
            try:
                groups.append(_group(members, (model,), weight, draws, seed))
            except OpenbookError as error:
                faults.append(str(error))
                continue
            arms = groups[-1].reading.arms
            fixed = {"ratio": "rows", "size": "medical"}.get(arms.varies)
            key = arms.condition, arms.varies, arms.cells[fixed][0] if fixed else None
            alike.setdefault(key, []).append(model)
        groups += [_group(members, tuple(own), weight, draws, seed) for own in alike.values() if len(own) > 1]
    if not groups:
        raise OpenbookError(faults[0])
    return StudyFit(draws, seed, tuple(groups), tuple(faults))


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


def _group(points: pl.DataFrame, models: tuple[str, ...], weight: float, draws: int, seed: int) -> FitGroup:
    source, table = points["source"][0], points["table"][0]
    name = ", ".join([source, *([f"table {table}"] if table else []), " and ".join(models)])
    own = points.filter(pl.col("model").is_in(models))
    opened, closed = (_under(own, conditions) for conditions in (OPEN, CLOSED))
    if opened is None:
        raise OpenbookError(f"{name}: no run with the open book ({' or '.join(OPEN)}); add its condition to the study")
    read, known, lacking = fit_arms(opened, models, name), None, "there are none"
    if closed is not None:
        try:
            known, lacking = fit_arms(closed, models, name), ""
        except OpenbookError as error:
            lacking = str(error)
    if known and known.varies != read.varies:
        unlike = f"with {known.condition} {known.varies} differs, with {read.condition} {read.varies}"
        known, lacking = None, f"{name}: {unlike}; evaluate the same cells"
    names = source, str(table), *models
    reading = FittedCondition.drawn(read, draws, seed, *names)
    knowledge = FittedCondition.drawn(known, draws, seed, *names) if known else None
    return FitGroup(source, table, reading, knowledge, lacking, weight, seed)


def _under(points: pl.DataFrame, conditions: Sequence[str]) -> pl.DataFrame | None:
    """Return the points under the first of some conditions that there are any of."""
    found = (points.filter(condition=condition) for condition in conditions)
    return next((own for own in found if own.height), None)
