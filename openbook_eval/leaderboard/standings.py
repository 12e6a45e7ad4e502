"""Boards: runs that may be compared, with their averages, what chance may do to these, and their ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan, nan

import numpy as np

from openbook_eval.leaderboard import likeness
from openbook_eval.leaderboard.likeness import Group
from openbook_eval.leaderboard.marks import Cluster, Marks, averaged, pooled
from openbook_eval.leaderboard.notes import notes
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.sensitivity import of_pairs
from openbook_eval.leaderboard.statistics import paired, resampling
from openbook_eval.leaderboard.statistics.ranks import Rank, ranks
from openbook_eval.leaderboard.statistics.values import Averages, Codes, Design, Estimate, Numbers
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.types import SIX_EXAMS, ExamName

# Marks that stand beside the averages of `correct`.
MARKS = ("correct_strict", "format_followed", "answered", "partial_credit", "abstained")


@dataclass(frozen=True, slots=True)
class Row:
    """A run of a board. `averages` are of the mark `correct`, its exams in the order of `exams`.

    `averages.macro` is the plain mean of the six exams, NaN where the board lacks one; `averages.micro` is the share of
    all items that averages are over: questions without a label are in none where there are others. `marks` are averaged
    as ranks are, None where a run has none: over the exams of a complete board, else over the items. `rank` is None
    where items got no response: the averages are then of fewer items than those of other runs.
    """

    run: Run
    averages: Averages
    exams: tuple[ExamName, ...]
    marks: Mapping[str, float | None]
    rank: Rank | None
    asked: int


@dataclass(frozen=True, slots=True)
class Board:
    """The runs of a group, best first, those that have no rank last.

    `detectable` is the smallest difference, a share of 1, by which neighbours on the board would be told apart, and
    `items_for_a_point` how many items 0.01 would need: see `sensitivity`. `notes` say what is to be known of the
    runs, a line each.
    """

    group: Group
    exams: tuple[ExamName, ...]
    rows: tuple[Row, ...]
    detectable: float | None
    notes: tuple[str, ...]
    items_for_a_point: int | None = None


def is_complete(exams: Sequence[ExamName]) -> bool:
    """Whether there is a plain mean of the six exams, the paper's "Avg.(All exams)"."""
    return set(SIX_EXAMS) <= set(exams)


def boards(taken: Taken, *, cluster: Cluster = "auto", draws: int = resampling.DRAWS) -> list[Board]:
    """A board for each group of runs that are alike, in the order of `likeness.group`.

    All runs of a board are drawn together, `draws` times. Raises OpenbookError where a run's items are not those that
    it says.
    """
    return [_board(group, Marks.of(group.runs, taken.items), cluster, draws) for group in likeness.group(taken.runs)]


def _board(group: Group, marks: Marks, cluster: Cluster, draws: int) -> Board:
    counted = marks.only(averaged(marks.exams))
    correct, design = counted.table("correct"), counted.design(cluster)
    drawn = resampling.draw(design, draws)
    averages = resampling.averages(correct, design, drawn)
    if not is_complete(marks.exams):
        averages = [replace(each, macro=replace(each.macro, value=nan, interval=None)) for each in averages]
        design = pooled(design)
        drawn = resampling.draw(design, draws)
    if others := set(marks.exams) - set(counted.exams):
        averages = list(map(_beside, averages, _apart(marks.only(others), cluster, draws)))
    means = resampling.macro_draws(correct, design, drawn)
    places = _ranks(averages, correct, design, means)
    own = _means(counted, design)
    rows = [
        Row(run, found, marks.exams, own[place], places[place], run.asked)
        for place, (run, found) in enumerate(zip(group.runs, averages, strict=True))
    ]
    order = sorted(range(len(rows)), key=lambda place: _order(rows[place]))
    sensitivity = of_pairs(correct, means, pairwise(order))
    return Board(
        group=group,
        exams=marks.exams,
        rows=tuple(rows[place] for place in order),
        detectable=sensitivity.detectable,
        notes=tuple(notes(group.runs, marks.exams, marks.unanswered)),
        items_for_a_point=sensitivity.items_for_a_point,
    )


def _ranks(averages: Sequence[Averages], correct: Numbers, design: Design, means: Numbers) -> list[Rank | None]:
    """Of the runs that have a mark of every item, among each other; any place where nothing is known of chance."""
    whole = np.flatnonzero(~np.isnan(correct).any(axis=1))
    found: list[Rank | None] = [None] * len(averages)
    if len(whole):
        values = np.array([_overall(averages[place]).value for place in whole])
        placed = ranks(values, means[:, whole], paired.p_of_pairs(correct[whole], design))
        for place, rank in zip(whole, placed, strict=True):
            known = _overall(averages[place]).interval is not None
            found[place] = rank if known else replace(rank, low=1, high=len(whole))
    return found


def _order(row: Row) -> tuple[bool, float, str]:
    value = _overall(row.averages).value
    return row.rank is None, 1.0 if isnan(value) else -value, row.run.model


def _overall(averages: Averages) -> Estimate:
    """What runs are ranked by."""
    return averages.micro if isnan(averages.macro.value) else averages.macro


def _apart(marks: Marks, cluster: Cluster, draws: int) -> list[Averages]:
    """Of questions without a label, which stand beside the six exams and are in none of their averages."""
    design = marks.design(cluster)
    return resampling.averages(marks.table("correct"), design, resampling.draw(design, draws))


def _beside(averages: Averages, others: Averages) -> Averages:
    return replace(averages, exams=(*averages.exams, *others.exams))


def _means(marks: Marks, design: Design) -> list[dict[str, float | None]]:
    """The other marks of each run: the plain mean over the exams of `design` in which any run has the mark."""
    tables = {mark: marks.table(mark) for mark in MARKS}
    means = {mark: _mean(table, design.exams) for mark, table in tables.items()}
    return [
        {mark: None if isnan(values[place]) else float(values[place]) for mark, values in means.items()}
        for place in range(len(marks.runs))
    ]


def _mean(table: Numbers, exams: Codes) -> Numbers:
    present = ~np.isnan(table)
    sums, items = (
        np.stack([values[:, exams == exam].sum(axis=1) for exam in np.unique(exams)])
        for values in (np.where(present, table, 0.0), present)
    )
    asked = items.any(axis=1)
    with np.errstate(invalid="ignore"):
        mean: Numbers = (sums[asked] / items[asked]).sum(axis=0) / asked.sum()
    return mean
