"""Boards and comparisons as tables: in the terminal, as CSV, parquet and JSON, as Markdown and LaTeX."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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

from openbook_eval.baselines import READERS
from openbook_eval.console import percent, rounded
from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import check_place, write_atomic
from openbook_eval.leaderboard import stats
from openbook_eval.leaderboard.board import BESIDE, Board, Comparison, Row, is_complete
from openbook_eval.leaderboard.stats import Interval, Rank
from openbook_eval.results.metrics import SHORT
from openbook_eval.results.runs import Run
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
_SHORT = SHORT | {"average": "avg", "all items": "all", "answered": "answ", INTERVAL: "interval"}
_WIDE = 100


_ESTIMATES = ("average", "all_items", *EXAM_NAMES)
_TEXTS = (
    "board", "condition", "model", "run", "date", "exam_name", "exam_version", "exam_sha256", "entries_sha256",
    "items_sha256", "task_version", "variant", "system_instruction", "chat_template", "profile", "gaps", "settings",
)  # fmt: skip
# A row of an exported table of boards, shares of 1.
RUNS = pl.Schema(
    dict.fromkeys(_TEXTS, pl.String())
    | dict.fromkeys(("rank", "rank_last"), pl.Int64())
    | {f"{name}{end}": pl.Float64() for name in _ESTIMATES for end in ("", "_low", "_high")}
    | dict.fromkeys(BESIDE, pl.Float64())
    | {name.replace(" ", "_"): pl.Float64() for name in READERS}
    | dict.fromkeys(("asked", "shots", "prompts_cut"), pl.Int64())
    | dict.fromkeys(("limited", "truncation_checked"), pl.Boolean())
)
# Heads of the metrics that tell how much the demanded form costs, the first of `BESIDE`.
FORM = ("strict", "format", "answered")
_RUNS = ("condition", "a_model", "b_model", "a_run", "b_run", "of")
_FIGURES = ("a", "b", "difference", "low", "high", "p", "p_holm")
# A row of an exported table of comparisons: an exam, the average of six, or all items.
DIFFERENCES = pl.Schema(
    dict.fromkeys(_RUNS, pl.String()) | dict.fromkeys(_FIGURES, pl.Float64()) | {"items": pl.Int64()}
)


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
    return f"{rounded(100 * difference):+.1f}" if isfinite(difference) else NONE


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


def board_sheet(board: Board) -> Sheet:
    """Return a board to be read: ranks, models, exams, the averages with the interval of the ranked one, metrics."""
    complete = is_complete(board.exams)
    rows = [
        [
            _place(row.rank),
            row.run.marked,
            *(percent(estimate.value) for estimate in row.averages.exams),
            percent(row.overall.value),
            percents(row.overall.interval),
            *([percent(row.averages.micro.value)] if complete else []),
            *(percent(row.metrics[metric]) for metric in BESIDE[: len(FORM)]),
        ]
        for row in board.rows
    ]
    for reader in board.readers:
        shares = [*map(reader.by_exam.get, board.exams), reader.ranked, None, *([reader.overall] if complete else [])]
        rows.append([NONE, f"reference: {reader.name}", *map(percent, shares), *[NONE] * len(FORM)])
    averages = ["average", INTERVAL, "all items"] if complete else ["all items", INTERVAL]
    heads = ["rank", "model", *board.exams, *averages, *FORM]
    return Sheet(f"{board.group.condition}, {board.group.title}", heads, rows, (*_power(board), *board.notes), texts=2)


def _place(rank: Rank | None) -> str:
    if rank is None:
        return NONE
    return str(rank.place) if rank.place == rank.last else f"{rank.place}-{rank.last}"


def _power(board: Board) -> Iterator[str]:
    if board.detectable is not None:
        yield (
            "the smallest difference that this board can detect between neighbours (power 80 %): "
            f"{percent(board.detectable)} points"
        )
    if board.items_for_a_point is not None:
        asked = max(row.run.asked for row in board.rows)
        yield f"a difference of one point would need {board.items_for_a_point:,} items; asked were {asked:,}"


def board_export(boards: Sequence[Board]) -> Export:
    """Return a row a run; as JSON a board with its runs; to read, a table a board."""
    records = [
        {
            "board": board.group.key,
            "condition": board.group.condition,
            "exam": board.group.title,
            "exams": board.exams,
            "detectable": board.detectable,
            "items_for_a_point": board.items_for_a_point,
            "notes": board.notes,
            "reference": [asdict(reader) for reader in board.readers],
            "runs": [_row(board, row) for row in board.rows],
        }
        for board in boards
    ]
    return Export.of("boards", records, "runs", RUNS, map(board_sheet, boards))


def _row(board: Board, row: Row) -> dict[str, Any]:
    averages = {"average": row.averages.macro, "all_items": row.averages.micro}
    values: dict[str, Any] = {"board": board.group.key, **of_run(row.run), **row.metrics}
    values |= {own.name.replace(" ", "_"): own.ranked for own in board.readers}
    if row.rank:
        values |= {"rank": row.rank.place, "rank_last": row.rank.last}
    for name, estimate in (averages | dict(zip(board.exams, row.averages.exams, strict=True))).items():
        values |= zip((name, f"{name}_low", f"{name}_high"), estimate.ends, strict=True)
    return {name: values.get(name) for name in RUNS}


def of_run(run: Run) -> dict[str, Any]:
    """Return what is exported of a run."""
    own = {name: getattr(run, name) for name in set(RUNS) & set(Run.model_fields)}
    own |= {f"exam_{name}": getattr(run.exam, name) for name in ("name", "version", "sha256")}
    own["settings"] = ", ".join(f"{name} {value}" for name, value in run.settings.items())
    own |= {"run": run.id, "prompts_cut": run.truncation.cut, "truncation_checked": run.truncation.checked}
    return {name: own[name] for name in RUNS if name in own}


def comparison_sheet(comparison: Comparison) -> Sheet:
    """Return a comparison to be read: exams and averages of A and B, what differs, and whether chance may do that."""
    rows = []
    for name, of in comparison.differences.items():
        difference = points(of.estimate.value), between(of.estimate.interval)
        rows.append([name, percent(of.a), percent(of.b), *difference, p_value(of.p), p_value(of.adjusted)])
    heads = ["of", "A", "B", "A - B", INTERVAL, "p", "p (Holm)"]
    title = f"{comparison.a.condition}: A {comparison.a.marked}, B {comparison.b.marked}"
    return Sheet(title, heads, rows, (conclusion(comparison), *_grounds(comparison), *comparison.notes))


def conclusion(comparison: Comparison) -> str:
    """Return who does better, in words: surely where `Comparison.better` says so."""
    found, interval = comparison.overall, comparison.overall.estimate.interval
    if not isfinite(found.p) or interval is None:
        return (
            "too little to tell: an exam of one item, or of one shared book, says nothing of chance (of a book, say "
            "--cluster item)"
        )
    if found.way == 0:
        nothing = f"no difference that this exam can tell: {points(found.estimate.value)} points ({between(interval)})"
        least = comparison.detectable
        return nothing if least is None else f"{nothing}; it would find one of {percent(least)} points (power 80 %)"
    better = "A" if found.way > 0 else "B"
    low, high = sorted(rounded(found.way * 100 * end) for end in (interval.low, interval.high))
    of_both = f"{better} is better by {percent(abs(found.estimate.value))} points ({low:.1f} to {high:.1f})"
    if comparison.better:
        return f"{of_both}, surely"
    return f"not sure: of the items that both answered {of_both}; the missing answers could change that"


def _grounds(comparison: Comparison) -> Iterator[str]:
    counts = comparison.counts
    words = "right in both {both:,}, in A only {only_a:,}, in B only {only_b:,}, in neither {neither:,} items"
    yield words.format_map(counts)
    if counts["missing"]:
        least, most = (points(each.estimate.value) for each in comparison.extremes)
        missing = f"{counts['missing']:,} items have no score in one of them and are left out"
        yield f"{missing}; whatever they were, A - B of all items lies from {least} to {most} points"
    apart = "average" in comparison.differences and comparison.test != stats.T_TEST
    yield f"p by the {comparison.test}" + (f", of the average by the {stats.T_TEST}" if apart else "")


def comparison_export(comparisons: Sequence[Comparison]) -> Export:
    """Return a row a difference; as JSON a comparison with the flipped items; to read, a table a comparison."""
    records = [
        {
            "condition": each.a.condition,
            "a": of_run(each.a),
            "b": of_run(each.b),
            "test": each.test,
            "detectable": each.detectable,
            "counts": each.counts,
            "extremes": [case.estimate.value for case in each.extremes],
            "differences": list(_rows(each)),
            "flipped": each.flipped.to_dicts(),
        }
        for each in comparisons
    ]
    return Export.of("comparisons", records, "differences", DIFFERENCES, map(comparison_sheet, comparisons))


def _rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    a, b = comparison.a, comparison.b
    for name, found in comparison.differences.items():
        figures = (found.a, found.b, *found.estimate.ends, found.p, found.adjusted, found.estimate.n)
        yield dict(zip(DIFFERENCES, (a.condition, a.model, b.model, a.id, b.id, name, *figures), strict=True))


def export(what: Export, paths: Iterable[Path]) -> None:
    """Write a file a path, its form by its suffix; each whole or not at all. Raises OpenbookError as `check` does."""
    known = list(paths)
    check(known)
    for path in known:
        write_atomic(path, FORMS[path.suffix.lower()](what))


def check(paths: Iterable[Path]) -> None:
    """Raise OpenbookError for a path that no file can be written to, or whose suffix is none of `FORMS`."""
    for path in paths:
        if path.is_dir():
            raise OpenbookError(f"{path}: cannot be written, a folder is in its place; name another file")
        check_place(path)
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


def markdown_text(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text).translate(_HTML)


def _escaped_latex(text: str) -> str:
    return text.translate(_LATEX)


@cache
def _template(form: str) -> Template:
    escaped = {"md": markdown_text, "tex": _escaped_latex}[form]
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
        sheet = replace(sheet, rows=[row for row in sheet.rows if {*row[-below:]} != {NONE}])
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
