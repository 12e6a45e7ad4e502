"""The commands `openbook-eval leaderboard` and `compare`: runs as boards, and side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from openbook_eval.console import needing
from openbook_eval.errors import OpenbookError, did_you_mean, visible

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Comparison
    from openbook_eval.leaderboard.export import Sheet
    from openbook_eval.results.runs import Runs

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
_Across = Annotated[
    Literal["settings"] | None,
    typer.Option(
        help="settings: compare runs of other settings too (engine, chat template, temperature, limits, stops)."
    ),
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
    app.command()(validate)


def leaderboard(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Results files of lm-eval, or folders with them.")
    ] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    across: _Across = None,
    repeats: Annotated[bool, typer.Option("--repeats", help="Show repeated runs of a model too.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the page to this folder.")] = None,
    export: _Exports = None,
    paper: Annotated[bool, typer.Option("--paper", help="Print the paper's tables below.")] = False,
) -> None:
    """Rank comparable runs, with what is certain of each figure: the six exams, averages, intervals."""
    with needing(*_LACKING):
        from openbook_eval.leaderboard import board, page, published
        from openbook_eval.leaderboard import export as exports
        from openbook_eval.results.reader import read_runs

    exports.check(export or ())
    if html:
        page.refuse_other(html)
    if not paths and (html or export or not paper):
        raise OpenbookError("leaderboard: name a results file or a folder of runs")
    found = _only(condition, read_runs(paths, repeats=repeats)) if paths else None
    found = found.across_settings() if found and across else found
    boards = board.boards(found, cluster=cluster) if found else []
    for each in boards:
        exports.show(exports.board_sheet(each), below=len(exports.FORM), meaning=_MEANING)
    # Tables of one exam say nothing of runs of another.
    papers = paper and all(published.is_papers(each) for each in boards)
    for sheet in published.sheets() if papers else ():
        exports.show(sheet)
    exports.say(([published.APPROXIMATION, published.CEILING_NOTE] if papers else [published.OF_CMB]) if paper else [])
    if found:
        exports.say(board.apart_by_settings(boards))
        exports.say(f"not shown: {reason}" for reason in found.refused)
        exports.export(exports.board_export(boards), export or ())
    if found and html:
        print(page.build(found, boards, html, cluster=cluster))


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A results file, a folder of one model, or a model's name.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; the difference is A less B.")],
    among: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Where the runs of models lie that are given by name.")
    ] = None,
    condition: _Conditions = None,
    cluster: _Cluster = "auto",
    across: _Across = None,
    shown: Annotated[int, typer.Option("--show", min=0, help="How many flipped items to print, each way.")] = 10,
    export: _Exports = None,
) -> None:
    """Say what differs between two runs on the same items, whether chance may do that, and which items flipped."""
    with needing(*_LACKING):
        from openbook_eval.leaderboard import board
        from openbook_eval.leaderboard import export as exports
        from openbook_eval.results.reader import read_runs

    exports.check(export or ())
    pool = read_runs(among) if among else None
    one, other = (_only(condition, _side(name, pool)) for name in (a, b))
    both = board.together(one, other)
    both = both.across_settings() if across else both
    sides = [[run for run in both.runs if run.id in {own.id for own in side.runs}] for side in (one, other)]
    pairs, left_out = board.comparable_pairs(*sides)
    found = [board.compare(both, *pair, cluster=cluster) for pair in pairs]
    for comparison in found:
        for sheet in _sheets(comparison, shown):
            exports.show(sheet)
    exports.say(
        [f"not compared: {reason}" for reason in left_out] + [f"not shown: {reason}" for reason in both.refused]
    )
    exports.export(exports.comparison_export(found), export or ())


def _sheets(comparison: "Comparison", shown: int) -> "Iterator[Sheet]":
    from openbook_eval.leaderboard.export import NONE, Sheet, comparison_sheet

    exam, sides = comparison.a.exam, (("A", comparison.a), ("B", comparison.b))
    runs = [f"{side}: {run.marked}, run {run.date or 'without a date'}" for side, run in sides]
    title = "\n".join([f"{comparison.a.condition}, {exam.name} {exam.version}", *runs])
    yield replace(comparison_sheet(comparison), title=title)
    for side, to_a in (("A", True), ("B", False)):
        flipped = comparison.flipped.filter(a_correct=to_a)
        if flipped.height and shown:
            heads = ("item", "exam", "class", "right", "A", "B")
            rows = [[cell or NONE for cell in row[: len(heads)]] for row in flipped.head(shown).iter_rows()]
            more = [f"and {flipped.height - shown:,} more (--show)"] if flipped.height > shown else []
            yield Sheet(f"right in {side} only: {flipped.height:,} items", heads, rows, more, texts=3)


def _only(conditions: Sequence[str] | None, found: "Runs") -> "Runs":
    had = list(dict.fromkeys(run.condition for run in found.runs))
    if unknown := next((name for name in conditions or () if name not in had), None):
        raise OpenbookError(f"no run under the condition {unknown!r}; {did_you_mean(unknown, had)}")
    return replace(found, runs=tuple(run for run in found.runs if not conditions or run.condition in conditions))


def _side(name: str, pool: "Runs | None") -> "Runs":
    from openbook_eval.results.reader import read_runs, results_files
    from openbook_eval.results.runs import model_name

    lies_there = Path(name).exists() or results_files(Path(name))
    if pool and (named := tuple(run for run in pool.runs if name in (run.model, model_name(run.weights)))):
        return replace(pool, runs=named)
    if pool and not lies_there:
        # The hint may show a name as it is, and that came from a file.
        hint = visible(did_you_mean(name, sorted({run.model for run in pool.runs})))
        raise OpenbookError(f"no model {name!r} there; {hint}")
    if not lies_there:
        raise OpenbookError(f"{name}: no such file or folder; for the name of a model say --among PATH as well")
    return read_runs(name)


def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE", help="Claim files (.yml), or folders with them.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Copies of raw answers: by name, or under their address.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page to this folder.")] = None,
    runs: Annotated[
        list[Path] | None, typer.Option("--run", metavar="RUN", help="Runs whose boards stand on the page as well.")
    ] = None,
) -> None:
    """Recompute published figures from raw answers, in their way and in ours; exit with 1 where one is not met."""
    with needing(*_LACKING):
        import polars as pl

        from openbook_eval.leaderboard import board, claims, page, validation
        from openbook_eval.leaderboard.export import show
        from openbook_eval.results.reader import read_runs
        from openbook_eval.results.runs import Runs
        from openbook_eval.results.samples import ITEMS

    if html:
        page.refuse_other(html)
    found = claims.read_validations(paths)
    own = read_runs(runs) if runs else Runs((), pl.DataFrame(schema=ITEMS))
    reports = [validation.check(each, claims.Files(path.parent, data, offline)) for path, each in found]
    for report in reports:
        show(report.sheet)
    if html:
        print(page.build(own, board.boards(own), html, validations=[report.sheet for report in reports]))
    outcomes = [each.outcome for report in reports for each in report.checked]
    print(", ".join(f"{name}: {outcomes.count(name)}" for name in validation.OUTCOMES))
    if validation.NOT_MET in outcomes:
        raise typer.Exit(1)
