"""Curves of a study: accuracy by ratio and by size, with and without the book, beside the paper's."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.page.plots.figure import Figure, by_model, data, ends, in_place, labels
from openbook_eval.leaderboard.page.plots.study import medical_share, size_labels
from openbook_eval.study.findings.settings import CLOSED, OPEN, Setting, under

if TYPE_CHECKING:
    import altair as alt

    from openbook_eval.leaderboard.page.plots.figure import Drawable

# Books of a study, and the paper, each a panel.
_BOOKS = {"open book": OPEN, "closed book": CLOSED}
_PAPER = "the paper, open book"
_BAND = (
    "Points are means over seeds; bands are 95 % intervals for the choice of questions and of seeds, wide where three "
    "seeds differ, and of questions alone where there is one. The paper's are approximate, for 11,200 questions. "
    "Dashed: the base model before training. Levels are those of other models and exams than the paper's; only "
    "directions can be compared."
)


@dataclass(frozen=True, slots=True)
class _Point:
    """A setting in a panel. `line` tells several of one model apart; `x` is None of a model before training."""

    panel: str
    place: int
    model: str
    line: str
    x: str | int | None
    seeds: int
    share: float
    low: float | None
    high: float | None


def curves(settings: Sequence[Setting]) -> list[Figure]:
    """A figure for each of tables 4 and 5 that a study has trainings of."""
    found = [
        _figure(settings, 4, "study-ratio", "ratio of general to medical data", "general : medical", _by_ratio),
        _figure(settings, 5, "study-size", "number of rows", "rows", _by_size),
    ]
    return [figure for figure in found if figure]


def _figure(
    settings: Sequence[Setting],
    table: int,
    name: str,
    by: str,
    head: str,
    x: "Callable[[Sequence[_Point]], alt.X]",
) -> Figure | None:
    own = list(_own(settings, table))
    if not own:
        return None
    points = [*own, *_paper(table, len({point.panel for point in own}))]
    models = ", ".join(dict.fromkeys(point.model for point in own))
    return Figure(
        name=name,
        title=f"Accuracy by {by}",
        alt=f"Lines of accuracy by {by}, with and without the book: {models}. Beside them the paper's table {table}.",
        caption=f"Beside the paper's table {table}. {_BAND}",
        columns=("panel", "model", head, "seeds", "accuracy", "low", "high"),
        rows=tuple((p.panel, p.model, p.x or "before training", p.seeds, p.share, p.low, p.high) for p in points),
        chart=lambda: _chart(points, x([point for point in points if point.x is not None])),
    )


def _own(settings: Sequence[Setting], table: int) -> Iterator[_Point]:
    for panel, conditions in _BOOKS.items():
        own = under(settings, conditions)
        trained = [setting for setting in own if setting.table == table and setting.trained]
        bases = {setting.base: setting for setting in reversed(own) if not setting.trained}
        times: Counter[object] = Counter()
        place = list(_BOOKS).index(panel)
        for setting in trained:
            times[setting.base, setting.medical_share, setting.rows] += 1
            line = str(times[setting.base, setting.medical_share, setting.rows])
            yield _point(setting, panel, place, line, setting.ratio if table == 4 else setting.rows)
        for base in dict.fromkeys(setting.base for setting in trained):
            if base in bases:
                yield _point(bases[base], panel, place, "", None)


def _point(setting: Setting, panel: str, place: int, line: str, x: str | int | None) -> _Point:
    seeds = len(setting.seeds)
    return _Point(panel, place, setting.model, line, x, seeds, setting.share, *ends(setting.interval))


def _paper(number: int, place: int) -> Iterator[_Point]:
    for row in next(table.rows for table in published.tables() if table.number == number):
        x = f"{row.general_ratio}:{row.medical_ratio}" if number == 4 else row.medical_pairs
        yield _Point(_PAPER, place, row.model, "1", x, 1, row.share, *ends(row.interval))


def _chart(points: Sequence[_Point], x: "alt.X") -> "Drawable":
    import altair as alt

    names = list(dict.fromkeys(point.model for point in points))
    short = dict(zip(names, labels(names), strict=True))
    colour, shape = by_model("base model", list(short.values()))
    y = alt.Y("share:Q", title="accuracy", scale=alt.Scale(zero=False), axis=alt.Axis(format="~%"))
    trained = alt.Chart().transform_filter("isValid(datum.x)").encode(x=x, detail=["line:N"])
    before = alt.Chart().transform_filter("!isValid(datum.x)")
    layers = alt.layer(
        trained.mark_area(opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        trained.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        trained.mark_line(strokeWidth=2).encode(y=y, color=colour),
        trained.mark_point().encode(y=y, color=colour, shape=shape),
        before.mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(y=y, color=colour),
    ).properties(width=230, height=300)
    rows = [asdict(point) | {"model": short[point.model]} for point in points]
    panels = alt.Column("panel:N", title=None, sort=in_place())
    side_by_side: Drawable = layers.facet(column=panels, data=data(rows)).resolve_scale(x="independent")
    return side_by_side


def _by_ratio(points: Sequence[_Point]) -> "alt.X":
    import altair as alt

    ratios = sorted({str(point.x) for point in points}, key=medical_share)
    return alt.X("x:O", title="general : medical", scale=alt.Scale(domain=ratios), axis=alt.Axis(labelAngle=0))


def _by_size(points: Sequence[_Point]) -> "alt.X":
    import altair as alt

    # Each panel has an axis of its own.
    paper, own = ([int(p.x or 1) for p in points if (p.panel == _PAPER) is side] for side in (True, False))
    values = sorted({*size_labels(paper), *size_labels(own)})
    axis = alt.Axis(format="~s", values=values, labelOverlap=True)
    return alt.X("x:Q", title="rows", scale=alt.Scale(type="log", nice=False, padding=12), axis=axis)
