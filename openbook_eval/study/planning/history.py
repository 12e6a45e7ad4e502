"""What steps that are done took, as their receipts say: what the next ones of their kind are expected to take."""

import json
from collections.abc import Hashable
from pathlib import Path

from openbook_eval.study.cells import Cell
from openbook_eval.study.planning.costs import Need
from openbook_eval.study.steps import RECEIPT, Graph, Step


class History:
    """Seconds of the steps of a graph that are done."""

    def __init__(self, graph: Graph, work: Path) -> None:
        """Reads the receipts in the folder that the steps work in; one that is broken counts for nothing."""
        self._cells = {cell.name: cell for cell in graph.cells}
        self._taken: dict[Hashable, list[float]] = {}
        for step in graph.steps:
            if (seconds := _seconds(work / step.id / RECEIPT)) is not None:
                alike, amount = self._alike(step)
                self._taken.setdefault(alike, []).append(seconds / amount)

    def expected(self, step: Step, need: Need) -> float | None:
        """Hours that a step is expected to take, of all its cards; None where nothing is known.

        By the formulas where they know it, else as long as steps did that are alike: a training of the same recipe and
        a mix by row, an exam or a merge of the same model.
        """
        if need.hours is not None:
            return need.hours
        alike, amount = self._alike(step)
        taken = self._taken.get(alike)
        return sum(taken) / len(taken) * amount * max(1, need.gpus) / 3600 if taken else None

    def _alike(self, step: Step) -> tuple[Hashable, float]:
        """What steps that are alike have in common, and how much there is of it in this one."""
        cell: Cell = self._cells[step.cells[0]]
        rows = float(cell.mix.rows) if cell.mix else 1.0
        if step.kind == "mix":
            return step.kind, rows
        if step.kind == "train":
            return (step.kind, cell.model, cell.recipe), rows
        return (step.kind, cell.model), 1.0


def _seconds(receipt: Path) -> float | None:
    try:
        seconds = float(json.loads(receipt.read_bytes())["seconds"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return seconds if 0 <= seconds < 1e9 else None
