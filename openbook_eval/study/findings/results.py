"""What the exams of a study have left: runs with their items, each by its cell; what is not there, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.results import Run, read_runs
from openbook_eval.study.spec import Cell
from openbook_eval.study.workflow import StepState, Workflow, state_of


@dataclass(frozen=True, slots=True)
class Result:
    """A cell under one condition; `items` are as `results.ITEMS` has them."""

    cell: Cell
    run: Run
    items: pl.DataFrame

    @property
    def base(self) -> str:
        """The base model, by the name that its trainings have for it: of a profile the one on the hub."""
        return self.run.model if self.run.profile and self.cell.recipe is None else self.cell.model


@dataclass(frozen=True, slots=True)
class Undone:
    """A cell whose exam is not done: the step that keeps it, why, and where that step's log lies ("" where none is)."""

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
    """Read every evaluation of a study that is done in the folder `work`, in the order of its cells.

    Raises nothing for what is missing or broken there: it is named.
    """
    results: list[Result] = []
    refused: list[str] = []
    for cell in workflow.cells:
        step = workflow.evaluation(cell)
        state = state_of(step, work)
        if state.done:
            runs, faults = _read(work / step.id, state)
            refused += faults
            results += [Result(cell, run, items) for run, items in runs]
    return Results(tuple(results), tuple(_undone(workflow, work)), tuple(refused))


def _read(folder: Path, state: StepState) -> tuple[list[tuple[Run, pl.DataFrame]], list[str]]:
    """Read the runs of a cell: each condition from the results that the record names for it."""
    places = {condition: part["results"] for condition, part in state.record["parts"].items()}
    runs: list[tuple[Run, pl.DataFrame]] = []
    faults: list[str] = []
    for place in dict.fromkeys(places.values()):
        try:
            found = read_runs(folder / place)
        except OpenbookError as error:
            faults.append(str(error))
            continue
        runs += [(run, found.items_of(run)) for run in found.runs if places.get(run.condition) == place]
        faults += found.refused
    return runs, faults


def _undone(workflow: Workflow, work: Path) -> Iterator[Undone]:
    """Yield for each cell without an evaluation the first step that failed, else the first that is not done."""
    for cell in workflow.cells:
        steps = [(step, state_of(step, work)) for step in workflow.needed_by(workflow.evaluation(cell))]
        missing = [(step, state) for step, state in steps if not state.done]
        if not steps[-1][1].done:
            at, state = next(((step, state) for step, state in missing if state.reason), missing[0])
            yield Undone(cell.name, at.id, state.reason or "not done yet", state.log, bool(state.reason))
