"""Accuracy by ratio and by size: the paper's tables 4 and 5, and beside them one's own runs.

These are runs that were trained by our table's recipes, and runs of a study, which say themselves what was trained.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.page.plots.figure import Figure, by_model, data, ends, labels
from openbook_eval.leaderboard.page.plots.studied import Studied, StudiedRun
from openbook_eval.training.recipes import Cell, cells

if TYPE_CHECKING:
    import altair as alt

    from openbook_eval.leaderboard.board import Board, Row
    from openbook_eval.leaderboard.page.plots.figure import Drawable
    from openbook_eval.results import Run

_BAND = (
    "Bands are 95 % intervals. Runs of a study stand as the mean over their seeds; the paper's bands are approximate, "
    "for 11,200 questions."
)
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
        chart=lambda: _chart(points, _ratios(points)),
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
        chart=lambda: _chart(points, _sizes(points)),
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
    times: Counter[object] = Counter()
    for own, trained in dict.fromkeys(filter(None, map(_place, board.rows))):
        if own.table != number or not isfinite(own.share):
            continue
        # What was trained alike is lines of its own: no line goes up and down between them.
        times[trained] += 1
        x = f"{own.general}:{own.medical}" if number == 4 else own.rows
        yield _Point(own.model, "own", own.name, str(times[trained]), x, own.share, own.low, own.high)


def _place(row: "Row") -> tuple[Studied, object] | None:
    """Where a run stands, and what is the same for all that were trained alike."""
    if isinstance(row.run, StudiedRun):
        own = row.run.studied
        return (own, (own.model, own.general, own.medical, own.rows)) if own else None
    cell, macro = cell_of(row.run), row.averages.macro
    if cell is None:
        return None
    general, medical = _parts(cell)
    interval = ends(macro.interval)
    name = row.run.model
    return Studied(name, cell.table, cell.title, general, medical, cell.mix.rows, macro.value, *interval), cell.name


def _parts(cell: Cell) -> tuple[int, int]:
    """General and medical parts of a cell's mix."""
    medical = Fraction(cell.mix.medical).limit_denominator(100)
    return medical.denominator - medical.numerator, medical.numerator


def _rows(points: Sequence[_Point]) -> tuple[tuple[str | int | float | None, ...], ...]:
    return tuple((p.model, p.source, p.run, p.x, p.share, p.low, p.high) for p in points)


def _alt(by: str, points: Sequence[_Point]) -> str:
    models = ", ".join(dict.fromkeys(f"{p.model} ({p.source})" for p in points))
    return f"Lines of accuracy by {by}: {models}."


def _chart(points: Sequence[_Point], x: "alt.X") -> "Drawable":
    import altair as alt

    names = dict.fromkeys(p.model for p in points)
    short = dict(zip(names, labels(names), strict=True))
    colour, shape = by_model("base model", list(short.values()))
    y = alt.Y("share:Q", title="accuracy", scale=alt.Scale(zero=False), axis=alt.Axis(format="~%"))
    sources = alt.Scale(domain=["own", "paper"], range=[[1, 0], [5, 4]])
    dash = alt.StrokeDash("source:N", title="source", scale=sources, legend=alt.Legend(symbolSize=500))
    rows, lone_rows = ([asdict(p) | {"model": short[p.model]} for p in each] for each in (points, _lone(points)))
    base = alt.Chart(data(rows)).encode(x=x, detail=["line:N", "source:N"])
    lone = alt.Chart(data(lone_rows)).encode(x=x)
    return alt.layer(
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2).encode(y=y, color=colour, strokeDash=dash),
        lone.mark_rule().encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_point().encode(y=y, color=colour, shape=shape),
    ).properties(width=560, height=340)


def _ratios(points: Sequence[_Point]) -> "alt.X":
    import altair as alt

    ratios = sorted({str(p.x) for p in points}, key=medical_share)
    scale = alt.Scale(domain=list(ratios))
    return alt.X("x:O", title="general : medical", scale=scale, axis=alt.Axis(labelAngle=0))


def medical_share(ratio: str) -> Fraction:
    """The medical share of a mix by its ratio, general to medical."""
    general, medical = map(int, ratio.split(":"))
    return Fraction(medical, general + medical)


def _sizes(points: Sequence[_Point]) -> "alt.X":
    import altair as alt

    # Labels at each of the sizes would lie over each other.
    axis = alt.Axis(format="~s", values=size_labels([int(p.x) for p in points]))
    return alt.X("x:Q", title="medical pairs", scale=alt.Scale(type="log", nice=False, padding=14), axis=axis)


def size_labels(sizes: Sequence[int]) -> list[int]:
    """Round numbers between the smallest and the largest of some sizes: 1, 2 and 5 of each power of 10.

    Of more than three powers only the 1.
    """
    low, high = max(1, min(sizes)), max(sizes)
    steps = (1, 2, 5) if high < 1000 * low else (1,)
    powers = (10**power for power in range(len(str(high))))
    return [step * power for power in powers for step in steps if low <= step * power <= high]


def _lone(points: Sequence[_Point]) -> list[_Point]:
    """Points that no line goes through, and so no band."""
    times = Counter((p.model, p.source, p.line) for p in points)
    return [p for p in points if times[p.model, p.source, p.line] == 1]
