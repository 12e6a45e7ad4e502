"""The commands `openbook-eval study ...`: what a study would take, running it, what it found, and which cell next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from openbook_eval.console import needing
from openbook_eval.errors import OpenbookError
from openbook_eval.report.cells import line

if TYPE_CHECKING:
    from openbook_eval.study.steps import Graph

study_app = typer.Typer(no_args_is_help=True, help="A study: from raw data to the paper's curves, told by one file.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The study: a YAML file.")]
_Work = Annotated[Path, typer.Option("--work", help="Folder that the steps work in.")]
_WORK = Path("runs") / "study"
# Reasons why a sitting is no point, under an error.
_SHOWN = 5


@study_app.command("plan")
def plan(file: _File, work: _Work = _WORK) -> None:
    """Print every cell, what it needs, what of it is there, GPU-hours and disk; nothing is run."""
    from openbook_eval.report.study_plan import plan_report
    from openbook_eval.study.file.study_file import read_study
    from openbook_eval.study.planning.plan import plan as make_plan

    _check(work)
    _print(*plan_report(make_plan(read_study(file), work)))


@study_app.command("run")
def run(
    file: _File,
    work: _Work = _WORK,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Steps at a time; else one a core, or as the profile says."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Run on a cluster: slurm, kubernetes, or a folder with a profile of Snakemake.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and with what resources.")] = False,
    training_env: Annotated[
        Path | None, typer.Option(help="The environment with Axolotl; else $OPENBOOK_TRAINING_ENV or .venv-train.")
    ] = None,
) -> None:
    """Do all that is not done, go on where it was cut off, and report; exit code 1 where a step failed."""
    with needing("studies need snakemake, scipy and others", "study"):
        # Nothing is run for hours whose report then lacks a package.
        from openbook_eval.study.findings import reporting  # noqa: F401
        from openbook_eval.study.running import run as running

    graph = _graph(file, work)
    options = running.Options(work=work, jobs=jobs, profile=profile, dry_run=dry_run, training_env=training_env)
    failed = running.run(graph, options)
    if not dry_run:
        _report(graph, work)
    if failed:
        raise typer.Exit(1)


@study_app.command("report")
def report(file: _File, work: _Work = _WORK) -> None:
    """Write the report of what is done so far, curves and all, and print it."""
    _report(_graph(file, work), work)


@study_app.command("fit")
def fit(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The study, of which what is done counts; else the paper.")
    ] = None,
    work: _Work = _WORK,
    table: Annotated[int | None, typer.Option(min=1, max=5, help="Only the points of this table.")] = None,
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Of reading in the trade-off; the rest is of knowledge.")
    ] = 0.5,
    size: Annotated[
        int | None, typer.Option(min=1, max=10**12, help="Rows to predict accuracy at; else the largest trained.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Fit accuracy by ratio and size: the best ratio for a trade-off, and which cell to train next."""
    graph = _graph(file, work) if file else None
    with needing("studies need snakemake, scipy and others", "study"):
        from openbook_eval.report.study_fit import fit_report
        from openbook_eval.study import fitting
        from openbook_eval.study.findings import points

        found, lacking = points.study_points(graph, work) if graph else (points.paper_points(), ())
        try:
            fits = fitting.fit(found, table=table, weight=weight, draws=draws, seed=seed, size=size)
        except OpenbookError as error:
            raise OpenbookError(
                "\n  ".join([str(error), *(f"no point: {reason}" for reason in lacking[:_SHOWN])])
            ) from error
        _print(*fit_report(fits), *(line(f"no point: {reason}") for reason in lacking))


def _graph(file: Path, work: Path) -> "Graph":
    from openbook_eval.study.file.study_file import read_study
    from openbook_eval.study.hashing import Hashes
    from openbook_eval.study.planning.graphs import graph_of

    _check(work)
    hashes = Hashes(work)
    graph = graph_of(read_study(file), hashes)
    hashes.save()
    return graph


def _check(work: Path) -> None:
    """Raises OpenbookError where the folder of the steps can be none."""
    try:
        there = next(place for place in (work, *work.absolute().parents) if place.exists())
    except OSError as error:
        raise OpenbookError(f"--work {str(work)[:60]}: no folder can be called so ({error.strerror})") from error
    if not there.is_dir():
        raise OpenbookError(f"{there}: is no folder; name another with --work")


def _report(graph: "Graph", work: Path) -> None:
    with needing("studies need snakemake, scipy and others", "study"):
        from openbook_eval.report.study import study_report

        _print(*study_report(graph, work))


def _print(*parts: object) -> None:
    console = Console()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))
