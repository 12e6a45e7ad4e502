"""The fit of points: each group gathered, its laws chosen, the best ratio and the next cell found."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.stats import Numbers
from openbook_eval.study.findings.points import Point
from openbook_eval.study.fitting.choosing import Choice
from openbook_eval.study.fitting.counting import MOST_ROWS
from openbook_eval.study.fitting.ensemble import Ensemble, ensemble, interval
from openbook_eval.study.fitting.gathering import Gathered, gather
from openbook_eval.study.fitting.next_cells import candidates, next_cells, wanted
from openbook_eval.study.fitting.optimum import Trade, optima, optimum
from openbook_eval.study.fitting.trends import trends
from openbook_eval.study.fitting.values import Condition, Fit, Group, Optimum, Place, Predicted, Tried, Varies

DRAWS = 2000
_FEWEST, _MOST = 100, 100_000
_SURE = 0.02


def fit(
    points: Iterable[Point],
    *,
    table: int | None = None,
    weight: float = 0.5,
    draws: int = DRAWS,
    seed: int = 0,
    size: int | None = None,
) -> Fit:
    """The laws of trained points (of one of the paper's tables), whatever order they come in.

    `weight` is that of reading in the trade-off with knowledge, `draws` the size of the bootstrap, `size` the rows for
    which accuracy is predicted where sizes differ, the largest trained by default. Raises OpenbookError where a point
    is impossible or no group has settings enough.
    """
    if not 0 <= weight <= 1:
        raise OpenbookError(f"weight {weight} is not between 0 (knowledge alone) and 1 (reading alone)")
    if draws < _FEWEST:
        raise OpenbookError(f"{draws} draws are too few for an interval of 95 %; take {_FEWEST} at least")
    # A number beyond may have more digits than can be printed.
    if draws > _MOST:
        raise OpenbookError(f"more than {_MOST:,} draws: no memory holds them, and no interval needs them")
    if size is not None and size < 1:
        raise OpenbookError(f"size {size}: a mix has one row at least")
    if size is not None and size > MOST_ROWS:
        raise OpenbookError(f"the size is above {MOST_ROWS:,} rows, which no mix has")
    gathered, left_out = gather(points, table)
    return Fit(weight, draws, seed, tuple(_group(each, weight, draws, seed, size) for each in gathered), left_out)


def _group(gathered: Gathered, weight: float, draws: int, seed: int, size: int | None) -> Group:
    names = (gathered.source, str(gathered.table), *gathered.models)
    reading = ensemble(gathered.reading, draws, seed, *names)
    knowledge = ensemble(gathered.knowledge, draws, seed, *names) if gathered.knowledge else None
    trade = Trade(reading, knowledge, weight)
    by_ratio = gathered.reading.varies is not Varies.SIZE
    best = optima(trade, seed)
    found = optimum(trade, best) if by_ratio else None
    target = _target(found) if found else wanted(gathered.reading, size)
    return Group(
        source=gathered.source,
        table=gathered.table,
        models=gathered.models,
        varies=gathered.reading.varies,
        reading=_condition(reading, seed, size),
        knowledge=_condition(knowledge, seed, size) if knowledge else None,
        lacking=gathered.lacking,
        optimum=found,
        next=next_cells(trade, trade.values([target])[:, 0] if target else best, target, seed),
    )


def _target(best: Optimum) -> Place | None:
    """Where there is no doubt of the best ratio, its value is what is left to be narrowed."""
    if best.medical is None or best.interval.high - best.interval.low > _SURE:
        return None
    return Place(Fraction(best.medical).limit_denominator(100), best.rows)


def _condition(each: Ensemble, seed: int, size: int | None) -> Condition:
    tried = tuple(_tried(each))
    settings = each.settings
    return Condition(
        name=settings.condition,
        settings=len(settings.places),
        trainings=int(settings.seeds.sum()),
        tried=tried,
        chosen=tried[int(each.choice.chosen[0])],
        scatter=float(np.sqrt(each.scatter.estimate.training)),
        freedom=each.scatter.within_freedom or each.scatter.around_freedom,
        mixes=float(np.sqrt(each.scatter.estimate.mix)) if each.scatter.within_freedom else None,
        items=float(np.sqrt(settings.binomial.mean())),
        predicted=tuple(_predicted(each, size)),
        trends=tuple(trends(settings, seed)),
    )


def _tried(each: Ensemble) -> Iterator[Tried]:
    """The laws that were fitted, in the order of their numbers, then those that were not."""
    choice: Choice = each.choice
    models = len(each.settings.models)
    for number, fitted in enumerate(choice.fitted):
        law = fitted.law
        yield Tried(
            name=law.name,
            formula=law.formula,
            parameters=law.parameters(models),
            error=float(choice.mean[0, number]),
            spread=float(choice.spread[0, number]),
            drawn=float(np.mean(each.draws.chosen == number)),
        )
    for law, reason in choice.refused:
        yield Tried(law.name, law.formula, law.parameters(models), None, None, 0.0, reason)


def _predicted(each: Ensemble, size: int | None) -> Iterator[Predicted]:
    """At the cells of study and paper and at the wanted size, at those of the study alone where both vary.

    Of several models it is their mean.
    """
    settings = each.settings
    one = len(settings.models) == 1
    known = {place: 1 - error for place, error in zip(settings.places, settings.errors, strict=True)} if one else {}
    places = list(settings.places if settings.varies is Varies.BOTH else candidates(settings))
    if settings.varies is Varies.SIZE:
        places.append(wanted(settings, size))
    order = sorted({replace(place, model=settings.models[0] if one else None) for place in places})
    shares, draws = each.share(order), each.shares(order)
    for number, place in enumerate(order):
        observed = float(known[place]) if place in known else None
        yield Predicted(place, float(shares[number]), interval(_column(draws, number)), observed)


def _column(values: Numbers, number: int) -> Numbers:
    return np.asarray(values[:, number])
