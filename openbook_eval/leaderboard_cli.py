"""The commands `openbook-eval leaderboard` and `compare`: runs as boards, and side by side."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openbook_eval.console import needing
from openbook_eval.errors import OpenbookError, did_you_mean, visible

if TYPE_CHECKING:
    from openbook_eval.leaderboard.compare import Comparison
    from openbook_eval.results import Runs

_Conditions = Annotated[
    list[str] | None,
    typer.Option("--condition", metavar="NAME", help="Only this condition, e.g. openbook; may be given again."),
]
_Cluster = Annotated[
    Literal["auto", "item", "class"],
    typer.Option(help="What chance draws as a whole: the items that share a book (auto), each item, or a class."),
]
_Exports = Annotated[
    list[Path] | None,
    typer.Option("--export", metavar="FILE", help="Write a .csv, .md, .tex, .parquet or .json; may be given again."),
]
_LACKING = ("leaderboards need scipy, statsmodels and others", "leaderboard")
_MEANING = (
    "percent; avg: plain mean of the six exams; all: of all items; interval: 95 %, of what the rank is by; strict: "
    "nothing but the right letters; format: nothing but letters; answ: any letter at all"
)


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command()(leaderboard)
    app.command()(compare)


def leaderboard(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Results files of lm-eval, or folders with them.")
    ] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    html: Annotated[Path | None, typer.Option(help="Write the page to this folder.")] = None,
    export: _Exports = None,
    paper: Annotated[bool, typer.Option("--paper", help="Print the paper's tables below.")] = False,
) -> None:
    """Rank comparable runs, with what is certain of each figure: the six exams, averages, intervals."""
    with needing(*_LACKING):
        from openbook_eval.leaderboard import board as rooms
        from openbook_eval.leaderboard import export as exports
        from openbook_eval.leaderboard import page, published
        from openbook_eval.results import read_runs

    exports.check(export or ())
    if html:
        page.refuse_other(html)
    if not paths and (html or export or not paper):
        raise OpenbookError("leaderboard: name a results file or a folder of runs")
    console = Console()
    if paths:
        found = _only(condition, read_runs(paths, progress=_tell_reading))
        boards = rooms.boards(found, cluster=cluster)
        for board in boards:
            _print(console, exports.terminal(rooms.board_sheet(board), console.width, below=len(rooms.FORM)))
            console.print(Text(_MEANING, "table.caption"))
    if paper:
        _print(console, (part for sheet in published.sheets() for part in exports.terminal(sheet)))
        console.print(Text(published.APPROXIMATION, "table.caption"))
    if paths:
        _print(console, (Text(visible(f"not shown: {reason}")) for reason in found.refused))
        exports.export(rooms.board_export(boards), export or ())
    if paths and html:
        print(page.build(found, boards, html))


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A results file, a folder of one model, or a model's name.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; the difference is A less B.")],
    among: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Where the runs of models lie that are given by name.")
    ] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    shown: Annotated[int, typer.Option("--show", min=0, help="How many flipped items to print, each way.")] = 10,
    export: _Exports = None,
) -> None:
    """Say what differs between two runs on the same items, whether chance may do that, and which items flipped."""
    with needing(*_LACKING):
        from openbook_eval.leaderboard import compare as rooms
        from openbook_eval.leaderboard import export as exports
        from openbook_eval.results import read_runs

    exports.check(export or ())
    pool = read_runs(among, progress=_tell_reading) if among else None
    one, other = (_only(condition, _side(name, pool)) for name in (a, b))
    both = rooms.together(one, other)
    pairs, left_out = rooms.comparable_pairs(one.runs, other.runs)
    found = [rooms.compare(both, *pair, cluster=cluster) for pair in pairs]
    console = Console()
    for comparison in found:
        _print(console, _comparison(comparison, shown))
    lines = (*(f"not compared: {reason}" for reason in left_out), *(f"not shown: {reason}" for reason in both.refused))
    _print(console, (Text(visible(line)) for line in lines))
    exports.export(rooms.comparison_export(found), export or ())


def _comparison(comparison: "Comparison", shown: int) -> Iterable[Table | Text]:
    from openbook_eval.leaderboard.compare import comparison_sheet
    from openbook_eval.leaderboard.export import NONE, Sheet, terminal

    exam = comparison.a.exam
    yield Text("\n" + visible(f"{comparison.a.condition}, {exam.name} {exam.version}"), "bold")
    for side, run in (("A", comparison.a), ("B", comparison.b)):
        yield Text(visible(f"{side}: {run.model}, run {run.date or 'without a date'}"))
    yield from terminal(replace(comparison_sheet(comparison), title=""))
    for side, to_a in (("A", True), ("B", False)):
        flipped = comparison.flipped.filter(a_correct=to_a)
        if flipped.height and shown:
            heads = ("item", "exam", "class", "right", "A", "B")
            rows = [[cell or NONE for cell in row[: len(heads)]] for row in flipped.head(shown).iter_rows()]
            more = [f"and {flipped.height - shown:,} more (--show)"] if flipped.height > shown else []
            yield from terminal(Sheet(f"right in {side} only: {flipped.height:,} items", heads, rows, more, texts=3))


def _only(conditions: Sequence[str] | None, found: "Runs") -> "Runs":
    had = list(dict.fromkeys(run.condition for run in found.runs))
    if unknown := next((name for name in conditions or () if name not in had), None):
        raise OpenbookError(f"no run under the condition {unknown!r}; {did_you_mean(unknown, had)}")
    return replace(found, runs=tuple(run for run in found.runs if not conditions or run.condition in conditions))


def _side(name: str, pool: "Runs | None") -> "Runs":
    from openbook_eval.results import read_runs

    if pool and (named := tuple(run for run in pool.runs if run.model == name)):
        return replace(pool, runs=named)
    if not Path(name).exists():
        if pool:
            # The hint may show a name as it is, and that came from a file.
            hint = visible(did_you_mean(name, sorted({run.model for run in pool.runs})))
            raise OpenbookError(f"no model {name!r} there; {hint}")
        raise OpenbookError(f"{name}: no such file or folder; for the name of a model say --among PATH as well")
    return read_runs([Path(name)], progress=_tell_reading)


def _print(console: Console, parts: Iterable[Table | Text]) -> None:
    for part in parts:
        console.print(part)


def _tell_reading(done: int, files: int) -> None:
    if sys.stderr.isatty():
        print(f"\rsamples files read: {done:,} of {files:,}", end="\n" if done == files else "", file=sys.stderr)
