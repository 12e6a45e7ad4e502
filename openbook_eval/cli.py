"""The command line `openbook-eval`: every command is a few lines over the room that does the work."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbook_eval import install, leaderboard_cli
from openbook_eval.console import line, run_program, show, version_option
from openbook_eval.errors import OpenbookError
from openbook_eval.exam_cli import exam_app
from openbook_eval.study_cli import study_app
from openbook_eval.types import SIX_EXAMS

if TYPE_CHECKING:
    import polars as pl

    from openbook_eval.results import Run

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Open-book medical exams for language models: does fine-tuning cost a model its ability to read?",
)
recipes_app = typer.Typer(no_args_is_help=True, help="Training recipes for Axolotl.")
app.add_typer(exam_app, name="exam")
app.add_typer(recipes_app, name="recipes")
app.add_typer(study_app, name="study")
app.callback()(version_option)

_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}
_RECIPES = Path("recipes")


def main() -> None:
    """Run the command line."""
    run_program("openbook-eval", app)


@app.command(context_settings=_PASS_THROUGH, add_help_option=False)
def run(context: typer.Context) -> None:
    """Run an evaluation: `lm_eval run` with our tasks found; takes the same flags (--help lists them)."""
    from openbook_eval.run import run as evaluate

    evaluate(context.args, _show_scores)


@app.command()
def scores(
    path: Annotated[Path, typer.Argument(help="A results_*.json of lm-eval, or a folder given as --output_path.")],
) -> None:
    """Print the six exams and their average, and what the reading exam says: of the newest run of each model."""
    from openbook_eval.results.reader import annotate

    annotate(path)
    _show_scores([path])


def _show_scores(paths: Sequence[Path]) -> None:
    from openbook_eval.results import Scores, read_runs, reading_metrics, reading_runs
    from openbook_eval.results.metrics import floor, reading_report
    from openbook_eval.results.runs import READING

    found = read_runs(paths)
    for each in found.runs:
        if each.condition not in READING:
            items = found.items_of(each)
            show([Scores.of(items).table(each, _interval(each, items)), *map(line, floor(each))])
    for runs in reading_runs(found):
        show(reading_report(runs, reading_metrics({name: found.items_of(each) for name, each in runs.items()})))
    show(line(f"left out: {reason}") for reason in found.refused)


def _interval(run: "Run", items: "pl.DataFrame") -> tuple[float, float] | None:
    """Return the 95 % interval of the six exams' average, None where there is none."""
    from openbook_eval.leaderboard.board import ScoreTable, is_complete
    from openbook_eval.leaderboard.stats import averages

    table = ScoreTable.of([run], items).only(SIX_EXAMS)
    interval = averages(table.scores(), table.design())[0].macro.interval if is_complete(table.exams) else None
    return (interval.low, interval.high) if interval else None


@app.command()
def match(
    path: Annotated[Path, typer.Argument(help="JSONL: output, options, qtype (single or multi), and id if you like.")],
) -> None:
    """Read choices out of responses: one JSON line each with id, letters, state and rule."""
    import orjson

    from openbook_eval.matching import match_choice
    from openbook_eval.matching.rows import read_rows

    for number, row in enumerate(read_rows(path), 1):
        choice = match_choice(row.output, row.options or {}, row.qtype)
        identity = {"id": row.id if row.id is not None else number}
        print((orjson.dumps(identity)[:-1] + b"," + orjson.dumps(choice.to_json())[1:]).decode())


@app.command()
def rescore(
    paths: Annotated[
        list[Path], typer.Argument(help="Results or samples of lm-eval, OpenCompass, EvalScope, CMB; rows; or folders.")
    ],
    key: Annotated[Path | None, typer.Option(help="A file of right answers by id, for rows that have none.")] = None,
    shown: Annotated[int, typer.Option("--show", help="How many differing responses to print.", min=0)] = 10,
) -> None:
    """Score responses of any choice task again by our matcher and four others: ranks, and what they read apart."""
    from openbook_eval.results.rescoring import rescore
    from openbook_eval.results.responses import read_responses

    for rescored in rescore(read_responses(paths, key)):
        show(rescored.report(shown))


leaderboard_cli.register(app)


@recipes_app.command("write")
def write_recipes(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Recipes to write; else all.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write them to.")] = _RECIPES,
    full: Annotated[bool, typer.Option("--full", help="Train all weights instead of a LoRA adapter.")] = False,
) -> None:
    """Write the recipes, one YAML file each, from one table and one template."""
    from openbook_eval.training import recipes

    print(f"{out}: {len(recipes.write(recipes.cells_named(names or (), full=full), out))} recipes written")


@recipes_app.command("check")
def check_recipes(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Recipes or folders; else recipes/.")
    ] = None,
    mixes: Annotated[bool, typer.Option("--mixes/--no-mixes", help="Whether their mixes must be there.")] = True,
) -> None:
    """Check recipes against Axolotl's schema, against what Axolotl accepts silently, and against their mixes."""
    from openbook_eval.training.check import check

    found = check(paths or [_RECIPES], mixes=mixes)
    faults = [f"{recipe}: {fault}" for recipe, faults in found.items() for fault in faults]
    head = f"{len(faults)} faults in {sum(map(bool, found.values()))} of {len(found)} recipes"
    if faults:
        raise OpenbookError("\n".join([f"{head}:", *faults]))
    print(head)


@recipes_app.command("merge")
def merge_adapter(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The output_dir of a recipe that trained an adapter.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the model; else RUN/merged.")] = None,
    base: Annotated[str | None, typer.Option("--base", help="The base model, where it has moved since.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code of the base model's authors.")
    ] = False,
) -> None:
    """Merge an adapter into its base model: a folder that vLLM and transformers load."""
    from openbook_eval.training.merge import merge

    print(merge(run, out, base, trust_remote_code=trust_remote_code))


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
    print(f"{folder}: {count} links removed")


@app.command("tasks-dir")
def tasks_dir() -> None:
    """Print the folder of our task files, for `lm_eval --include_path`."""
    print(install.tasks_dir())
