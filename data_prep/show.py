"""What a spec would build, what a mix holds and what a build came to, laid out for the terminal."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path

import orjson
import polars as pl
from rich.table import Table
from rich.text import Text

from data_prep.build import CONTAMINATION, DROPPED, Built, wanted_mixes
from data_prep.formats import is_packed, read_head
from data_prep.manifest import TRAIN, Manifest, mixes_in, read_manifest, read_rows
from data_prep.mix import seeded_hash, wanted
from data_prep.read import format_of
from data_prep.spec import DOMAINS, Format, Source, Spec
from openbook_eval.console import line, percent, table
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
    """What a source holds before anything is cleaned, and what is missing.

    `rows` is none where only reading would tell, such as of a data set on the hub; where not `exact`, they were
    estimated from what rows look like.
    """

    source: Source
    files: int = 0
    rows: int | None = None
    exact: bool = True
    missing: str = ""


def holding(source: Source, data: Path) -> Holding:
    """Count what a source holds."""
    files = source.files(data).values() if source.path else ()
    if not files and source.hub:
        return Holding(source, missing=f"to be fetched from the hub: {source.hub}")
    if not files:
        return Holding(source, rows=0, missing=f"no file {data / (source.path or '')}")
    try:
        counts = [_count(file, source.format) for file in files]
    except (OSError, OpenbookError, pl.exceptions.PolarsError) as error:
        return Holding(source, len(files), 0, missing=f"cannot be read ({first_line(error)})")
    return Holding(source, len(files), _sum(rows for rows, _ in counts), all(exact for _, exact in counts))


def _sum(numbers: Iterable[int | None]) -> int | None:
    """The sum, none where a number is not known."""
    each = list(numbers)
    known = [number for number in each if number is not None]
    return sum(known) if len(known) == len(each) else None


def _count(file: Path, declared: Format | None) -> tuple[int | None, bool]:
    """Rows of a file and whether that is exact; none for a kind of file that does not tell."""
    format_ = format_of(file, file.name, declared)
    if is_packed(file):
        return None, True
    match format_:
        case "parquet":
            with file.open("rb") as opened:
                return pl.scan_parquet(opened).select(pl.len()).collect().item(), True
        case "jsonl":
            return _occurrences(file, rb"\n(?=[^\n]|\Z)|[^\n]\Z"), True
        case "json":
            key = _FIRST_KEY.search(read_head(file))
            return (_occurrences(file, re.escape(key[1]) + rb"\s*:"), False) if key else (None, True)
        case "csv" | "tsv":
            return max(0, _occurrences(file, rb"\n") - 1), False
    return None, True


def _occurrences(file: Path, pattern: bytes) -> int:
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        return sum(1 for _ in re.finditer(pattern, content))


def show_plan(spec: Spec, data: Path, scale: float = 1.0, only: Sequence[str] = ()) -> Iterator[Table | Text]:
    """Yield what a build would make, what the sources hold for it, and what is missing.

    Raises OpenbookError for a mix that is not in the spec, or a scale that leaves nothing of one.
    """
    mixes = {name: (mix, wanted(mix)) for name, mix in wanted_mixes(spec, only, scale).items()}
    holdings = [holding(source, data) for source in spec.sources]
    held = {domain: _sum(each.rows for each in holdings if each.source.domain == domain) for domain in DOMAINS}
    planned = [
        (name, f"{mix.size:,}{'' if mix.over == 'rows' else ' tokens'}", *_figures(*map(shares.get, DOMAINS)))
        for name, (mix, shares) in mixes.items()
    ]
    total = ("the sources hold", "", *_figures(*held.values(), unknown="unknown"))
    yield table(("mix", "size", *DOMAINS), [*planned, (), total], "to be built")
    sources = [
        (each.source.name, each.source.domain, each.source.licence, f"{each.files:,}", _about(each))
        for each in holdings
    ]
    title = "sources, before anything is cleaned"
    yield table(("source", "domain", "licence", "files", "rows"), sources, title)
    exams = spec.decontaminate.exams if spec.decontaminate else []
    yield line(f"to be checked against {', '.join(exams)}" if exams else "checked against no exam")
    for name, (mix, shares) in mixes.items():
        outcome = "rows will be repeated" if mix.allow_repeat else "the build will stop, unless by allow_repeat"
        for domain, share in shares.items() if mix.over == "rows" else ():
            if (rows := held[domain]) is not None and rows < share:
                yield line(f"{name}: {domain} is {share - rows:,} rows short before any is dropped; {outcome}")
    yield from (line(f"source {each.source.name}: {each.missing}") for each in holdings if each.missing)


def _about(each: Holding) -> str:
    return ("" if each.exact else "about ") + _figures(each.rows, unknown="unknown")[0]


def _figures(*numbers: int | None, unknown: str = "-") -> list[str]:
    return [unknown if number is None else f"{number:,}" for number in numbers]


# --- A mix: counts, ratio wanted and got, lengths of rows, and samples of each source


def show(folder: Path) -> Iterator[Table | Text]:
    """Yield a mix, or every mix in a folder; raise OpenbookError where one is broken.

    Samples are drawn by the seed of the mix: the same ones every time.
    """
    for mix in mixes_in(folder):
        manifest, rows = read_manifest(mix), read_rows(mix)
        yield from _head(manifest)
        yield _domains(manifest)
        counts = [each for part in manifest.domains.values() for each in part.sources.items()]
        sources = [(name, *_figures(of.rows, of.tokens), _share(of.rows, manifest.rows)) for name, of in counts]
        yield table(("source", "rows", "tokens", "% of rows"), sources)
        yield _histogram(rows["tokens"])
        yield from _samples(mix / TRAIN, rows, manifest.build.seed)


def _head(manifest: Manifest) -> Iterator[Text]:
    build = manifest.build
    tokens = sum(part.tokens for part in manifest.domains.values())
    how = f"counted with {build.tokenizer}" if build.tokenizer else "estimated from characters"
    yield line(f"{manifest.mix}: {manifest.rows:,} rows, {tokens:,} tokens ({how}), seed {build.seed}")
    exams = build.contamination.exams if build.contamination else []
    checked, lacking = ([exam["name"] for exam in exams if ("not_checked" in exam) is no] for no in (False, True))
    if build.contamination is None:
        yield line("not checked against any exam")
    elif checked:
        yield line(f"checked against {', '.join(checked)}: {build.contamination.rows:,} rows left out of the build")
    if lacking:
        yield Text(visible(f"NOT CHECKED against {', '.join(lacking)}"), style="bold")
    for other, domains in manifest.nested_in.items():
        whole = set(domains) >= {name for name, part in manifest.domains.items() if part.rows}
        yield line(f"contained in {other}: {'all of it' if whole else ', '.join(domains)}")


def _domains(manifest: Manifest) -> Table:
    """Shares in percent of what the mix counts: rows or tokens."""
    got = {name: part.rows if manifest.over == "rows" else part.tokens for name, part in manifest.domains.items()}
    size, total = sum(part.wanted for part in manifest.domains.values()), sum(got.values())
    rows = [
        (name, *_figures(part.rows, part.tokens, part.repeats), _share(part.wanted, size), _share(got[name], total))
        for name, part in manifest.domains.items()
    ]
    return table(("domain", "rows", "tokens", "repeated rows", f"wanted, % of {manifest.over}", "got, %"), rows)


def _histogram(tokens: pl.Series) -> Table:
    counts = {
        bounds: int(tokens.is_between(bounds[0], bounds[1] - 1).sum()) for bounds in pairwise((*_BOUNDS, 1 << 32))
    }
    laid = table(("tokens a row", "rows", "%", ""), [])
    laid.columns[-1].justify = "left"
    for (least, beyond), rows in counts.items():
        if rows:
            name = f"{least:,} or more" if least == _BOUNDS[-1] else f"{least:,}-{beyond - 1:,}"
            bar = "█" * max(1, round(_BAR * rows / max(counts.values())))
            laid.add_row(name, f"{rows:,}", _share(rows, len(tokens)), bar)
    return laid


def _samples(train: Path, rows: pl.DataFrame, seed: int) -> Iterator[Table]:
    """Of each source ten rows of two lines, cut at the width of the terminal: what is asked and what is answered."""
    order = pl.Series("order", seeded_hash(rows["key"], seed, "samples"))
    drawn = rows.with_columns(order).with_row_index("line").filter(pl.col("repeat") == 0)
    drawn = drawn.sort("source", "order").group_by("source", maintain_order=True).head(_SAMPLES)
    wanted_lines = set(drawn["line"])
    try:
        with train.open("rb") as file:
            lines = {number: text for number, text in enumerate(file) if number in wanted_lines}
    except OSError as error:
        raise OpenbookError(f"{train}: cannot be read ({error.strerror})") from error
    for (source,), samples in drawn.group_by("source", maintain_order=True):
        # In a table, since a text that is printed by itself loses how it is to be cut.
        laid = Table(box=None, padding=0)
        laid.add_column(Text(f"\n{visible(str(source))}"), no_wrap=True, overflow="ellipsis")
        for row in samples.iter_rows(named=True):
            try:
                messages = orjson.loads(lines.get(row["line"], b""))["messages"]
                said = [f"{message['role']}: {message['content']}" for message in messages]
                texts = f"{row['file']}:{row['row']} {said[0]}", " ".join(said[1:])
            except (ValueError, LookupError, TypeError) as error:
                where = f"{train}: line {row['line'] + 1}"
                raise OpenbookError(f"{where} is not as data-prep writes it; see data-prep verify") from error
            laid.add_row(Text("\n".join(visible(text[:_CHARACTERS]) for text in texts)))
        yield laid


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None, 2)


# --- What a build came to


def built_report(built: Built, out: Path) -> Iterator[Table | Text]:
    """Yield tables of sources and mixes, and what the user must know."""
    flows = [
        (name, *_figures(of.read, of.broken, sum(of.dropped.values()), of.exact, of.near, of.contaminated, of.kept))
        for name, of in built.sources.items()
    ]
    columns = ("source", "read", "broken", "unclean", "twice", "alike", "exam", "kept")
    yield table(columns, flows, "rows of the sources")
    repeated = {name: sum(part.repeats for part in mix.domains.values()) for name, mix in built.mixes.items()}
    rows = {name: {domain: part.rows for domain, part in mix.domains.items()} for name, mix in built.mixes.items()}
    mixes = [
        (name, *_figures(mix.rows, *map(rows[name].get, DOMAINS), repeated[name], mix.tokens))
        for name, mix in built.mixes.items()
    ]
    yield table(("mix", "rows", *DOMAINS, "repeated", "tokens"), mixes, "mixes")
    contaminated = sum(flow.contaminated for flow in built.sources.values())
    names = ", ".join(exam.name for exam in built.exams.read)
    yield line(f"checked against {names}: {contaminated:,} rows left out" if names else "checked against no exam")
    for name, reason in built.exams.lacking.items():
        yield Text(visible(f"NOT CHECKED against {name}: {reason}"), style="bold red")
    for name, faults in built.breaks.items():
        yield line(f"source {name}: {faults[0]}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else ""))
    if repeating := [name for name, rows in repeated.items() if rows]:
        yield line(f"rows are repeated in {', '.join(repeating)}: the sources are too small for them")
    yield line(f"{out}: mixes; rows left out in {DROPPED}/" + (f", {CONTAMINATION}" if names else ""))
