"""Read what a study has come to: points, arms (all seeds of a setting), and differences of arms with their chance.

All trainings of a study answer the same questions, so that questions and seeds are crossed. The variance between
questions, of their means over seeds, counts whole; that between seeds without the part that questions bring into it:
the moments of a two-way layout (S. R. Searle, G. Casella, C. E. McCulloch, Variance Components, 1992; A. C. Cameron,
J. B. Gelbach, D. L. Miller, J. Bus. Econ. Stat. 29 (2011), 238-249). Each has Student's t of its own, and their reaches
add up as squares (W. G. Howe, J. Am. Stat. Assoc. 69 (1974), 789-794).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import optimize
from scipy import stats as distributions

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import ScoreTable
from openbook_eval.leaderboard.stats import LEVEL, Clusters, Design, Interval, Numbers, share_interval
from openbook_eval.results import Run, Scores, comparable_groups, read_runs, why_not_comparable
from openbook_eval.results.runs import ORDER
from openbook_eval.study.jobs import State
from openbook_eval.study.spec import Cell
from openbook_eval.study.workflow import Workflow
from openbook_eval.training.recipes import RecipeMix
from openbook_eval.types import SIX_EXAMS

PAPER = "paper"
# The conditions that stand for the open and the closed book; the first that a study has is taken.
OPEN, CLOSED = ("openbook", "reading_open"), ("closedbook", "reading_closed")
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Result:
    """A cell under one condition; `items` are as `results.ITEMS` has them."""

    cell: Cell
    run: Run
    items: pl.DataFrame
    scores: Scores


# A row a mean: `general` and `medical` are parts of the ratio, `rows` those of the mix, 0 where unknown or untrained;
# `share` is of 1, `items` are the questions with a score. Cells that share an `evaluation` are one training.
POINTS = pl.Schema(
    dict.fromkeys(("source", "model", "condition", "cell", "base", "recipe", "evaluation"), pl.String())
    | dict.fromkeys(("table", "general", "medical", "rows", "seed", "items"), pl.Int64())
    | {"share": pl.Float64()}
)


def paper_points() -> pl.DataFrame:
    """Return the points of the paper's tables 3 to 5, open book."""
    rows = [
        {
            "source": PAPER, "table": table.number, "model": row.model, "base": row.model, "condition": "openbook",
            "cell": "", "general": row.general_ratio or 0, "medical": row.medical_ratio or 0,
            "rows": row.medical_pairs or 0, "share": row.share, "items": published.ITEMS,
        }
        for table in published.tables()[2:]
        for row in table.rows
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=POINTS)


@dataclass(frozen=True, eq=False)
class Arm:
    """All seeds of a setting under one condition. Metrics are plain means of the six exams, averaged over seeds."""

    condition: str
    cells: tuple[Cell, ...]
    scores: Numbers  # of `correct`, (cells, items); NaN is no score
    design: Design  # all arms of a condition share it
    answered: float | None = None
    format_followed: float | None = None

    @property
    def cell(self) -> Cell:
        """The first of them, which says what all share."""
        return self.cells[0]

    @cached_property
    def _mean(self) -> "Contrast":
        return contrast([(1.0, self)])

    @property
    def share(self) -> float:
        """The plain mean of the six exams over all seeds, over the items that have a score in each."""
        return self._mean.value

    @property
    def interval(self) -> Interval:
        """Its 95 % interval; where no variance is left to go by, Wilson's of as many items."""
        if self._mean.by_items + self._mean.by_seeds <= _LEAST:
            return share_interval(min(max(self.share, 0.0), 1.0), self._mean.units)
        return Interval(max(self._mean.interval.low, 0.0), min(self._mean.interval.high, 1.0))

    @property
    def items(self) -> int:
        """How many items have a score in every seed."""
        return int((~np.isnan(self.scores)).all(axis=0).sum())


def under(arms: Sequence[Arm], conditions: Sequence[str]) -> list[Arm]:
    """Return the arms under the first of some conditions that there are any of."""
    found = ([arm for arm in arms if arm.condition == condition] for condition in conditions)
    return next(filter(None, found), [])


class Undone(NamedTuple):
    """A cell without an evaluation, and the step that keeps it: why that failed, "" if not tried, and its log."""

    cell: str
    step: str
    reason: str
    log: str


@dataclass(frozen=True, slots=True)
class Results:
    """All that a study called `source` has come to so far."""

    source: str
    results: tuple[Result, ...]
    arms: tuple[Arm, ...]  # by condition and cell
    undone: tuple[Undone, ...]
    refused: tuple[str, ...]  # why runs are in no figure, a line each

    @property
    def points(self) -> pl.DataFrame:
        """A row a result."""
        return pl.DataFrame(list(map(self._point, self.results)), schema=POINTS)

    def _point(self, of: Result) -> dict[str, object]:
        cell, mix = of.cell, of.cell.mix or RecipeMix("", 0, 0, 0)
        return {
            "source": self.source, "table": cell.table, "model": cell.title, "base": cell.base, "recipe": cell.recipe,
            "condition": of.run.condition, "cell": cell.name, "seed": cell.seed, "evaluation": of.run.id,
            "general": mix.general, "medical": mix.medical, "rows": mix.rows,
            "share": of.scores.average, "items": int(of.scores.six["scored"].sum()),
        }  # fmt: skip


def read_results(workflow: Workflow, work: Path) -> Results:
    """Read every evaluation of a study that is done in the folder `work`. What is missing or broken is named."""
    found, undone, refused = list[Result](), list[Undone](), list[str]()
    for cell in workflow.cells:
        states = {step.id: step.state(work) for step in workflow.needed_by(workflow.evaluation(cell))}
        evaluation, state = list(states.items())[-1]
        if state.done:
            found += _read(cell, work / evaluation, state, refused)
        else:
            missing = [Undone(cell.name, name, each.reason, each.log) for name, each in states.items() if each.todo]
            undone.append(next((each for each in missing if each.reason), missing[0]))
    kept = list(_comparable(found, refused))
    arms = tuple(_arms(kept, refused))
    return Results(workflow.name, tuple(kept), arms, tuple(undone), tuple(refused))


def _read(cell: Cell, folder: Path, state: State, refused: list[str]) -> Iterator[Result]:
    places = {condition: part["results"] for condition, part in state.parts.items()}
    for place in dict.fromkeys(places.values()):
        try:
            # Families have chat formats of their own; what one arm is less another is asked of both in one way.
            found = read_runs(folder / place).across_settings()
        except OpenbookError as error:
            refused.append(str(error))
            continue
        refused += found.refused
        for run in (run for run in found.runs if places.get(run.condition) == place):
            items = found.items_of(run)
            scores = Scores.of(items)
            if lacking := [exam for exam in SIX_EXAMS if exam not in set(scores.six["exam"])]:
                without = f"no average of the six exams, for {', '.join(lacking)} has no answer"
                refused.append(f"{cell.name}, {run.condition}: {without}")
            else:
                yield Result(cell, run, items, scores)


def _comparable(results: Sequence[Result], refused: list[str]) -> Iterator[Result]:
    # Of one condition the largest group comes first.
    groups = reversed(comparable_groups(each.run for each in results))
    first = {group.condition: group.runs[0] for group in groups}
    for each in results:
        if why := why_not_comparable(first[each.run.condition], each.run):
            refused.append(f"{each.cell.name}, {each.run.condition}: {why[0]}")
        else:
            yield each


def _arms(results: Sequence[Result], refused: list[str]) -> Iterator[Arm]:
    for condition in ORDER:
        own = [each for each in results if each.run.condition == condition]
        runs = {each.run.id: each for each in own}
        if not runs:
            continue
        table = ScoreTable.of([each.run for each in runs.values()], pl.concat([each.items for each in runs.values()]))
        table = table.only(SIX_EXAMS)
        scores, design = dict(zip(runs, table.scores(), strict=True)), table.design()
        arms = dict[object, list[Result]]()
        for each in own:
            arms.setdefault(each.cell.arm, []).append(each)
        for arm in arms.values():
            metrics = (_mean_of(arm, name) for name in ("answered", "format_followed"))
            cells, found = tuple(each.cell for each in arm), np.stack([scores[each.run.id] for each in arm])
            made = Arm(condition, cells, found, design, *metrics)
            try:
                contrast([(1.0, made)])
            except ValueError as error:
                refused.append(f"{made.cell.name} and its other seeds, {condition}: {error}")
            else:
                yield made


def _mean_of(results: Iterable[Result], metric: str) -> float | None:
    of_seeds = [each.scores.six[metric].drop_nulls().to_list() for each in results]
    known = [fmean(exams) for exams in of_seeds if exams]
    return fmean(known) if known else None


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighed sum of plain means of exams: a share of 1, or a difference of such."""

    value: float
    by_items: float  # variances, each with its degrees of freedom
    item_freedom: float
    by_seeds: float
    seed_freedom: float  # 0 where nothing is known of seeds
    units: int  # that stand for themselves: questions, or those that share a book

    @property
    def interval(self) -> Interval:
        """The 95 % interval; of questions alone where nothing is known of seeds."""
        reach = self._reach(1 - LEVEL)
        return Interval(self.value - reach, self.value + reach)

    def p(self, null: float = 0.0) -> float:
        """Return the two-sided p of the value being `null`: one less the level of the interval that ends there.

        It is never below 2 / 2^m, the least that flipping the signs of m units could give.
        """
        apart, least = abs(self.value - null), max(_LEAST, 2.0 ** (1 - self.units))
        if apart <= _LEAST:
            return 1.0
        if self._reach(_LEAST) <= apart:
            return least
        return max(float(optimize.brentq(lambda p: self._reach(p) - apart, _LEAST, 1.0, xtol=_LEAST)), least)

    def _reach(self, alpha: float) -> float:
        parts = ((self.by_items, self.item_freedom), (self.by_seeds, self.seed_freedom))
        known = [(variance, freedom) for variance, freedom in parts if variance > 0 and freedom > 0]
        squares = [float(distributions.t.isf(alpha / 2, freedom)) ** 2 * variance for variance, freedom in known]
        return float(np.sqrt(sum(squares)))


def contrast(parts: Sequence[tuple[float, Arm]]) -> Contrast:
    """Return the sum of arms' means by their weights, over the items with a score in all; the exams are fixed.

    An arm of one seed is taken to differ between seeds as the others do on average. Raises ValueError where an exam has
    no such item.
    """
    design = parts[0][1].design
    scored = np.logical_and.reduce([~np.isnan(arm.scores).any(axis=0) for _, arm in parts])
    kept = Design(design.exams[scored], design.strata[scored], design.clusters[scored])
    if len(np.unique(kept.exams)) < len(np.unique(design.exams)):
        raise ValueError("an exam without an item that has a score everywhere")
    clusters = Clusters(kept)
    exam = clusters.exam[clusters.of_item]
    items = np.bincount(exam)

    def variance(units: Numbers) -> tuple[Numbers, Numbers]:
        return clusters.variance(units, np.ones(units.shape, dtype=np.bool_))

    value, units, seeds = 0.0, np.zeros((1, len(clusters.exam))), list[tuple[float, ...]]()
    for weight, arm in parts:
        scores = arm.scores[:, scored]
        means = clusters.sums_of_exams(clusters.sums(scores)) / items
        own = clusters.sums((scores - means[:, exam]) / (len(items) * items[exam]))
        averages, count = means.mean(axis=1), len(scores)
        value += weight * float(averages.mean())
        units += weight * own.mean(axis=0)
        if arm.cell.mix:
            between = float(averages.var(ddof=1)) if count > 1 else 0.0
            mixed = float(variance(own - own.mean(axis=0))[0].sum()) / max(count - 1, 1)
            seeds.append((weight**2 / count, count, between, mixed))
    (by_items,), (freedom,) = variance(units)
    return Contrast(value, float(by_items.sum()), _freedom(by_items, freedom), *_by_seeds(seeds), len(clusters.exam))


def _by_seeds(arms: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    # Of each arm: its squared weight by its seeds, the seeds, their variance, and what items bring into that.
    weight, seeds, between, mixed = np.array(arms).reshape(-1, 4).T
    repeated = seeds > 1
    if not repeated.any():
        return 0.0, 0.0
    own = between - mixed
    added = weight @ np.where(repeated, own, own[repeated].mean())
    return max(0.0, float(added)), _freedom((weight * between)[repeated], seeds[repeated] - 1)


def _freedom(variances: Numbers, freedom: Numbers) -> float:
    """Return that of a sum of variances: F. E. Satterthwaite, Biometrics Bull. 2 (1946), 110-114."""
    lost = float((variances**2 / np.maximum(freedom, 1)).sum())
    return max(float(variances.sum()) ** 2 / lost, 1.0) if lost > 0 else float(max(freedom.sum(), 1))
