"""Scores from items: of an exam run by run, and of the reading exam condition against condition; and their tables.

Shares are of 1. Items without a response have no metric and are in no mean. What the measures of the reading exam mean
stands in tasks/README.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.console import percent, rounded, table
from openbook_eval.results.runs import READING, Run, Runs
from openbook_eval.scoring import METRICS
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES, SIX_EXAMS

OPEN, CLOSED = "reading_open", "reading_closed"
UNANSWERABLE, COUNTERFACTUAL = "reading_unanswerable", "reading_counterfactual"
LIBRARIES = tuple(name for name in READING if CONDITIONS[name].is_library)
# Parts of a book, front to back, in which entries are counted together.
DEPTHS = 5

_FOLLOWS = ("follows_context", "follows_memory", "follows_neither")
# So that eight exams stand in a terminal of 80 columns.
SHORT = dict(zip(EXAM_NAMES, ("phys", "nurs", "phar", "tech", "prof", "post", "other"), strict=True))


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a run: a row an exam in the exams' order, with `questions` asked and the mean of each metric."""

    exams: pl.DataFrame

    @classmethod
    def of(cls, items: pl.DataFrame) -> "Scores":
        """Score the items of one run."""
        counts = {"questions": pl.len(), "scored": pl.col("correct").count()}
        exams = items.group_by("exam").agg(**counts, **{name: pl.col(name).mean() for name in METRICS})
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

    def table(self, run: Run, interval: tuple[float, float] | None = None) -> Table:
        """Lay out the exams in percent, below them the paper's average, its 95 % interval, and that by size."""
        metrics = [name for name in METRICS if self.exams[name].null_count() < self.exams.height]
        rows = [
            [
                f"{row['exam']} {CHINESE_NAMES[row['exam']]}",
                str(row["questions"]),
                *(percent(row[n], 2) for n in metrics),
            ]
            for row in self.exams.to_dicts()
        ]
        if self.six.height:
            asked = str(self.six["questions"].sum())
            rows += [[], ["Avg.(All exams)", asked, percent(self.average, 2)]]
            rows += [["95 % interval", "", f"{percent(interval[0])}-{percent(interval[1])}"]] if interval else []
            rows += [["weighted by size", asked, percent(self.weighted_average, 2)]]
        legend = "percent; strict: nothing but the right letters; format: nothing but letters"
        columns = ["exam", "asked", *(METRICS[name].label for name in metrics)]
        return table(columns, rows, _title(run, CONDITIONS[run.condition].title), [legend, *run.caveats().values()])


def floor(run: Run) -> list[str]:
    """Return the line that says what readers without understanding get, in the mean that the run is ranked by."""
    reference = run.read_reference()
    return [f"without understanding: {reference}"] if reference and reference.rows else []


def _title(run: Run, asked: str) -> str:
    exam = f"{run.exam.name}, version {run.exam.version}, sha256 {run.exam.sha256[:12]}"
    named = ", ".join(filter(None, (run.marked, asked, run.variant)))
    return "\n".join(filter(None, (named, f"exam {exam}; run {run.date}", run.exam.changes)))


def reading_runs(found: Runs) -> list[dict[str, Run]]:
    """Return the runs of the reading exam by condition, those together that are of one model and were asked alike."""
    together: dict[tuple[object, ...], dict[str, Run]] = {}
    for run in found.runs:
        if run.condition in READING:
            together.setdefault((run.model, run.way), {}).setdefault(run.condition, run)
    return list(together.values())


def reading_metrics(items: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return what the reading exam says of a model, as JSON: of all items, and under `by_exam` of each exam.

    `items` are those of each condition. A paired measure is over the items with a response under both conditions; its
    counts `both`, `first_only`, `second_only` and `neither` tell which of them were answered right where. None stands
    where items lack.
    """
    known = {name: items[name].filter(pl.col("correct").is_not_null()) for name in READING if name in items}
    asked = {exam for frame in known.values() for exam in frame["exam"].unique()}
    by_exam = {
        exam: _of({name: frame.filter(exam=exam) for name, frame in known.items()})
        for exam in EXAM_NAMES
        if exam in asked
    }
    return _of(known) | {"by_exam": by_exam}


def _of(known: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    items = {name: frame for name, frame in known.items() if frame.height}
    libraries = [name for name in LIBRARIES if name in items]
    abstained = {name: frame["abstained"].mean() for name, frame in items.items()}
    metrics = ("correct", "answered", "abstained")
    return {
        "conditions": {name: _means(frame, metrics) for name, frame in items.items()},
        "context_gain": _gain(_pairs(items, OPEN, CLOSED)),
        "retention": {name: _retention(_pairs(items, name, OPEN)) for name in libraries},
        "abstention": {
            "unanswerable": abstained.get(UNANSWERABLE),
            "false": {name: abstained[name] for name in (OPEN, *libraries, COUNTERFACTUAL) if name in items},
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
    shares = {"open": pairs["first"].mean(), "closed": pairs["second"].mean(), "gain": gain}
    return {"items": pairs.height, **shares, **counts}


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
    parts = {"both": first & second, "first_only": first & ~second, "second_only": ~first & second}
    return {name: int(part.sum()) for name, part in (parts | {"neither": ~first & ~second}).items()}


def reading_report(runs: Mapping[str, Run], metrics: Mapping[str, Any]) -> Iterator[Table | Text]:
    """Lay out right answers by condition and exam, then gain, retention, abstention and faithfulness, in percent."""
    notes = dict.fromkeys(note for run in runs.values() for note in run.caveats().values())
    yield _by_condition(metrics, _title(next(iter(runs.values())), "reading exam"), notes)
    if gain := metrics["context_gain"]:
        yield Text(
            f"context gain {rounded(100 * gain['gain'], 2):+.2f}: open {percent(gain['open'], 2)}, "
            f"closed {percent(gain['closed'], 2)}; of {gain['items']} items {gain['both']} right in both, "
            f"{gain['first_only']} only open, {gain['second_only']} only closed, {gain['neither']} in neither"
        )
    if metrics["retention"]:
        yield _by_length(metrics["retention"])
    abstention = metrics["abstention"]
    if abstention["unanswerable"] is not None:
        yield Text(f"abstained where the book does not tell: {percent(abstention['unanswerable'], 2)}")
    if false := abstention["false"]:
        shares = ", ".join(f"{CONDITIONS[name].title} {percent(share, 2)}" for name, share in false.items())
        yield Text(f"abstained where the book tells: {shares}")
    if faithfulness := metrics["context_faithfulness"]:
        shares = ", ".join(f"{percent(faithfulness[name], 2)} {name.removeprefix('follows_')}" for name in _FOLLOWS)
        yield Text(f"context faithfulness: where the book says otherwise, answers follow {shares}")
    yield from (Text(f"{CONDITIONS[name].title} {note}") for name, run in runs.items() for note in floor(run))


def _narrow(share: float | None) -> str:
    return percent(share).replace("100.0", "100")


def _by_condition(metrics: Mapping[str, Any], title: str, notes: Iterable[str]) -> Table:
    """Lay out a row a condition: right answers of each exam, the plain mean of the six, and of all items."""
    exams = metrics["by_exam"]
    mean = ["six"] if set(SIX_EXAMS) <= set(exams) else []
    rows = []
    for condition, own in metrics["conditions"].items():
        shares = {exam: each["conditions"].get(condition, {}).get("correct") for exam, each in exams.items()}
        six = [shares[exam] for exam in SIX_EXAMS if shares.get(exam) is not None]
        means = [fmean(six) if len(six) == len(SIX_EXAMS) else None for _ in mean]
        figures = map(_narrow, [*shares.values(), *means, own["correct"]])
        rows.append([CONDITIONS[condition].title, str(own["items"]), *figures])
    return table(["correct", "items", *(SHORT[exam] for exam in exams), *mean, "all"], rows, title, notes)


def _by_length(retention: Mapping[str, Any]) -> Table:
    """Lay out a row a library: what is kept of the open book's right answers, in all and by the entry's depth."""
    rows = []
    for name, kept in retention.items():
        if kept:
            parts = {round(part["from"] * DEPTHS): part["retention"] for part in kept["by_depth"]}
            shares = [kept["open"], kept["library"], kept["retention"], *map(parts.get, range(DEPTHS))]
            rows.append([CONDITIONS[name].title, str(kept["items"]), *map(_narrow, shares)])
    fifths = [f"{100 * part // DEPTHS}-{100 * (part + 1) // DEPTHS}" for part in range(DEPTHS)]
    return table(["retention", "items", "open", "library", "kept", *fifths], rows)
