"""Trained points as a fit counts them: possible ones, each exam once, with one name for each base model and recipe."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from openbook_eval.errors import OpenbookError
from openbook_eval.study.findings.points import Point

MOST_ROWS = 10**12
"""Of a mix; more than any has, and few enough to be counted with."""


def counted(points: Iterable[Point]) -> list[Point]:
    """The points in an order that does not hang on theirs, each exam once: cells of two tables may be one training.

    `model` is the title of the base model, with its whole name or the recipe where that is needed to tell two apart.
    Raises OpenbookError where a point is impossible.
    """
    checked = list(points)
    _check(checked)
    return _told_apart(_once(sorted(checked, key=_order)))


def _once(points: Iterable[Point]) -> list[Point]:
    found: dict[object, Point] = {}
    for point in points:
        found.setdefault((point.source, point.exam, point.condition) if point.exam else object(), point)
    return list(found.values())


def _told_apart(points: Sequence[Point]) -> list[Point]:
    """The points with a `model` for each base and recipe: its title, with more of both where that is not enough."""
    bases: dict[str, set[str]] = {}
    recipes: dict[str, set[str | None]] = {}
    for point in points:
        bases.setdefault(point.model, set()).add(point.base)
        recipes.setdefault(point.base, set()).add(point.recipe)

    def name(point: Point) -> str:
        model = point.model if len(bases[point.model]) == 1 else point.base
        return model if len(recipes[point.base]) == 1 else f"{model} ({point.recipe})"

    return [replace(point, model=name(point)) for point in points]


def _order(point: Point) -> tuple[str, int, str, str, str, str]:
    # Of groups; within one, places are in order and sums are exact. The run is for exams that two cells share.
    return point.source, point.table or 0, point.model, point.base, point.recipe or "", point.run


def _check(points: Iterable[Point]) -> None:
    for point in points:
        name = point.run or f"{point.source}, {point.model}"
        if not 0 <= point.share <= 1:
            raise OpenbookError(f"{name}: accuracy {point.share} is no share of 1")
        if point.items < 1:
            raise OpenbookError(f"{name}: {point.items} questions; an accuracy needs one at least")
        if min(point.general, point.medical, point.rows) < 0:
            raise OpenbookError(f"{name}: ratio and rows of a mix cannot be negative")
        if max(point.general, point.medical, point.rows) > MOST_ROWS:
            raise OpenbookError(f"{name}: ratio and rows of a mix are {MOST_ROWS:,} at most")
