"""The six exams of each model side by side, and what it would score if only the demanded form counted."""

from collections.abc import Sequence
from math import floor, isfinite
from typing import TYPE_CHECKING, Any

from openbook_eval.leaderboard.page.plots.figure import MOST, Figure, by_model, data, ends, in_place, labels, shown_of
from openbook_eval.types import CHINESE_NAMES

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board, Row
    from openbook_eval.leaderboard.page.plots.figure import Drawable


def by_exam(board: "Board", name: str) -> Figure | None:
    """A dot with its interval for each model and exam of a board."""
    rows = [
        (row.run.model, exam, estimate.value, *ends(estimate.interval))
        for row in board.rows
        for exam, estimate in zip(board.exams, row.averages.exams, strict=True)
        if isfinite(estimate.value)
    ]
    if not rows:
        return None
    models = [row.run.model for row in board.rows[:MOST]]
    short = dict(zip(models, labels(models), strict=True))
    points = [
        {"model": short[model], "place": models.index(model), "exam": f"{exam}|{CHINESE_NAMES[exam]}"}
        | dict(zip(("share", "low", "high"), shares, strict=True))
        for model, exam, *shares in rows
        if model in short
    ]
    exams = [f"{exam}|{CHINESE_NAMES[exam]}" for exam in board.exams]
    return Figure(
        name=name,
        title=f"Accuracy by exam: {board.group.condition}",
        alt=f"Dots with intervals: accuracy of {len(short)} models in each of {len(exams)} exams.",
        caption=f"Lines are 95 % intervals; the best on average stands first.{shown_of(len(board.rows), len(short))}",
        columns=("model", "exam", "accuracy", "low", "high"),
        rows=tuple(rows),
        chart=lambda: _exam_chart(points, exams),
    )


def strictly(board: "Board", name: str) -> Figure | None:
    """Each model's accuracy in the demanded form against its accuracy in any form."""
    rows = [
        (row.run.model, lenient, strict)
        for row in board.rows
        if (strict := row.metrics.get("correct_strict")) is not None and isfinite(strict + (lenient := _average(row)))
    ]
    if not rows:
        return None
    models = [model for model, _, _ in rows[:MOST]]
    short = dict(zip(models, labels(models), strict=True))
    points = [
        {"model": short[model], "lenient": lenient, "strict": strict}
        for model, lenient, strict in rows
        if model in short
    ]
    return Figure(
        name=name,
        title=f"Strict against lenient: {board.group.condition}",
        alt=f"Points of {len(short)} models: share right in the demanded form against share right in any form.",
        caption="On the diagonal, all that is right is also in the form that the prompt demands; below it, form costs "
        f"points.{shown_of(len(rows), len(short))}",
        columns=("model", "right in any form", "right in the demanded form"),
        rows=tuple(rows),
        chart=lambda: _strict_chart(points, list(short.values())),
    )


def _average(row: "Row") -> float:
    """As the marks beside it are averaged."""
    from openbook_eval.leaderboard.board import is_complete

    return (row.averages.macro if is_complete(row.exams) else row.averages.micro).value


def _exam_chart(points: Sequence[dict[str, Any]], exams: Sequence[str]) -> "Drawable":
    import altair as alt

    y = alt.Y("model:N", title=None, sort=in_place())
    x = alt.X(
        "share:Q",
        title=None,
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(format="~%", tickCount=3, labelFlush=True),
    )
    base = alt.Chart().encode(y=y)
    rule = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=alt.X("low:Q"), x2="high:Q")
    point = base.mark_point(size=30).encode(x=x)
    header = alt.Header(title=None, labelExpr="split(datum.label, '|')", labelLineHeight=15, labelPadding=6)
    column = alt.Column("exam:N", sort=list(exams), header=header)
    panel = alt.layer(rule, point).properties(width=104, height=alt.Step(19))
    return panel.facet(column=column, data=data(points), spacing=12)


def _strict_chart(points: Sequence[dict[str, Any]], models: Sequence[str]) -> "Drawable":
    import altair as alt

    # Both axes alike, so that the diagonal is one.
    values = [point[name] for point in points for name in ("lenient", "strict")]
    ends_of = [floor(10 * min(values)) / 10, floor(10 * max(values) + 1) / 10]
    scale, axis = alt.Scale(domain=ends_of), alt.Axis(format="~%", tickCount=6)
    colour, shape = by_model("model", models)
    x = alt.X("lenient:Q", title="right in any form", scale=scale, axis=axis)
    y = alt.Y("strict:Q", title="right in the demanded form", scale=scale, axis=axis)
    line = alt.Chart(data({"lenient": end, "strict": end} for end in ends_of))
    return alt.layer(
        line.mark_line(strokeDash=[4, 4], strokeWidth=1, style="faint").encode(x=x, y=y),
        alt.Chart(data(points)).mark_point().encode(x=x, y=y, color=colour, shape=shape),
    ).properties(width=360, height=360)
