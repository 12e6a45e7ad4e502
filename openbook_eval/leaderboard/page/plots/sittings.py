"""What one model did under several conditions: boards compare models, this compares conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbook_eval.results import Run

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board


@dataclass(frozen=True, slots=True)
class Sitting:
    """The runs of one model by condition, all on one exam and asked in one way."""

    model: str
    exam: str
    runs: Mapping[str, Run]


def sittings(boards: "Sequence[Board]") -> list[list[Sitting]]:
    """The sittings of all models, in lists of those that were asked the same way, in the order of the boards.

    Of two runs of a model under one condition (on other items, or with other entries) that which asked more stands.
    """
    found: dict[tuple[object, ...], dict[tuple[object, ...], dict[str, Run]]] = {}
    for board in boards:
        for row in board.rows:
            run = row.run
            way = (run.exam.sha256, run.shots, run.system_instruction)
            own = found.setdefault(way, {}).setdefault((run.model, run.chat_template), {})
            if run.condition not in own or own[run.condition].asked < run.asked:
                own[run.condition] = run
    return [[_sitting(own) for own in models.values()] for models in found.values()]


def _sitting(runs: Mapping[str, Run]) -> Sitting:
    run = next(iter(runs.values()))
    return Sitting(run.model, f"{run.exam.name} {run.exam.version}", runs)
