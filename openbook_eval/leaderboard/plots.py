"""What the page plots: PLOTS is the registry, an entry a plot, each from boards and items to plain data.

A function gives no plot where there is nothing to show, and several where exams or conditions differ. `svg` draws them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import isfinite
from pathlib import PurePath

import polars as pl

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import Board, Row, ScoreTable, ranked_design
from openbook_eval.leaderboard.stats import Interval, averages, paired_difference
from openbook_eval.leaderboard.svg import Axis, Panel, Plot, Point, Series, scale_of, short_names, short_number
from openbook_eval.results import Run
from openbook_eval.results.metrics import DEPTHS, reading_metrics
from openbook_eval.training.recipes import RecipeCell, cells
from openbook_eval.types import CHINESE_NAMES

# Models that one picture shows at most, the best ones; the table beside it has all.
MOST = 20
_MAPS = 12  # maps of retention
_BAND = (
    "Bands are 95 % intervals. Runs of a study stand as the mean over their seeds; the paper's bands are approximate, "
    "for 11,200 questions."
)
_NONE = (None, None)  # of an interval that there is not


@dataclass(frozen=True, slots=True)
class Trained:
    """What a model was trained on, and so where it stands in the paper's tables: the average of all its seeds.

    `general` and `medical` are parts of the mix, `rows` its size, `model` the base model, `table` the paper's.
    """

    name: str
    table: int | None
    model: str
    general: int
    medical: int
    rows: int
    share: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What plots are made from: boards, the items of each run by its id, and what a study says that it trained."""

    boards: Sequence[Board]
    items: Mapping[str, pl.DataFrame]
    trained: Mapping[str, Trained] = field(default_factory=dict)


def plots(shown: Shown) -> list[Plot]:
    """Return all plots that there is something to show for, in the order of the registry."""
    return [plot for make in PLOTS.values() for plot in make(shown)]


def ratio_axis(points: Iterable[Point], title: str = "general : medical") -> Axis:
    """Return an axis of ratios of general to medical data, from mostly general to mostly medical."""
    return Axis(title, "names", tuple(sorted({str(point.x) for point in points}, key=_medical_share)))


def _medical_share(ratio: str) -> Fraction:
    general, medical = map(int, ratio.split(":"))
    return Fraction(medical, general + medical)


# Accuracy by ratio and by size: the paper's tables 4 and 5, and own runs trained by our recipes or in a study.


# Base model, source, name of the run, number of the line of its source, and the point.
Placed = tuple[str, str, str, int, Point]


def _curves(shown: Shown, number: int) -> Iterator[Plot]:
    placed = [*_of_paper(number), *_of_runs(shown, number)]
    if number == 4:
        name, by, rows = "ratio", "ratio of general to medical data", "From mostly general to mostly medical rows"
        axis = ratio_axis(point for *_, point in placed)
    else:
        name, by, rows = "size", "number of medical pairs", "Medical pairs only, Chinese to Western medicine 1:1"
        axis = Axis("medical pairs", "log")
    models = list(dict.fromkeys(model for model, *_ in placed))
    short = short_names(models)
    series = []
    for model, source, line in dict.fromkeys((model, source, line) for model, source, _, line, _ in placed):
        points = [point for *key, _, of, point in placed if (*key, of) == (model, source, line)]
        style, paper = models.index(model), source == "paper"
        series.append(Series(f"{short[model]}, {source}", in_order(axis, points), "line", style, dashed=paper))
    yield Plot(
        name=name,
        title=f"Accuracy by {by}",
        alt=f"Lines of accuracy by {by}: {', '.join(dict.fromkeys(f'{model} ({of})' for model, of, *_ in placed))}.",
        caption=f"{rows}; the paper's table {number}. {_BAND} Dashed: the paper.",
        columns=("base model", "source", "run", axis.title, "accuracy", "low", "high"),
        rows=tuple((*of, point.x, point.y, *(point.y_ends or _NONE)) for *of, _, point in placed),
        panels=(Panel("", axis, Axis("accuracy"), tuple(series)),),
    )


def _of_paper(number: int) -> Iterator[Placed]:
    for row in published.tables()[number - 1].rows:
        x = row.medical_pairs if number == 5 else f"{row.general_ratio}:{row.medical_ratio}"
        if x is not None:
            yield row.model, "paper", "", 1, Point(x, row.share, row.interval)


def _of_runs(shown: Shown, number: int) -> list[Placed]:
    """Return the runs of the first board of the paper's condition that has any: boards do not compare."""
    own = (_of_board(board, number, shown.trained) for board in shown.boards if board.group.condition == "openbook")
    return next(filter(None, map(list, own)), [])


def _of_board(board: Board, number: int, studied: Mapping[str, Trained]) -> Iterator[Placed]:
    times: Counter[object] = Counter()
    placed = (studied.get(row.run.id) or (None if studied else _by_recipe(row)) for row in board.rows)
    for own in dict.fromkeys(placed):
        if own is None or own.table != number or not isfinite(own.share):
            continue
        # What was trained alike is on lines of its own: no line goes up and down between them.
        alike = (own.model, own.general, own.medical, own.rows)
        times[alike] += 1
        x = f"{own.general}:{own.medical}" if number == 4 else own.rows
        yield own.model, "own", own.name, times[alike], Point(x, own.share, own.interval)


def _by_recipe(row: Row) -> Trained | None:
    """Return where a run stands whose model was trained by one of our recipes to its end."""
    trained = row.run.trained_on
    cell = _cells().get(PurePath(trained.recipe).stem) if trained and trained.finished else None
    if cell is None:
        return None
    medical = Fraction(cell.mix.medical).limit_denominator(100)
    parts = medical.denominator - medical.numerator, medical.numerator
    macro = row.averages.macro
    return Trained(row.run.model, cell.table, cell.title, *parts, cell.mix.rows, macro.value, macro.interval)


@cache
def _cells() -> Mapping[str, RecipeCell]:
    return {each.name: each for cell in cells() for each in (cell, cell.with_all_weights())}


def in_order(axis: Axis, points: Iterable[Point]) -> tuple[Point, ...]:
    """Return points as a line goes through them, along their axis."""
    place = axis.names.index if axis.names else float
    return tuple(sorted(points, key=lambda point: place(point.x)))


# What the book gives a model, and what it knows without one.


def _gain(shown: Shown) -> Iterator[Plot]:
    for opened, closed in ((name, each.control) for name, each in CONDITIONS.items() if each.control):
        for number, models in enumerate(_by_way(shown.boards)):
            pairs = [(model, runs[opened], runs[closed]) for model, runs in models if {opened, closed} <= runs.keys()]
            trades = [trade for pair in pairs if (trade := _trade(*pair, shown.items))]
            if trades:
                yield _gain_plot(_numbered(f"gain-{opened}", number), opened, closed, trades)


def _by_way(boards: Sequence[Board]) -> list[list[tuple[str, dict[str, Run]]]]:
    """Return the runs of each model by condition, in a list for each exam and way that they were asked.

    Of two runs of a model under one condition (on other items, say) that which was asked more stands.
    """
    found: dict[tuple[object, ...], dict[tuple[str, str | None], dict[str, Run]]] = {}
    for run in (row.run for board in boards for row in board.rows):
        models = found.setdefault((run.exam.sha256, run.shots, run.system_instruction), {})
        own = models.setdefault((run.model, run.chat_template), {})
        if run.condition not in own or own[run.condition].asked < run.asked:
            own[run.condition] = run
    return [[(model, runs) for (model, _), runs in models.items()] for models in found.values()]


Trade = tuple[str, Point, int]  # a model, its knowledge (x) and gain (y), and the questions that both asked


def _trade(model: str, opened: Run, closed: Run, items: Mapping[str, pl.DataFrame]) -> Trade | None:
    """Return None where no question was asked under both conditions, or none was answered under both."""
    own = [items[opened.id], items[closed.id]]
    both = pl.concat([own[0].join(own[1], on="id", how="semi"), own[1].join(own[0], on="id", how="semi")])
    if both.is_empty():
        return None
    table, _ = ScoreTable.of([opened, closed], both).parts()
    scores, design = table.scores(), ranked_design(table, "auto")
    gain = paired_difference(scores, design).macro.estimate
    knowledge = averages(scores[1:], design)[0].macro
    if not isfinite(knowledge.value + gain.value):
        return None
    return model, Point(knowledge.value, gain.value, gain.interval, knowledge.interval), gain.n


def front(trades: Sequence[Trade]) -> list[Trade]:
    """Return the models than which none is better in one and as good in the other, by rising knowledge: the front."""
    best: list[Trade] = []
    for trade in sorted(trades, key=lambda trade: (trade[1].x, trade[1].y), reverse=True):
        last = best[-1][1] if best else None
        if last is None or trade[1].y > last.y or (trade[1].x, trade[1].y) == (last.x, last.y):  # type: ignore[operator]
            best.append(trade)
    return best[::-1]


def _gain_plot(name: str, opened: str, closed: str, trades: Sequence[Trade]) -> Plot:
    trades = sorted(trades, key=lambda trade: trade[1].x + trade[1].y, reverse=True)  # type: ignore[operator]
    best = front(trades)
    # The front is never left out.
    drawn = [*best, *(trade for trade in trades if trade not in best)][: max(MOST, len(best))]
    short = short_names(model for model, *_ in drawn)
    series = [Series(short[model], (point,), style=style) for style, (model, point, _) in enumerate(drawn)]
    front_at = tuple(point for _, point, _ in best)
    steps = Series("front", front_at, "steps", None, dashed=True)
    return Plot(
        name=name,
        title=f"Context gain against knowledge: {_words(opened)} and {_words(closed)}",
        alt=f"Points of {len(drawn)} models: gain in accuracy by the book against accuracy without it; "
        f"{len(best)} are on the Pareto front.",
        caption="Gain: accuracy with the own entry less accuracy without, paired by question; means of the exams. "
        "Bars are 95 % intervals; the dashed line joins the models than which none both knows more and gains more."
        f"{_left_out(len(trades), len(drawn))}",
        columns=("model", "without book", "low", "high", "gain", "gain low", "gain high", "questions", "on the front"),
        rows=tuple(
            (model, at.x, *(at.x_ends or _NONE), at.y, *(at.y_ends or _NONE), asked, "yes" if at in front_at else "no")
            for model, at, asked in trades
        ),
        panels=(Panel("", Axis("accuracy without the book"), Axis("gain"), (steps, *series)),),
    )


# How much of what a model can read it still finds in longer books, by the place of the entry.


def _retention(shown: Shown) -> Iterator[Plot]:
    for number, models in enumerate(_by_way(shown.boards)):
        maps = [(model, own) for model, runs in models if (own := tuple(_fields(runs, shown.items)))]
        if maps:
            yield _retention_plot(_numbered("retention", number), maps)


Field = tuple[Point, int]  # length and depth, and the questions


def _fields(runs: Mapping[str, Run], items: Mapping[str, pl.DataFrame]) -> Iterator[Field]:
    own = {condition: items[run.id] for condition, run in runs.items()}
    for condition, found in reading_metrics(own)["retention"].items():
        length = short_number(own[condition]["book_length"].max() or 0)  # type: ignore[arg-type]
        parts = [("all", found), *((_depth(part["from"]), part) for part in found["by_depth"])] if found else []
        for depth, part in parts:
            if part["retention"] is not None:
                yield Point(depth, length, value=part["retention"]), part["items"]


def _depth(start: float) -> str:
    return f"{start:.1g}–{start + 1 / DEPTHS:.1g}"


def _retention_plot(name: str, maps: Sequence[tuple[str, Sequence[Field]]]) -> Plot:
    depths = ("all", *(_depth(part / DEPTHS) for part in range(DEPTHS)))
    short = short_names(model for model, _ in maps[:_MAPS])
    panels = []
    for model, own in maps[:_MAPS]:
        points = tuple(point for point, _ in own)
        lengths = tuple(dict.fromkeys(str(point.y) for point in points))
        axes = Axis("depth", "names", depths), Axis("length", "names", lengths)
        panels.append(Panel(short[model], *axes, (Series("retention", points, "fields"),)))
    return Plot(
        name=name,
        title="Retention by length and depth",
        alt=f"Maps of {len(panels)} models: retention by length of the book and by place of the entry in it.",
        caption="Right answers in a shared book over right answers to the same questions on their own entry, in "
        f"percent. Lengths are in characters; depth 0 is the front of the book.{_left_out(len(maps), len(panels))}",
        columns=("model", "length", "depth", "retention", "questions"),
        rows=tuple((model, point.y, point.x, point.value, count) for model, own in maps for point, count in own),
        panels=tuple(panels),
    )


# Each board: its exams side by side, and what form costs.


def _by_exam(shown: Shown) -> Iterator[Plot]:
    for name, board in _named("exams", shown.boards):
        short = short_names(row.run.model for row in board.rows[:MOST])
        found = [
            (row.run.model, exam, row.averages.exams[place])
            for place, exam in enumerate(board.exams)
            for row in board.rows
            if isfinite(row.averages.exams[place].value)
        ]
        drawn = [each for each in found if each[0] in short]
        # All exams alike, so that one sees which is harder.
        scale = Axis(ends=scale_of(end for *_, estimate in drawn for end in estimate.ends))
        models = Axis(kind="names", names=tuple(short.values()))
        panels = []
        for exam in board.exams:
            points = [Point(each.value, short[model], x_ends=each.interval) for model, of, each in drawn if of == exam]
            panels.append(Panel(f"{exam} {CHINESE_NAMES[exam]}", scale, models, (Series("", tuple(points)),)))
        if found:
            yield Plot(
                name=name,
                title=f"Accuracy by exam: {_words(board.group.condition)}",
                alt=f"Dots with intervals: accuracy of {len(short)} models in each of {len(board.exams)} exams.",
                caption="Bars are 95 % intervals; the best on average stands first."
                f"{_left_out(len(board.rows), len(short))}",
                columns=("model", "exam", "accuracy", "low", "high"),
                rows=tuple((model, exam, each.value, *(each.interval or _NONE)) for model, exam, each in found),
                panels=tuple(panels),
            )


def _strict(shown: Shown) -> Iterator[Plot]:
    for name, board in _named("strict", shown.boards):
        shares = [(row.run.model, row.overall.value, row.metrics.get("correct_strict")) for row in board.rows]
        rows = [(model, right, strict) for model, right, strict in shares if strict is not None and isfinite(right)]
        if not rows:
            continue
        short = short_names(model for model, *_ in rows[:MOST])
        # Both axes alike, so that the diagonal is one.
        scale = scale_of(share for _, *shares in rows[:MOST] for share in shares)
        diagonal = Series("alike", tuple(Point(end, end) for end in scale), "line", None, dashed=True)
        series = [Series(short[row[0]], (Point(*row[1:]),), style=style) for style, row in enumerate(rows[:MOST])]
        axes = Axis("right in any form", ends=scale), Axis("right in the demanded form", ends=scale)
        yield Plot(
            name=name,
            title=f"Strict against lenient: {_words(board.group.condition)}",
            alt=f"Points of {len(short)} models: share right in the demanded form against share right in any form.",
            caption="On the diagonal, all that is right is also in the form that the prompt demands; below it, form "
            f"costs points.{_left_out(len(rows), len(short))}",
            columns=("model", axes[0].title, axes[1].title),
            rows=tuple(rows),
            panels=(Panel("", *axes, (diagonal, *series)),),
        )


def _named(kind: str, boards: Sequence[Board]) -> Iterator[tuple[str, Board]]:
    """Give each board with the name of its plot; of a second board of a condition it has a number."""
    times: Counter[str] = Counter()
    for board in boards:
        yield _numbered(f"{kind}-{board.group.condition}", times[board.group.condition]), board
        times[board.group.condition] += 1


def _words(condition: str) -> str:
    return condition.replace("_", " ")


def _numbered(name: str, earlier: int) -> str:
    return f"{name}-{earlier + 1}" if earlier else name


def _left_out(total: int, drawn: int) -> str:
    """Return a sentence for the caption where a picture leaves models out."""
    return f" The picture shows {drawn} of {total} models, the table all." if drawn < total else ""


PLOTS: Mapping[str, Callable[[Shown], Iterable[Plot]]] = {
    "ratio": lambda shown: _curves(shown, 4),
    "size": lambda shown: _curves(shown, 5),
    "gain": _gain,
    "retention": _retention,
    "exams": _by_exam,
    "strict": _strict,
}
