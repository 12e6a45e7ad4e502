"""Figures drawn to SVG while the page is built, so that no script draws in the page; once for each theme."""

import re
from dataclasses import dataclass
from typing import Any

from openbook_eval.leaderboard.page.plots.figure import Figure

_FONT = "Helvetica, Arial, 'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]

# Text, where names of models stand, has a tag's beginning before the next end of one.
_IN_A_TAG = "(?=[^<>]*>)"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a theme: of text, of axes, of the lines of a grid, and of models one after the other."""

    ink: str
    faint: str
    grid: str
    colours: tuple[str, ...]


# Okabe and Ito's colours, which colour-blind readers tell apart (https://jfly.uni-koeln.de/color/), each theme without
# those that its ground swallows. Seven colours and six shapes: 42 models before a pair comes again.
THEMES = {
    "light": Theme(
        ink="#1b2026",
        faint="#59636e",
        grid="#e4e7eb",
        colours=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d"),
    ),
    "dark": Theme(
        ink="#e3e7ec",
        faint="#a0a8b2",
        grid="#343a42",
        colours=("#56b4e9", "#e69f00", "#2cc295", "#dd97bf", "#f0e442", "#f0824a", "#c9ced6"),
    ),
}


def draw(figure: Figure) -> dict[str, str]:
    """The figure as SVG by theme, `light` and `dark`, on no ground of its own; nothing is loaded to draw it."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    specification = figure.chart().to_dict()
    specification.pop("config", None)
    return {
        name: _lean(
            vl_convert.vegalite_to_svg(
                specification, vl_version=version, config=configuration(theme), allowed_base_urls=[]
            )
        )
        for name, theme in THEMES.items()
    }


def configuration(theme: Theme) -> dict[str, Any]:
    """Vega-Lite's configuration of a theme."""
    ink, faint, grid = theme.ink, theme.faint, theme.grid
    labels = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 600}
    lines = {"gridColor": grid, "domainColor": faint, "tickColor": faint}
    symbols = {"symbolSize": 80, "symbolStrokeWidth": 2, "symbolOpacity": 1, "symbolLimit": 42}
    return {
        "aria": False,  # the page says in words what a picture shows
        "background": "transparent",
        "font": _FONT,
        # Fonts of other systems are wider than those that the labels are measured with.
        "padding": {"left": 4, "top": 4, "right": 16, "bottom": 4},
        "view": {"stroke": grid},
        "axis": {**labels, **lines, "labelLimit": 260, "labelFlush": False},
        "legend": {**labels, **symbols, "labelLimit": 260},
        "header": labels,
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": ink},
        "point": {"size": 60, "filled": True, "opacity": 1, "color": theme.colours[0]},
        "style": {"faint": {"color": faint}},
        "range": {"category": list(theme.colours), "symbol": _SHAPES, "heatmap": {"scheme": "cividis"}},
    }


def _lean(svg: str) -> str:
    """The font said once, coordinates to hundredths of a pixel, and names that are the same each time.

    Vega says the font of each text, writes 16 digits, and numbers gradients on through all pictures of a process.
    """
    svg = re.sub(rf' font-family="[^"<>]*"{_IN_A_TAG}', "", svg)
    svg = re.sub(rf"(\d+\.\d{{2}})\d+{_IN_A_TAG}", r"\1", svg)
    for number, name in enumerate(dict.fromkeys(re.findall(rf'id="([a-z]+_?\d+)"{_IN_A_TAG}', svg))):
        svg = re.sub(rf'(id="|url\(#){name}(?=["\)]){_IN_A_TAG}', rf"\g<1>part-{number}", svg)
    return svg.replace("<svg ", f'<svg font-family="{_FONT}" ', 1)
