"""Accuracy by ratio and by size: the paper's tables 4 and 5, and one's own runs that were trained by their recipes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.page.plots.figure import Figure, by_model, data, ends
from openbook_eval.training.cells import Cell, cells

if TYPE_CHECKING:
    import altair as alt

    from openbook_eval.leaderboard.page.plots.figure import Drawable
    from openbook_eval.leaderboard.runs import Run
    from openbook_eval.leaderboard.standings import Board

_BAND = "Bands are 95 % intervals; those of the paper are approximate, for 11,200 questions."
_SHARES = ("accuracy", "low", "high")


@dataclass(frozen=True, slots=True)
class _Point:
    """One trained model. `line` tells several of one base model apart; `x` is a ratio or a number of pairs."""

    model: str
    source: str
    run: str
    line: str
    x: str | int
    share: float
    low: float | None
    high: float | None


def by_ratio(boards: "Sequence[Board]") -> Figure:
    """Accuracy by the ratio of general to medical data (section 4.4, table 4)."""
    points = [*_paper(4), *_own(boards, 4)]
    return Figure(
        name="ratio",
        title="Accuracy by ratio of general to medical data",
        alt=_alt("the ratio of general to medical data, from 9:1 to 1:9", points),
        caption=f"From mostly general to mostly medical rows; the paper's table 4. {_BAND}",
        columns=("base model", "source", "run", "general : medical", *_SHARES),
        rows=_rows(points),
        chart=lambda: _chart(points, _ratios()),
    )


def by_size(boards: "Sequence[Board]") -> Figure:
    """Accuracy by the number of medical pairs (section 4.5, table 5)."""
    points = [*_paper(5), *_own(boards, 5)]
    return Figure(
        name="size",
        title="Accuracy by number of medical pairs",
        alt=_alt("the number of medical pairs, from 10,000 to 200,000", points),
        caption=f"Medical pairs only, Chinese to Western medicine 1:1; the paper's table 5. {_BAND}",
        columns=("base model", "source", "run", "pairs", *_SHARES),
        rows=_rows(points),
        chart=lambda: _chart(points, _sizes()),
    )


def cell_of(run: "Run") -> Cell | None:
    """The recipe of our table that a run's model was trained by to its end, None where there is none."""
    if run.trained_on is None or not run.trained_on.finished:
        return None
    return _cells().get(PurePath(run.trained_on.recipe).stem)


@cache
def _cells() -> dict[str, Cell]:
    return {each.name: each for cell in cells() for each in (cell, cell.with_all_weights())}


def _paper(number: int) -> Iterator[_Point]:
    for table in published.tables():
        for row in table.rows if table.number == number else ():
            x = row.medical_pairs if number == 5 else f"{row.general_ratio}:{row.medical_ratio}"
            if x is not None:
                yield _Point(row.model, "paper", "", "", x, row.share, *ends(row.interval))


def _own(boards: "Sequence[Board]", number: int) -> list[_Point]:
    """Runs of the first board of the paper's condition that has any: boards are unlike each other."""
    for board in boards:
        points = list(_of_board(board, number)) if board.group.condition == "openbook" else []
        if points:
            return points
    return []


def _of_board(board: "Board", number: int) -> Iterator[_Point]:
    times: Counter[str] = Counter()
    for row in board.rows:
        cell, macro = cell_of(row.run), row.averages.macro
        if cell is None or cell.table != number or not isfinite(macro.value):
            continue
        # Runs of one recipe are lines of their own: no line goes up and down between them.
        times[cell.name] += 1
        line = str(times[cell.name])
        x = _ratio(cell) if number == 4 else cell.mix.rows
        yield _Point(cell.title, "own", row.run.model, line, x, macro.value, *ends(macro.interval))


def _ratio(cell: Cell) -> str:
    medical = Fraction(cell.mix.medical).limit_denominator(100)
    return f"{medical.denominator - medical.numerator}:{medical.numerator}"


def _rows(points: Sequence[_Point]) -> tuple[tuple[str | int | float | None, ...], ...]:
    return tuple((p.model, p.source, p.run, p.x, p.share, p.low, p.high) for p in points)


def _alt(by: str, points: Sequence[_Point]) -> str:
    models = ", ".join(dict.fromkeys(f"{p.model} ({p.source})" for p in points))
    return f"Lines of accuracy by {by}: {models}."


def _chart(points: Sequence[_Point], x: "alt.X") -> "Drawable":
    import altair as alt

    colour, shape = by_model("base model", list(dict.fromkeys(p.model for p in points)))
    y = alt.Y("share:Q", title="accuracy", scale=alt.Scale(zero=False), axis=alt.Axis(format="~%"))
    sources = alt.Scale(domain=["own", "paper"], range=[[1, 0], [5, 4]])
    dash = alt.StrokeDash("source:N", title="source", scale=sources, legend=alt.Legend(symbolSize=500))
    base = alt.Chart(data(map(asdict, points))).encode(x=x, detail=["line:N", "source:N"])
    lone = alt.Chart(data(map(asdict, _lone(points)))).encode(x=x)
    return alt.layer(
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2).encode(y=y, color=colour, strokeDash=dash),
        lone.mark_rule().encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_point().encode(y=y, color=colour, shape=shape),
    ).properties(width=560, height=340)


def _ratios() -> "alt.X":
    import altair as alt

    in_order = sorted({cell.mix.medical: _ratio(cell) for cell in cells() if cell.table == 4}.items())
    scale = alt.Scale(domain=[ratio for _, ratio in in_order])
    return alt.X("x:O", title="general : medical", scale=scale, axis=alt.Axis(labelAngle=0))


def _sizes() -> "alt.X":
    import altair as alt

    # Labels at each of the paper's sizes would lie over each other.
    axis = alt.Axis(format="~s", values=[10_000, 20_000, 50_000, 100_000, 200_000])
    return alt.X("x:Q", title="medical pairs", scale=alt.Scale(type="log", nice=False, padding=14), axis=axis)


def _lone(points: Sequence[_Point]) -> list[_Point]:
    """Points that no line goes through, and so no band."""
    times = Counter((p.model, p.source, p.line) for p in points)
    return [p for p in points if times[p.model, p.source, p.line] == 1]
