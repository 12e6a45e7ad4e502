"""The command line `openbook-eval`: every command is a few lines over the room that does the work."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openbook_eval import install, leaderboard_cli, report
from openbook_eval.console import run_program, version_option
from openbook_eval.errors import OpenbookError
from openbook_eval.exam_cli import exam_app
from openbook_eval.recipes_cli import recipes_app
from openbook_eval.scores import Reading, read_runs
from openbook_eval.study_cli import study_app

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Open-book medical exams for language models: does fine-tuning cost a model its ability to read?",
)
app.add_typer(exam_app, name="exam")
app.add_typer(recipes_app, name="recipes")
app.add_typer(study_app, name="study")

_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}


app.callback()(version_option)


def main() -> None:
    """Runs the command line."""
    run_program("openbook-eval", app)


@app.command(context_settings=_PASS_THROUGH, add_help_option=False)
def run(context: typer.Context) -> None:
    """Sit an exam: `lm_eval run` with our tasks found; takes the same flags (--help lists them)."""
    from openbook_eval import harness

    harness.run(context.args)


@app.command()
def scores(
    path: Annotated[Path, typer.Argument(help="A results_*.json of lm-eval, or a folder given as --output_path.")],
) -> None:
    """Print the six exams and their average, and what the reading exam says: of the newest run of each model."""
    from openbook_eval import outcome

    outcome.complete(path)
    runs, readings = read_runs(path)
    console = Console()
    for run_scores in runs:
        console.print(report.scores_table(run_scores))
    for reading in readings:
        for part in _laid_out(reading, path):
            console.print(part)


def _laid_out(reading: Reading, path: Path) -> list[Table | Text]:
    try:
        return list(report.reading_report(reading))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OpenbookError(
            f"{path}: the part openbook.reading of the results of {reading.date} is broken "
            f"({type(error).__name__}: {error}); delete it there, then it is written anew from the samples"
        ) from error


@app.command()
def match(
    path: Annotated[Path, typer.Argument(help="JSONL: output, options, qtype (single or multi), and id if you like.")],
) -> None:
    """Read choices out of responses: one JSON line each with id, letters, state and rule."""
    import orjson

    from openbook_eval.matching import match_choice
    from openbook_eval.responses import read_rows

    for number, row in enumerate(read_rows(path), 1):
        choice = match_choice(row.output, row.options or {}, row.qtype)
        identity = {"id": row.id if row.id is not None else number}
        print((orjson.dumps(identity)[:-1] + b"," + orjson.dumps(choice)[1:]).decode())


@app.command()
def rescore(
    paths: Annotated[list[Path], typer.Argument(help="samples_*.jsonl of lm-eval, or folders with them.")],
    shown: Annotated[int, typer.Option("--show", help="How many differing responses to print.", min=0)] = 10,
) -> None:
    """Mark runs again under our matcher and four others: score, rank, and the responses they read differently."""
    from openbook_eval.rescoring import rescore as mark_again
    from openbook_eval.responses import read_samples

    console = Console()
    samples = [sample for path in paths for sample in read_samples(path)]
    for part in report.rescored_report(mark_again(samples), shown):
        console.print(part)


leaderboard_cli.register(app)


@app.command("tiny-model")
def tiny_model(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Copy the model to this folder.")] = None,
) -> None:
    """Print the folder of the bundled tiny model, which can read, for trying things out."""
    from openbook_eval.tiny_model import copy_tiny_model, tiny_model_dir

    print(copy_tiny_model(out) if out else tiny_model_dir())


@app.command()
def link() -> None:
    """Make `lm_eval --tasks cmed_openbook` work: link our task files into the installed lm_eval."""
    folder, count = install.link()
    print(f"{folder}: {count} task files linked; undo with: openbook-eval unlink")


@app.command()
def unlink() -> None:
    """Undo `link`."""
    folder, count = install.unlink()
    print(f"{folder}: {count} links removed" if count else f"{folder}: nothing was linked")


@app.command("tasks-dir")
def tasks_dir() -> None:
    """Print the folder of our task files, for `lm_eval --include_path`."""
    print(install.tasks_dir())
