"""Scores from items: of an exam run by run, and of the reading exam condition against condition.

Shares are of 1. Items without a response have no metric and are in no mean. What the measures of the reading exam mean
is told in tasks/README.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import polars as pl

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.results.runs import READING, Run, Runs
from openbook_eval.scoring import METRICS
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS

OPEN, CLOSED = "reading_open", "reading_closed"
UNANSWERABLE, COUNTERFACTUAL = "reading_unanswerable", "reading_counterfactual"
LIBRARIES = tuple(name for name in READING if CONDITIONS[name].is_library)
# Parts of a book, front to back, in which entries are counted together.
DEPTHS = 5

_FOLLOWS = ("follows_context", "follows_memory", "follows_neither")


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a run: a row an exam in the exams' order, with `questions` asked and the mean of each metric."""

    exams: pl.DataFrame

    @classmethod
    def of(cls, items: pl.DataFrame) -> "Scores":
        """Score the items of one run."""
        means = [pl.col(name).mean() for name in METRICS]
        exams = items.group_by("exam").agg(
            pl.len().alias("questions"), pl.col("correct").count().alias("scored"), *means
        )
        return cls(exams.sort(pl.col("exam").cast(pl.Enum(EXAM_NAMES))))

    @property
    def six(self) -> pl.DataFrame:
        """Return the exams that the averages are over."""
        return self.exams.filter(pl.col("exam").is_in(SIX_EXAMS), pl.col("scored") > 0)

    @property
    def average(self) -> float | None:
        """Return the plain mean of the six exams, the paper's "Avg.(All exams)"; None where one of them is missing."""
        return fmean(self.six["correct"]) if self.six.height == len(SIX_EXAMS) else None

    @property
    def weighted_average(self) -> float | None:
        """Return the share of right answers to all questions of the six exams; None where an exam is missing."""
        six = self.six
        return fmean(six["correct"], weights=six["scored"]) if six.height == len(SIX_EXAMS) else None


def reading_runs(found: Runs) -> list[dict[str, Run]]:
    """Return the runs of the reading exam by condition, those together that are of one model and were asked alike."""
    together: dict[tuple[object, ...], dict[str, Run]] = {}
    for run in found.runs:
        if run.condition in READING:
            way = (run.model, run.exam.sha256, run.entries_sha256, run.task_version, run.shots, run.system_instruction)
            together.setdefault(way, {}).setdefault(run.condition, run)
    return list(together.values())


def reading_metrics(items: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return what the reading exam says of a model, as JSON: of all items, and under `by_exam` of each exam.

    `items` are those of each condition. A paired measure is over the items with a response under both conditions; its
    counts `both`, `first_only`, `second_only` and `neither` tell which of them were answered right where. None stands
    where items lack.
    """
    known = {name: frame.filter(pl.col("correct").is_not_null()) for name, frame in items.items()}
    asked = {exam for frame in known.values() for exam in frame["exam"].unique()}
    by_exam = {
        exam: _of({name: frame.filter(exam=exam) for name, frame in known.items()})
        for exam in EXAM_NAMES
        if exam in asked
    }
    return _of(known) | {"by_exam": by_exam}


def _of(known: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    items = {name: known[name] for name in READING if name in known and known[name].height}
    libraries = [name for name in LIBRARIES if name in items]
    false = [name for name in (OPEN, *libraries, COUNTERFACTUAL) if name in items]
    metrics = ("correct", "answered", "abstained")
    return {
        "conditions": {name: _means(frame, metrics) for name, frame in items.items()},
        "context_gain": _gain(_pairs(items, OPEN, CLOSED)),
        "retention": {name: _retention(_pairs(items, name, OPEN)) for name in libraries},
        "abstention": {
            "unanswerable": items[UNANSWERABLE]["abstained"].mean() if UNANSWERABLE in items else None,
            "false": {name: items[name]["abstained"].mean() for name in false},
        },
        "context_faithfulness": _means(items[COUNTERFACTUAL], _FOLLOWS) if COUNTERFACTUAL in items else None,
    }


def _means(frame: pl.DataFrame, metrics: Iterable[str]) -> dict[str, Any]:
    return {"items": frame.height, **{name: frame[name].mean() for name in metrics}}


def _pairs(items: Mapping[str, pl.DataFrame], first: str, second: str) -> pl.DataFrame:
    """Return whether each item that both conditions asked was right under the first and under the second."""
    if first not in items or second not in items:
        return pl.DataFrame()
    own = items[first].select("exam", "id", "depth", first="correct")
    return own.join(items[second].select("exam", "id", second="correct"), on=["exam", "id"])


def _gain(pairs: pl.DataFrame) -> dict[str, Any] | None:
    if pairs.is_empty():
        return None
    counts = _counts(pairs)
    gain = (counts["first_only"] - counts["second_only"]) / pairs.height
    return {
        "items": pairs.height,
        "open": pairs["first"].mean(),
        "closed": pairs["second"].mean(),
        "gain": gain,
        **counts,
    }


def _retention(pairs: pl.DataFrame) -> dict[str, Any] | None:
    if pairs.is_empty():
        return None
    part = (pl.col("depth").fill_null(0.0) * DEPTHS).floor().clip(0, DEPTHS - 1).cast(pl.Int64)
    parts = sorted(pairs.group_by(part.alias("part")), key=lambda each: each[0])
    by_depth = [{"from": number / DEPTHS, "to": (number + 1) / DEPTHS, **_ratio(own)} for (number,), own in parts]
    return {**_ratio(pairs), **_counts(pairs), "by_depth": by_depth}


def _ratio(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return right answers in the library over right answers to the same items on their own entry."""
    library, opened = int(pairs["first"].sum()), int(pairs["second"].sum())
    shares = {"library": library / pairs.height, "open": opened / pairs.height}
    return {"items": pairs.height, **shares, "retention": library / opened if opened else None}


def _counts(pairs: pl.DataFrame) -> dict[str, int]:
    first, second = pairs["first"], pairs["second"]
    return {
        "both": int((first & second).sum()),
        "first_only": int((first & ~second).sum()),
        "second_only": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }
