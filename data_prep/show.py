"""What a spec would build and what a mix holds, laid out for the terminal."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path

import orjson
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from data_prep.build import CONTAMINATION, DROPPED, Built, wanted_mixes
from data_prep.formats import is_packed, read_head
from data_prep.manifest import TRAIN, Manifest, mixes_in, read_manifest, read_rows
from data_prep.mix import seeded_hash, wanted
from data_prep.read import format_of
from data_prep.spec import DOMAINS, Domain, Format, Mix, Source, Spec
from openbook_eval.errors import OpenbookError, first_line, visible

_FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*")\s*:')
_SAMPLES, _BAR = 10, 40
# Of a sample, before the terminal cuts it at its width.
_CHARACTERS = 400
# Least tokens of each bar of the histogram.
_BOUNDS = (0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


# --- A plan: files are counted, not read


@dataclass(frozen=True, slots=True)
class Holding:
    """What a source holds before anything is cleaned.

    `rows` is none where nobody can tell without reading it in full, such as of a data set on the hub. `exact` says
    whether they were counted or taken from what rows look like. `missing` says what is not there.
    """

    source: Source
    files: int = 0
    rows: int | None = None
    exact: bool = True
    missing: str = ""


def holding(source: Source, data: Path) -> Holding:
    """Count what a source holds."""
    files = _files(source.path, data) if source.path else []
    if not files:
        if source.hub:
            return Holding(source, missing=f"to be fetched from the hub: {source.hub}")
        return Holding(source, rows=0, missing=f"no file {data / (source.path or '')}")
    try:
        counts = [_count(file, source.format) for file in files]
    except (OSError, OpenbookError, pl.exceptions.PolarsError) as error:
        return Holding(source, len(files), 0, missing=f"cannot be read ({first_line(error)})")
    known = [count for count in counts if count is not None]
    rows = sum(rows for rows, _ in known) if len(known) == len(counts) else None
    return Holding(source, len(files), rows, all(exact for _, exact in known))


def _files(path: str, data: Path) -> list[Path]:
    # Unlike Path.glob it takes a path that starts at the root.
    names = [path] if (data / path).is_file() else glob.glob(path, root_dir=data, recursive=True)  # noqa: PTH207
    return sorted(data / name for name in names if (data / name).is_file())


def _count(file: Path, declared: Format | None) -> tuple[int, bool] | None:
    """Rows of a file and whether that is exact; none for a kind of file that does not tell."""
    format_ = format_of(file, file.name, declared)
    if is_packed(file):
        return None
    match format_:
        case "parquet":
            with file.open("rb") as opened:
                return pl.scan_parquet(opened).select(pl.len()).collect().item(), True
        case "jsonl":
            return _occurrences(file, rb"\n(?=[^\n]|\Z)|[^\n]\Z"), True
        case "json":
            key = _FIRST_KEY.search(read_head(file))
            return (_occurrences(file, re.escape(key[1]) + rb"\s*:"), False) if key else None
        case "csv" | "tsv":
            return max(0, _occurrences(file, rb"\n") - 1), False
    return None


def _occurrences(file: Path, pattern: bytes) -> int:
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        return sum(1 for _ in re.finditer(pattern, content))


def show_plan(spec: Spec, data: Path, scale: float = 1.0, only: Sequence[str] = ()) -> Iterator[Table | Text]:
    """Yield what a build would make, what the sources hold for it, and what is missing, for rich to print.

    Raises OpenbookError for a mix that is not in the spec, or a scale that leaves nothing of one.
    """
    mixes = wanted_mixes(spec, only, scale)
    holdings = [holding(source, data) for source in spec.sources]
    held = {domain: _held(holdings, domain) for domain in DOMAINS}
    yield _planned_mixes(mixes, held)
    yield _planned_sources(holdings)
    checked = ", ".join(spec.decontaminate.exams) if spec.decontaminate else ""
    yield Text(visible(f"to be checked against {checked}" if checked else "checked against no exam"))
    for name, mix in mixes.items():
        for domain, share in wanted(mix).items():
            rows = held[domain]
            if mix.over == "rows" and rows is not None and rows < share:
                outcome = "rows will be repeated" if mix.allow_repeat else "the build will stop, unless by allow_repeat"
                yield Text(f"{name}: {domain} is {share - rows:,} rows short before any is dropped; {outcome}")
    for each in holdings:
        if each.missing:
            yield Text(visible(f"source {each.source.name}: {each.missing}"))


def _held(holdings: Sequence[Holding], domain: Domain) -> int | None:
    """The rows of a domain, none where those of some source are not known."""
    total = 0
    for each in holdings:
        if each.source.domain == domain:
            if each.rows is None:
                return None
            total += each.rows
    return total


def _planned_mixes(mixes: Mapping[str, Mix], held: Mapping[Domain, int | None]) -> Table:
    table = _table("mix", "size", *DOMAINS, title="to be built")
    for name, mix in mixes.items():
        shares = wanted(mix)
        size = f"{mix.size:,}{'' if mix.over == 'rows' else ' tokens'}"
        table.add_row(name, size, *(f"{shares[domain]:,}" if domain in shares else "-" for domain in DOMAINS))
    table.add_section()
    table.add_row("the sources hold", "", *("unknown" if rows is None else f"{rows:,}" for rows in held.values()))
    return table


def _planned_sources(holdings: Sequence[Holding]) -> Table:
    table = Table("source", "domain", "licence", title="sources, before anything is cleaned")
    for column in ("files", "rows"):
        table.add_column(column, justify="right")
    for each in holdings:
        rows = "unknown" if each.rows is None else f"{'' if each.exact else 'about '}{each.rows:,}"
        table.add_row(each.source.name, each.source.domain, visible(each.source.licence), f"{each.files:,}", rows)
    return table


# --- A mix: counts, ratio wanted and got, lengths of rows, and samples of each source


def show(folder: Path) -> Iterator[Table | Text]:
    """Yield a mix, or every mix in a folder, for rich to print; raise OpenbookError where one is broken.

    Samples are drawn by the seed of the mix: the same ones every time.
    """
    for mix in mixes_in(folder):
        manifest, rows = read_manifest(mix), read_rows(mix)
        yield from _head(manifest)
        yield _domains(manifest)
        yield _sources(manifest)
        yield _histogram(manifest, rows["tokens"])
        yield from _samples(mix / TRAIN, rows, manifest.build.seed)


def _head(manifest: Manifest) -> Iterator[Text]:
    build = manifest.build
    tokens = sum(part.tokens for part in manifest.domains.values())
    how = f"counted with {build.tokenizer}" if build.tokenizer else "estimated from characters"
    yield Text(visible(f"{manifest.mix}: {manifest.rows:,} rows, {tokens:,} tokens ({how}), seed {build.seed}"))
    if build.contamination is None:
        yield Text("not checked against any exam")
    else:
        lacking = [exam["name"] for exam in build.contamination.exams if "not_checked" in exam]
        checked = [exam["name"] for exam in build.contamination.exams if "not_checked" not in exam]
        if checked:
            rows = f"{build.contamination.rows:,} rows left out of the build"
            yield Text(visible(f"checked against {', '.join(checked)}: {rows}"))
        if lacking:
            yield Text(visible(f"NOT CHECKED against {', '.join(lacking)}"), style="bold")
    for other, domains in manifest.nested_in.items():
        whole = set(domains) >= {name for name, part in manifest.domains.items() if part.rows}
        yield Text(visible(f"contained in {other}: {'all of it' if whole else ', '.join(domains)}"))


def _domains(manifest: Manifest) -> Table:
    """Shares in percent of what the mix counts: rows or tokens."""
    table = _table("domain", "rows", "tokens", "repeated rows", f"wanted, % of {manifest.over}", "got, %")
    size = sum(part.wanted for part in manifest.domains.values())
    got = {name: part.rows if manifest.over == "rows" else part.tokens for name, part in manifest.domains.items()}
    for name, part in manifest.domains.items():
        counts = (f"{count:,}" for count in (part.rows, part.tokens, part.repeats))
        table.add_row(visible(name), *counts, _percent(part.wanted, size), _percent(got[name], sum(got.values())))
    return table


def _sources(manifest: Manifest) -> Table:
    table = _table("source", "rows", "tokens", "% of rows")
    for part in manifest.domains.values():
        for name, count in part.sources.items():
            share = _percent(count.rows, manifest.rows)
            table.add_row(Text(visible(name)), f"{count.rows:,}", f"{count.tokens:,}", share)
    return table


def _histogram(manifest: Manifest, tokens: pl.Series) -> Table:
    table = _table("tokens a row", "rows", "%")
    table.add_column("")
    counts = {
        bounds: int(tokens.is_between(bounds[0], bounds[1] - 1).sum()) for bounds in pairwise((*_BOUNDS, 1 << 32))
    }
    most = max(counts.values())
    for (least, beyond), rows in counts.items():
        if rows:
            name = f"{least:,} or more" if least == _BOUNDS[-1] else f"{least:,}-{beyond - 1:,}"
            table.add_row(name, f"{rows:,}", _percent(rows, manifest.rows), "█" * max(1, round(_BAR * rows / most)))
    return table


def _samples(train: Path, rows: pl.DataFrame, seed: int) -> Iterator[Table]:
    """Of each source ten rows of two lines, cut at the width of the terminal: what is asked and what is answered."""
    order = pl.Series("order", seeded_hash(rows["key"], seed, "samples"))
    drawn = rows.with_columns(order).with_row_index("line").filter(pl.col("repeat") == 0)
    drawn = drawn.sort("source", "order").group_by("source", maintain_order=True).head(_SAMPLES)
    lines = _lines(train, set(drawn["line"].to_list()))
    for (source,), samples in drawn.group_by("source", maintain_order=True):
        # In a table, since a text that is printed by itself loses how it is to be cut.
        table = Table(box=None, padding=0)
        table.add_column(Text(f"\n{visible(str(source))}"), no_wrap=True, overflow="ellipsis")
        for row in samples.iter_rows(named=True):
            place = f"{row['file']}:{row['row']}"
            table.add_row(_sample(f"{train}: line {row['line'] + 1}", place, lines.get(row["line"], b"")))
        yield table


def _sample(line_name: str, place: str, line: bytes) -> Text:
    try:
        said = [f"{message['role']}: {message['content']}" for message in orjson.loads(line)["messages"]]
        first, rest = said[0], " ".join(said[1:])
    except (ValueError, LookupError, TypeError) as error:
        raise OpenbookError(f"{line_name} is not as data-prep writes it; see data-prep verify") from error
    return Text("\n".join(visible(text[:_CHARACTERS]) for text in (f"{place} {first}", rest)))


def _lines(path: Path, numbers: set[int]) -> dict[int, bytes]:
    """The lines of a file by number, from 0, read one after the other."""
    try:
        with path.open("rb") as file:
            return {number: line for number, line in enumerate(file) if number in numbers}
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error


def _table(first: str, *others: str, title: str | None = None) -> Table:
    table = Table(first, title=title)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


# --- What a build came to


def built_report(built: Built, out: Path) -> Iterator[Table | Text]:
    """Yield tables of sources and mixes, and what the user must know, for rich to print."""
    yield _flow_table(built)
    yield _built_table(built)
    contaminated = sum(flow.contaminated for flow in built.sources.values())
    names = ", ".join(exam.name for exam in built.exams.read)
    yield Text(f"checked against {names}: {contaminated:,} rows left out" if names else "checked against no exam")
    for name, reason in built.exams.lacking.items():
        yield Text(f"NOT CHECKED against {name}: {reason}", style="bold red")
    for name, faults in built.breaks.items():
        yield Text(f"source {name}: {faults[0]}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else ""))
    if repeating := [name for name, mix in built.mixes.items() if any(part.repeats for part in mix.domains.values())]:
        yield Text(f"rows are repeated in {', '.join(repeating)}: the sources are too small for them")
    yield Text(f"{out}: mixes; rows left out in {DROPPED}/" + (f", {CONTAMINATION}" if names else ""))


def _flow_table(built: Built) -> Table:
    table = Table("source", title="rows of the sources", box=SIMPLE_HEAD)
    for column in ("read", "broken", "unclean", "twice", "alike", "exam", "kept"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, flow in built.sources.items():
        unclean = sum(flow.dropped.values())
        counts = (flow.read, flow.broken, unclean, flow.exact, flow.near, flow.contaminated, flow.kept)
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def _built_table(built: Built) -> Table:
    table = Table("mix", title="mixes", box=SIMPLE_HEAD)
    for column in ("rows", *DOMAINS, "repeated", "tokens"):
        table.add_column(column, justify="right")
    for name, mix in built.mixes.items():
        shares = (f"{mix.domains[domain].rows:,}" if domain in mix.domains else "-" for domain in DOMAINS)
        repeated = sum(part.repeats for part in mix.domains.values())
        table.add_row(name, f"{mix.rows:,}", *shares, f"{repeated:,}", f"{mix.tokens:,}")
    return table
