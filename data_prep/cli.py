"""The command line `data-prep`: every command is a few lines over the file that does the work."""

import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from data_prep.spec import DATA_VARIABLE, data_folder, find_spec, read_spec, shipped_specs
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
    typer.Option("--data", help=f"Folder of the raw files; else ${DATA_VARIABLE} or ./data."),
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
    form: Annotated[
        str, typer.Option("--format", help="What train.jsonl is for: axolotl, openai, trl, ms-swift or llamafactory.")
    ] = "axolotl",
) -> None:
    """Build the mixes of a spec: DIR/<mix>/train.jsonl with its manifest, and what was left out."""
    from data_prep import build as building
    from data_prep.show import show_built

    built = building.build(
        read_spec(find_spec(spec, Path())),
        _data_folder(data),
        out,
        scale=scale,
        only=mix or (),
        exams=exam or (),
        form=form,
        notify=lambda text: print(f"data-prep: {visible(text)}", file=sys.stderr),
    )
    console.show(show_built(built, out))


@app.command()
def plan(spec: _Spec, scale: _Scale = 1.0, data: _Data = None, mix: _Mixes = None) -> None:
    """Print what would be built, of which files, and what is missing; nothing is read."""
    from data_prep.show import show_plan

    console.show(show_plan(read_spec(find_spec(spec, Path())), _data_folder(data), scale, mix or ()))


@app.command()
def verify(
    folder: _Folder,
    allow_unchecked: Annotated[
        bool, typer.Option("--allow-unchecked", help="An exam of the spec that could not be fetched is no fault.")
    ] = False,
) -> None:
    """Check a mix, or all mixes of a folder, against their manifests; exit code 1 where something is not as built."""
    from data_prep import manifest

    differences = manifest.verify(folder, unchecked=allow_unchecked)
    for difference in differences:
        print(visible(difference))
    if differences:
        raise typer.Exit(1)
    mixes = manifest.mixes_in(folder)
    print(f"{folder}: {len(mixes)} {'mix is' if len(mixes) == 1 else 'mixes are'} as built")


@app.command()
def show(folder: _Folder) -> None:
    """Print counts, ratio, lengths and ten samples of each source of a mix, or of all mixes of a folder."""
    from data_prep.show import show_mixes

    console.show(show_mixes(folder))


@app.command()
def candidates(
    folder: _Folder,
    exam: Annotated[list[str], typer.Option("--exam", help="The exam to look for; again for more.")],
    model: Annotated[str, typer.Option("--model", help="An embedding model: a folder, or a name on the hub.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON lines to write: every candidate.")],
    above: Annotated[float, typer.Option("--above", min=-1, max=1, help="Cosine from which a row is reported.")] = 0.9,
) -> None:
    """Report rows that may be an exam's question in other words, by sentence embeddings; nothing is dropped."""
    from data_prep import candidates as near
    from data_prep.build import load_exams
    from openbook_eval.files import check_place, write_atomic

    check_place(out)
    exams, _ = load_exams(exam, required=True, notify=print)
    found = near.candidates(folder, exams, near.embedder(model), above)
    write_atomic(out, found.write_ndjson())
    console.show(near.report(found, above, out))


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
) -> None:
    """Write the data of the spec `tiny`: questions and answers made from textbook facts, to try a recipe with."""
    import orjson

    from openbook_eval.files import load_yaml, write_atomic
    from openbook_eval.sampling import seeded_draw

    facts = load_yaml(Path(__file__).parent / "invented.yml")
    domains = {name: [row for table in tables for row in invented_rows(table)] for name, tables in facts.items()}
    if few := [f"{name} has no more than {len(known)} rows" for name, known in domains.items() if rows > len(known)]:
        raise OpenbookError(f"--rows {rows}: {few[0]}")
    for name, known in domains.items():
        # By a hash of their content, so that fewer rows are the beginning of more.
        chosen = sorted(known, key=lambda row: seeded_draw(0, *row.values()))[:rows]
        file = out / "tiny" / f"{name}.jsonl"
        write_atomic(file, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in chosen))
        print(f"{file}: {rows} rows")


def invented_rows(table: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield each fact of a table in each of its phrasings, as Alpaca's instruction, input and output."""
    names = table["columns"].split()
    for line in table["facts"].splitlines():
        fact = dict(zip(names, line.split(), strict=True))
        for asking in table["askings"]:
            for question, answer in product(asking["questions"], asking["answers"]):
                instruction, _, given = question.format_map(fact).partition("\n")
                yield {"instruction": instruction, "input": given, "output": answer.format_map(fact)}


def _data_folder(data: Path | None) -> Path:
    folder = data or data_folder()
    if not folder.is_dir():
        raise OpenbookError(f"{folder}: no such folder; --data (or {DATA_VARIABLE}) names that of the raw files")
    return folder
