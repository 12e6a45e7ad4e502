"""Boards made by hand, with values that a test can tell beforehand."""

import hashlib
from collections.abc import Mapping
from typing import Any

from openbook_eval.leaderboard.board import Board, Row
from openbook_eval.leaderboard.likeness import group
from openbook_eval.leaderboard.runs import ExamSource, Run
from openbook_eval.leaderboard.stats import Averages, Estimate, Interval, Rank
from openbook_eval.models.context_window import Truncation
from openbook_eval.training.record import Device, MixTrainedOn, TrainedOn
from openbook_eval.types import SIX_EXAMS

MARKS = ("correct_strict", "format_followed", "answered", "partial_credit", "abstained")


def make_run(model: str = "some/model", condition: str = "openbook", **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": f"{model} {condition}",
        "model": model,
        "model_sha256": hashlib.sha256(model.encode("utf-8", "surrogatepass")).hexdigest(),
        "condition": condition,
        "date": "2026-01-02T03-04-05",
        "exam": ExamSource(name="invented", version="1.0", sha256="e" * 64),
        "entries_sha256": "d" * 64,
        "task_version": "paper 1.0",
        "items_sha256": "9" * 64,
        "asked": 60,
        "limited": False,
        "shots": 0,
        "system_instruction": None,
        "chat_template": None,
        "task_hashes": {"cmed_openbook_nursing": "c" * 64},
        "truncation": Truncation(True, None, 60, 0, 224, 1536),
        "gaps": "",
        "cost": {"prompts": 60},
        "profile": None,
        "trained_on": None,
        "versions": {"lm_eval": "0.4.13"},
        "results": "results.json",
        "samples": (),
    }
    return Run(**fields | changes)


def trained(recipe: str, *, finished: bool = True) -> TrainedOn:
    return TrainedOn(
        recipe=recipe,
        recipe_sha256="c" * 64,
        base_model="Qwen/Qwen1.5-7B",
        adapter="lora",
        mix=MixTrainedOn(folder="mix", sha256="d" * 64, manifest_sha256="e" * 64, rows=100_000, tokens=1_000_000),
        versions={"torch": "2.9"},
        device=Device(name="cpu", count=1),
        seed=42,
        started="2026-01-01T00:00:00+00:00",
        wall_seconds=1.0,
        tokens=2_000_000,
        steps=100,
        tokens_per_second=2_000_000.0,
        parameters=7,
        trainable_parameters=1,
        mfu=None,
        loss_first=2.0,
        loss_last=1.0,
        finished=finished,
        sessions=1,
    )


def estimate(value: float, margin: float | None = 0.02) -> Estimate:
    return Estimate(value, None if margin is None else Interval(value - margin, value + margin), 60)


def make_row(run: Run, value: float = 0.5, **marks: float | None) -> Row:
    """All exams have `value`, and so have their averages; a mark that is not named does not exist."""
    averages = Averages(tuple(estimate(value) for _ in SIX_EXAMS), estimate(value), estimate(value))
    all_marks: Mapping[str, float | None] = dict.fromkeys(MARKS) | marks
    return Row(run=run, averages=averages, exams=SIX_EXAMS, metrics=all_marks, rank=Rank(1, 2), asked=run.asked)


def make_board(*rows: Row) -> Board:
    (own,) = group([row.run for row in rows])
    return Board(group=own, exams=SIX_EXAMS, rows=rows, detectable=0.03, notes=("a note",))
