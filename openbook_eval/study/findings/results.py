"""What the exams of a study have left: runs with their items, each by its cell; what is not there, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.results import Run, read_runs
from openbook_eval.study.cells import Cell
from openbook_eval.study.steps import Graph, Step, done, failed


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


def read_results(graph: Graph, work: Path) -> Results:
    """Reads every exam of `graph` that is done in the folder `work`, in the order of its cells.

    Raises nothing for what is missing or broken there: it is named.
    """
    there = {step.id for step in graph.steps if done(step, work)}
    results: list[Result] = []
    refused: list[str] = []
    read: dict[str, list[tuple[Run, pl.DataFrame]]] = {}
    exams = {name: step for step in graph.steps if step.kind == "exam" for name in step.cells}
    for cell in graph.cells:
        step = exams.get(cell.name)
        if step is None or step.id not in there:
            continue
        if step.id not in read:
            read[step.id], faults = _read(work / step.id)
            refused += faults
        results += [Result(cell, run, items) for run, items in read[step.id]]
    return Results(tuple(results), tuple(_undone(graph, exams, work, there)), tuple(refused))


def _read(folder: Path) -> tuple[list[tuple[Run, pl.DataFrame]], list[str]]:
    try:
        found = read_runs(folder / "results")
    except OpenbookError as error:
        return [], [str(error)]
    return [(run, found.items_of(run)) for run in found.runs], list(found.refused)


def _undone(graph: Graph, exams: Mapping[str, Step], work: Path, there: set[str]) -> Iterator[Undone]:
    """Of each cell without an exam the first step that failed, else the first that is not done."""
    steps = {step.id: step for step in graph.steps}
    for cell in graph.cells:
        exam = exams.get(cell.name)
        if exam is None or exam.id in there:
            continue
        missing = [step for step in _chain(exam, steps) if step.id not in there]
        failures = ((step, failure) for step in missing if (failure := failed(step, work)))
        at, failure = next(failures, (missing[0], None))
        reason, log = (failure.reason, failure.log) if failure else ("not done yet", "")
        yield Undone(cell.name, at.id, reason, log, failure is not None)


def _chain(step: Step, steps: Mapping[str, Step]) -> list[Step]:
    """A step and all that it needs, what is needed first."""
    found: dict[str, Step] = {}
    for need in step.needs:
        found |= {each.id: each for each in _chain(steps[need], steps)}
    return [*found.values(), step]
