"""Compare two runs on the same items: what differs, whether chance may do that, and which items flipped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import polars as pl

from openbook_eval.console import percent
from openbook_eval.errors import OpenbookError, some, visible
from openbook_eval.leaderboard import stats
from openbook_eval.leaderboard.board import Cluster, ScoreTable, is_complete, notes, of_run
from openbook_eval.leaderboard.export import INTERVAL, Export, Sheet, between, p_value, points
from openbook_eval.leaderboard.stats import Difference
from openbook_eval.results.runs import Run, Runs, comparable, why_not_comparable
from openbook_eval.types import EXAM_NAMES

_RUNS = ("condition", "a_model", "b_model", "a_run", "b_run", "of")
_FIGURES = ("a", "b", "difference", "low", "high", "p", "p_holm")
# A row of an exported table of comparisons: an exam, the average of six, or all items.
DIFFERENCES = pl.Schema(
    dict.fromkeys(_RUNS, pl.String()) | dict.fromkeys(_FIGURES, pl.Float64()) | {"items": pl.Int64()}
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A less B, over the items of both.

    `differences` are by what they are of: each exam, the "average" of all six where they were asked, and "all items",
    but questions without a label, where there are others; so are the `counts`: right in both runs, in one of them, in
    neither, or missing from one. `test` is that of exams and all items; the average has the t-test of clusters always.
    `detectable` is the smallest difference that would be found. `flipped` has the items that one of them got right, and
    which letters are right ("" where abstaining is); `notes` say what is to be known of the two runs.
    """

    a: Run
    b: Run
    differences: Mapping[str, Difference]
    test: str
    counts: Mapping[str, int]
    detectable: float | None
    flipped: pl.DataFrame
    notes: tuple[str, ...]

    @property
    def overall(self) -> Difference:
        """The difference that decides: of the plain mean of six exams, else of all items."""
        return self.differences.get("average", self.differences["all items"])


def compare(runs: Runs, a: Run, b: Run, *, cluster: Cluster = "auto") -> Comparison:
    """Return the paired comparison of two runs. Raises OpenbookError with the reasons where they are not comparable."""
    if a.id == b.id:
        raise OpenbookError(visible(f"{a.model}, {a.condition}: one run cannot be compared with itself; name another"))
    if not comparable(a, b):
        raise _refusal(a, b)
    table = ScoreTable.of([a, b], runs.items)
    counted, beside = table.parts()
    found = stats.paired_difference(counted.scores(), counted.design(cluster))
    of_exams = found.exams + (stats.paired_difference(beside.scores(), beside.design(cluster)).exams if beside else ())
    adjusted = stats.holm([each.p for each in of_exams])
    corrected = [replace(each, adjusted=float(p)) for each, p in zip(of_exams, adjusted, strict=True)]
    average = {"average": found.macro} if is_complete(table.exams) else {}
    right_a, right_b = counted.scores()
    cells = {"both": right_a * right_b, "only_a": right_a * (1 - right_b), "only_b": (1 - right_a) * right_b,
             "neither": (1 - right_a) * (1 - right_b), "missing": np.isnan(right_a + right_b)}  # fmt: skip
    return Comparison(
        a=a,
        b=b,
        differences={**dict(zip(table.exams, corrected, strict=True)), **average, "all items": found.micro},
        test=found.test,
        counts={name: int(np.nansum(each)) for name, each in cells.items()},
        detectable=stats.sensitivity(counted.scores(), counted.ranked_design(cluster), [(0, 1)])[0],
        flipped=_flipped(table),
        notes=tuple(notes(table, {})),
    )


def _flipped(table: ScoreTable) -> pl.DataFrame:
    a, b = (table.items.filter(run=run.id) for run in table.runs)
    sides = {"a_letters": a["letters"], "b_letters": b["letters"], "a_correct": a["correct"], "b_correct": b["correct"]}
    flipped = a.select("id", "exam", "exam_class", pl.col("expected").alias("right"), **sides)
    order = pl.col("exam").cast(pl.Enum(EXAM_NAMES))
    return flipped.filter(pl.col("a_correct") != pl.col("b_correct")).sort(order, maintain_order=True)


def together(one: Runs, other: Runs) -> Runs:
    """Return the runs and items of both sides, as `compare` takes them; a run that is on both is there once."""
    runs = {run.id: run for run in (*one.runs, *other.runs)}
    first = one.items.filter(pl.col("run").is_in([run.id for run in one.runs]))
    others = other.items.filter(pl.col("run").is_in(list(runs)), ~pl.col("run").is_in(first["run"].unique().to_list()))
    return Runs(tuple(runs.values()), pl.concat([first, others]), tuple(dict.fromkeys(one.refused + other.refused)))


def comparable_pairs(one: Sequence[Run], other: Sequence[Run]) -> tuple[list[tuple[Run, Run]], list[str]]:
    """Return a pair of comparable runs of two sides for each condition, and why other conditions are left out.

    Raises OpenbookError where a condition has several models, where no pair is comparable or no condition in common.
    """
    pairs: list[tuple[Run, Run]] = []
    refused: list[OpenbookError] = []
    lacking = []
    for condition in dict.fromkeys(run.condition for run in (*one, *other)):
        sides = [[run for run in side if run.condition == condition] for side in (one, other)]
        if not all(sides):
            lacking.append(f"{condition}: only {'A' if sides[0] else 'B'} has it")
            continue
        for models in (sorted({run.model for run in side}) for side in sides):
            if len(models) > 1:
                several = f"{some(models)}: several models, {condition}"
                raise OpenbookError(visible(f"{several}; name a file of one, or a model and --among"))
        if pair := next(((a, b) for a in sides[0] for b in sides[1] if comparable(a, b)), None):
            pairs.append(pair)
        else:
            refused.append(_refusal(sides[0][0], sides[1][0]))
    if not pairs:
        had = (", ".join(dict.fromkeys(run.condition for run in side)) for side in (one, other))
        none = OpenbookError("no condition in common: {} and {}; compare runs of one task".format(*had))
        raise next(iter(refused), none)
    return pairs, [*map(str, refused), *lacking]


def _refusal(a: Run, b: Run) -> OpenbookError:
    reasons = "; ".join(why_not_comparable(a, b))
    where = f"{b.model} cannot be compared with {a.model}, {a.condition}"
    return OpenbookError(visible(f"{where}: {reasons}; run them with the same settings"))


def comparison_sheet(comparison: Comparison) -> Sheet:
    """Return a comparison to be read: exams and averages of A and B, what differs, and whether chance may do that."""
    rows = []
    for name, of in comparison.differences.items():
        difference = points(of.estimate.value), between(of.estimate.interval)
        rows.append([name, percent(of.a), percent(of.b), *difference, p_value(of.p), p_value(of.adjusted)])
    heads = ["of", "A", "B", "A - B", INTERVAL, "p", "p (Holm)"]
    title = f"{comparison.a.condition}: A {comparison.a.model}, B {comparison.b.model}"
    return Sheet(title, heads, rows, (conclusion(comparison), *_grounds(comparison), *comparison.notes))


def conclusion(comparison: Comparison) -> str:
    """Return who does better, in words: surely where both p and the interval, found in different ways, say so."""
    found, interval = comparison.overall, comparison.overall.estimate.interval
    if not isfinite(found.p) or interval is None:
        return "too little to tell: an exam of one item, or of one group, says nothing of chance"
    if found.p >= stats.ALPHA or interval.low <= 0 <= interval.high:
        told = f"no difference that this exam can tell: {points(found.estimate.value)} points ({between(interval)})"
        least = comparison.detectable
        return told if least is None else f"{told}; it would find one of {percent(least)} points (power 80 %)"
    better, way = ("A", 1) if found.estimate.value > 0 else ("B", -1)
    low, high = sorted(way * 100 * end for end in (interval.low, interval.high))
    return f"{better} is better by {100 * abs(found.estimate.value):.1f} points ({low:.1f} to {high:.1f}), surely"


def _grounds(comparison: Comparison) -> Iterator[str]:
    counts = comparison.counts
    words = "right in both {both:,}, in A only {only_a:,}, in B only {only_b:,}, in neither {neither:,} items"
    yield words.format_map(counts)
    if counts["missing"]:
        yield f"{counts['missing']:,} items have no score in one of them and are left out"
    apart = "average" in comparison.differences and comparison.test != stats.T_TEST
    yield f"p by the {comparison.test}" + (f", of the average by the {stats.T_TEST}" if apart else "")


def comparison_export(comparisons: Sequence[Comparison]) -> Export:
    """Return a row a difference; as JSON a comparison with the flipped items; to read, a table a comparison."""
    records = [
        {
            "condition": each.a.condition,
            "a": of_run(each.a),
            "b": of_run(each.b),
            "test": each.test,
            "detectable": each.detectable,
            "counts": each.counts,
            "differences": list(_rows(each)),
            "flipped": each.flipped.to_dicts(),
        }
        for each in comparisons
    ]
    return Export.of("comparisons", records, "differences", DIFFERENCES, map(comparison_sheet, comparisons))


def _rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    a, b = comparison.a, comparison.b
    for name, found in comparison.differences.items():
        figures = (found.a, found.b, *found.estimate.ends, found.p, found.adjusted, found.estimate.n)
        yield dict(zip(DIFFERENCES, (a.condition, a.model, b.model, a.id, b.id, name, *figures), strict=True))
