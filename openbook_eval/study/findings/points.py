"""Points: one model's average under one condition by what it was trained on, of the paper and of a study."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from math import fsum
from pathlib import Path

import polars as pl

from openbook_eval.files import canonical_json
from openbook_eval.leaderboard import published
from openbook_eval.study.findings.results import Result, read_results
from openbook_eval.study.spec import Cell
from openbook_eval.study.workflow import Workflow
from openbook_eval.training.recipes import TINY_MODEL
from openbook_eval.types import SIX_EXAMS

PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Point:
    """The plain mean of the six exams of one model under one condition.

    `source` is "paper" or a study's name, `table` the paper's. `model` is the title of the base model, which several
    may share, `base` its whole name; `recipe` is the recipe whatever its mix, None where nothing was trained or the
    paper does not say. `general` and `medical` are parts of the ratio, `rows` those of the mix, all 0 of a model that
    was examined as it is, `rows` 0 too where the paper does not say. `share` is of 1, `items` the questions behind it.
    `run` is the cell's name, `exam` names what was marked, by which two cells that share one exam are known; both are
    "" of the paper.
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
    run: str
    exam: str

    @property
    def trained(self) -> bool:
        """Whether the model was trained; else it was examined as it is."""
        return self.general + self.medical > 0


def paper_points() -> tuple[Point, ...]:
    """The points of the paper's tables 3 to 5, open book; how many questions it asked is not published."""
    return tuple(
        Point(
            source=PAPER,
            table=table.number,
            model=row.model,
            base=row.model,
            recipe=None,
            general=row.general_ratio or 0,
            medical=row.medical_ratio or 0,
            rows=row.medical_pairs or 0,
            seed=None,
            condition="openbook",
            share=row.share,
            items=published.ITEMS,
            run="",
            exam="",
        )
        for table in published.tables()
        if table.number >= 3
        for row in table.rows
    )


def study_points(workflow: Workflow, work: Path) -> tuple[tuple[Point, ...], tuple[str, ...]]:
    """The points of what is done of a study in the folder `work`, and the runs that give none, each with the reason."""
    found = read_results(workflow, work)
    points, faults = points_of(found.results, workflow.name, recipes_of(workflow))
    return points, (*found.refused, *faults)


def recipes_of(workflow: Workflow) -> Mapping[str, str]:
    """What each trained cell was trained by, whatever its mix: one name for all recipes that differ in their mix alone.

    It is that of the first of them, without the mix at its end; with a number where another has it already.
    """
    names: dict[bytes, str] = {}
    found: dict[str, str] = {}
    for cell in workflow.cells:
        if cell.recipe is None:
            continue
        step = workflow.steps.get(f"train/{cell.name}")
        config = {**step.task.get("recipe", {}), "seed": None} if step else {}
        content = canonical_json(config if len(config) > 1 else cell.recipe)
        if content not in names:
            own = _without_mix(cell)
            others = (f"{own} #{number}" for number in count(2))
            names[content] = next(name for name in chain([own], others) if name not in names.values())
        found[cell.name] = names[content]
    return found


def _without_mix(cell: Cell) -> str:
    name = cell.recipe or ""
    return (cell.mix and name.removesuffix(f"_{cell.mix.name}")) or name


def points_of(
    results: Iterable[Result], source: str, recipes: Mapping[str, str] | None = None
) -> tuple[tuple[Point, ...], tuple[str, ...]]:
    """A point a result, in their order, and the results that give none, each with the reason.

    `recipes` are as `recipes_of` tells; without them a recipe has the name that the study's file has for it.
    """
    points: list[Point] = []
    faults: list[str] = []
    for result in results:
        if lacking := unanswered(result.items):
            faults.append(
                f"{result.cell.name}, {result.run.condition}: no average of the six exams, for "
                f"{', '.join(lacking)} has no answer"
            )
        else:
            cell = result.cell
            points.append(_point(result, source, (recipes or {}).get(cell.name, cell.recipe)))
    return tuple(points), tuple(faults)


def unanswered(items: pl.DataFrame) -> list[str]:
    """Those of the six exams in which a run has no marked item: it has no average then."""
    marked = set(items.filter(pl.col("correct").is_not_null())["exam"])
    return [exam for exam in SIX_EXAMS if exam not in marked]


def title(model: str) -> str:
    """What people call a base model: the last part of its name on the hub or of its folder."""
    return "the tiny model" if model == TINY_MODEL else model.rstrip("/").rpartition("/")[2] or model


def _point(result: Result, source: str, recipe: str | None) -> Point:
    cell, mix = result.cell, result.cell.mix
    marks = result.items.filter(pl.col("exam").is_in(SIX_EXAMS) & pl.col("correct").is_not_null())
    by_exam = marks.group_by("exam", maintain_order=True).agg(pl.col("correct").mean())
    return Point(
        source=source,
        table=cell.table,
        model=title(result.base),
        base=result.base,
        recipe=recipe,
        general=mix.general if mix else 0,
        medical=mix.medical if mix else 0,
        rows=mix.rows if mix else 0,
        seed=cell.seed,
        condition=result.run.condition,
        share=fsum(by_exam["correct"]) / len(SIX_EXAMS),
        items=marks.height,
        run=cell.name,
        exam=result.run.id,
    )
