"""Settings: what a study trained several times, its seeds together, with the marks of all items."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum

import polars as pl

from openbook_eval.leaderboard.board import ScoreTable
from openbook_eval.leaderboard.stats import Design, Interval, Numbers
from openbook_eval.results import comparable_groups, why_not_comparable
from openbook_eval.results.runs import ORDER
from openbook_eval.study.findings import contrasts
from openbook_eval.study.findings.contrasts import Part
from openbook_eval.study.findings.points import title, unanswered
from openbook_eval.study.findings.results import Result
from openbook_eval.types import SIX_EXAMS

# The conditions that questions of open and of closed book are put to, the first that a study has.
OPEN, CLOSED = ("openbook", "reading_open"), ("closedbook", "reading_closed")


@dataclass(frozen=True, slots=True)
class Setting:
    """The cells that differ in their seed only, under one condition.

    `marks` of `correct` are (seeds, items), in the order of `cells`; all settings of a condition share items and
    `design`. `share` is the plain mean of the six exams over all seeds, with its 95 % `interval`; the other two marks
    are averaged in the same way. `general` and `medical` are parts of the ratio, `rows` those of the mix; all 0 where
    nothing was trained.
    """

    table: int | None
    base: str
    recipe: str | None
    general: int
    medical: int
    rows: int
    condition: str
    cells: tuple[str, ...]
    seeds: tuple[int | None, ...]
    marks: Numbers
    design: Design
    share: float
    interval: Interval
    answered: float | None
    format_followed: float | None

    @property
    def model(self) -> str:
        """What people call the base model."""
        return title(self.base)

    @property
    def trained(self) -> bool:
        """Whether the model was trained; else it was examined as it is."""
        return self.recipe is not None

    @property
    def medical_share(self) -> Fraction:
        """The medical share of the mix."""
        return Fraction(self.medical, self.general + self.medical)

    @property
    def ratio(self) -> str:
        """General to medical."""
        return f"{self.general}:{self.medical}" if self.trained else "as it is"

    def part(self, weight: float) -> Part:
        """This setting in a contrast."""
        return Part(weight, self.marks, self.trained)


def under(settings: Iterable[Setting], conditions: Sequence[str]) -> list[Setting]:
    """The settings under the first of some conditions that there are any of."""
    every = list(settings)
    first = first_of(conditions, {each.condition for each in every})
    return [each for each in every if each.condition == first]


def first_of(conditions: Sequence[str], had: Collection[str]) -> str | None:
    """The first of some conditions that there are runs of, None where there are none."""
    return next((name for name in conditions if name in had), None)


def settings_of(results: Sequence[Result]) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    """The settings of a study by condition, in the order of its cells, and what is left out, with the reason.

    Left out are runs that were asked something else than most, and those without an average of the six exams.
    """
    settings: list[Setting] = []
    faults: list[str] = []
    for condition in ORDER:
        own = [result for result in results if result.run.condition == condition]
        alike, unlike = _alike(own)
        faults += unlike
        if alike:
            found, unmarked = _of_condition(alike)
            settings += found
            faults += unmarked
    return tuple(settings), tuple(faults)


def _alike(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    complete = [result for result in results if not unanswered(result.items)]
    groups = comparable_groups([result.run for result in complete])
    if not groups:
        return [], []
    first = groups[0].runs[0]
    kept, faults = [], []
    for result in complete:
        reasons = why_not_comparable(first, result.run)
        faults += [f"{result.cell.name}, {result.run.condition}: {reasons[0]}"] if reasons else []
        kept += [] if reasons else [result]
    return kept, faults


def _of_condition(results: Sequence[Result]) -> tuple[list[Setting], list[str]]:
    runs = {result.run.id: result for result in results}
    places = {run: place for place, run in enumerate(runs)}
    marks = ScoreTable.of([each.run for each in runs.values()], pl.concat([each.items for each in runs.values()]))
    marks = marks.only(SIX_EXAMS)
    table, design = marks.scores(), marks.design()
    found: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        cell = result.cell
        found.setdefault((cell.table, result.base, cell.recipe, cell.mix), []).append(result)
    settings, faults = [], []
    for own in found.values():
        try:
            settings.append(_setting(own, table[[places[each.run.id] for each in own]], design))
        except ValueError as error:
            faults.append(f"{own[0].cell.name} and its other seeds, {own[0].run.condition}: {error}")
    return settings, faults


def _setting(results: Sequence[Result], marks: Numbers, design: Design) -> Setting:
    cell, mix = results[0].cell, results[0].cell.mix
    share, interval = contrasts.share(marks, design, seeded=cell.recipe is not None)
    return Setting(
        table=cell.table,
        base=results[0].base,
        recipe=cell.recipe,
        general=mix.general if mix else 0,
        medical=mix.medical if mix else 0,
        rows=mix.rows if mix else 0,
        condition=results[0].run.condition,
        cells=tuple(each.cell.name for each in results),
        seeds=tuple(each.cell.seed for each in results),
        marks=marks,
        design=design,
        share=share,
        interval=interval,
        answered=_mean(results, "answered"),
        format_followed=_mean(results, "format_followed"),
    )


def _mean(results: Sequence[Result], mark: str) -> float | None:
    """The plain mean of the six exams, over runs; None where letters were ranked and there is no such mark."""
    means = [
        each.items.filter(pl.col("exam").is_in(SIX_EXAMS))
        .group_by("exam", maintain_order=True)
        .agg(pl.col(mark).mean())
        for each in results
    ]
    known = [float(value) for own in means for value in own[mark] if value is not None]
    return fsum(known) / len(known) if known else None
