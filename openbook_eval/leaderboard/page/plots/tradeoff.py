"""Reading gain against domain knowledge: what the book gives a model, and what it knows without one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import polars as pl

from openbook_eval.leaderboard.page.plots.figure import MOST, Figure, by_model, data, ends, labels, shown_of
from openbook_eval.leaderboard.page.plots.sittings import Sitting

if TYPE_CHECKING:
    from openbook_eval.leaderboard.page.plots.figure import Drawable
# The conditions with the own entry and without it, by the exam that has both.
PAIRS = {"paper": ("openbook", "closedbook"), "reading": ("reading_open", "reading_closed")}
# A picture shows no third digit.


@dataclass(frozen=True, slots=True)
class Trade:
    """One model's two shares of 1, each with the ends of its interval where it has one."""

    model: str
    knowledge: float
    knowledge_low: float | None
    knowledge_high: float | None
    gain: float
    gain_low: float | None
    gain_high: float | None
    items: int


def gain_by_knowledge(
    sittings: Sequence[Sitting], items: Mapping[str, pl.DataFrame], pair: str, name: str
) -> Figure | None:
    """A point a model that sat both conditions of `pair` (a key of PAIRS), with the front; None where none did."""
    opened, closed = PAIRS[pair]
    trades = [
        trade
        for sitting in sittings
        if opened in sitting.runs and closed in sitting.runs
        if (trade := _trade(sitting, PAIRS[pair], items))
    ]
    if not trades:
        return None
    trades.sort(key=lambda trade: trade.knowledge + trade.gain, reverse=True)
    best = front(trades)
    # The front is never left out.
    shown = [*best, *(trade for trade in trades if trade not in best)][: max(MOST, len(best))]
    return Figure(
        name=name,
        title=f"Reading gain against domain knowledge: {opened} and {closed}",
        alt=f"Points of {len(shown)} models: gain in accuracy by the book against accuracy without it; "
        f"{len(best)} are on the Pareto front.",
        caption="Gain: accuracy with the own entry less accuracy without, paired by question; means of the exams. "
        "Lines are 95 % intervals; the dashed one joins the models than which none both knows more and gains more. "
        f"Exam {sittings[0].exam}.{shown_of(len(trades), len(shown))}",
        columns=("model", "without book", "low", "high", "gain", "gain low", "gain high", "questions", "on the front"),
        rows=tuple((*_cells(trade), "yes" if trade in best else "no") for trade in trades),
        chart=lambda: _chart(shown, best),
    )


def front(trades: Sequence[Trade]) -> list[Trade]:
    """The Pareto front, by rising knowledge: models than which none is better in one and as good in the other."""
    best: list[Trade] = []
    for trade in sorted(trades, key=lambda trade: (-trade.knowledge, -trade.gain)):
        if not best or trade.gain > best[-1].gain or _equal(trade, best[-1]):
            best.append(trade)
    return best[::-1]


def _equal(one: Trade, other: Trade) -> bool:
    return (one.knowledge, one.gain) == (other.knowledge, other.gain)


def _trade(sitting: Sitting, pair: tuple[str, str], items: Mapping[str, pl.DataFrame]) -> Trade | None:
    """None where no question was asked under both conditions, or none has marks under both."""
    from openbook_eval.leaderboard.board import ScoreTable, ranked_design
    from openbook_eval.leaderboard.stats import averages, paired_difference

    runs = [sitting.runs[condition] for condition in pair]
    opened, closed = (items[run.id] for run in runs)
    both = pl.concat([opened.join(closed, on="id", how="semi"), closed.join(opened, on="id", how="semi")])
    if both.is_empty():
        return None
    table, _ = ScoreTable.of(runs, both).parts()
    design = ranked_design(table, "auto")
    scores = table.scores()
    gain = paired_difference(scores, design).macro.estimate
    (knowledge,) = averages(scores[1:], design)
    share = knowledge.macro
    if not isfinite(share.value + gain.value):
        return None
    return Trade(sitting.model, share.value, *ends(share.interval), gain.value, *ends(gain.interval), gain.n)


def _cells(trade: Trade) -> tuple[str | float | None, ...]:
    return (
        trade.model,
        trade.knowledge,
        trade.knowledge_low,
        trade.knowledge_high,
        trade.gain,
        trade.gain_low,
        trade.gain_high,
        trade.items,
    )


def _chart(trades: Sequence[Trade], best: Sequence[Trade]) -> "Drawable":
    import altair as alt

    short = labels(trade.model for trade in trades)
    points = list(_points(trades, short))
    share = alt.Axis(format="~%", tickCount=6)
    x = alt.X("knowledge:Q", title="accuracy without the book", axis=share, scale=alt.Scale(zero=False, padding=8))
    y = alt.Y("gain:Q", title="gain by the book", axis=share, scale=alt.Scale(zero=False, padding=8))
    base = alt.Chart(data(points)).encode(x=x, y=y)
    colour, shape = by_model("model", short)
    across = base.mark_rule(opacity=0.6).encode(x=alt.X("left:Q"), x2="right:Q", color=colour)
    along = base.mark_rule(opacity=0.6).encode(y=alt.Y("bottom:Q"), y2="top:Q", color=colour)
    dots = base.mark_point(size=80).encode(color=colour, shape=shape)
    # At its steps the front falls before it goes on: what lies below and to the left is dominated.
    steps = alt.Chart(data(_points(best, labels(trade.model for trade in best))))
    line = steps.mark_line(strokeDash=[6, 4], strokeWidth=1.5, style="faint", interpolate="step-before").encode(
        x=x, y=y
    )
    return alt.layer(line, across, along, dots).properties(width=460, height=360)


def _points(trades: Sequence[Trade], short: Sequence[str]) -> Iterator[dict[str, Any]]:
    for trade, label in zip(trades, short, strict=True):
        yield {
            "model": label,
            "knowledge": trade.knowledge,
            "gain": trade.gain,
            "left": trade.knowledge_low,
            "right": trade.knowledge_high,
            "bottom": trade.gain_low,
            "top": trade.gain_high,
        }
