"""Read what a study has come to: points, arms (all seeds of a setting), and differences between arms with their chance.

All trainings of a study answer the same questions, so that questions and seeds are crossed. The variance between
questions, of their means over seeds, counts whole; that between seeds without the part that questions bring into it:
the moments of a two-way layout (S. R. Searle, G. Casella, C. E. McCulloch, Variance Components, 1992; A. C. Cameron,
J. B. Gelbach, D. L. Miller, J. Bus. Econ. Stat. 29 (2011), 238-249). Each has Student's t of its own, and their reaches
add up as squares (W. G. Howe, J. Am. Stat. Assoc. 69 (1974), 789-794).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum
from pathlib import Path

import numpy as np
import polars as pl
from scipy import optimize
from scipy import stats as distributions

from openbook_eval.errors import OpenbookError
from openbook_eval.files import canonical_json
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import ScoreTable
from openbook_eval.leaderboard.stats import LEVEL, Clusters, Design, Interval, Numbers, share_interval
from openbook_eval.results import Run, comparable_groups, read_runs, why_not_comparable
from openbook_eval.results.runs import ORDER
from openbook_eval.study.spec import Cell
from openbook_eval.study.workflow import StepState, Workflow, state_of
from openbook_eval.training.recipes import TINY_MODEL
from openbook_eval.types import SIX_EXAMS

PAPER = "paper"
# The conditions that stand for the open and the closed book; the first that a study has is taken.
OPEN, CLOSED = ("openbook", "reading_open"), ("closedbook", "reading_closed")
_LEAST = 1e-12
_SCORED = pl.col("exam").is_in(SIX_EXAMS) & pl.col("correct").is_not_null()


@dataclass(frozen=True, slots=True)
class Result:
    """A cell under one condition; `items` are as `results.ITEMS` has them."""

    cell: Cell
    run: Run
    items: pl.DataFrame

    @property
    def base(self) -> str:
        """The base model as its trainings name it: of a profile the name on the hub."""
        return self.run.model if self.run.profile and self.cell.recipe is None else self.cell.model


@dataclass(frozen=True, slots=True)
class Undone:
    """A cell without an evaluation: the step that keeps it, why, and where that step's log lies, "" for nowhere."""

    cell: str
    step: str
    reason: str
    log: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Results:
    """All that a study has come to so far; `refused` are runs that could not be read, a line each."""

    results: tuple[Result, ...]
    undone: tuple[Undone, ...]
    refused: tuple[str, ...]


def read_results(workflow: Workflow, work: Path) -> Results:
    """Read every evaluation of a study that is done in the folder `work`. What is missing or broken is named."""
    results: list[Result] = []
    refused: list[str] = []
    undone: list[Undone] = []
    for cell in workflow.cells:
        steps = [(step, state_of(step, work)) for step in workflow.needed_by(workflow.evaluation(cell))]
        evaluation, state = steps[-1]
        if state.done:
            results += [Result(cell, *found) for found in _read(work / evaluation.id, state, refused)]
            continue
        missing = [(step, each) for step, each in steps if not each.done]
        step, at = next(((step, each) for step, each in missing if each.reason), missing[0])
        undone.append(Undone(cell.name, step.id, at.reason or "not done yet", at.log, bool(at.reason)))
    return Results(tuple(results), tuple(undone), tuple(refused))


def _read(folder: Path, state: StepState, refused: list[str]) -> Iterator[tuple[Run, pl.DataFrame]]:
    """Read each condition of a cell from the results that the record names for it."""
    places = {condition: part["results"] for condition, part in state.record["parts"].items()}
    for place in dict.fromkeys(places.values()):
        try:
            found = read_runs(folder / place)
        except OpenbookError as error:
            refused.append(str(error))
            continue
        refused += found.refused
        yield from ((run, found.items_of(run)) for run in found.runs if places.get(run.condition) == place)


@dataclass(frozen=True, slots=True)
class StudyPoint:
    """The plain mean of the six exams of one model under one condition.

    `source` is "paper" or a study's name, `table` the paper's. `model` is the title of the base model, `base` its whole
    name; `recipe` is the same for recipes that differ in their mix alone, None where the paper does not say or nothing
    was trained. `general` and `medical` are parts of the ratio, `rows` those of the mix, 0 where unknown or untrained.
    `share` is of 1, `items` are the questions with a score. `evaluation` is the id of the run: cells that share it are
    one training; it and `cell` are "" in the paper.
    """

    source: str
    table: int | None
    model: str
    base: str
    recipe: str | None
    general: int
    medical: int
    rows: int
    seed: int | None
    condition: str
    share: float
    items: int
    cell: str = ""
    evaluation: str = ""

    @property
    def trained(self) -> bool:
        """Whether the model was trained; else it was evaluated as it is."""
        return self.general + self.medical > 0


def paper_points() -> tuple[StudyPoint, ...]:
    """Return the points of the paper's tables 3 to 5, open book."""
    return tuple(
        StudyPoint(
            PAPER, table.number, row.model, row.model, None, row.general_ratio or 0, row.medical_ratio or 0,
            row.medical_pairs or 0, None, "openbook", row.share, published.ITEMS,
        )
        for table in published.tables()[2:]
        for row in table.rows
    )  # fmt: skip


def study_points(workflow: Workflow, work: Path) -> tuple[tuple[StudyPoint, ...], tuple[str, ...]]:
    """Return the points of what is done of a study in `work`, and why other runs give none."""
    found = read_results(workflow, work)
    points, faults = points_of(found.results, workflow)
    return points, (*found.refused, *faults)


def points_of(results: Iterable[Result], workflow: Workflow) -> tuple[tuple[StudyPoint, ...], tuple[str, ...]]:
    """Return a point a result, and why other results give none: a mean of six exams needs a score in each."""
    recipes = recipe_names(workflow)
    points: list[StudyPoint] = []
    faults: list[str] = []
    for each in results:
        cell, mix = each.cell, each.cell.mix
        if lacking := unanswered(each.items):
            without = f"no average of the six exams, for {', '.join(lacking)} has no answer"
            faults.append(f"{cell.name}, {each.run.condition}: {without}")
            continue
        general, medical, rows = (mix.general, mix.medical, mix.rows) if mix else (0, 0, 0)
        share, items = _macro(each.items, "correct") or 0.0, each.items.filter(_SCORED).height
        points.append(
            StudyPoint(
                workflow.name, cell.table, title(each.base), each.base, recipes.get(cell.name), general, medical, rows,
                cell.seed, each.run.condition, share, items, cell.name, each.run.id,
            )
        )  # fmt: skip
    return tuple(points), tuple(faults)


def recipe_names(workflow: Workflow) -> Mapping[str, str]:
    """Return by cell one name for all recipes that differ in their mix and seed alone: the first one's, without mix."""
    names: dict[bytes, str] = {}
    found: dict[str, str] = {}
    for cell in workflow.cells:
        if cell.recipe is None:
            continue
        step = workflow.steps.get(f"train/{cell.name}")
        config = step.task.get("recipe", {}) if step else {}
        content = canonical_json({**config, "seed": None} if config else cell.recipe)
        if content not in names:
            own = (cell.mix and cell.recipe.removesuffix(f"_{cell.mix.name}")) or cell.recipe
            times = sum(name.partition(" #")[0] == own for name in names.values())
            names[content] = f"{own} #{times + 1}" if times else own
        found[cell.name] = names[content]
    return found


def unanswered(items: pl.DataFrame) -> list[str]:
    """Return those of the six exams in which a run has no item with a score."""
    scored = set(items.filter(_SCORED)["exam"])
    return [exam for exam in SIX_EXAMS if exam not in scored]


def _macro(items: pl.DataFrame, metric: str) -> float | None:
    """Return the plain mean of the six exams; None where the run has no such metric."""
    of_exams = items.filter(_SCORED).group_by("exam", maintain_order=True).agg(pl.col(metric).mean())[metric]
    known = of_exams.drop_nulls().to_list()
    return fsum(known) / len(known) if known else None


def title(model: str) -> str:
    """Return what people call a base model: the last part of its name on the hub or of its folder."""
    return "the tiny model" if model == TINY_MODEL else model.rstrip("/").rpartition("/")[2] or model


@dataclass(frozen=True, slots=True)
class ArmPart:
    """Scores (seeds, items) that go into a difference by `weight`; NaN is no score.

    `seeded` says that seeds were drawn; a model that was evaluated as it is has one row and no seed.
    """

    weight: float
    scores: Numbers
    seeded: bool = True


@dataclass(frozen=True, slots=True)
class Arm:
    """All seeds of a setting under one condition.

    `scores` are of `correct`, (seeds, items), in the order of `cells`; all arms of a condition share items and
    `design`. `share` is the plain mean of the six exams over all seeds, with its 95 % `interval`; the other two metrics
    are averaged in the same way.
    """

    cells: tuple[Cell, ...]
    base: str
    condition: str
    scores: Numbers
    design: Design
    share: float
    interval: Interval
    answered: float | None
    format_followed: float | None

    @property
    def table(self) -> int | None:
        """The paper's table."""
        return self.cells[0].table

    @property
    def trained(self) -> bool:
        """Whether the model was trained; else it was evaluated as it is."""
        return self.cells[0].mix is not None

    @property
    def mix(self) -> tuple[int, int, int]:
        """General and medical parts of the ratio, and rows; all 0 where nothing was trained."""
        mix = self.cells[0].mix
        return (mix.general, mix.medical, mix.rows) if mix else (0, 0, 0)

    @property
    def rows(self) -> int:
        """Rows of the mix."""
        return self.mix[2]

    @property
    def medical_share(self) -> Fraction:
        """The medical share of the mix."""
        return Fraction(self.mix[1], self.mix[0] + self.mix[1])

    @property
    def ratio(self) -> str:
        """General to medical."""
        return f"{self.mix[0]}:{self.mix[1]}" if self.trained else "as it is"

    def part(self, weight: float) -> ArmPart:
        """Return this arm as a part of a difference."""
        return ArmPart(weight, self.scores, self.trained)


def under(arms: Iterable[Arm], conditions: Sequence[str]) -> list[Arm]:
    """Return the arms under the first of some conditions that there are any of."""
    every = list(arms)
    first = first_of(conditions, {arm.condition for arm in every})
    return [arm for arm in every if arm.condition == first]


def first_of(conditions: Sequence[str], had: Collection[str]) -> str | None:
    """Return the first of some conditions that there are runs of."""
    return next((name for name in conditions if name in had), None)


def arms_of(results: Sequence[Result]) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Return the arms of a study by condition, in the order of its cells, and why runs are left out.

    Left out are runs that were asked something else than most, and those without an average of the six exams.
    """
    arms: list[Arm] = []
    faults: list[str] = []
    for condition in ORDER:
        own = [each for each in results if each.run.condition == condition and not unanswered(each.items)]
        if not own:
            continue
        first = comparable_groups([each.run for each in own])[0].runs[0]
        reasons = [why_not_comparable(first, each.run) for each in own]
        told = zip(own, reasons, strict=True)
        faults += [f"{each.cell.name}, {condition}: {why[0]}" for each, why in told if why]
        arms += _arms([each for each, why in zip(own, reasons, strict=True) if not why], faults)
    return tuple(arms), tuple(faults)


def _arms(results: Sequence[Result], faults: list[str]) -> Iterator[Arm]:
    """Yield the arms of comparable results of one condition."""
    runs = {each.run.id: each for each in results}
    places = {run: place for place, run in enumerate(runs)}
    table = ScoreTable.of([each.run for each in runs.values()], pl.concat([each.items for each in runs.values()]))
    table = table.only(SIX_EXAMS)
    scores, design = table.scores(), table.design()
    found: dict[object, list[Result]] = {}
    for each in results:
        found.setdefault((each.cell.arm, each.base), []).append(each)
    for own in found.values():
        first, of_own = own[0], scores[[places[each.run.id] for each in own]]
        try:
            share, interval = mean_of(of_own, design, seeded=first.cell.recipe is not None)
        except ValueError as error:
            faults.append(f"{first.cell.name} and its other seeds, {first.run.condition}: {error}")
            continue
        cells, beside = tuple(each.cell for each in own), [_mean(own, name) for name in ("answered", "format_followed")]
        yield Arm(cells, first.base, first.run.condition, of_own, design, share, interval, *beside)


def _mean(results: Sequence[Result], metric: str) -> float | None:
    known = [mean for each in results if (mean := _macro(each.items, metric)) is not None]
    return fsum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighed sum of plain means of exams: a share of 1, or a difference of such.

    `by_items` and `by_seeds` are its variances, each with its degrees of freedom; with `seed_freedom` 0 nothing is
    known of seeds. `units` stand for themselves: questions, or those that share a book.
    """

    value: float
    by_items: float
    item_freedom: float
    by_seeds: float
    seed_freedom: float
    units: int

    @property
    def interval(self) -> Interval:
        """The 95 % interval; of questions alone where nothing is known of seeds."""
        reach = self._reach(1 - LEVEL)
        return Interval(self.value - reach, self.value + reach)

    def p(self, null: float = 0.0) -> float:
        """Return the two-sided p of the value being `null`: one less the level of the interval that ends there.

        It is never below 2 / 2^m, the least that flipping the signs of m units could give.
        """
        apart, least = abs(self.value - null), 2.0 ** (1 - self.units)
        if apart <= _LEAST:
            return 1.0
        if self._reach(_LEAST) <= apart:
            return max(_LEAST, least)
        return max(float(optimize.brentq(lambda p: self._reach(p) - apart, _LEAST, 1.0, xtol=_LEAST)), least)

    def _reach(self, alpha: float) -> float:
        parts = ((self.by_items, self.item_freedom), (self.by_seeds, self.seed_freedom))
        known = [(variance, freedom) for variance, freedom in parts if variance > 0 and freedom > 0]
        squares = [float(distributions.t.isf(alpha / 2, freedom)) ** 2 * variance for variance, freedom in known]
        return float(np.sqrt(sum(squares)))


def contrast(parts: Sequence[ArmPart], design: Design) -> Contrast:
    """Return the sum of the parts' means by their weights, over the items with a score in all; the exams are fixed.

    A part of one seed is taken to differ between seeds as the others do on average. Raises ValueError where an exam has
    no such item.
    """
    scored = np.logical_and.reduce([~np.isnan(part.scores).any(axis=0) for part in parts])
    kept = Design(design.exams[scored], design.strata[scored], design.clusters[scored])
    if len(np.unique(kept.exams)) < len(np.unique(design.exams)):
        raise ValueError("an exam without an item that has a score everywhere")
    clusters = Clusters(kept)
    exam = clusters.exam[clusters.of_item]
    items = np.bincount(exam)

    def variance(units: Numbers) -> tuple[Numbers, Numbers]:
        return clusters.variance(units, np.ones(units.shape, dtype=np.bool_))

    value, units, seeds = 0.0, np.zeros((1, len(clusters.exam))), list[tuple[float, int, float, float]]()
    for part in parts:
        scores = part.scores[:, scored]
        means = clusters.sums_of_exams(clusters.sums(scores)) / items
        own = clusters.sums((scores - means[:, exam]) / (len(items) * items[exam]))
        averages, count = means.mean(axis=1), len(scores)
        value += part.weight * float(averages.mean())
        units += part.weight * own.mean(axis=0)
        if part.seeded:
            between = float(averages.var(ddof=1)) if count > 1 else 0.0
            mixed = float(variance(own - own.mean(axis=0))[0].sum()) / max(count - 1, 1)
            seeds.append((part.weight**2 / count, count, between, mixed))
    by_items, freedom = variance(units)
    return Contrast(
        value, float(by_items.sum()), _freedom(by_items[0], freedom[0]), *_by_seeds(seeds), len(clusters.exam)
    )


def _by_seeds(seeds: Sequence[tuple[float, int, float, float]]) -> tuple[float, float]:
    """Return the variance of a contrast by its seeds, and its freedom; 0 where no part has two seeds.

    Of each part: its squared weight by seeds, seeds, the variance between them and the part of it that questions bring.
    """
    repeated = [part for part in seeds if part[1] > 1]
    if not repeated:
        return 0.0, 0.0
    typical = fsum(between - mixed for _, _, between, mixed in repeated) / len(repeated)
    added = fsum(weight * (between - mixed if count > 1 else typical) for weight, count, between, mixed in seeds)
    variances = np.array([weight * between for weight, _, between, _ in repeated])
    return max(0.0, added), _freedom(variances, np.array([count - 1.0 for _, count, _, _ in repeated]))


def _freedom(variances: Numbers, freedom: Numbers) -> float:
    """Return that of a sum of variances: F. E. Satterthwaite, Biometrics Bull. 2 (1946), 110-114."""
    lost = float((variances**2 / np.maximum(freedom, 1)).sum())
    return max(float(variances.sum()) ** 2 / lost, 1.0) if lost > 0 else float(max(freedom.sum(), 1))


def mean_of(scores: Numbers, design: Design, *, seeded: bool) -> tuple[float, Interval]:
    """Return the mean over seeds of scores (seeds, items) and its 95 % interval.

    Where all scores are equal, it is Wilson's interval of as many items: no variance is left to go by.
    """
    found = contrast([ArmPart(1.0, scores, seeded)], design)
    if found.by_items + found.by_seeds <= _LEAST:
        return found.value, share_interval(min(max(found.value, 0.0), 1.0), found.units)
    return found.value, Interval(max(found.interval.low, 0.0), min(found.interval.high, 1.0))
