"""The commands `openbook-eval recipes ...`: write the recipes, check them, and merge what they trained."""

from pathlib import Path
from typing import Annotated

import typer

from openbook_eval.errors import OpenbookError

recipes_app = typer.Typer(no_args_is_help=True, help="Training recipes for Axolotl.")

_FOLDER = Path("recipes")


@recipes_app.command("write")
def write(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Recipes to write; else all.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write them to.")] = _FOLDER,
    full: Annotated[bool, typer.Option("--full", help="Train all weights instead of a LoRA adapter.")] = False,
) -> None:
    """Write the recipes, one YAML file each, from one table and one template."""
    from openbook_eval.training import recipes

    written = recipes.write(recipes.cells_named(names or (), full=full), out)
    print(f"{out}: {len(written)} {'recipe' if len(written) == 1 else 'recipes'} written")


@recipes_app.command("check")
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Recipes, or folders of them; else recipes/.")
    ] = None,
    mixes: Annotated[bool, typer.Option("--mixes/--no-mixes", help="Whether their mixes must be there.")] = True,
) -> None:
    """Check recipes against Axolotl's schema, against what Axolotl accepts silently, and against their mixes."""
    from openbook_eval.training import check as checking

    found = checking.check(paths or [_FOLDER], mixes=mixes)
    if any(found.values()):
        raise OpenbookError(checking.report(found))
    print(checking.report(found))


@recipes_app.command("merge")
def merge(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The output_dir of a recipe that trained an adapter.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the model; else RUN/merged.")] = None,
    base: Annotated[str | None, typer.Option("--base", help="The base model, where it has moved since.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code of the base model's authors.")
    ] = False,
) -> None:
    """Merge an adapter into its base model: a folder that vLLM and transformers load."""
    from openbook_eval.training.merge import merge as merge_adapter

    print(merge_adapter(run, out, base, trust_remote_code=trust_remote_code))
