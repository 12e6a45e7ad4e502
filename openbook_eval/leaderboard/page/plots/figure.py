"""A figure: a picture, what it says in words, and its figures as a table."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

    from openbook_eval.leaderboard.stats import Interval

    # What altair's functions give, by whether a picture has panels.
    Drawable = altair.LayerChart | altair.FacetChart

Cell = str | int | float | None

# Models that one picture shows at most, the best ones; the table beside it has all.
MOST = 20
_LONGEST = 32  # characters of a model's name in a picture


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is that of its files, `alt` what a reader who cannot see it is told; shares in `rows` are of 1.

    `chart` makes the picture's specification, without colours of a theme.
    """

    name: str
    title: str
    alt: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: "Callable[[], Drawable]"


def labels(names: Iterable[str]) -> list[str]:
    """What names are called in a picture: cut in the middle, without characters that do not print, each its own."""
    found: list[str] = []
    for name in names:
        label = short = _cut(_printable(name))
        count = 1
        while label in found:
            count += 1
            label = f"{short} ({count})"
        found.append(label)
    return found


def ends(interval: "Interval | None") -> tuple[float | None, float | None]:
    """The ends of an interval, where there is one."""
    return (interval.low, interval.high) if interval else (None, None)


def data(rows: Iterable[Mapping[str, Any]]) -> "altair.Data":
    """Rows as the data of a chart. Text from outside stands in data and domains, never in an expression."""
    import altair as alt

    return alt.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]


def in_place() -> "altair.EncodingSortField":
    """The order of the field `place`. A list of names would do, but Vega-Lite makes expressions of it."""
    import altair as alt

    return alt.EncodingSortField(field="place", op="min", order="ascending")


def by_model(title: str, models: Sequence[str]) -> "tuple[altair.Color, altair.Shape]":
    """A colour and a shape for each value of the field `model`, with one legend for both."""
    import altair as alt

    # A legend for both takes one domain: by its order each channel would make its own.
    scale = alt.Scale(domain=list(models))
    return alt.Color("model:N", title=title, scale=scale), alt.Shape("model:N", title=title, scale=scale)


def shown_of(total: int, shown: int) -> str:
    """A sentence for the caption where a picture leaves models out."""
    return f" The picture shows {shown} of {total} models, the table all." if shown < total else ""


def _printable(name: str) -> str:
    # Controls, marks of direction, surrogates: the first do not even exist in XML.
    name = "".join("\ufffd" if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} else char for char in name)
    return re.sub(r"\s+", " ", name).strip() or "(no name)"


def _cut(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
