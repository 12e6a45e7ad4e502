"""Rank comparable runs: their scores as tables, their averages with what chance may do to these, and their ranks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan, nan
from typing import Any, Literal

import numpy as np
import polars as pl

from openbook_eval.console import percent
from openbook_eval.errors import OpenbookError, some, visible
from openbook_eval.leaderboard import stats
from openbook_eval.leaderboard.export import INTERVAL, NONE, Export, Sheet, percents
from openbook_eval.leaderboard.stats import Averages, Design, Estimate, Numbers, Rank
from openbook_eval.results.runs import ComparableGroup, Run, Runs, comparable_groups
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, ExamName

# Metrics that stand beside the averages of `correct`.
BESIDE = ("correct_strict", "format_followed", "answered", "partial_credit", "abstained")

# What chance draws as a whole: the items of a shared book, where there is one, else each item ("auto"); each item
# whatever it shares; all items of a class.
Cluster = Literal["auto", "item", "class"]
# An item that has its own book is apart from any name of a group.
_ALONE = pl.concat_str(pl.lit("\0"), "id")
_CLUSTERS = {"auto": pl.col("group").fill_null(_ALONE), "item": pl.col("id"), "class": pl.col("exam_class")}

_ESTIMATES = ("average", "all_items", *EXAM_NAMES)
_TEXTS = (
    "board", "condition", "model", "run", "date", "exam_name", "exam_version", "exam_sha256", "entries_sha256",
    "items_sha256", "task_version", "system_instruction", "chat_template", "profile", "gaps",
)  # fmt: skip
# A row of an exported table of boards, shares of 1.
RUNS = pl.Schema(
    dict.fromkeys(_TEXTS, pl.String())
    | dict.fromkeys(("rank", "rank_last"), pl.Int64())
    | {f"{name}{end}": pl.Float64() for name in _ESTIMATES for end in ("", "_low", "_high")}
    | dict.fromkeys(BESIDE, pl.Float64())
    | dict.fromkeys(("asked", "shots", "prompts_cut"), pl.Int64())
    | dict.fromkeys(("limited", "truncation_checked"), pl.Boolean())
)
# Heads of the metrics that tell how much the demanded form costs, the first of `BESIDE`.
FORM = ("strict", "format", "answered")


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

    `detectable` is the smallest difference, a share of 1, by which neighbours on the board would be told apart, and
    `items_for_a_point` how many items 0.01 would need.
    """

    group: ComparableGroup
    exams: tuple[ExamName, ...]
    rows: tuple[Row, ...]
    detectable: float | None
    notes: tuple[str, ...]
    items_for_a_point: int | None = None


def boards(runs: Runs, *, cluster: Cluster = "auto") -> list[Board]:
    """Return a board for each comparable group. Raises OpenbookError where a run has other items than it says."""
    groups = comparable_groups(runs.runs)
    return [_board(group, ScoreTable.of(group.runs, runs.items), cluster) for group in groups]


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
    said = tuple(notes(table, dict(unanswered.iter_rows())))
    return Board(group, table.exams, tuple(rows[n] for n in order), detectable, said, for_a_point)


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
    for run in table.runs:
        for word, sentence in run.caveats().items():
            if word != "gaps":
                models.setdefault(sentence, []).append(run.model)
    for sentence, of in models.items():
        yield sentence if len(of) == len(table.runs) else f"{sentence}: {some(of)}"
    for run in (run for run in table.runs if run.id in unanswered):
        reason = f" ({run.gaps})" if run.gaps else ""
        yield (
            f"{run.model}: {unanswered[run.id]:,} of {run.asked:,} items have no response{reason}; it has no rank, and "
            "its averages are of the others"
        )


def board_sheet(board: Board) -> Sheet:
    """Return a board to be read: ranks, models, exams, the averages with the interval of the ranked one, metrics."""
    complete = is_complete(board.exams)
    rows = [
        [
            _place(row.rank),
            row.run.model + (" (TRUNCATED)" if row.run.truncation.cut else ""),
            *(percent(estimate.value) for estimate in row.averages.exams),
            percent(row.overall.value),
            percents((row.averages.macro if complete else row.averages.micro).interval),
            *([percent(row.averages.micro.value)] if complete else []),
            *(percent(row.metrics[metric]) for metric in BESIDE[: len(FORM)]),
        ]
        for row in board.rows
    ]
    averages = ["average", INTERVAL, "all items"] if complete else ["all items", INTERVAL]
    heads = ["rank", "model", *board.exams, *averages, *FORM]
    return Sheet(f"{board.group.condition}, {board.group.title}", heads, rows, (*_power(board), *board.notes), texts=2)


def _place(rank: Rank | None) -> str:
    if rank is None:
        return NONE
    return str(rank.place) if rank.place == rank.last else f"{rank.place}-{rank.last}"


def _power(board: Board) -> Iterator[str]:
    if board.detectable is not None:
        yield (
            "the smallest difference that this board can detect between neighbours (power 80 %): "
            f"{percent(board.detectable)} points"
        )
    if board.items_for_a_point is not None:
        asked = max(row.run.asked for row in board.rows)
        yield f"a difference of one point would need {board.items_for_a_point:,} items; asked were {asked:,}"


def board_export(boards: Sequence[Board]) -> Export:
    """Return a row a run; as JSON a board with its runs; to read, a table a board."""
    records = [
        {
            "board": board.group.key,
            "condition": board.group.condition,
            "exam": board.group.title,
            "exams": board.exams,
            "detectable": board.detectable,
            "items_for_a_point": board.items_for_a_point,
            "notes": board.notes,
            "runs": [_row(board, row) for row in board.rows],
        }
        for board in boards
    ]
    return Export.of("boards", records, "runs", RUNS, map(board_sheet, boards))


def _row(board: Board, row: Row) -> dict[str, Any]:
    averages = {"average": row.averages.macro, "all_items": row.averages.micro}
    values: dict[str, Any] = {"board": board.group.key, **of_run(row.run), **row.metrics}
    if row.rank:
        values |= {"rank": row.rank.place, "rank_last": row.rank.last}
    for name, estimate in (averages | dict(zip(board.exams, row.averages.exams, strict=True))).items():
        values |= zip((name, f"{name}_low", f"{name}_high"), estimate.ends, strict=True)
    return {name: values.get(name) for name in RUNS}


def of_run(run: Run) -> dict[str, Any]:
    """Return what is exported of a run."""
    own = {name: getattr(run, name) for name in set(RUNS) & set(Run.model_fields)}
    own |= {f"exam_{name}": getattr(run.exam, name) for name in ("name", "version", "sha256")}
    own |= {"run": run.id, "prompts_cut": run.truncation.cut, "truncation_checked": run.truncation.checked}
    return {name: own[name] for name in RUNS if name in own}
