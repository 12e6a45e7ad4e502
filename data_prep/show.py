"""What a spec would build, what a build came to and what a mix holds, laid out for the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from rich.table import Table
from rich.text import Text

from data_prep.build import DROPPED, wanted_mixes
from data_prep.manifest import TRAIN, BuildFacts, Contamination, Manifest, mixes_in, read_manifest, read_rows
from data_prep.mix import seeded_hash, wanted
from data_prep.outputs import FORMATS
from data_prep.spec import DOMAINS, Spec
from openbook_eval.console import line, percent, table
from openbook_eval.errors import OpenbookError, visible

# Rows of a source that are shown, and characters of each.
_SAMPLES, _CHARACTERS = 10, 200
_QUANTILES = (0.05, 0.5, 0.95, 1)


def _figures(*numbers: int | None) -> list[str]:
    return ["-" if number is None else f"{number:,}" for number in numbers]


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None, 2)


def show_plan(spec: Spec, data: Path, scale: float = 1.0, only: Sequence[str] = ()) -> Iterator[Table | Text]:
    """Yield what a build would make, of which files, and what is missing.

    Raises OpenbookError for a mix that is not in the spec, or a scale that leaves nothing of one.
    """
    planned = [
        (name, f"{mix.size:,}{'' if mix.over == 'rows' else ' tokens'}", *_figures(*map(wanted(mix).get, DOMAINS)))
        for name, mix in wanted_mixes(spec, only, scale).items()
    ]
    yield table(("mix", "size", *DOMAINS), planned, "to be built")
    files = {source.name: source.files(data).values() if source.path else () for source in spec.sources}
    sources = [
        (each.name, each.domain, each.licence, *_figures(len(files[each.name])), _megabytes(files[each.name]))
        for each in spec.sources
    ]
    yield table(("source", "domain", "licence", "files", "MB"), sources, "sources")
    exams = spec.decontaminate.exams if spec.decontaminate else []
    yield line(f"to be checked against {', '.join(exams)}" if exams else "checked against no exam")
    for source in spec.sources:
        if not files[source.name]:
            fetched = f"to be fetched from the hub: {source.hub}"
            yield line(f"source {source.name}: {fetched if source.hub else f'no file {data / (source.path or str())}'}")


def _megabytes(files: Iterable[Path]) -> str:
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.1f}"


def show_built(mixes: Mapping[str, Manifest], out: Path) -> Iterator[Table | Text]:
    """Yield tables of the sources and mixes of a build, and what the user must know."""
    build = next(iter(mixes.values())).build
    flows = [
        (name, *_figures(of.read, of.broken, sum(of.dropped.values()), of.exact, of.near, of.contaminated, of.kept))
        for name, of in build.sources.items()
    ]
    columns = ("source", "read", "broken", "unclean", "twice", "alike", "exam", "kept")
    yield table(columns, flows, "rows of the sources")
    if mended := {name: of.repaired for name, of in build.sources.items() if of.repaired}:
        yield line(
            f"entities and <br> replaced in {', '.join(f'{rows:,} rows of {name}' for name, rows in mended.items())}"
        )
    counts = {
        name: [part.rows if (part := mix.domains.get(domain)) else None for domain in DOMAINS]
        for name, mix in mixes.items()
    }
    repeated = {name: sum(part.repeats for part in mix.domains.values()) for name, mix in mixes.items()}
    letters = {name: sum(part.exam_style for part in mix.domains.values()) for name, mix in mixes.items()}
    rows = [
        (name, *_figures(mix.rows, *counts[name], repeated[name], mix.tokens), _share(letters[name], mix.rows))
        for name, mix in mixes.items()
    ]
    yield table(("mix", "rows", *DOMAINS, "repeated", "tokens", "% exam style"), rows, "mixes")
    yield from _checked(build.contamination)
    if repeating := [name for name, rows in repeated.items() if rows]:
        yield line(f"rows are repeated in {', '.join(repeating)}: the sources, or their max_share, are too small")
    report = build.contamination and build.contamination.report
    yield line(f"{out}: mixes; rows left out in {DROPPED}/" + (f", {report}" if report else ""))


def _checked(found: Contamination | None) -> Iterator[Text]:
    checked, lacking = ((found.names(checked=done) if found else []) for done in (True, False))
    if found and checked:
        yield line(f"checked against {', '.join(checked)}: {found.rows:,} rows left out")
    elif not lacking:
        yield line("checked against no exam")
    if lacking:
        yield Text(visible(f"NOT CHECKED against {', '.join(lacking)}: could not be fetched"), style="bold red")


# --- A mix: counts, ratio wanted and got, lengths of rows, and samples of each source


def show_mixes(folder: Path) -> Iterator[Table | Text]:
    """Yield a mix, or every mix in a folder; raise OpenbookError where one is broken.

    Samples are drawn by the seed of the mix: the same ones every time.
    """
    for mix in mixes_in(folder):
        manifest, rows = read_manifest(mix), read_rows(mix)
        yield from _head(manifest)
        yield _domains(manifest)
        counts = [each for part in manifest.domains.values() for each in part.sources.items()]
        sources = [
            (name, *_figures(of.rows, of.tokens), _share(of.rows, manifest.rows), _share(of.exam_style, of.rows))
            for name, of in counts
        ]
        yield table(("source", "rows", "tokens", "% of rows", "% exam style"), sources)
        shares = ", ".join(f"{rows['tokens'].quantile(part) or 0:,.0f} at {part:.0%}" for part in _QUANTILES)
        yield line(f"tokens a row: {shares}")
        yield from _samples(mix / TRAIN, rows, manifest.build)


def _head(manifest: Manifest) -> Iterator[Text]:
    build = manifest.build
    how = f"counted with {build.tokenizer}" if build.tokenizer else "estimated from characters"
    yield line(f"{manifest.mix}: {manifest.rows:,} rows, {manifest.tokens:,} tokens ({how}), seed {build.seed}")
    yield from _checked(build.contamination)
    for other, domains in manifest.nested_in.items():
        whole = set(domains) >= {name for name, part in manifest.domains.items() if part.rows}
        yield line(f"contained in {other}: {'all of it' if whole else ', '.join(domains)}")


def _domains(manifest: Manifest) -> Table:
    """Lay out shares in percent of what the mix counts: rows or tokens."""
    got = {name: part.rows if manifest.over == "rows" else part.tokens for name, part in manifest.domains.items()}
    size, total = sum(part.wanted for part in manifest.domains.values()), sum(got.values())
    rows = [
        (name, *_figures(part.rows, part.tokens, part.repeats), _share(part.wanted, size), _share(got[name], total))
        for name, part in manifest.domains.items()
    ]
    return table(("domain", "rows", "tokens", "repeated rows", f"wanted, % of {manifest.over}", "got, %"), rows)


def _samples(train: Path, rows: pl.DataFrame, build: BuildFacts) -> Iterator[Text]:
    """Yield ten rows of each source, a line each."""
    order = pl.Series("order", seeded_hash(rows["key"], build.seed, "samples"))
    drawn = rows.with_columns(order).with_row_index("line").filter(pl.col("repeat") == 0)
    drawn = drawn.sort("source", "order").group_by("source", maintain_order=True).head(_SAMPLES)
    wanted_lines = set(drawn["line"])
    try:
        with train.open("rb") as file:
            lines = {number: text for number, text in enumerate(file) if number in wanted_lines}
    except OSError as error:
        raise OpenbookError(f"{train}: cannot be read ({error.strerror})") from error
    for (source,), samples in drawn.group_by("source", maintain_order=True):
        yield from (line(""), line(str(source)))
        for row in samples.iter_rows(named=True):
            try:
                said = FORMATS[build.format].said(lines[row["line"]])
            except (ValueError, LookupError, TypeError) as error:
                where = f"{train}: line {row['line'] + 1}"
                raise OpenbookError(f"{where} is not as data-prep writes it; see data-prep verify") from error
            yield line(f"{row['file']}:{row['row']} {' '.join(said)}"[:_CHARACTERS])
