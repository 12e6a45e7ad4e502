"""Draw plots to SVG: a plot is a frame and what its columns mean, so that a new one needs no drawing.

The page embeds the panels, a report keeps a picture in a file: markup by plot.jinja, colours by plots.css.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain, count
from math import ceil, floor, isfinite
from typing import Any, Literal, NamedTuple

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openbook_eval.console import percent
from openbook_eval.errors import visible
from openbook_eval.leaderboard.export import without_folders

Row = dict[str, Any]
Place = Callable[[Any], float]  # of a value, in pixels

WIDTH, HEIGHT = 380, 280
MOST = 20  # models that a picture shows at most
_NAME = 160  # pixels that a model's name takes at most
_ROW = 19  # pixels of a line of text, or of a name on an axis
_LETTER, _WIDE_LETTER = 6.9, 12.0  # a little more than fonts of most systems need
_COLOURS = 7
_SHAPES = ("m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "m-3.5-3.5h7v7h-7z", "m0-4.5 4.5 8h-9z", "m0-5 5 5-5 5-5-5z",
           "m-4.5-1.5h3v-3h3v3h3v3h-3v3h-3v-3h-3z", "m0 4.5-4.5-8h9z")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """A column on an axis: shares of 1, or names in `order`, else in that of the frame.

    `ends` are the columns with the ends of its intervals.
    """

    column: str
    kind: Literal["share", "names"] = "share"
    ends: tuple[str, ...] = ()
    order: Sequence[Any] = ()

    def bar(self, row: Row, place: Place) -> list[float]:
        """Return where the interval of a row ends; nothing where it has none."""
        return [place(row[end]) for end in self.ends if row[end] is not None]


@dataclass(frozen=True)
class Plot:
    """Figures, shares of 1, and how their columns are drawn.

    Rows of one value of `facet` have a panel. Those of one "model", which gives colour and shape, and of one value of
    `also` are a series, dashed where `also` is `dashed`. "line" joins its points, and what stands at one x on lines of
    its own; a row without an x is a level, drawn across. "fields" fills a map by the shares of `value`. `guide` are the
    points of a faint line. The picture has the first `MOST` models, the table beside it all.
    """

    name: str
    title: str
    caption: str
    frame: pl.DataFrame
    x: Axis
    y: Axis
    mark: Literal["points", "line", "fields"] = "points"
    facet: str = ""
    also: str = ""
    dashed: str = ""
    value: str = ""
    guide: Sequence[tuple[float, float]] = ()

    @cached_property
    def short(self) -> dict[str, str]:
        """What the models of the picture are called in it."""
        return short_names(self.frame["model"].unique(maintain_order=True).head(MOST))

    @property
    def left_out(self) -> str:
        """A sentence for the caption where the picture leaves models out."""
        models = self.frame["model"].n_unique()
        return f" The picture shows {MOST} of {models} models, the table all." if models > MOST else ""

    @cached_property
    def panels(self) -> "list[Panel]":
        """The drawn panels."""
        drawn = self.frame.filter(pl.col("model").is_in(list(self.short)))
        parts = drawn.partition_by(self.facet, maintain_order=True) if self.facet else [drawn]
        return [_panel(self, drawn, part) for part in parts]

    @property
    def has_keys(self) -> bool:
        """Whether colours and shapes tell the models, which stand neither on an axis nor above the panels."""
        return "model" not in (self.facet, self.y.column)

    @cached_property
    def legend(self) -> "dict[str, list[Mark]]":
        """The keys of the series by their names, none where one would do, or where models stand beside the picture."""
        keys = {}
        for row in (row for row in self.frame.to_dicts() if row["model"] in self.short):
            colour, shape, line = self.look(row)
            lines = [Mark(f"{colour} {line}", "M0 9H24")] if self.mark == "line" else []
            name = ", ".join(filter(None, [self.short[row["model"]], row.get(self.also)]))
            keys[name] = [*lines, Mark(f"{colour} shape", f"M12 9{shape}")]
        return keys if len(keys) > 1 and self.has_keys else {}

    def look(self, row: Row) -> tuple[str, str, str]:
        """Return the colour of a row's series, the shape of its points and the kind of its line."""
        dashed = self.dashed and row[self.also] == self.dashed
        number = list(self.short).index(row["model"]) if self.has_keys else 0
        return f"c{number % _COLOURS}", _SHAPES[number % len(_SHAPES)], "line dashed" if dashed else "line"


class Mark(NamedTuple):
    """A path with its classes, its tooltip, and how strongly it is filled."""

    css: str
    path: str
    title: str = ""
    strength: float = 1.0


class Label(NamedTuple):
    """A line of text at a place."""

    css: str
    x: float
    y: float
    text: str


class Panel(NamedTuple):
    """The drawing of one pair of axes, `WIDTH` wide."""

    title: str
    height: int
    marks: list[Mark]
    labels: list[Label]


@cache
def environment() -> Environment:
    """Return what renders pages and pictures: all that is put out is escaped and shown."""
    made = Environment(
        loader=PackageLoader("openbook_eval.leaderboard", "static"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown_on_page,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"WIDTH": WIDTH, "ROW": _ROW}
    return made


def shown_on_page(value: Any) -> Any:
    """Return what a template puts out: text from outside tells no folder, and what cannot be seen in it is told.

    That is done as page.js does it with text that scripts show.
    """
    outside = isinstance(value, str) and not isinstance(value, Markup)
    return visible(without_folders(value), "\t\n", "[U+{:04X}]") if outside else value


def draw(plot: Plot) -> str:
    """Return the plot as an SVG that stands alone, in the colours that its reader prefers."""
    css = (files("openbook_eval.leaderboard") / "static" / "plots.css").read_text(encoding="utf-8")
    return environment().get_template("picture.svg.jinja").render(plot=plot, css=Markup(css)).lstrip()  # noqa: S704


def scale_of(values: Iterable[float]) -> tuple[float, float]:
    """Return the scale, in whole tenths or twentieths, that holds all shares but NaN."""
    known = list(filter(isfinite, values))
    if not known:
        return 0.0, 1.0
    step = 0.1 if max(known) - min(known) > 0.4 else 0.05
    low, high = floor(min(known) / step + 1e-9), ceil(max(known) / step - 1e-9)
    return round((low - (low == high)) * step, 2), round((high + (low == high)) * step, 2)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return what names are called in a picture: the middle of long ones left out, each its own."""
    found: dict[str, str] = {}
    for name in names:
        short = shown_on_page(name).strip() or "(no name)"
        while _length(short) > _NAME and len(short) > 3:
            half = len(short) // 2 - 1
            short = f"{short[:half]}…{short[-half:]}"
        labels = chain([short], (f"{short} ({number})" for number in count(2)))
        found[name] = next(label for label in labels if label not in found.values())
    return found


def short_number(number: float) -> str:
    """Return a number in at most three digits: 50k for 50,000."""
    return f"{number / 1000:.3g}k" if number >= 1000 else f"{number:.3g}"


def _panel(plot: Plot, drawn: pl.DataFrame, own: pl.DataFrame) -> Panel:
    """Draw the rows of one panel: shares on the scale of all panels, names as it has them."""
    title = str(own[plot.facet][0]) if plot.facet else ""
    x_title, y_title = ("" if axis.column == "model" else axis.column for axis in (plot.x, plot.y))
    down = _names(plot, plot.y, own)
    left = 10 + min(_NAME + 30, max(map(_length, [*down.values(), "100 %"])))
    top, right = 26 if title or y_title else 8, WIDTH - 20
    height = top + 38 + _ROW * max(2, len(down)) if down else HEIGHT
    bottom = height - (38 if x_title else 20)
    across, x_ticks = _scale(plot, plot.x, drawn, own, (left, right))
    along, y_ticks = _scale(plot, plot.y, drawn, own, (bottom, top))
    marks = [Mark("grid", f"M{at} {top}V{bottom}") for at, _ in x_ticks if plot.x.kind == "share"]
    marks += [Mark("grid", f"M{left} {at}H{right}") for at, _ in y_ticks]
    # Where labels would run into each other some are left out.
    every = ceil(max(_length(label) for _, label in x_ticks) * 0.9 * len(x_ticks) / (right - left))
    labels = [Label("middle", at, bottom + 16, label) for at, label in x_ticks[:: max(1, every)]]
    labels += [Label("end", left - 6, at + 4, label) for at, label in y_ticks]
    labels.append(Label("middle strong", (left + WIDTH) / 2, 16, plot.short.get(title, title)))
    labels.append(Label("middle faint", (left + right) / 2, height - 5, x_title))
    labels.append(Label("faint", 0, 14, y_title))
    if plot.guide:
        marks.append(Mark("faint line dashed", _path((across(x), along(y)) for x, y in plot.guide)))
    for row in own.drop_nulls(plot.value).to_dicts() if plot.value else ():
        x, y, value = across(row[plot.x.column]), along(row[plot.y.column]), row[plot.value]
        marks.append(Mark("c0 field", f"M{x - 24} {y - 9}h48v18h-48z", _tooltip(row), 0.05 + 0.4 * min(1.0, value)))
        labels.append(Label("middle", x, y + 4, percent(value, 0)))
    for rows in () if plot.value else _series(plot, own):
        marks += _drawn(plot, rows, across, along, f"M{left} {{}}H{right}")
    return Panel(title, height, marks, labels)


def _names(plot: Plot, axis: Axis, rows: pl.DataFrame) -> dict[Any, str]:
    """Return the names on an axis, and what they are called there."""
    if axis.kind != "names":
        return {}
    present = dict.fromkeys(rows[axis.column].drop_nulls())
    labels = plot.short if axis.column == "model" else {}
    return {
        name: short_number(name) if isinstance(name, int) else labels.get(name, name)
        for name in axis.order or present
        if name in present
    }


def _scale(
    plot: Plot, axis: Axis, drawn: pl.DataFrame, own: pl.DataFrame, ends: tuple[float, float]
) -> tuple[Place, list[tuple[float, str]]]:
    """Return where values lie between two pixels, and what is labelled."""
    if axis.kind == "names":
        # Names on the way down are read from the top.
        names, begin, span = _names(plot, axis, own), min(ends), abs(ends[1] - ends[0])
        places = {name: round(begin + (at + 0.5) * span / len(names), 1) for at, name in enumerate(names)}
        return places.__getitem__, [(places[name], label) for name, label in names.items()]
    shares = [share for name in (axis.column, *axis.ends) for share in drawn[name].drop_nulls()]
    low, high = scale_of([*shares, *(point[axis is plot.y] for point in plot.guide)])
    step = min((step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if high - low < 5.5 * step), default=0.5)
    marked = [round(step * tick, 2) for tick in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]

    def place(share: float) -> float:
        return round(ends[0] + (share - low) * (ends[1] - ends[0]) / (high - low), 1)

    return place, [(place(share), f"{100 * share:.3g} %") for share in marked]


def _series(plot: Plot, rows: pl.DataFrame) -> Iterator[list[Row]]:
    """Yield the rows of each series; of a line, what stands at one x apart, so that it does not go up and down."""
    keys = ["model", *filter(None, [plot.also])]
    line = pl.int_range(pl.len()).over([*keys, plot.x.column]) if plot.mark == "line" else pl.lit(0)
    for own in rows.with_columns(line.alias("\0")).partition_by([*keys, "\0"], maintain_order=True):
        yield own.drop("\0").to_dicts()


def _drawn(plot: Plot, rows: Sequence[Row], across: Place, along: Place, level: str) -> Iterator[Mark]:
    """Draw the points of a series, what joins them first; `level` is the path of a line across."""
    x, y, (colour, shape, line) = plot.x, plot.y, plot.look(rows[0])
    for row in (row for row in rows if row[x.column] is None):
        yield Mark(f"{colour} {line}", level.format(along(row[y.column])), _tooltip(row))
    placed = [(across(row[x.column]), along(row[y.column]), row) for row in rows if row[x.column] is not None]
    joined = plot.mark == "line" and len(placed) > 1
    if joined:
        placed.sort(key=lambda point: point[0])
        bars = [(at, bar) for at, _, row in placed if (bar := y.bar(row, along))]
        outline = [(at, bar[1]) for at, bar in bars] + [(at, bar[0]) for at, bar in bars[::-1]]
        yield Mark(f"{colour} band", _path(outline))
        yield Mark(f"{colour} {line}", _path((at, top) for at, top, _ in placed))
    for at, top, row in placed:
        # A line has a band instead of bars, but for a point alone.
        if not joined and (bar := y.bar(row, along)):
            yield Mark(f"{colour} bar", f"M{at} {bar[0]}V{bar[1]}")
        if bar := x.bar(row, across):
            yield Mark(f"{colour} bar", f"M{bar[0]} {top}H{bar[1]}")
        yield Mark(f"{colour} shape", f"M{at} {top}{shape}", _tooltip(row))


def _path(points: Iterable[tuple[float, float]]) -> str:
    corners = "L".join(f"{x} {y}" for x, y in points)
    return corners and f"M{corners}"


def _tooltip(row: Row) -> str:
    """Return the tooltip of a point."""
    known = {name: f"{percent(cell)} %" if isinstance(cell, float) else cell for name, cell in row.items()}
    return ", ".join(f"{name} {cell}" for name, cell in known.items() if cell not in (None, ""))


def _length(text: str) -> float:
    return sum(_WIDE_LETTER if letter > "\u2e80" else _LETTER for letter in text)
