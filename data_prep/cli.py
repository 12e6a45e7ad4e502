"""The command line `data-prep`: every command is a few lines over the file that does the work."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from data_prep.spec import DATA_VARIABLE, data_folders, find_spec, read_spec, shipped_specs
from openbook_eval import console
from openbook_eval.errors import OpenbookError, visible

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Training mixes of exact ratio and size that do not contain the exam.",
)

_Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a spec that comes with us.")]
_Data = Annotated[
    Path | None,
    typer.Option("--data", help=f"Folder of the raw files; else ${DATA_VARIABLE}, ./data or ../shared/data."),
]
_Scale = Annotated[float, typer.Option("--scale", help="Multiplies the size of every mix.")]
_Mixes = Annotated[list[str] | None, typer.Option("--mix", help="Only this mix; give it again for more.")]
_Exams = Annotated[
    list[str] | None,
    typer.Option("--exam", help="Check against this exam, not those of the spec; it must be there. Again for more."),
]
_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A mix, or the folder that build wrote to.")]

app.callback()(console.version_option)


def main() -> None:
    """Run the command line."""
    console.run_program("data-prep", app)


@app.command()
def build(
    spec: _Spec,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the mixes to.")],
    scale: _Scale = 1.0,
    data: _Data = None,
    mix: _Mixes = None,
    exam: _Exams = None,
) -> None:
    """Build the mixes of a spec: DIR/<mix>/train.jsonl with its manifest, and what was left out."""
    from data_prep import build as building
    from data_prep.show import built_report

    declared = read_spec(find_spec(spec, Path()))
    built = building.build(
        declared,
        _data_folder(data),
        out,
        scale=scale,
        only=mix or (),
        exams=exam or (),
        notify=lambda text: print(f"data-prep: {text}", file=sys.stderr),
    )
    console.show(built_report(built, out))


@app.command()
def plan(spec: _Spec, scale: _Scale = 1.0, data: _Data = None, mix: _Mixes = None) -> None:
    """Print what would be built, what the sources hold, and what is missing; nothing is read in full."""
    from data_prep.show import show_plan

    console.show(show_plan(read_spec(find_spec(spec, Path())), _data_folder(data), scale, mix or ()))


@app.command()
def verify(folder: _Folder) -> None:
    """Check a mix, or all mixes of a folder, against their manifests; exit code 1 where something is not as built."""
    from data_prep import manifest

    differences = manifest.verify(folder)
    for difference in differences:
        print(visible(difference))
    if differences:
        raise typer.Exit(1)
    mixes = manifest.mixes_in(folder)
    print(f"{folder}: {len(mixes)} {'mix is' if len(mixes) == 1 else 'mixes are'} as built")


@app.command()
def show(folder: _Folder) -> None:
    """Print counts, ratio, lengths and ten samples of each source of a mix, or of all mixes of a folder."""
    from data_prep.show import show as parts_of

    console.show(parts_of(folder))


@app.command()
def specs() -> None:
    """Print the names of the specs that come with us, and what each is for."""
    for name, file in shipped_specs().items():
        purpose = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
        print(f"{name}: {purpose}")


@app.command()
def invent(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of raw files to write tiny/DOMAIN.jsonl to.")],
    rows: Annotated[int, typer.Option(help="Rows of each domain.", min=1)] = 400,
    seed: Annotated[int, typer.Option(help="Chooses other rows of the same facts.")] = 0,
) -> None:
    """Write the data of the spec `tiny`: questions and answers made from textbook facts, to try a recipe with."""
    from data_prep.invent import invent as write_rows

    for file in write_rows(out, rows, seed):
        print(f"{file}: {rows} rows")


def _data_folder(data: Path | None) -> Path:
    """Where the paths of sources start."""
    folders = [data] if data else data_folders()
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None and len(folders) == 1:
        raise OpenbookError(f"{folders[0]}: no such folder; --data (or {DATA_VARIABLE}) names that of the raw files")
    return found or folders[0]
