"""Runs made by hand, score by score, so that a test can tell beforehand what comes of them."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from openbook_eval.models.context_window import Truncation
from openbook_eval.results import ITEMS, Run, Runs
from openbook_eval.results.runs import AskedExam, SamplesFile
from openbook_eval.types import SIX_EXAMS, ExamName

# What a model does with the item at a place of an exam: right, wrong, or no response.
Outcome = Callable[[ExamName, int], bool | None]

CLASSES = 2


def first(count: int) -> Outcome:
    """The first items of each exam right."""
    return lambda _, place: place < count


def make_run(model: str = "some/model", condition: str = "openbook", **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": f"{model} {condition}",
        "model": model,
        "condition": condition,
        "date": "2026-01-02T03-04-05",
        "exam": AskedExam(name="invented", version="1.0", sha256="e" * 64),
        "entries_sha256": "d" * 64,
        "task_version": "1.0",
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


def make_runs(
    models: Mapping[str, Outcome],
    *,
    sizes: Mapping[ExamName, int] | int = 10,
    groups: int | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    **shared: Any,
) -> Runs:
    """One run a model, comparable unless `changes` say otherwise; `groups` is how many items share a book."""
    asked = dict.fromkeys(SIX_EXAMS, sizes) if isinstance(sizes, int) else sizes
    samples = tuple(SamplesFile(exam=exam, path="x", sha256="0" * 64, items=count) for exam, count in asked.items())
    runs, frames = [], []
    for number, (model, outcome) in enumerate(models.items()):
        own = {"model": model, "id": f"run {number}", **shared, **(changes or {}).get(model, {})}
        runs.append(make_run(**{"asked": sum(asked.values()), "samples": samples, **own}))
        frames.append(_items(runs[-1].id, asked, outcome, groups))
    return Runs(tuple(runs), pl.concat(frames))


def _items(run: str, asked: Mapping[ExamName, int], outcome: Outcome, groups: int | None) -> pl.DataFrame:
    rows = [
        {
            "run": run,
            "id": f"{exam}-{place:03}",
            "exam": exam,
            "exam_class": f"class {place % CLASSES}",
            "qtype": "single",
            "group": None if groups is None else f"book {place // groups}",
            "expected": "A",
            "letters": {True: "A", False: "B", None: None}[correct],
            **dict.fromkeys(("correct", "correct_strict", "format_followed"), correct),
            "answered": None if correct is None else True,
        }
        for exam, count in asked.items()
        for place in range(count)
        for correct in [outcome(exam, place)]
    ]
    return pl.DataFrame(rows, schema=ITEMS)
