"""The commands `openbook-eval leaderboard`, `compare` and `submit`: runs as boards, side by side, and handed in."""

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
from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.report.cells import line

if TYPE_CHECKING:
    from openbook_eval.leaderboard.taken import Taken

_Conditions = Annotated[
    list[str] | None,
    typer.Option("--condition", metavar="NAME", help="Only this condition, e.g. openbook; may be said again."),
]
_Cluster = Annotated[
    Literal["auto", "item", "class"],
    typer.Option(help="What chance draws as a whole: the items that share a book (auto), each item, or a class."),
]
_Draws = Annotated[int, typer.Option(min=100, help="Draws of the bootstrap.")]
_Exports = Annotated[
    list[Path] | None,
    typer.Option("--export", metavar="FILE", help="Write a .csv, .md, .tex, .parquet or .json; may be said again."),
]
_Show = Annotated[int, typer.Option("--show", min=0, help="How many flipped items to print, each way.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to an app."""
    for command in (leaderboard, compare, submit):
        app.command()(command)


def leaderboard(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Results files of lm-eval, folders with them, or stores."),
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Add the runs to this folder, and show all of it.")] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    draws: _Draws = 10_000,
    html: Annotated[Path | None, typer.Option(help="Write the page to this folder.")] = None,
    export: _Exports = None,
    paper: Annotated[bool, typer.Option("--paper", help="Print the paper's tables below.")] = False,
) -> None:
    """Rank runs that were asked the same, with what is certain of each figure: the six exams, averages, intervals."""
    with needing("leaderboards need scipy, statsmodels and others", "leaderboard"):
        from openbook_eval.leaderboard import exporting, records, standings
        from openbook_eval.leaderboard.page import folder
        from openbook_eval.report.leaderboard import board_report, paper_report

    exporting.check(export or ())
    if html:
        folder.refuse_other(html)
    if paper and not paths and not store:
        _print(Console(), paper_report())
        return
    taken = _only(condition, _with_stored(paths or [], store))
    boards = standings.boards(taken, cluster=cluster, draws=draws)
    console = Console()
    for board in boards:
        _print(console, board_report(board, console.width))
    if paper:
        _print(console, paper_report())
    _print(console, (line(f"not shown: {reason}") for reason in taken.refused))
    exporting.export(records.of_boards(boards), export or ())
    if html:
        from openbook_eval.leaderboard.page.build import build

        print(build(taken, boards, html, progress=_tell_page))


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A results file, a folder of one model, or a model's name.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; A less B is told.")],
    among: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Where the runs of models lie that are told by name.")
    ] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    draws: _Draws = 10_000,
    shown: _Show = 10,
    export: _Exports = None,
) -> None:
    """Say what differs between two runs on the same items, whether chance may do that, and which items flipped."""
    with needing("leaderboards need scipy, statsmodels and others", "leaderboard"):
        from openbook_eval.leaderboard import comparing, exporting, reading, records
        from openbook_eval.report.leaderboard import comparison_report

    exporting.check(export or ())
    pool = reading.read(among, progress=_tell_reading) if among else None
    one, other = (_only(condition, _side(name, pool)) for name in (a, b))
    both = comparing.together(one, other)
    pairs, left_out = comparing.alike(one.runs, other.runs)
    found = [comparing.compare(both, *pair, cluster=cluster, draws=draws) for pair in pairs]
    console = Console()
    for comparison in found:
        _print(console, comparison_report(comparison, shown))
    _print(console, (line(f"not compared: {reason}") for reason in left_out))
    _print(console, (line(f"not shown: {reason}") for reason in both.refused))
    exporting.export(records.of_comparisons(found), export or ())


def submit(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Results files of lm-eval, or folders with them.")
    ] = None,
    board: Annotated[Path | None, typer.Option(help="The folder of the board that they are added to.")] = None,
    check: Annotated[Path | None, typer.Option(metavar="DIR", help="Check all runs of a board instead.")] = None,
) -> None:
    """Hand runs in to a board: each is checked before it is ranked, and all that is wrong is said at once."""
    with needing("leaderboards need scipy, statsmodels and others", "leaderboard"):
        from openbook_eval.leaderboard import submission

    if check and not (runs or board):
        print(f"{check}: {_runs(submission.check(check))}, all fit to be ranked")
    elif runs and board and not check:
        added, taken = submission.submit(runs, board, progress=_tell_reading)
        _print(Console(), (line(f"not handed in: {reason}") for reason in taken.refused))
        there = f"; {len(taken.runs) - added} were there" if added < len(taken.runs) else ""
        print(f"{board}: {_runs(added)} added{there}")
    else:
        raise OpenbookError("submit: say RUN... --board DIR to hand runs in, or --check DIR alone to check a board")


def _with_stored(paths: Sequence[Path], store: Path | None) -> "Taken":
    """The runs in `paths` and those of a store, to which they are added."""
    from openbook_eval.leaderboard import reading
    from openbook_eval.leaderboard import store as stores

    if not paths and not store:
        raise OpenbookError("leaderboard: name a results file or a folder of runs, or --store")
    stored = [store] if store and (store.exists() or not paths) else []
    taken = reading.read([*paths, *stored], progress=_tell_reading)
    if store and (added := stores.add(store, taken)):
        print(f"{store}: {_runs(added)} added", file=sys.stderr)
    return taken


def _only(conditions: Sequence[str] | None, taken: "Taken") -> "Taken":
    """The runs under some conditions."""
    had = list(dict.fromkeys(run.condition for run in taken.runs))
    if unknown := next((name for name in conditions or () if name not in had), None):
        raise OpenbookError(f"no run under the condition {unknown!r}; {did_you_mean(unknown, had)}")
    return replace(taken, runs=tuple(run for run in taken.runs if not conditions or run.condition in conditions))


def _side(name: str, pool: "Taken | None") -> "Taken":
    """The runs of a model by its name in `pool`, else those in a file or folder."""
    from openbook_eval.leaderboard import reading

    if pool and (named := tuple(run for run in pool.runs if run.model == name)):
        return replace(pool, runs=named)
    if not Path(name).exists():
        if pool:
            # The hint may show a name as it is, and that came from a file.
            hint = line(did_you_mean(name, sorted({run.model for run in pool.runs})))
            raise OpenbookError(f"no model {name!r} there; {hint}")
        raise OpenbookError(f"{name}: no such file or folder; for the name of a model say --among PATH as well")
    return reading.read([Path(name)], progress=_tell_reading)


def _runs(count: int) -> str:
    return f"{count:,} {'run' if count == 1 else 'runs'}"


def _print(console: Console, parts: Iterable[Table | Text]) -> None:
    for part in parts:
        console.print(part)


def _tell_reading(done: int, files: int) -> None:
    """On one line of the terminal, where somebody waits."""
    if sys.stderr.isatty():
        print(f"\rsamples files read: {done:,} of {files:,}", end="\n" if done == files else "", file=sys.stderr)


def _tell_page(what: str) -> None:
    if sys.stderr.isatty():
        Console(stderr=True).print(line(f"page: {what}"))
