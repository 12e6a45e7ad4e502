"""Write tables: to the terminal, to CSV, parquet and JSON for programs, to Markdown and LaTeX for readers."""

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from jinja2 import Environment, PackageLoader, Template
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from openbook_eval.console import percent
from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import write_atomic
from openbook_eval.leaderboard.stats import Interval
from openbook_eval.types import EXAM_NAMES

NONE = "-"
INTERVAL = "95 % interval"

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection), in full width as well.
_FORMULA = "^[=+\\-@\t\r＝＋－＠]"
# What makes links, pictures, emphasis, cells; an address must not become a link by itself.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~@$#!]|:(?=//)|(?<=www)\.)")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NAMED = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum", "<": "less", ">": "greater", "|": "bar"}
_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {character: rf"\text{name}{{}}" for character, name in _NAMED.items()}
    # At the beginning of a row it would be an argument of the line break before it.
    | {"[": "{[}"}
)
# A path of this machine, without its last two names: these tell models apart as OWNER/MODEL does on the hub.
_FOLDERS = re.compile(r"""(?<![^\s'"=(])(?:/[^/\s'",:]+)*?/((?:[^/\s'",:]+/)?[^/\s'",:]+)(?=/?(?:$|[\s'",:)]))""")
# So that six exams, all averages and names of models stand in a terminal of 100 columns.
_SHORT = dict(zip(EXAM_NAMES, ("phys", "nurs", "phar", "tech", "prof", "post", "other"), strict=True)) | {
    "average": "avg", "all items": "all", "answered": "answ", INTERVAL: "interval"
}  # fmt: skip
_WIDE = 100


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be read: its first `texts` columns are words, the others figures."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    texts: int = 1


@dataclass(frozen=True, slots=True)
class Export:
    """The same in three forms: a typed frame, the records that JSON has under `name`, and sheets to be read."""

    frame: pl.DataFrame
    name: str = ""
    records: Sequence[Mapping[str, Any]] = ()
    sheets: Sequence[Sheet] = ()

    @classmethod
    def of(
        cls, name: str, records: Sequence[Mapping[str, Any]], rows: str, schema: pl.Schema, sheets: Iterable[Sheet]
    ) -> "Export":
        """Return an export of which the frame has the `rows` of all records, fit to be published; NaN becomes null."""
        fit = without_folders(records, visible)
        frame = pl.DataFrame([row for record in fit for row in record[rows]], schema=schema).fill_nan(None)
        return cls(frame, name, fit, list(sheets))


def percents(interval: Interval | None) -> str:
    """Return the interval of a share in percent; a dash where there is none."""
    return "-".join(map(percent, interval)) if interval else NONE


def points(difference: float) -> str:
    """Return a difference of shares in points, with its sign; a dash where there is none."""
    return f"{100 * difference:+.1f}" if isfinite(difference) else NONE


def between(interval: Interval | None) -> str:
    """Return the interval of a difference in points; a dash where there is none."""
    return " to ".join(map(points, interval)) if interval else NONE


def p_value(p: float | None) -> str:
    """Return a p-value as it is written; a dash where there is none."""
    if p is None or not isfinite(p):
        return NONE
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def without_folders(value: Any, change: Callable[[str], str] = str) -> Any:
    """Return JSON with each text changed, and of an absolute path in it the last two names only."""
    if isinstance(value, Mapping):
        return {name: without_folders(each, change) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(each, change) for each in value]
    return _FOLDERS.sub(r"\1", change(value)) if isinstance(value, str) else value


def export(what: Export, paths: Iterable[Path]) -> None:
    """Write a file a path, its form by its suffix; each whole or not at all. Raises OpenbookError as `check` does."""
    known = list(paths)
    check(known)
    for path in known:
        write_atomic(path, FORMS[path.suffix.lower()](what))


def check(paths: Iterable[Path]) -> None:
    """Raise OpenbookError for a path that no file can be written to, or whose suffix is none of `FORMS`."""
    for path in paths:
        if path.is_dir() or next(folder for folder in path.absolute().parents if folder.exists()).is_file():
            raise OpenbookError(f"{path}: cannot be written, a folder or a file is in its place; name another file")
        if path.suffix.lower() not in FORMS:
            raise OpenbookError(f"{path}: cannot export as {path.suffix or 'nothing'!r}; known are {', '.join(FORMS)}")


def _csv(what: Export) -> bytes:
    texts = pl.col(pl.String)
    return what.frame.with_columns(texts.str.replace(f"({_FORMULA})", "'${1}")).write_csv().encode()


def _parquet(what: Export) -> bytes:
    file = io.BytesIO()
    what.frame.write_parquet(file, compression="zstd")
    return file.getvalue()


def _json(what: Export) -> bytes:
    return orjson.dumps({what.name: what.records}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def markdown(sheets: Iterable[Sheet]) -> str:
    """Return tables as Markdown, all text in them escaped, without the folders of this machine."""
    return _template("md").render(sheets=list(sheets))


def _escaped_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text).translate(_HTML)


def _escaped_latex(text: str) -> str:
    return text.translate(_LATEX)


@cache
def _template(form: str) -> Template:
    escaped = {"md": _escaped_markdown, "tex": _escaped_latex}[form]
    environment = Environment(
        loader=PackageLoader("openbook_eval.leaderboard", "static"),
        autoescape=False,  # noqa: S701 - neither is HTML
        finalize=lambda text: escaped(without_folders(text, visible)),
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"tables.{form}.jinja")


FORMS: Mapping[str, Callable[[Export], bytes]] = {
    ".csv": _csv,
    ".md": lambda what: markdown(what.sheets).encode(),
    ".tex": lambda what: _template("tex").render(sheets=what.sheets).encode(),
    ".parquet": _parquet,
    ".json": _json,
}


def show(sheet: Sheet, below: int = 0, meaning: str = "") -> None:
    """Print a sheet; in a narrow terminal its last `below` columns stand in a table of their own."""
    console = Console()
    places: Sequence[int] = range(len(sheet.heads))
    if sheet.title:
        console.print(Text("\n".join(["", *map(visible, sheet.title.split("\n"))]), "bold"))
    if below and console.width < _WIDE:
        console.print(_table(sheet, places[:-below]))
        places = [*places[: sheet.texts], *places[-below:]]
    console.print(_table(sheet, places))
    say([*sheet.notes, *([meaning] if meaning else [])])


def say(notes: Iterable[str]) -> None:
    """Print notes, a line each."""
    for note in notes:
        Console().print(Text(visible(note), "bold red" if note.startswith("TRUNCATED") else ""))


def _table(sheet: Sheet, places: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=0)
    for place in places:
        head, text = _SHORT.get(sheet.heads[place], sheet.heads[place]), place < sheet.texts
        # Figures stand whole, words give way.
        whole, least = not text or head == "rank", 10 if head == "model" else None
        justify: JustifyMethod = "left" if text else "right"
        table.add_column(head, justify=justify, no_wrap=whole, overflow="fold", min_width=least)
    for row in sheet.rows:
        table.add_row(*(Text(visible(row[place])) for place in places))
    return table
