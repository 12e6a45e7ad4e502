"""Rank comparable runs, and compare two of them: what differs, what chance may do, and which items flipped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan, nan
from typing import Literal

import numpy as np
import polars as pl

from openbook_eval.baselines import Baseline, Reference
from openbook_eval.errors import OpenbookError, some, visible
from openbook_eval.leaderboard import stats
from openbook_eval.leaderboard.stats import Averages, Design, Difference, Estimate, Numbers, Rank
from openbook_eval.results.metrics import floor
from openbook_eval.results.runs import (
    ComparableGroup,
    Run,
    Runs,
    comparable,
    comparable_groups,
    differing,
    told_apart,
    why_not_comparable,
)
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, ExamName

# Metrics that stand beside the averages of `correct`.
BESIDE = ("correct_strict", "format_followed", "answered", "partial_credit", "abstained")

# What chance draws as a whole: the items of a shared book, where there is one, else each item ("auto"); each item
# whatever it shares; all items of a class.
Cluster = Literal["auto", "item", "class"]
# An item that has its own book is apart from any name of a group.
_ALONE = pl.concat_str(pl.lit("\0"), "id")
_CLUSTERS = {"auto": pl.col("group").fill_null(_ALONE), "item": pl.col("id"), "class": pl.col("exam_class")}


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The items of comparable runs, run by run, those of each in one order, by exam and id."""

    runs: tuple[Run, ...]
    exams: tuple[ExamName, ...]
    items: pl.DataFrame

    @classmethod
    def of(cls, runs: Sequence[Run], items: pl.DataFrame) -> "ScoreTable":
        """Return the table of comparable runs. Raises OpenbookError where one has other items than the first."""
        places = {run.id: place for place, run in enumerate(runs)}
        place = pl.col("run").replace_strict(places, return_dtype=pl.Int64)
        own = items.filter(pl.col("run").is_in(list(places))).sort(place, "exam", "id")
        asked = dict(own.group_by("run").agg(pl.struct("exam", "id").hash()).iter_rows())
        for run in runs:
            if run.id not in asked or asked[run.id] != asked[runs[0].id]:
                claim = f"{run.model} says that it was asked what {runs[0].model} was, but its items are others"
                raise OpenbookError(visible(f"{run.results}: {claim}; leave one of them out"))
        exams = set(own["exam"].unique())
        return cls(tuple(runs), tuple(exam for exam in EXAM_NAMES if exam in exams), own)

    @property
    def asked(self) -> pl.DataFrame:
        """The items of the first run, which are those of all."""
        return self.items.head(self.items.height // len(self.runs))

    def only(self, exams: Sequence[ExamName]) -> "ScoreTable":
        """Return the table of some of the exams."""
        kept = tuple(exam for exam in self.exams if exam in exams)
        return replace(self, exams=kept, items=self.items.filter(pl.col("exam").is_in(kept)))

    def parts(self) -> "tuple[ScoreTable, ScoreTable | None]":
        """Return the exams that averages are over, and questions without a label where these stand beside others."""
        others = [exam for exam in self.exams if exam not in SIX_EXAMS]
        return (self.only(SIX_EXAMS), self.only(others)) if 0 < len(others) < len(self.exams) else (self, None)

    def scores(self, metric: str = "correct") -> Numbers:
        """Return one metric of all runs, (runs, items); NaN where it does not exist."""
        scores: Numbers = self.items[metric].cast(pl.Float64).to_numpy().reshape(len(self.runs), -1)
        return scores

    def design(self, cluster: Cluster = "auto") -> Design:
        """Return how the items were chosen, with classes as strata; where these are the clusters, an exam is one."""
        codes = {exam: code for code, exam in enumerate(self.exams)}
        columns = self.asked.select(
            exams=pl.col("exam").replace_strict(codes, return_dtype=pl.Int64),
            strata=pl.lit(0) if cluster == "class" else pl.col("exam_class").rank("dense").cast(pl.Int64),
            clusters=_CLUSTERS[cluster].rank("dense").cast(pl.Int64),
        )
        return Design(**{name: columns[name].to_numpy() for name in columns.columns})

    def ranked_design(self, cluster: Cluster = "auto") -> Design:
        """Return the design whose plain mean of exams runs are ranked by: without all six, of all items as one exam."""
        design = self.design(cluster)
        if is_complete(self.exams):
            return design
        # Codes of strata and clusters count within an exam.
        apart = (design.exams * (1 + codes.max()) + codes for codes in (design.strata, design.clusters))
        return Design(np.zeros_like(design.exams), *apart)


def is_complete(exams: Sequence[ExamName]) -> bool:
    """Return whether there is a plain mean of the six exams, the paper's "Avg.(All exams)"."""
    return set(SIX_EXAMS) <= set(exams)


@dataclass(frozen=True, slots=True)
class Row:
    """A run of a board; `averages` are of `correct`, the exams in the order of the board.

    `averages.macro` is the plain mean of the six exams, NaN where the board lacks one; questions without a label are in
    neither average where there are others. `metrics` are averaged as ranks are. `rank` is None where items got no
    response: the averages are then of fewer items than those of other runs.
    """

    run: Run
    averages: Averages
    metrics: Mapping[str, float | None]
    rank: Rank | None

    @property
    def overall(self) -> Estimate:
        """The average that runs are ranked by."""
        return self.averages.micro if isnan(self.averages.macro.value) else self.averages.macro


@dataclass(frozen=True, slots=True)
class Board:
    """Comparable runs, best first, those that have no rank last; `notes` say what is to be known of them.

    `readers` are those without understanding, none where the texts of the items are gone. `detectable` is the smallest
    difference, a share of 1, by which neighbours on the board would be told apart, and `items_for_a_point` how many
    items 0.01 would need.
    """

    group: ComparableGroup
    exams: tuple[ExamName, ...]
    rows: tuple[Row, ...]
    detectable: float | None
    notes: tuple[str, ...]
    items_for_a_point: int | None = None
    readers: tuple[Baseline, ...] = ()


def boards(runs: Runs, *, cluster: Cluster = "auto") -> list[Board]:
    """Return a board for each comparable group. Raises OpenbookError where a run has other items than it says."""
    groups = comparable_groups(runs.runs)
    return [_board(group, ScoreTable.of(group.runs, runs.items), cluster) for group in groups]


def apart_by_settings(boards: Sequence[Board]) -> Iterator[str]:
    """Return a line for each condition of which several boards would be one, but for how the models were asked."""
    alike: dict[tuple[object, ...], list[Run]] = {}
    for run in (each.group.runs[0] for each in boards):
        alike.setdefault(run.model_copy(update={"across": True}).comparison, []).append(run)
    for first, *others in alike.values():
        if others:
            names = ", ".join(differing([first, *others])).replace("_", " ")
            boards_of = f"{first.condition}: {1 + len(others)} boards differ in settings alone ({names})"
            yield f"{boards_of}; --across settings makes them one"


def _board(group: ComparableGroup, table: ScoreTable, cluster: Cluster) -> Board:
    counted, beside = table.parts()
    scores, design = counted.scores(), counted.ranked_design(cluster)
    found = stats.averages(scores, counted.design(cluster))
    if not is_complete(table.exams):
        found = [replace(each, macro=replace(each.macro, value=nan, interval=None)) for each in found]
    if beside:
        apart = stats.averages(beside.scores(), beside.design(cluster))
        found = [replace(each, exams=each.exams + own.exams) for each, own in zip(found, apart, strict=True)]
    means = {metric: _means(counted.scores(metric), design) for metric in BESIDE}
    whole = np.flatnonzero(~np.isnan(scores).any(axis=1)).tolist()
    rows = [
        Row(run, own, {metric: of_runs[place] for metric, of_runs in means.items()}, None)
        for place, (run, own) in enumerate(zip(group.runs, found, strict=True))
    ]
    overall = np.array([rows[place].overall.value for place in whole])
    for place, rank in zip(whole, stats.ranks(overall, stats.p_of_pairs(scores[whole], design)), strict=True):
        rows[place] = replace(rows[place], rank=rank)
    order = sorted(range(len(rows)), key=lambda place: _order(rows[place]))
    detectable, for_a_point = stats.sensitivity(scores, design, pairwise(order))
    unanswered = table.items.filter(pl.col("correct").is_null()).group_by("run").len()
    said = (*_without_chance(counted, cluster), *notes(table, dict(unanswered.iter_rows())))
    reference = next(filter(None, (run.read_reference() for run in group.runs)), Reference())
    return Board(group, table.exams, tuple(rows[n] for n in order), detectable, said, for_a_point, reference.rows)


def _without_chance(counted: ScoreTable, cluster: Cluster) -> Iterator[str]:
    """Say of which exams nothing is known of chance, as all their items share one book."""
    clusters = counted.asked.group_by("exam").agg(_CLUSTERS["auto"].n_unique().alias("books"), pl.len())
    lone = set(clusters.filter(pl.col("books") == 1, pl.col("len") > 1)["exam"])
    if lone and cluster == "auto":
        exams = ", ".join(exam for exam in counted.exams if exam in lone)
        yield f"no interval can be had: the items of {exams} share one book; --cluster item takes each as drawn alone"


def _order(row: Row) -> tuple[bool, float, str]:
    value = row.overall.value
    return row.rank is None, 1.0 if isnan(value) else -value, row.run.model


def _means(scores: Numbers, design: Design) -> list[float | None]:
    """Return the plain mean over the exams in which any run has the metric, one a run."""
    by_exam = [own for exam in np.unique(design.exams) if not np.isnan(own := scores[:, design.exams == exam]).all()]
    if not by_exam:
        return [None] * len(scores)
    with np.errstate(invalid="ignore"):
        means = np.mean([np.nansum(own, axis=1) / (~np.isnan(own)).sum(axis=1) for own in by_exam], axis=0)
    return [None if isnan(mean) else float(mean) for mean in means]


def notes(table: ScoreTable, unanswered: Mapping[str, int]) -> Iterator[str]:
    """Return what must be said of runs, a line each, with names of models as they are.

    `unanswered` counts the items without a response of those runs that have such, by their ids.
    """
    six = [exam for exam in table.exams if exam in SIX_EXAMS]
    if 0 < len(six) < len(SIX_EXAMS):
        yield f"only {', '.join(six)}: no average of six exams; runs are ranked by the share of all items"
    if six and len(six) < len(table.exams):
        yield "questions without a label (other) stand beside the six exams and are in no average"
    models: dict[str, list[str]] = {}
    for sentence, model in _of_runs(table.runs):
        models.setdefault(sentence, []).append(model)
    for sentence, of in models.items():
        yield sentence if len(of) == len(table.runs) else f"{sentence}: {some(of)}"
    for run in (run for run in table.runs if run.id in unanswered):
        reason = f" ({run.gaps})" if run.gaps else ""
        yield (
            f"{run.model}: {unanswered[run.id]:,} of {run.asked:,} items have no response{reason}; it has no rank, and "
            "its averages are of the others"
        )


def _of_runs(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of single runs, with their models: what they lack, and settings that not all have."""
    for run in runs:
        yield from ((sentence, run.model) for word, sentence in run.caveats().items() if word != "gaps")
    for name in differing(runs):
        for run in runs:
            yield f"asked with {name.replace('_', ' ')} {run.settings.get(name, 'not set')}", run.model


@dataclass(frozen=True, slots=True)
class Comparison:
    """A less B, over the items of both.

    `differences` are by what they are of: each exam, the "average" of all six where they were asked, and "all items",
    but questions without a label, where there are others; so are the `counts`: right in both runs, in one of them, in
    neither, or missing from one. `test` is that of exams and all items; the average has the t-test of clusters always.
    `detectable` is the smallest difference that would be found. `flipped` has the items that one of them got right, and
    which letters are right ("" where abstaining is); `notes` say what is to be known of the two runs. `extremes` are
    the deciding difference in the worst case for A and in the best, of all items: were what A lacks wrong and what B
    lacks right, and the other way round; none where no score is missing.
    """

    a: Run
    b: Run
    differences: Mapping[str, Difference]
    test: str
    counts: Mapping[str, int]
    detectable: float | None
    flipped: pl.DataFrame
    notes: tuple[str, ...]
    extremes: tuple[Difference, ...] = ()

    @property
    def overall(self) -> Difference:
        """The difference that decides: of the plain mean of six exams, else of all items."""
        return self.differences.get("average", self.differences["all items"])

    @property
    def better(self) -> int:
        """1 where A is surely better, -1 where B is, whatever the missing answers were; else 0."""
        ways = {each.way for each in (self.overall, *self.extremes)}
        return ways.pop() if len(ways) == 1 else 0


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
    missing = np.isnan(right_a + right_b)
    cells = {"both": right_a * right_b, "only_a": right_a * (1 - right_b), "only_b": (1 - right_a) * right_b,
             "neither": (1 - right_a) * (1 - right_b), "missing": missing}  # fmt: skip
    return Comparison(
        a=a,
        b=b,
        differences={**dict(zip(table.exams, corrected, strict=True)), **average, "all items": found.micro},
        test=found.test,
        counts={name: int(np.nansum(each)) for name, each in cells.items()},
        detectable=stats.sensitivity(counted.scores(), counted.ranked_design(cluster), [(0, 1)])[0],
        flipped=_flipped(table),
        notes=(*notes(table, {}), *floor(a)),
        extremes=tuple(_extremes(counted, cluster)) if missing.any() else (),
    )


def _extremes(counted: ScoreTable, cluster: Cluster) -> Iterator[Difference]:
    """Return the deciding difference were all that is missing to speak against the first run, and were it for it."""
    for guesses in ([[0.0], [1.0]], [[1.0], [0.0]]):
        scores = counted.scores()
        filled = np.where(np.isnan(scores), guesses, scores)
        found = stats.paired_difference(filled, counted.design(cluster))
        yield found.macro if is_complete(counted.exams) else found.micro


def _flipped(table: ScoreTable) -> pl.DataFrame:
    a, b = (table.items.filter(run=run.id) for run in table.runs)
    sides = {"a_letters": a["letters"], "b_letters": b["letters"], "a_correct": a["correct"], "b_correct": b["correct"]}
    flipped = a.select("id", "exam", "exam_class", pl.col("expected").alias("right"), **sides)
    order = pl.col("exam").cast(pl.Enum(EXAM_NAMES))
    return flipped.filter(pl.col("a_correct") != pl.col("b_correct")).sort(order, maintain_order=True)


def together(one: Runs, other: Runs) -> Runs:
    """Return the runs and items of both sides, as `compare` takes them; a run that is on both is there once.

    Names tell apart what is on both sides, days as well.
    """
    runs = {run.id: run for run in (*one.runs, *other.runs)}
    first = one.items.filter(pl.col("run").is_in([run.id for run in one.runs]))
    others = other.items.filter(pl.col("run").is_in(list(runs)), ~pl.col("run").is_in(first["run"].unique().to_list()))
    refused = tuple(dict.fromkeys(one.refused + other.refused))
    return Runs(told_apart(list(runs.values())), pl.concat([first, others]), refused)


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
    alike = [run.model_copy(update={"across": True}) for run in (a, b)]
    fix = (
        "say --across settings to compare them nevertheless"
        if comparable(*alike)
        else "run them with the same settings"
    )
    return OpenbookError(visible(f"{where}: {reasons}; {fix}"))
