"""Runs made by hand, mark by mark, so that a test can tell beforehand what comes of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from openbook_eval.leaderboard.runs import ITEMS, Run, SamplesFile
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.types import SIX_EXAMS, ExamName
from tests.leaderboard.page.boards import make_run

# What a model does with the item at a place of an exam: right, wrong, or no response.
Mark = Callable[[ExamName, int], bool | None]

CLASSES = 2


def first(count: int) -> Mark:
    """The first items of each exam right."""
    return lambda _, place: place < count


def make_taken(
    models: Mapping[str, Mark],
    *,
    sizes: Mapping[ExamName, int] | int = 10,
    groups: int | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    **shared: Any,
) -> Taken:
    """One run a model, all alike unless `changes` of a model say otherwise; `groups` is how many items share a book."""
    asked = dict.fromkeys(SIX_EXAMS, sizes) if isinstance(sizes, int) else sizes
    runs, frames = [], []
    for number, (model, mark) in enumerate(models.items()):
        told = {"model": model, "id": f"run {number}", **shared, **(changes or {}).get(model, {})}
        runs.append(_run(asked, told))
        frames.append(_items(runs[-1].id, asked, mark, groups))
    return Taken(tuple(runs), pl.concat(frames), ())


def _run(asked: Mapping[ExamName, int], told: Mapping[str, Any]) -> Run:
    samples = tuple(SamplesFile(exam=exam, path="x", sha256="0" * 64, items=count) for exam, count in asked.items())
    hashes = {f"cmed_{told.get('condition', 'openbook')}_{exam}": "c" * 64 for exam in asked}
    return make_run(**{"asked": sum(asked.values()), "samples": samples, "task_hashes": hashes, "cost": None, **told})


def _items(run: str, asked: Mapping[ExamName, int], mark: Mark, groups: int | None) -> pl.DataFrame:
    rows: Sequence[dict[str, object]] = [
        {
            "run": run,
            "id": f"{exam}-{place:03}",
            "exam": exam,
            "exam_class": f"class {place % CLASSES}",
            "qtype": "single",
            "group": None if groups is None else f"book {place // groups}",
            "right": "A",
            "letters": {True: "A", False: "B", None: None}[correct],
            **dict.fromkeys(("correct", "correct_strict", "format_followed"), correct),
            "answered": None if correct is None else True,
        }
        for exam, count in asked.items()
        for place in range(count)
        for correct in [mark(exam, place)]
    ]
    return pl.DataFrame(rows, schema=ITEMS)
