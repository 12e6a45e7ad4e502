"""Studies made by hand: cells, a graph of them, and exams in a WORK folder as lm-eval and the runner leave them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from rich.console import Console, RenderableType

from openbook_eval.leaderboard.stats import Design, Numbers
from openbook_eval.study.results import Arm
from openbook_eval.study.spec import Cell, StudyModel, StudyRecipe
from openbook_eval.study.workflow import Kind, Need, Step, Workflow
from openbook_eval.training.recipes import RecipeMix
from openbook_eval.types import SIX_EXAMS, Question
from tests.results.lm_eval_output import invented, write_run

BASE = "models/tiny"
QUESTIONS = invented(60)
CONDITIONS = ("openbook", "closedbook")


def printed(parts: Iterable[RenderableType], width: int = 160) -> str:
    """What a terminal of so many columns shows."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def trained(ratio: str, seed: int, *, table: int | None = 4, rows: int = 400, model: str = BASE) -> Cell:
    general, medical = map(int, ratio.split(":"))
    mix, recipe = RecipeMix(f"mix{general}{medical}_{rows}", general, medical, rows), {"base_model": model}
    return Cell(f"tiny_{mix.name}-seed{seed}", table, StudyRecipe("tiny", recipe, None), "tiny.yml", mix, seed)


def as_it_is(model: str = BASE, table: int | None = None) -> Cell:
    return Cell(model.rpartition("/")[2], table, StudyModel.model_construct(model=model))


def workflow_of(cells: Iterable[Cell], *, title: str = "A study", name: str = "tiny") -> Workflow:
    """A training and an evaluation for each trained cell, an evaluation alone for others."""
    own = tuple(cells)
    return Workflow(name, title, own, {step.id: step for cell in own for step in _steps(cell)})


def _steps(cell: Cell) -> list[Step]:
    train = _step("train", cell, ("train",), ())
    needs = (train.id,) if cell.recipe else ()
    return [*([train] if cell.recipe else []), _step("evaluate", cell, CONDITIONS, needs)]


def _step(kind: Kind, cell: Cell, parts: Iterable[str], needs: tuple[str, ...]) -> Step:
    return Step(kind, cell.name, dict.fromkeys(parts, "0"), needs, {}, Need(0, None, None, None))


def examine(
    work: Path,
    cell: Cell,
    right: Callable[[Question], bool] | float,
    conditions: Iterable[str] = CONDITIONS,
    limit: int | None = None,
) -> None:
    """All that a cell leaves when it is done."""
    if cell.recipe:
        record(work, "train", cell, ("train",))
    write_run(
        work / "evaluate" / cell.name / "results",
        model=f"merge/{cell.name}/model" if cell.recipe else cell.base,
        condition=list(conditions),
        questions=QUESTIONS,
        right=right,
        seed=cell.seed or 0,
        limit=limit,
    )
    record(work, "evaluate", cell, CONDITIONS)


def record(work: Path, kind: str, cell: Cell, parts: Iterable[str]) -> None:
    folder = work / kind / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    content = {"parts": {part: {"digest": "0", "results": "results"} for part in parts}}
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")


def fail(work: Path, kind: str, cell: Cell, reason: str) -> None:
    folder = work / kind / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failed.json").write_text(json.dumps({"reason": reason, "log": "log.txt"}), encoding="utf-8")


def design(items: int = 20) -> Design:
    """Six exams of so many items that stand for themselves."""
    exams = np.repeat(np.arange(len(SIX_EXAMS)), items)
    return Design(exams, np.zeros_like(exams), np.arange(len(exams)))


def arm(
    scores: Numbers,
    ratio: str | None,
    *,
    table: int | None = 4,
    rows: int = 400,
    model: str = BASE,
    condition: str = "openbook",
) -> Arm:
    """An arm with these scores (seeds, items); without a ratio a model as it is."""
    seeds = range(1, len(scores) + 1)
    own = [
        trained(ratio, seed, table=table, rows=rows, model=model) if ratio else as_it_is(model, table) for seed in seeds
    ]
    return Arm(condition, tuple(own), scores, design(scores.shape[1] // len(SIX_EXAMS)), 1.0, 1.0)
