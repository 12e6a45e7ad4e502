"""The commands `openbook-eval study ...`: plan a study, run it, report what it found, fit which cell comes next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbook_eval.console import line, needing, show
from openbook_eval.errors import OpenbookError

if TYPE_CHECKING:
    from openbook_eval.study.spec import Study
    from openbook_eval.study.workflow import Workflow

study_app = typer.Typer(no_args_is_help=True, help="A study: from raw data to the paper's curves, in one file.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The study: a YAML file.")]
_Work = Annotated[Path | None, typer.Option("--work", help="Folder of the study; else runs/study/NAME.")]
_NEEDS = ("studies need snakemake, scipy and others", "study")
# Reasons why an evaluation is no point, under an error.
_SHOWN = 5


@study_app.command("plan")
def plan(file: _File, work: _Work = None) -> None:
    """Print every arm, what of it is there, GPU-hours and disk of the rest; nothing is run."""
    from openbook_eval.study.runner import plan_report

    show(plan_report(*_read(file, work)))


@study_app.command("run")
def run(
    file: _File,
    work: _Work = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Steps at a time; else one a core.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="For a cluster: slurm, kubernetes, or a Snakemake profile.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Have Snakemake print what it would do, and why.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Have Snakemake print the state of every step.")] = False,
) -> None:
    """Do all that is not done, go on where it was cut off, and report; exit code 1 where a step failed."""
    with needing(*_NEEDS):
        # Nothing is run for hours whose report then lacks a package.
        from openbook_eval.study import report, runner  # noqa: F401

    _, workflow, folder = _read(file, work)
    if dry_run or summary:
        runner.show(workflow, folder, "--summary" if summary else "--dry-run", profile)
        return
    failed = runner.run(workflow, folder, jobs, profile)
    _report(workflow, folder)
    if failed:
        raise typer.Exit(1)


@study_app.command("report")
def report(file: _File, work: _Work = None) -> None:
    """Write the report of what is done so far, curves and all, and print it."""
    _report(*_read(file, work)[1:])


@study_app.command("fit")
def fit(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The study; else the paper's tables.")] = None,
    work: _Work = None,
    table: Annotated[int | None, typer.Option(min=1, max=5, help="Only the points of this table.")] = None,
    weight: Annotated[float, typer.Option(min=0, max=1, help="Of reading; the rest is of knowledge.")] = 0.5,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Fit accuracy by ratio and size: the best ratio for a trade-off, and which cell to train next."""
    with needing(*_NEEDS):
        from openbook_eval.study.fit import fit as fitted
        from openbook_eval.study.report import fit_report
        from openbook_eval.study.results import paper_points, read_results

        found = read_results(*_read(file, work)[1:]) if file else None
        reasons = [f"no point: {reason}" for reason in (found.refused if found else ())]
        try:
            fits = fitted(found.points if found else paper_points(), table, weight, draws, seed)
        except OpenbookError as error:
            raise OpenbookError("\n  ".join([str(error), *reasons[:_SHOWN]])) from error
        show([fit_report(fits), *map(line, reasons)])


def _read(file: Path, work: Path | None) -> "tuple[Study, Workflow, Path]":
    """Read a study; return it with its steps and its folder."""
    from openbook_eval.study.spec import read_study
    from openbook_eval.study.workflow import workflow_of

    study = read_study(file)
    folder = work or Path("runs", "study", study.name)
    return study, workflow_of(study, folder), folder


def _report(workflow: "Workflow", work: Path) -> None:
    with needing(*_NEEDS):
        from openbook_eval.study.report import lay_out, write
        from openbook_eval.study.runner import unchecked

        show([*lay_out(write(workflow, work)), *map(line, unchecked(workflow, work))])
