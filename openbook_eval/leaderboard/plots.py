"""What the page plots: PLOTS is the registry, an entry a plot, each from boards and items to a frame. `svg` draws it.

A function gives no plot where there is nothing to show, and several where exams or conditions differ.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from pathlib import PurePath
from typing import Any

import polars as pl

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import Board, Row, ScoreTable
from openbook_eval.leaderboard.stats import Estimate, averages, paired_difference
from openbook_eval.leaderboard.svg import Axis, Plot, scale_of, short_number
from openbook_eval.results.metrics import DEPTHS, reading_metrics
from openbook_eval.results.runs import Run
from openbook_eval.training.recipes import cells
from openbook_eval.types import CHINESE_NAMES

ACCURACY = Axis("accuracy", ends=("low", "high"))
_BAND = "Bands are 95 % intervals; the paper's are approximate, for 11,200 questions."


@dataclass(frozen=True, slots=True)
class Shown:
    """What plots are made from: boards, and the items of each run by its id."""

    boards: Sequence[Board]
    items: Mapping[str, pl.DataFrame]


def plots(shown: Shown) -> list[Plot]:
    """Return all plots that there is something to show for, in the order of the registry."""
    return [plot for make in PLOTS.values() for plot in make(shown)]


def table_axis(number: int, xs: Iterable[Any]) -> Axis:
    """Return the axis of the paper's table 4, from mostly general to mostly medical data, or of table 5, by size."""
    known = {x for x in xs if x is not None}
    if number == 5:
        return Axis("medical pairs", "names", order=sorted(known))
    return Axis("general : medical", "names", order=sorted(known, key=_medical_share))


def _medical_share(ratio: str) -> Fraction:
    general, medical = map(int, ratio.split(":"))
    return Fraction(medical, general + medical)


def framed(rows: Iterable[Sequence[Any]], *columns: str) -> pl.DataFrame:
    """Return rows as the frame of a plot."""
    return pl.DataFrame(list(rows), schema=columns, orient="row", infer_schema_length=None)


def _cells(estimate: Estimate) -> tuple[float | None, ...]:
    return estimate.value, *(estimate.interval or (None, None))


# Accuracy by ratio and by size: the paper's tables 4 and 5, and own runs trained by our recipes.


def _curves(shown: Shown, number: int) -> Iterator[Plot]:
    paper = [(row.model, "paper", "", row.x, *_cells(row.estimate)) for row in published.tables()[number - 1].rows]
    rows = [*paper, *_own(shown, number)]
    x = table_axis(number, (row[3] for row in rows))
    name, by, caption = {
        4: ("ratio", "ratio of general to medical data", "From mostly general to mostly medical rows"),
        5: ("size", "number of medical pairs", "Medical pairs only, Chinese to Western medicine 1:1"),
    }[number]
    yield Plot(
        name=name,
        title=f"Accuracy by {by}",
        caption=f"{caption}; the paper's table {number}. {_BAND} Dashed: the paper.",
        frame=framed(rows, "model", "source", "run", x.column, "accuracy", "low", "high"),
        x=x,
        y=ACCURACY,
        mark="line",
        also="source",
        dashed="paper",
    )


def _own(shown: Shown, number: int) -> list[tuple[Any, ...]]:
    """Return the runs of the first board of the paper's condition that has any: boards do not compare."""
    for board in (board for board in shown.boards if published.is_papers(board)):
        if own := [point for row in board.rows if (point := _by_recipe(row, number))]:
            return own
    return []


def _by_recipe(row: Row, number: int) -> tuple[Any, ...] | None:
    """Return where a run stands whose model was trained to its end by one of our recipes for a table."""
    trained = row.run.trained_on
    name = PurePath(trained.recipe).stem.removesuffix("_full") if trained and trained.finished else ""
    cell = cells().get(name)
    if cell is None or cell.table != number or not isfinite(row.averages.macro.value):
        return None
    x = cell.mix.rows if number == 5 else cell.mix.ratio
    return cell.title, "own", row.run.model, x, *_cells(row.averages.macro)


# What the book gives a model, and what it knows without one.


def _gain(shown: Shown) -> Iterator[Plot]:
    x = Axis("accuracy without the book", ends=("low", "high"))
    y = Axis("gain", ends=("gain low", "gain high"))
    for opened, closed in ((name, each.control) for name, each in CONDITIONS.items() if each.control):
        for number, models in enumerate(_by_way(shown.boards)):
            pairs = [
                (_marked(model, runs), runs[opened], runs[closed])
                for model, runs in models
                if {opened, closed} <= runs.keys()
            ]
            trades = [trade for pair in pairs if (trade := _trade(*pair, shown.items))]
            # Who has the highest accuracy with the book stands first.
            rows = sorted(trades, key=lambda trade: trade[1] + trade[4], reverse=True)
            if rows:
                yield Plot(
                    name=f"gain-{opened}-{number}",
                    title=f"Context gain against knowledge: {_words(opened)} and {_words(closed)}",
                    caption="Gain: accuracy with the own entry less accuracy without, paired by question; means of the "
                    "exams. Bars are 95 % intervals.",
                    frame=framed(rows, "model", x.column, *x.ends, y.column, *y.ends, "questions"),
                    x=x,
                    y=y,
                )


def _by_way(boards: Sequence[Board]) -> list[list[tuple[str, dict[str, Run]]]]:
    """Return the runs of each model by condition, in a list for each exam and way that they were asked.

    Of two runs of a model under one condition (on other items, say) that which was asked more stands.
    """
    found: dict[tuple[object, ...], dict[str, dict[str, Run]]] = {}
    for run in sorted((row.run for board in boards for row in board.rows), key=lambda run: run.asked):
        found.setdefault(run.way, {}).setdefault(run.model, {})[run.condition] = run
    return [list(models.items()) for models in found.values()]


def _marked(model: str, runs: Mapping[str, Run]) -> str:
    return next((run.marked for run in runs.values() if run.marked != run.model), model)


def _trade(model: str, opened: Run, closed: Run, items: Mapping[str, pl.DataFrame]) -> tuple[Any, ...] | None:
    """Return model, accuracy without the book and gain with the ends of their intervals, and how many both answered.

    None where that is no question of some exam.
    """
    own = [items[opened.id], items[closed.id]]
    both = pl.concat([own[0].join(own[1], on="id", how="semi"), own[1].join(own[0], on="id", how="semi")])
    if both.is_empty():
        return None
    table, _ = ScoreTable.of([opened, closed], both).parts()
    scores, design = table.scores(), table.ranked_design()
    gain, knowledge = paired_difference(scores, design).macro.estimate, averages(scores[1:], design)[0].macro
    known = isfinite(knowledge.value + gain.value)
    return (model, *_cells(knowledge), *_cells(gain), gain.n) if known else None


# How much of what a model can read it still finds in longer books, by the place of the entry.


def _retention(shown: Shown) -> Iterator[Plot]:
    for number, models in enumerate(_by_way(shown.boards)):
        rows = [(_marked(model, runs), *cells) for model, runs in models for cells in _fields(runs, shown.items)]
        if rows:
            yield Plot(
                name=f"retention-{number}",
                title="Retention by length and depth",
                caption="Right answers in a shared book over right answers to the same questions on their own entry, "
                "in percent. Lengths are in characters; depth 0 is the front of the book.",
                frame=framed(rows, "model", "length", "depth", "retention", "questions"),
                x=Axis("depth", "names", order=["all", *(_depth(part / DEPTHS) for part in range(DEPTHS))]),
                y=Axis("length", "names"),
                mark="fields",
                facet="model",
                value="retention",
            )


def _fields(runs: Mapping[str, Run], items: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, str, float, int]]:
    own = {condition: items[run.id] for condition, run in runs.items()}
    for condition, found in reading_metrics(own)["retention"].items():
        length = short_number(own[condition]["book_length"].max() or 0)  # type: ignore[arg-type]
        parts = [("all", found), *((_depth(part["from"]), part) for part in found["by_depth"])] if found else []
        for depth, part in parts:
            if part["retention"] is not None:
                yield length, depth, part["retention"], part["items"]


def _depth(start: float) -> str:
    return f"{start:.1g}–{start + 1 / DEPTHS:.1g}"


# Each board: its exams side by side, and what form costs.


def _by_exam(shown: Shown) -> Iterator[Plot]:
    for number, board in enumerate(shown.boards):
        rows = [
            (row.run.marked, f"{exam} {CHINESE_NAMES[exam]}", *_cells(of))
            for place, exam in enumerate(board.exams)
            for row in board.rows
            for of in [row.averages.exams[place]]
            if isfinite(of.value)
        ]
        if rows:
            yield Plot(
                name=f"exams-{number}",
                title=f"Accuracy by exam: {_words(board.group.condition)}",
                caption="Bars are 95 % intervals; the best on average stands first.",
                frame=framed(rows, "model", "exam", "accuracy", "low", "high"),
                x=ACCURACY,
                y=Axis("model", "names"),
                facet="exam",
            )


def _strict(shown: Shown) -> Iterator[Plot]:
    x, y = Axis("right in any form"), Axis("right in the demanded form")
    for number, board in enumerate(shown.boards):
        shares = [(row.run.marked, row.overall.value, row.metrics.get("correct_strict")) for row in board.rows]
        rows = [(model, right, strict) for model, right, strict in shares if strict is not None and isfinite(right)]
        if rows:
            yield Plot(
                name=f"strict-{number}",
                title=f"Strict against lenient: {_words(board.group.condition)}",
                caption="On the diagonal, all that is right is also in the form that the prompt demands; below it, "
                "form costs points.",
                frame=framed(rows, "model", x.column, y.column),
                x=x,
                y=y,
                guide=[(end, end) for end in scale_of(share for _, *shares in rows for share in shares)],
            )


def _words(condition: str) -> str:
    return condition.replace("_", " ")


PLOTS: Mapping[str, Callable[[Shown], Iterable[Plot]]] = {
    "ratio": lambda shown: _curves(shown, 4),
    "size": lambda shown: _curves(shown, 5),
    "gain": _gain,
    "retention": _retention,
    "exams": _by_exam,
    "strict": _strict,
}
