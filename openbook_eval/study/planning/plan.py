"""The plan of a study: what every cell needs, what of it is there, and what the rest is expected to take."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook_eval.study.cells import Cell, Mix
from openbook_eval.study.file.study_file import Study
from openbook_eval.study.hashing import Hashes
from openbook_eval.study.planning.costs import Need
from openbook_eval.study.planning.graphs import graph_with_needs
from openbook_eval.study.planning.history import History
from openbook_eval.study.planning.notices import notices
from openbook_eval.study.steps import Graph, Kind, Step, done, failed


@dataclass(frozen=True, slots=True)
class Stage:
    """The steps of one kind that a row wants: how many there are, are done, and have failed."""

    steps: int
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum over steps; `unknown` of them are not in it."""

    known: float = 0.0
    unknown: int = 0

    def plus(self, more: float | None) -> "Amount":
        """The sum with one more step's, None where that is not known."""
        return Amount(self.known, self.unknown + 1) if more is None else Amount(self.known + more, self.unknown)


@dataclass(frozen=True, slots=True)
class Left:
    """What the steps that are not done take: hours of cards, hours of steps without one, bytes that stay on disk."""

    steps: int
    gpu_hours: Amount
    cpu_hours: Amount
    disk: Amount


@dataclass(frozen=True, slots=True)
class Row:
    """Cells that differ in their seed only. `left` is of the steps that the row alone wants: not of a shared mix."""

    cells: tuple[Cell, ...]
    stages: Mapping[Kind, Stage]
    left: Left

    @property
    def first(self) -> Cell:
        """The cell of the first seed."""
        return self.cells[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed when it was last tried; `log` lies in the folder that all steps work in."""

    step: str
    reason: str
    log: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is told of a study before it runs. `free` are the bytes free where steps work, None where unknown.

    `scratch` are the bytes that one step takes for as long as it runs, the hungriest.
    """

    title: str
    work: Path
    rows: tuple[Row, ...]
    steps: int
    left: Left
    scratch: float
    free: int | None
    failures: tuple[Failure, ...]
    notices: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether what is known to be needed is free on the disk, or nobody can tell."""
        return self.free is None or self.left.disk.known + self.scratch <= self.free


def plan(study: Study, work: Path) -> Plan:
    """The plan of a study whose steps work in the folder `work`, which need not be there.

    Raises OpenbookError as `graph_of` does.
    """
    hashes = Hashes(work)
    graph, needs = graph_with_needs(study, hashes)
    hashes.save()
    history = History(graph, work)
    todo = [step for step in graph.steps if not done(step, work)]
    expected = {step.id: history.expected(step, needs[step.id]) for step in todo}
    return Plan(
        title=graph.title,
        work=work,
        rows=tuple(_rows(graph, work, needs, expected)),
        steps=len(graph.steps),
        left=_left(todo, needs, expected),
        scratch=max((needs[step.id].scratch for step in todo), default=0.0),
        free=_free(work),
        failures=tuple(_failures(todo, work)),
        notices=tuple(notices(study, graph, todo)),
    )


def _rows(graph: Graph, work: Path, needs: Mapping[str, Need], expected: Mapping[str, float | None]) -> Iterator[Row]:
    by_cell: dict[str, list[Step]] = {cell.name: [] for cell in graph.cells}
    for step in graph.steps:
        for name in step.cells:
            by_cell[name].append(step)
    for cells in _by_setting(graph.cells):
        names = {cell.name for cell in cells}
        steps = list({step.id: step for cell in cells for step in by_cell[cell.name]}.values())
        own = [step for step in steps if step.id in expected and names.issuperset(step.cells)]
        kinds = dict.fromkeys(step.kind for step in steps)
        stages = {kind: _stage([step for step in steps if step.kind == kind], work) for kind in kinds}
        yield Row(tuple(cells), stages, _left(own, needs, expected))


def _by_setting(cells: Sequence[Cell]) -> list[list[Cell]]:
    found: dict[tuple[int | None, str, str | None, Mix | None, str], list[Cell]] = {}
    for cell in cells:
        # Models as they are have no seeds: each is a setting of its own.
        own = cell.name if cell.recipe is None else ""
        found.setdefault((cell.table, cell.model, cell.recipe, cell.mix, own), []).append(cell)
    return list(found.values())


def _stage(steps: Sequence[Step], work: Path) -> Stage:
    finished = [step for step in steps if done(step, work)]
    broken = [step for step in steps if step not in finished and failed(step, work)]
    return Stage(len(steps), len(finished), len(broken))


def _left(steps: Sequence[Step], needs: Mapping[str, Need], expected: Mapping[str, float | None]) -> Left:
    gpu, cpu, disk = Amount(), Amount(), Amount()
    for step in steps:
        need, hours = needs[step.id], expected[step.id]
        if need.gpus:
            gpu = gpu.plus(hours)
        else:
            cpu = cpu.plus(hours)
        disk = disk.plus(need.kept)
    return Left(len(steps), gpu, cpu, disk)


def _free(work: Path) -> int | None:
    """Bytes that are free where the folder is, or will be."""
    place = work.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _failures(steps: Sequence[Step], work: Path) -> Iterator[Failure]:
    for step in steps:
        if told := failed(step, work):
            yield Failure(step.id, told.reason, told.log)
