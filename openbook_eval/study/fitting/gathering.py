"""Points gathered into settings, the unit of a fit: all seeds of one mix of one model, under one condition."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum

import numpy as np

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.stats import Codes, Numbers
from openbook_eval.study.findings.points import Point
from openbook_eval.study.fitting.counting import counted
from openbook_eval.study.fitting.values import Place, Varies

LEAST = 3
"""Settings; a constant that one of them is left out of leaves two, and their difference tells the error."""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """n settings of one condition, in the order of their places.

    `errors` are the means over seeds of 1 - accuracy, `seeds` how many there are, `binomial` the variance that the
    choice of items brings. `within` is the sum of squares between seeds of one setting, on `freedom` degrees.
    """

    condition: str
    models: tuple[str, ...]
    places: tuple[Place, ...]
    errors: Numbers
    seeds: Codes
    binomial: Numbers
    within: float
    freedom: int

    @property
    def varies(self) -> Varies:
        """In what they differ; ratio where in nothing."""
        if len({place.rows for place in self.places}) == 1:
            return Varies.RATIO
        return Varies.SIZE if len({place.medical for place in self.places}) == 1 else Varies.BOTH

    @property
    def usual(self) -> Place:
        """The rows with most ratios, and the ratio with most sizes; the larger of equals."""
        ratios, sizes = [place.medical for place in self.places], [place.rows for place in self.places]
        ratio = max(ratios, key=lambda ratio: (ratios.count(ratio), ratio))
        return Place(ratio, max(sizes, key=lambda size: (sizes.count(size), size)))


@dataclass(frozen=True, slots=True)
class Gathered:
    """The settings of a group under the condition of reading and, where they can be fitted, of knowledge.

    `lacking` tells why they cannot, where there are some runs.
    """

    source: str
    table: int | None
    models: tuple[str, ...]
    reading: Settings
    knowledge: Settings | None
    lacking: str


def gather(points: Iterable[Point], table: int | None) -> tuple[tuple[Gathered, ...], tuple[str, ...]]:
    """The groups of the trained points (of one of the paper's tables), and what is left out, with the reason.

    A group is a base model of a source, trained by one recipe on several mixes; an exam that several cells share counts
    once. Tables are taken together where the rows of all mixes are known, else one by one. Models that were trained on
    mixes that differ in the same thing, and in nothing else, form one more group. Raises OpenbookError where no group
    can be fitted.
    """
    trained = [point for point in points if point.general + point.medical and table in (None, point.table)]
    if not trained:
        raise OpenbookError(f"{_of(table)}: no trained model is examined yet; run the study first")
    found: list[Gathered] = []
    faults: list[str] = []
    for (source, own), members in _by_table(counted(trained), table).items():
        names = dict.fromkeys(point.model for point in members)
        alone = _fittable(source, own, [(name,) for name in names], members, faults)
        found += [*alone, *_fittable(source, own, _alike(alone), members, faults)]
    if not found:
        raise OpenbookError(faults[0])
    return tuple(found), tuple(faults)


def _fittable(
    source: str,
    table: int | None,
    groups: Iterable[tuple[str, ...]],
    points: Sequence[Point],
    faults: list[str],
) -> list[Gathered]:
    """The groups that can be fitted; why others cannot be goes to `faults`."""
    found = []
    for models in groups:
        try:
            found.append(_gathered(source, table, models, points))
        except OpenbookError as error:
            faults.append(str(error))
    return found


def _alike(alone: Iterable[Gathered]) -> Iterator[tuple[str, ...]]:
    """Models whose settings differ in the same: at one size in their ratio, at one ratio in their size, or in both."""
    found: dict[object, list[str]] = {}
    for each in alone:
        varies, place = each.reading.varies, each.reading.places[0]
        fixed = {Varies.RATIO: place.rows, Varies.SIZE: place.medical, Varies.BOTH: None}[varies]
        found.setdefault((each.reading.condition, varies, fixed), []).append(each.models[0])
    yield from (tuple(models) for models in found.values() if len(models) > 1)


def _by_table(points: Sequence[Point], table: int | None) -> dict[tuple[str, int | None], list[Point]]:
    unknown = {point.source for point in points if not point.rows}
    found: dict[tuple[str, int | None], list[Point]] = {}
    for point in points:
        found.setdefault((point.source, point.table if point.source in unknown else table), []).append(point)
    return found


def _of(table: int | None) -> str:
    return "the study" if table is None else f"table {table}"


def _gathered(source: str, table: int | None, models: tuple[str, ...], points: Sequence[Point]) -> Gathered:
    # Here, for this module is loaded without what marks items.
    from openbook_eval.study.findings.settings import CLOSED, OPEN

    name = ", ".join([source, *([f"table {table}"] if table else []), " and ".join(models)])
    conditions = {point.condition for point in points if point.model in models}
    reading = next((condition for condition in OPEN if condition in conditions), None)
    knowledge = next((condition for condition in CLOSED if condition in conditions), None)
    if reading is None:
        raise OpenbookError(f"{name}: no run with the open book ({' or '.join(OPEN)}); add its condition to the study")
    read = settings_of(points, reading, models, name)
    try:
        known = _knowledge(points, read, knowledge, name) if knowledge else None
    except OpenbookError as error:
        return Gathered(source, table, models, read, None, str(error))
    return Gathered(source, table, models, read, known, "")


def _knowledge(points: Iterable[Point], read: Settings, condition: str, name: str) -> Settings:
    known = settings_of(points, condition, read.models, name)
    if known.varies is not read.varies:
        raise OpenbookError(
            f"{name}: runs with {condition} differ in {known.varies.value}, with {read.condition} in "
            f"{read.varies.value}; examine the same cells under both"
        )
    return known


def settings_of(points: Iterable[Point], condition: str, models: tuple[str, ...], name: str) -> Settings:
    """The settings of a condition. Raises OpenbookError, a line that begins with `name`, where they are too few."""
    found: dict[Place, list[Point]] = {}
    for point in points:
        if point.condition == condition and point.model in models:
            place = Place(Fraction(point.medical, point.general + point.medical), point.rows, point.model)
            found.setdefault(place, []).append(point)
    places = tuple(sorted(found))
    for model in models:
        mixes = sum(place.model == model for place in places)
        if mixes < LEAST:
            told = f"{mixes} mix" if mixes == 1 else f"{mixes} mixes"
            raise OpenbookError(
                f"{name}: {told} of {model} with {condition}: too few, "
                f"for a constant needs {LEAST} and a line {LEAST + 1}"
            )
    sizes = {place.rows for place in places}
    if 0 in sizes and len(sizes) > 1:
        raise OpenbookError(f"{name}: the rows of some mixes are not known; fit one table at a time (--table)")
    groups = [found[place] for place in places]
    means = [fsum(point.share for point in own) / len(own) for own in groups]
    return Settings(
        condition=condition,
        models=models,
        places=places,
        errors=1 - np.array(means),
        seeds=np.array([len(own) for own in groups]),
        binomial=np.array(
            [_binomial(mean, min(each.items for each in own)) for mean, own in zip(means, groups, strict=True)]
        ),
        within=fsum((point.share - mean) ** 2 for mean, own in zip(means, groups, strict=True) for point in own),
        freedom=sum(len(own) - 1 for own in groups),
    )


def _binomial(share: float, items: int) -> float:
    # All right or all wrong is no proof of no variance: two of each are added (Agresti and Coull 1998).
    share = (share * items + 2) / (items + 4)
    return share * (1 - share) / items
