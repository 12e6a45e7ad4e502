"""Retention by the length of the book and the depth of the entry in it, as results.metrics defines it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from openbook_eval.leaderboard.page.plots.figure import Figure, data, in_place, labels, shown_of
from openbook_eval.leaderboard.page.plots.sittings import Sitting
from openbook_eval.results.metrics import DEPTHS, reading_metrics

if TYPE_CHECKING:
    from openbook_eval.leaderboard.page.plots.figure import Drawable
_LIBRARY, _OPEN = "reading_library_", "reading_open"
# A map has up to 20 fields; more maps make the picture heavy.
_MAPS = 12
_WHOLE = "all"


def by_depth(sittings: Sequence[Sitting], items: Mapping[str, pl.DataFrame], name: str) -> Figure | None:
    """A map for each model that read books of some length and its own entries; None where none did."""
    maps = [(sitting, own) for sitting in sittings if (own := list(_fields(sitting, items)))]
    if not maps:
        return None
    short = labels(sitting.model for sitting, _ in maps[:_MAPS])
    shown = [
        field | {"model": label, "place": place}
        for place, (label, (_, own)) in enumerate(zip(short, maps, strict=False))
        for field in own
    ]
    return Figure(
        name=name,
        title="Retention by length and depth",
        alt=f"Heat maps of {len(short)} models: retention by length of the book and by place of the entry in it.",
        caption="Right answers in a shared book over right answers to the same questions on their own entry, in "
        "percent. Lengths are in characters; depth 0 is the front of the book. "
        f"Exam {maps[0][0].exam}.{shown_of(len(maps), len(short))}",
        columns=("model", "length", "depth", "retention", "questions"),
        rows=tuple((sitting.model, *field.values()) for sitting, own in maps for field in own),
        chart=lambda: _chart(shown),
    )


def _fields(sitting: Sitting, items: Mapping[str, pl.DataFrame]) -> Iterator[dict[str, Any]]:
    conditions = [condition for condition in sitting.runs if condition.startswith((_OPEN, _LIBRARY))]
    if _OPEN not in conditions or len(conditions) < 2:
        return
    own = {condition: items[sitting.runs[condition].id] for condition in conditions}
    for length, found in reading_metrics(own)["retention"].items():
        parts = [(_depth(part), part) for part in found["by_depth"]] if found else []
        for depth, part in [(_WHOLE, found), *parts] if found else []:
            if part["retention"] is not None:
                place = {"length": length.removeprefix(_LIBRARY), "depth": depth}
                yield place | {"retention": part["retention"], "items": part["items"]}


def _depth(part: Mapping[str, float]) -> str:
    return f"{part['from']:g}–{part['to']:g}"


def _chart(fields: Sequence[dict[str, Any]]) -> "Drawable":
    import altair as alt

    lengths = sorted({field["length"] for field in fields}, key=lambda length: int(length[:-1]))
    depths = [_WHOLE, *(_depth({"from": part / DEPTHS, "to": (part + 1) / DEPTHS}) for part in range(DEPTHS))]
    base = alt.Chart().encode(
        x=alt.X("depth:O", sort=depths, title="depth", axis=alt.Axis(labelAngle=0, labelFontSize=10)),
        y=alt.Y("length:O", sort=lengths, title="length"),
    )
    top = max(1.0, max(field["retention"] for field in fields))
    scale = alt.Scale(domain=[0, top])
    legend = alt.Legend(format="~%", title="retention")
    square = base.mark_rect().encode(color=alt.Color("retention:Q", scale=scale, legend=legend))
    # Cividis is dark below its middle, in either theme.
    ink = alt.when(alt.datum.retention < top / 2).then(alt.value("#ffffff")).otherwise(alt.value("#000000"))
    text = base.mark_text(fontSize=11).encode(text=alt.Text("share:N"), color=ink)
    text = text.transform_calculate(share=alt.expr.format(100 * alt.datum.retention, ".0f"))
    layered = alt.layer(square, text).properties(width=alt.Step(46), height=alt.Step(26))
    facet = alt.Facet("model:N", title=None, sort=in_place())
    maps = len({field["place"] for field in fields})
    return layered.facet(facet=facet, columns=min(3, maps), data=data(fields))
