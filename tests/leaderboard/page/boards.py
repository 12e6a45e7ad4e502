"""Boards made by hand, with values that a test can tell beforehand."""

from collections.abc import Mapping

from openbook_eval.leaderboard.board import Board, Row
from openbook_eval.leaderboard.stats import Averages, Estimate, Interval, Rank
from openbook_eval.results import Run, comparable_groups
from openbook_eval.results.runs import TrainingRecord
from openbook_eval.types import SIX_EXAMS
from tests.leaderboard.hand_made import make_run as make_run

MARKS = ("correct_strict", "format_followed", "answered", "partial_credit", "abstained")


def trained(recipe: str, *, finished: bool = True) -> TrainingRecord:
    return TrainingRecord.model_validate(
        {
            "recipe": recipe,
            "started": "2026-01-01T00:00:00+00:00",
            "finished": finished,
            "base_model": "Qwen/Qwen1.5-7B",
        }
    )


def estimate(value: float, margin: float | None = 0.02) -> Estimate:
    return Estimate(value, None if margin is None else Interval(value - margin, value + margin), 60)


def make_row(run: Run, value: float = 0.5, **marks: float | None) -> Row:
    """All exams have `value`, and so have their averages; a mark that is not named does not exist."""
    averages = Averages(tuple(estimate(value) for _ in SIX_EXAMS), estimate(value), estimate(value))
    all_marks: Mapping[str, float | None] = dict.fromkeys(MARKS) | marks
    return Row(run=run, averages=averages, exams=SIX_EXAMS, metrics=all_marks, rank=Rank(1, 2), asked=run.asked)


def make_board(*rows: Row) -> Board:
    (own,) = comparable_groups([row.run for row in rows])
    return Board(group=own, exams=SIX_EXAMS, rows=rows, detectable=0.03, notes=("a note",))
