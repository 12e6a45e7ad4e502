"""Boards and comparisons as tables to be read, with what must be known of them below."""

from collections.abc import Iterator
from math import isfinite

from openbook_eval.leaderboard import notation
from openbook_eval.leaderboard.comparing import Comparison
from openbook_eval.leaderboard.exporting import Sheet
from openbook_eval.leaderboard.standings import MARKS, Board, is_complete
from openbook_eval.leaderboard.statistics.paired import T_TEST
from openbook_eval.leaderboard.statistics.values import LEVEL, Averages, Interval

INTERVAL = "95 % interval"
# Heads of the marks that tell how much the demanded form costs, the first of `MARKS`.
FORM = ("strict", "format", "answered")


def board_sheet(board: Board) -> Sheet:
    """A board to be read: places, models, exams, the averages with the interval of the one that ranks are by, marks."""
    complete = is_complete(board.exams)
    averages = ["average", INTERVAL, "all items"] if complete else ["all items", INTERVAL]
    rows = [
        [
            notation.place(row.rank),
            row.run.model + (" (TRUNCATED)" if row.run.truncation.cut else ""),
            *(notation.percent(estimate.value) for estimate in row.averages.exams),
            *_averages(row.averages, complete=complete),
            *(notation.percent(row.marks[mark]) for mark in MARKS[: len(FORM)]),
        ]
        for row in board.rows
    ]
    heads = ["rank", "model", *board.exams, *averages, *FORM]
    return Sheet(f"{board.group.condition}, {board.group.title}", heads, rows, (*_power(board), *board.notes), texts=2)


def _averages(averages: Averages, *, complete: bool) -> list[str]:
    ranked = averages.macro if complete else averages.micro
    told = [notation.percent(ranked.value), notation.percents(ranked.interval)]
    return [*told, notation.percent(averages.micro.value)] if complete else told


def _power(board: Board) -> Iterator[str]:
    if board.detectable is not None:
        yield (
            "the smallest difference that this board can detect between neighbours (power 80 %): "
            f"{notation.percent(board.detectable)} points"
        )
    if board.items_for_a_point is not None:
        asked = max(row.asked for row in board.rows)
        yield f"a difference of one point would need {board.items_for_a_point:,} items; asked were {asked:,}"


def comparison_sheet(comparison: Comparison) -> Sheet:
    """A comparison to be read: each exam and average of A and B, what differs, and whether chance may do that."""
    rows = [
        [
            name,
            notation.percent(found.a),
            notation.percent(found.b),
            notation.points(found.estimate.value),
            notation.between(found.estimate.interval),
            notation.p_value(found.p),
            notation.p_value(found.adjusted),
        ]
        for name, found in comparison.differences()
    ]
    heads = ["of", "A", "B", "A - B", INTERVAL, "p", "p (Holm)"]
    title = f"{comparison.a.condition}: A {comparison.a.model}, B {comparison.b.model}"
    return Sheet(title, heads, rows, (verdict(comparison), *_grounds(comparison), *comparison.notes))


def verdict(comparison: Comparison) -> str:
    """Who does better, in words: surely where p says so and the interval too, which are found in different ways."""
    found = comparison.overall
    if not isfinite(found.p):
        return "too little to tell: an exam of one item, or of one group, says nothing of chance"
    if found.p >= 1 - LEVEL or _holds_zero(found.estimate.interval):
        least = notation.percent(comparison.detectable)
        power = f"; it would find one of {least} points (power 80 %)" if comparison.detectable is not None else ""
        between = f" ({notation.between(found.estimate.interval)})" if found.estimate.interval else ""
        return f"no difference that this exam can tell: {notation.points(found.estimate.value)} points{between}{power}"
    better, way = ("A", 1) if found.estimate.value > 0 else ("B", -1)
    interval = found.estimate.interval
    ends = sorted((way * interval.low, way * interval.high)) if interval else ()
    between = f" ({' to '.join(f'{100 * end:.1f}' for end in ends)})" if ends else ""
    return f"{better} is better by {100 * abs(found.estimate.value):.1f} points{between}, surely"


def _holds_zero(interval: Interval | None) -> bool:
    return interval is not None and interval.low <= 0 <= interval.high


def _grounds(comparison: Comparison) -> Iterator[str]:
    counts = comparison.counts
    yield (
        f"right in both {counts.both:,}, in A only {counts.only_a:,}, in B only {counts.only_b:,}, "
        f"in neither {counts.neither:,} items"
    )
    if counts.missing:
        yield f"{counts.missing:,} items have no mark in one of them and are left out"
    macro = "" if comparison.macro is None or comparison.test == T_TEST else f", of the average by the {T_TEST}"
    yield f"p by the {comparison.test}{macro}"
