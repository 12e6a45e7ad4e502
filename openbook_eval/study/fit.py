"""Fit what a study or the paper has: laws with their chance, a trend, the best ratio, and the cell to train next.

Intervals are those of a parametric bootstrap around the arms' means, in which every draw chooses its law anew (B.
Efron, J. Am. Stat. Assoc. 109 (2014), 991-1007). They are for the mean over trainings.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy import stats

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.stats import ALPHA, POWER, Codes, Interval, Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.laws import LAWS, FitArms, LawChoice, Place, Varies, fit_arms, fit_law, parameters_of
from openbook_eval.study.results import CLOSED, OPEN, StudyPoint, first_of

DRAWS = 2000
_SHARES = tuple(Fraction(percent, 100) for percent in range(101))
_EQUAL = 1e-12
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Tried:
    """A law and the mean squared `error` of predicting arms that it was not fitted to, with its standard error.

    Both are None of a law that was not fitted, and then `reason` says why. `drawn` is the share of draws that chose it.
    """

    name: str
    parameters: int
    error: float | None = None
    spread: float | None = None
    drawn: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The mean accuracy that the chosen law expects at a place, and what was `observed` there."""

    place: Place
    share: float
    interval: Interval
    observed: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The slope of a straight line: from no medical data to nothing else, or for twice the rows; `p` is a t-test's.

    `detectable` is the slope that so many arms with such a scatter find with a power of 80 %.
    """

    slope: float
    interval: Interval
    p: float
    detectable: float


@dataclass(frozen=True, slots=True)
class FittedCondition:
    """What is found of one condition; `scatter` is the standard deviation of a training around the chosen law."""

    name: str
    arms: int
    trainings: int
    tried: tuple[Tried, ...]
    chosen: Tried
    scatter: float
    predicted: tuple[Predicted, ...]
    trend: Trend | None


@dataclass(frozen=True, slots=True)
class Optimum:
    """The medical share that is best for the wanted trade-off, None where all are equal, and its value with `rows`."""

    medical: float | None
    interval: Interval
    value: float
    value_interval: Interval
    trained: Interval
    rows: int

    @property
    def undetermined(self) -> bool:
        """Whether no ratio is better, or the interval leaves all open, but for a twentieth at each end."""
        return self.medical is None or (self.interval.low <= 0.05 and self.interval.high >= 0.95)


@dataclass(frozen=True, slots=True)
class FitGroup:
    """What is fitted together: one model's arms, or those of several models. `lacking` says why knowledge is not.

    `next` are the three untrained cells of study and paper at which the draws' values of the trade-off part most.
    """

    source: str
    table: int | None
    models: tuple[str, ...]
    varies: Varies
    reading: FittedCondition
    knowledge: FittedCondition | None
    lacking: str
    optimum: Optimum | None
    next: tuple[Predicted, ...]


@dataclass(frozen=True, slots=True)
class StudyFit:
    """What was fitted, and what is `undetermined`, with the reason. `weight` is that of reading in the trade-off."""

    weight: float
    draws: int
    seed: int
    groups: tuple[FitGroup, ...]
    undetermined: tuple[str, ...]


def fit(points: Iterable[StudyPoint], table: int | None = None, weight: float = 0.5, draws: int = DRAWS, seed: int = 0,
        size: int | None = None) -> StudyFit:  # fmt: skip
    """Fit trained points (of one of the paper's tables), whatever order they come in.

    `size` is the number of rows for which accuracy is predicted where sizes differ, by default the largest trained.
    Raises OpenbookError where no group has arms enough.
    """
    trained = _told_apart(point for point in points if point.trained and table in (None, point.table))
    if not trained:
        of = "the study" if table is None else f"table {table}"
        raise OpenbookError(f"{of}: no trained model is evaluated yet; run the study first")
    # Tables are taken together where the rows of all mixes are known.
    unknown = {point.source for point in trained if not point.rows}
    by_table: dict[tuple[str, int | None], list[StudyPoint]] = {}
    for point in trained:
        by_table.setdefault((point.source, point.table if point.source in unknown else table), []).append(point)
    groups, faults = list[FitGroup](), list[str]()
    for key, members in by_table.items():
        for arms, known, lacking in _gather(key, members, faults):
            groups.append(_group(key, arms, known, lacking, (weight, draws, seed, size)))
    if not groups:
        raise OpenbookError(faults[0])
    return StudyFit(weight, draws, seed, tuple(groups), tuple(faults))


def _told_apart(points: Iterable[StudyPoint]) -> list[StudyPoint]:
    """Return each evaluation once, in one order, with a `model` for each base and recipe.

    Cells of two tables may be one training.
    """
    found: dict[object, StudyPoint] = {}
    for one in sorted(points, key=lambda p: (p.source, p.table or 0, p.model, p.base, p.recipe or "", p.cell)):
        found.setdefault((one.source, one.evaluation, one.condition) if one.evaluation else object(), one)
    trained = {(one.model, one.base, one.recipe) for one in found.values()}
    titles = [title for title, *_ in trained]
    named = {(t, base, recipe): t if titles.count(t) == 1 else f"{base} ({recipe})" for t, base, recipe in trained}
    return [replace(one, model=named[one.model, one.base, one.recipe]) for one in found.values()]


_Gathered = tuple[FitArms, FitArms | None, str]  # reading, knowledge, and why that is lacking


def _gather(key: tuple[str, int | None], points: Sequence[StudyPoint], faults: list[str]) -> Iterator[_Gathered]:
    """Yield models one by one, then together those whose arms differ in the same thing alone."""
    alike: dict[object, list[str]] = {}
    for model in dict.fromkeys(point.model for point in points):
        try:
            yield (found := _gathered(key, (model,), points))
        except OpenbookError as error:
            faults.append(str(error))
            continue
        arms = found[0]
        fixed = {"ratio": arms.places[0].rows, "size": arms.places[0].medical}.get(arms.varies)
        alike.setdefault((arms.condition, arms.varies, fixed), []).append(model)
    yield from (_gathered(key, tuple(models), points) for models in alike.values() if len(models) > 1)


def _gathered(key: tuple[str, int | None], models: tuple[str, ...], points: Sequence[StudyPoint]) -> _Gathered:
    name = ", ".join([key[0], *([f"table {key[1]}"] if key[1] else []), " and ".join(models)])
    own = [point for point in points if point.model in models]
    conditions = {point.condition for point in own}
    opened, closed = first_of(OPEN, conditions), first_of(CLOSED, conditions)
    if opened is None:
        raise OpenbookError(f"{name}: no run with the open book ({' or '.join(OPEN)}); add its condition to the study")
    read = fit_arms(own, opened, models, name)
    if closed is None:
        return read, None, "there are none"
    try:
        known = fit_arms(own, closed, models, name)
    except OpenbookError as error:
        return read, None, str(error)
    unlike = f"{name}: with {closed} {known.varies} differs, with {opened} {read.varies}; evaluate the same cells"
    return (read, known, "") if known.varies == read.varies else (read, None, unlike)


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The choice by the data themselves (one draw), and by draws that could as well have come out.

    `variance` is that of a training around the chosen law. `shifts` are what other questions would have done to all
    alike, for all trainings answer the same.
    """

    arms: FitArms
    variance: float
    choice: LawChoice
    draws: LawChoice
    shifts: Numbers

    @classmethod
    def of(cls, arms: FitArms, count: int, seed: int, *names: str) -> "Ensemble":
        """Return the choice and `count` draws, seeded by `names`, whose variances vary as behind t."""
        choice = LawChoice.of(arms, arms.errors[None, :])
        law = choice.fitted[int(choice.chosen[0])].law
        residuals = arms.errors - (1 - choice.shares(arms.places)[0])
        around, freedom = float(arms.seeds @ np.square(residuals)), len(arms.places) - parameters_of(law, arms)
        repeats = int(arms.seeds.sum()) - len(arms.places)
        # Mixes that scatter more than their seeds do are not made surer by many seeds.
        if repeats and around / freedom <= arms.within / repeats:
            around, freedom = around + arms.within, freedom + repeats
        squares = around + _EQUAL
        generator = np.random.default_rng(seeded_draw(seed, *names, arms.condition))
        variances = squares / generator.chisquare(freedom, count)[:, None] / arms.seeds
        noise = generator.standard_normal(variances.shape) * np.sqrt(variances)
        shifts = generator.standard_normal(count) * np.sqrt(arms.items)
        return cls(arms, squares / freedom, choice, LawChoice.of(arms, arms.errors + noise), shifts)

    def shares(self, places: Sequence[Place]) -> Numbers:
        """Return the accuracy (draws, places) on all questions that could be asked."""
        return np.clip(self.draws.shares(places) + self.shifts[:, None], 0.0, 1.0)


def interval(values: Numbers) -> Interval:
    """Return the 95 % interval of draws, by percentiles."""
    low, high = np.quantile(values, (ALPHA / 2, 1 - ALPHA / 2))
    return Interval(float(low), float(high))


def trend(arms: FitArms) -> Trend | None:
    """Return how accuracy changes along a straight line; None where both vary, or arms are too few."""
    freedom = len(arms.places) - len(arms.models) - 1
    if arms.varies == "ratio and size" or freedom < 1:
        return None
    by_ratio = arms.varies == "ratio"
    x = np.array([float(place.medical) if by_ratio else np.log2(place.rows) for place in arms.places])
    y = 1 - arms.errors
    for model in arms.models:
        own = np.array([place.model == model for place in arms.places])
        x[own], y[own] = x[own] - x[own].mean(), y[own] - y[own].mean()
    slope = float(x @ y) / float(x @ x)
    error = max(float(np.sqrt(np.square(y - slope * x).sum() / freedom / (x @ x))), _EQUAL)
    t, power = float(stats.t.isf(ALPHA / 2, freedom)), float(stats.t.isf(1 - POWER, freedom))
    ends = Interval(slope - error * t, slope + error * t)
    return Trend(slope, ends, float(2 * stats.t.sf(abs(slope) / error, freedom)), error * (t + power))


# Conditions with their weights in the trade-off.
Parts = Sequence[tuple[float, Ensemble]]
_Key = tuple[str, int | None]  # source, table
_Options = tuple[float, int, int, int | None]  # weight, draws, seed, size


def _group(
    key: tuple[str, int | None], arms: FitArms, known: FitArms | None, lacking: str, options: _Options
) -> FitGroup:
    weight, draws, seed, size = options
    names = (key[0], str(key[1]), *arms.models)
    reading = Ensemble.of(arms, draws, seed, *names)
    knowledge = Ensemble.of(known, draws, seed, *names) if known else None
    parts = [(weight, reading), (1 - weight, knowledge)] if knowledge else [(1.0, reading)]
    found = None if arms.varies == "size" else _optimum(parts, optima(parts, seed))
    told = _condition(reading, size), _condition(knowledge, size) if knowledge else None
    return FitGroup(*key, arms.models, arms.varies, *told, lacking, found, tuple(_next(parts)))


def _next(parts: Parts) -> list[Predicted]:
    arms = parts[0][1].arms
    places = sorted(set(_cells(arms)) - set(arms.places))
    values = zip(places, _weigh(parts, lambda each: each.draws.shares(places)).T, strict=True)
    found = [Predicted(place, float(drawn.mean()), interval(drawn), None) for place, drawn in values]
    return sorted(found, key=lambda each: (each.interval.low - each.interval.high, each.place))[:_SHOWN]


def _wanted(arms: FitArms, size: int | None) -> Place:
    return Place(arms.places[0].medical, size or max(place.rows for place in arms.places))


def _condition(each: Ensemble, size: int | None) -> FittedCondition:
    arms, choice = each.arms, each.choice
    fitted, tried = [law.law for law in choice.fitted], list[Tried]()
    for law in LAWS:
        parameters = parameters_of(law, arms)
        if law in fitted:
            at = fitted.index(law)
            drawn = float(np.mean(each.draws.chosen == at))
            tried.append(Tried(law, parameters, float(choice.mean[0, at]), float(choice.spread[0, at]), drawn))
        else:
            tried.append(Tried(law, parameters, reason=str(fit_law(law, arms, arms.errors[None, :]))))
    chosen = next(law for law in tried if law.name == fitted[int(choice.chosen[0])])
    counts = len(arms.places), int(arms.seeds.sum())
    shown = tuple(_predicted(each, size))
    return FittedCondition(arms.condition, *counts, tuple(tried), chosen, each.variance**0.5, shown, trend(arms))


def _predicted(each: Ensemble, size: int | None) -> Iterator[Predicted]:
    """Predict at the cells of study and paper and at the wanted size; of several models their mean."""
    arms = each.arms
    one = arms.models[0] if len(arms.models) == 1 else None
    known = dict(zip(arms.places, (1 - arms.errors).tolist(), strict=True)) if one else {}
    places = [*arms.places] if arms.varies == "ratio and size" else [*_cells(arms)]
    places += [_wanted(arms, size)] if arms.varies == "size" else []
    order = sorted({replace(place, model=one) for place in places})
    for place, share, drawn in zip(order, each.choice.shares(order)[0], each.shares(order).T, strict=True):
        yield Predicted(place, float(share), interval(drawn), known.get(place))


def _weigh(parts: Parts, shares: Callable[[Ensemble], Numbers]) -> Numbers:
    return np.asarray(sum(weight * shares(each) for weight, each in parts))


def _highest(values: Numbers) -> Codes:
    """Return where each row (m, places) is highest, of equals that in the middle; -1 where all are equal."""
    best = values >= values.max(axis=1, keepdims=True) - _EQUAL
    middle = (best.sum(axis=1, keepdims=True) + 1) // 2
    return np.where(best.all(axis=1), -1, (best.cumsum(axis=1) >= middle).argmax(axis=1))


def optima(parts: Parts, seed: int) -> Numbers:
    """Return the best medical share of each draw; of those that prefer none, one at random."""
    arms = parts[0][1].arms
    places = [Place(share, arms.usual_rows) for share in _SHARES]
    best = _highest(_weigh(parts, lambda each: each.draws.shares(places)))
    generator = np.random.default_rng(seeded_draw(seed, "undecided", *arms.models))
    return np.where(best >= 0, best / 100, generator.uniform(size=len(best)))


def _optimum(parts: Parts, best: Numbers) -> Optimum:
    arms = parts[0][1].arms
    places = [Place(share, arms.usual_rows) for share in _SHARES]
    values = _weigh(parts, lambda each: each.choice.shares(places))
    at = int(_highest(values)[0])
    shares = [float(place.medical) for place in arms.places]
    ends, trained = interval(_weigh(parts, lambda each: each.shares([places[at]]))), Interval(min(shares), max(shares))
    medical = at / 100 if at >= 0 else None
    return Optimum(medical, interval(best), float(values[0, at]), ends, trained, arms.usual_rows)


def _cells(arms: FitArms) -> Iterator[Place]:
    """Yield the cells of the paper's tables and of the study in what varies: each with each, of each model."""
    ratios, sizes = {place.medical for place in arms.places}, {place.rows for place in arms.places}
    rows = [row for table in published.tables() for row in table.rows]
    if arms.varies != "size":
        trained = [(row.general_ratio, row.medical_ratio) for row in rows if row.general_ratio and row.medical_ratio]
        ratios |= {Fraction(0), Fraction(1), *(Fraction(m, g + m) for g, m in trained)}
    if arms.varies != "ratio":
        # A law is not stretched further than to half and double of what it was fitted to.
        low, high = max(1, min(sizes) // 2), 2 * max(sizes)
        sizes |= {low, high, *(size for row in rows if low <= (size := row.medical_pairs or 0) <= high)}
    yield from (Place(ratio, size, name) for name in arms.models for ratio in ratios for size in sizes)
