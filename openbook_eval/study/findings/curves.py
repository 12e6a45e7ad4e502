"""Curves of a study: accuracy by ratio and by size, with and without the book, beside the paper's."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.plots import ends, in_order, ratio_axis
from openbook_eval.leaderboard.svg import Axis, Panel, Plot, Point, Series, scale_of, short_names
from openbook_eval.study.findings.settings import CLOSED, OPEN, Setting, under

# Books of a study, and the paper, each a panel.
_BOOKS = {"open book": OPEN, "closed book": CLOSED}
_PAPER = "the paper, open book"
_BAND = (
    "Points are means over seeds; bands are 95 % intervals for the choice of questions and of seeds, wide where three "
    "seeds differ, and of questions alone where there is one. The paper's are approximate, for 11,200 questions. "
    "Dashed: the base model before training. Levels are those of other models and exams than the paper's; only "
    "directions can be compared."
)
_BEFORE = "before training"


@dataclass(frozen=True, slots=True)
class _Placed:
    """A setting in a panel. `line` tells several of one model apart; the point of a model before training has no x."""

    panel: str
    model: str
    line: int
    seeds: int
    point: Point


def curves(settings: Sequence[Setting]) -> list[Plot]:
    """Return a plot for each of tables 4 and 5 that a study has trainings of."""
    found = [
        _plot(settings, 4, "study-ratio", "ratio of general to medical data", "general : medical", ratio_axis),
        _plot(settings, 5, "study-size", "number of rows", "rows", lambda _: Axis("rows", "log")),
    ]
    return [plot for plot in found if plot]


def _plot(
    settings: Sequence[Setting], table: int, name: str, by: str, head: str, axis: Callable[[list[Point]], Axis]
) -> Plot | None:
    own = list(_own(settings, table))
    if not own:
        return None
    placed = [*own, *_paper(table)]
    short = short_names(each.model for each in placed)
    # All panels alike: what the book gives is the way between them.
    scale = scale_of(end for each in placed for end in (float(each.point.y), *(each.point.y_ends or ())))
    panels = dict.fromkeys(each.panel for each in placed)
    models = ", ".join(dict.fromkeys(each.model for each in own))
    return Plot(
        name=name,
        title=f"Accuracy by {by}",
        alt=f"Lines of accuracy by {by}, with and without the book: {models}. Beside them the paper's table {table}.",
        caption=f"Beside the paper's table {table}. {_BAND}",
        columns=("panel", "model", head, "seeds", "accuracy", "low", "high"),
        rows=tuple(
            (p.panel, p.model, p.point.x, p.seeds, p.point.y, *(p.point.y_ends or (None, None))) for p in placed
        ),
        panels=tuple(
            _panel(panel, [each for each in placed if each.panel == panel], short, axis, scale) for panel in panels
        ),
    )


def _own(settings: Sequence[Setting], table: int) -> Iterator[_Placed]:
    for panel, conditions in _BOOKS.items():
        own = under(settings, conditions)
        trained = [setting for setting in own if setting.table == table and setting.trained]
        bases = {setting.base: setting for setting in reversed(own) if not setting.trained}
        times: Counter[object] = Counter()
        for setting in trained:
            times[setting.base, setting.medical_share, setting.rows] += 1
            line = times[setting.base, setting.medical_share, setting.rows]
            yield _placed(setting, panel, line, setting.ratio if table == 4 else setting.rows)
        for base in dict.fromkeys(setting.base for setting in trained):
            if base in bases:
                yield _placed(bases[base], panel, 0, _BEFORE)


def _placed(setting: Setting, panel: str, line: int, x: str | int) -> _Placed:
    point = Point(x, setting.share, ends(setting.interval))
    return _Placed(panel, setting.model, line, len(setting.seeds), point)


def _paper(number: int) -> Iterator[_Placed]:
    for row in published.tables()[number - 1].rows:
        x = f"{row.general_ratio}:{row.medical_ratio}" if number == 4 else row.medical_pairs or 0
        yield _Placed(_PAPER, row.model, 1, 1, Point(x, row.share, ends(row.interval)))


def _panel(
    title: str,
    placed: Sequence[_Placed],
    short: dict[str, str],
    axis: Callable[[list[Point]], Axis],
    scale: tuple[float, float],
) -> Panel:
    x = axis([each.point for each in placed if each.line])
    series = []
    for model, line in dict.fromkeys((each.model, each.line) for each in placed):
        points = [each.point for each in placed if (each.model, each.line) == (model, line)]
        style = list(short).index(model)
        if line:
            series.append(Series(short[model], in_order(x, points), "line", style))
        else:
            series.append(Series(f"{short[model]}, {_BEFORE}", tuple(points), "level", style, dashed=True))
    return Panel(title, x, Axis("accuracy", ends=scale), tuple(series))
