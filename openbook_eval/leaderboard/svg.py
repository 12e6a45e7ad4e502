"""Draw plots to SVG: the page embeds the panels, a report keeps a picture in a file; colours are those of plots.css.

A plot is plain data, so that a new one needs no drawing: panels with axes, each with series of points.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from math import ceil, floor, isfinite, log10
from typing import Literal

from openbook_eval.errors import visible

Cell = str | int | float | None
Place = Callable[[float | str], float]

WIDTH, HEIGHT = 380, 280
_NAME = 160  # pixels that a model's name takes at most
_ROW = 19  # pixels of a line of text, or of a name on an axis
_LETTER, _WIDE_LETTER = 6.9, 12.0  # a little more than fonts of most systems need
_COLOURS = 7
_SHAPES = ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-3.5-3.5h7v7h-7z", "M0-4.5 4.5 3.5h-9z", "M0-5 5 0 0 5-5 0z",
           "M-4.5-1.5h3v-3h3v3h3v3h-3v3h-3v-3h-3z", "M0 4.5-4.5-3.5h9z")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: shares of 1 and numbers on a logarithmic scale lie where they are, names stand in order.

    `ends` are those of the scale where the values shall not say; `title` is "" where the panel needs none.
    """

    title: str = ""
    kind: Literal["share", "log", "names"] = "share"
    names: tuple[str, ...] = ()
    ends: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point, with the ends of its intervals upwards (`y_ends`) and across; `value` is a share that a field shows."""

    x: float | str
    y: float | str
    y_ends: tuple[float, float] | None = None
    x_ends: tuple[float, float] | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points under one name, drawn by `mark`; `style` is the number of its colour and shape, None for a faint line.

    "line" joins the points and fills between the ends of their intervals, "level" draws a line across at the height of
    its point, "steps" goes across before it goes up or down, "fields" fills a field of a map at each point.
    """

    name: str
    points: tuple[Point, ...]
    mark: Literal["points", "line", "level", "steps", "fields"] = "points"
    style: int | None = 0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes; `title` is "" where the plot has a single panel."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows: pictures, what they say in words (`alt`), and its figures as a table, shares of 1."""

    name: str
    title: str
    alt: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    panels: tuple[Panel, ...]

    @property
    def legend(self) -> dict[str, Series]:
        """The series that need a key by their names, none where a single one does."""
        named = {each.name: each for panel in self.panels for each in panel.series if each.style is not None}
        return named if len(named) > 1 else {}


def shown_on_page(text: str) -> str:
    """Return text from outside with what cannot be seen in it told, as page.js does with text that scripts show."""
    return visible(text, "\t\n", "[U+{:04X}]")


def draw(plot: Plot) -> str:
    """Return the plot as an SVG that stands alone, in the colours that its reader prefers."""
    drawn = [panel(each) for each in plot.panels]
    across = min(len(drawn), 3)
    tops = [0]
    for start in range(0, len(drawn), across):
        tops.append(tops[-1] + max(height for _, height in drawn[start : start + across]) + 12)
    width = across * (WIDTH + 12)
    placed = (
        f'<g transform="translate({place % across * (WIDTH + 12)} {tops[place // across]})">{content}</g>'
        for place, (content, _) in enumerate(drawn)
    )
    height = tops[-1] + _ROW * ceil(len(plot.legend) / across)
    legend = (
        f'<g transform="translate({8 + place % across * (WIDTH + 12)} {tops[-1] + place // across * _ROW})">'
        f"{_key(series)}{_text(30, 13, name)}</g>"
        for place, (name, series) in enumerate(plot.legend.items())
    )
    css = ":root{color-scheme:light dark}" + style()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width} {height}" width="{width}" '
    return f'{head}height="{height}"><style>{css}</style>{"".join(placed)}{"".join(legend)}</svg>\n'


def picture(drawn: Panel, label: str) -> str:
    """Return a panel as an SVG element of a page; `label` says what it shows."""
    content, height = panel(drawn)
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_quoted(label)}">{content}</svg>'


def key(series: Series) -> str:
    """Return the key of a series in a legend as an SVG element of a page."""
    return f'<svg class="plot key" viewBox="0 0 24 18" aria-hidden="true">{_key(series)}</svg>'


def whisker(ends: tuple[float, float, float], scale: tuple[float, float]) -> str:
    """Return an interval as a line with a dot at the value, on a scale from one share to another; NaN is not drawn."""
    value, low, high = ends
    at = _linear(scale, (4, 124))
    tenths = (tenth / 10 for tenth in range(ceil(scale[0] * 10 + 1e-9), ceil(scale[1] * 10 - 1e-9)))
    parts = [f'<path class="grid" d="M{at(share)} 0V16"/>' for share in (scale[0], *tenths, scale[1])]
    if isfinite(low):
        parts.append(f'<path class="ink" d="M{at(low)} 8H{at(high)}M{at(low)} 4V12M{at(high)} 4V12"/>')
    if isfinite(value):
        parts.append(f'<circle class="c0 shape" cx="{at(value)}" cy="8" r="3"/>')
    return f'<svg class="plot whisker" viewBox="0 0 128 16" aria-hidden="true">{"".join(parts)}</svg>'


def scale_of(values: Iterable[float]) -> tuple[float, float]:
    """Return the scale, in whole tenths or twentieths, that holds all shares but NaN."""
    known = list(filter(isfinite, values))
    if not known:
        return 0.0, 1.0
    step = 0.1 if max(known) - min(known) > 0.4 else 0.05
    low, high = floor(min(known) / step + 1e-9), ceil(max(known) / step - 1e-9)
    return round((low - (low == high)) * step, 2), round((high + (low == high)) * step, 2)


@cache
def style() -> str:
    """Return the style sheet of plots, for a page and for pictures that stand alone."""
    return (files("openbook_eval.leaderboard") / "static" / "plots.css").read_text(encoding="utf-8")


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return what names are called in a picture: the middle of long ones left out, each its own."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = short = name.strip() or "(no name)"
        while _length(label) > _NAME and len(label) > 3:
            half = len(label) // 2 - 1
            label = short = f"{label[:half]}…{label[-half:]}"
        count = 1
        while label in found.values():
            count += 1
            label = f"{short} ({count})"
        found[name] = label
    return found


def panel(shown: Panel) -> tuple[str, int]:
    """Return the drawing of a panel, `WIDTH` wide, and its height."""
    names_down = shown.y.kind == "names"
    labels = shown.y.names if names_down else ("100 %",)
    left = min(_NAME + 40, max(map(_length, labels)) + 10) + (18 if shown.y.title else 0)
    top = 26 if shown.title else 8
    bottom = 20 + (18 if shown.x.title else 0)
    height = top + bottom + _ROW * max(2, len(shown.y.names)) if names_down else HEIGHT
    box = (left, top, WIDTH - 20, height - bottom)
    points = [point for series in shown.series for point in series.points]
    across = _scale(shown.x, (left, WIDTH - 20), [e for p in points for e in (p.x, *(p.x_ends or ()))])
    along = _scale(shown.y, (height - bottom, top), [e for p in points for e in (p.y, *(p.y_ends or ()))])
    parts = [
        _text((left + WIDTH) / 2, 16, shown.title, "middle strong") if shown.title else "",
        *_x_axis(shown.x, across, box, height),
        *_y_axis(shown.y, along, box),
        *(part for series in shown.series for part in _series(series, across[0], along[0], box)),
    ]
    return "".join(parts), height


def _scale(axis: Axis, ends: tuple[float, float], values: Sequence[float | str]) -> tuple[Place, list[float | str]]:
    """Return where values lie between two pixels, and the values that are labelled."""
    if axis.kind == "names":
        # Names on the way down are read from the top.
        step = abs(ends[1] - ends[0]) / max(1, len(axis.names))
        places = {name: round(min(ends) + (place + 0.5) * step, 1) for place, name in enumerate(axis.names)}
        return lambda value: places[str(value)], list(axis.names)
    known = [float(value) for value in values if not isinstance(value, str)]
    if axis.kind == "log":
        low, high = (max(1.0, end(known, default=1.0)) for end in (min, max))
        spread = (log10(high / low) or 1) / 20
        logarithmic = _linear((log10(low) - spread, log10(high) + spread), ends)
        return lambda value: logarithmic(log10(max(1.0, float(value)))), list(round_numbers(low, high))
    low, high = axis.ends or scale_of(known)
    step = min((step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if high - low < 5.5 * step), default=0.5)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return _linear((low, high), ends), [round(step * tick, 2) for tick in range(first, last + 1)]


def _linear(scale: tuple[float, float], ends: tuple[float, float]) -> Place:
    slope = (ends[1] - ends[0]) / (scale[1] - scale[0])
    return lambda value: round(ends[0] + (float(value) - scale[0]) * slope, 1)


def round_numbers(low: float, high: float) -> list[int]:
    """Return round numbers from one to another: 1, 2 and 5 of each power of 10; of more than two powers only the 1."""
    steps = (1, 2, 5) if high < 100 * max(1, low) else (1,)
    powers = (10**power for power in range(len(str(int(high)))))
    return [step * power for power in powers for step in steps if low <= step * power <= high]


def _label(axis: Axis, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return short_number(value) if axis.kind == "log" else f"{100 * value:.3g} %"


def short_number(number: float) -> str:
    """Return a number in at most three digits: 50k for 50,000."""
    return f"{number / 1000:.3g}k" if number >= 1000 else f"{number:.3g}"


def _x_axis(axis: Axis, scale: tuple[Place, list[float | str]], box: tuple[float, ...], height: int) -> Iterator[str]:
    place, ticks = scale
    left, top, right, bottom = box
    if axis.title:
        yield _text((left + right) / 2, height - 5, axis.title, "middle faint")
    room = (right - left) / max(1, len(ticks))
    every = max(1, ceil(max((_length(_label(axis, tick)) for tick in ticks), default=1) * 0.9 / room))
    for number, tick in enumerate(ticks):
        if axis.kind != "names":
            yield f'<path class="grid" d="M{place(tick)} {top}V{bottom}"/>'
        if number % every == 0:
            yield _text(place(tick), bottom + 16, _label(axis, tick), "middle")


def _y_axis(axis: Axis, scale: tuple[Place, list[float | str]], box: tuple[float, ...]) -> Iterator[str]:
    place, ticks = scale
    left, top, right, bottom = box
    if axis.title:
        middle = (top + bottom) / 2
        yield f'<text class="middle faint" transform="translate(13 {middle}) rotate(-90)">{_quoted(axis.title)}</text>'
    for tick in ticks:
        yield f'<path class="grid" d="M{left} {place(tick)}H{right}"/>'
        yield _text(left - 6, place(tick) + 4, _label(axis, tick), "end")


def _series(series: Series, across: Place, along: Place, box: tuple[float, ...]) -> Iterator[str]:
    colour = "faint" if series.style is None else f"c{series.style % _COLOURS}"
    line = f"{colour} line{' dashed' if series.dashed else ''}"
    if series.mark == "level":
        yield f'<path class="{line}" d="M{box[0]} {along(series.points[0].y)}H{box[2]}">{_title(series)}</path>'
        return
    at = [(point, across(point.x), along(point.y)) for point in series.points]
    if series.mark == "fields":
        yield from (_field(series, *place) for place in at)
    band = [(x, *map(along, point.y_ends)) for point, x, _ in at if point.y_ends]
    if series.mark == "line" and len(band) > 1:
        outline = [f"{x} {high}" for x, _, high in band] + [f"{x} {low}" for x, low, _ in reversed(band)]
        yield f'<path class="{colour} band" d="M{"L".join(outline)}Z"/>'
    if series.mark in ("line", "steps") and len(at) > 1:
        turns = (f"V{y}H{x}" if series.mark == "steps" else f"L{x} {y}" for _, x, y in at[1:])
        yield f'<path class="{line}" d="M{at[0][1]} {at[0][2]}{"".join(turns)}"/>'
    for point, x, y in at if series.style is not None and series.mark in ("points", "line") else ():
        # A line has a band instead of bars, but for a point alone.
        if point.y_ends and (series.mark == "points" or len(at) == 1):
            yield f'<path class="{colour} bar" d="M{x} {along(point.y_ends[0])}V{along(point.y_ends[1])}"/>'
        if point.x_ends:
            yield f'<path class="{colour} bar" d="M{across(point.x_ends[0])} {y}H{across(point.x_ends[1])}"/>'
        name = _title(series, point)
        yield f'<path class="{colour} shape" transform="translate({x} {y})" d="{_shape(series)}">{name}</path>'


def _shape(series: Series) -> str:
    return _SHAPES[(series.style or 0) % len(_SHAPES)]


def _field(series: Series, point: Point, x: float, y: float) -> str:
    value = point.value or 0.0
    strength = f"{0.05 + 0.4 * min(1.0, value):.2f}"
    field = f'<rect class="c0 field" x="{x - 24}" y="{y - 9}" width="48" height="18" fill-opacity="{strength}">'
    return f"{field}{_title(series, point)}</rect>{_text(x, y + 4, f'{100 * value:.0f}', 'middle')}"


def _key(series: Series) -> str:
    colour = f"c{(series.style or 0) % _COLOURS}"
    line = f'<path class="{colour} line{" dashed" if series.dashed else ""}" d="M0 9H24"/>'
    shape = f'<path class="{colour} shape" transform="translate(12 9)" d="{_shape(series)}"/>'
    return (line if series.mark != "points" else "") + (shape if series.mark in ("points", "line") else "")


def _title(series: Series, point: Point | None = None) -> str:
    """Return what is told of a point when it is pointed at."""
    words = [series.name]
    for value, ends in ((point.x, point.x_ends), (point.y, point.y_ends), (point.value, None)) if point else ():
        if isinstance(value, float):
            words.append(f"{100 * value:.1f} %{f' ({100 * ends[0]:.1f} to {100 * ends[1]:.1f})' if ends else ''}")
        elif value is not None:
            words.append(f"{value:,}" if isinstance(value, int) else value)
    return f"<title>{_quoted(', '.join(dict.fromkeys(words)))}</title>"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y:g}">{_quoted(text)}</text>'


def _quoted(text: str) -> str:
    return escape(shown_on_page(text))


def _length(text: str) -> float:
    return sum(_WIDE_LETTER if letter > "\u2e80" else _LETTER for letter in text)
