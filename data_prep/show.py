"""What a spec would build, what a mix holds and what a build came to, laid out for the terminal."""

import re
from collections.abc import Iterator, Sequence
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
from data_prep.spec import DOMAINS, Domain, Format, Source, Spec
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
    """What a source holds before anything is cleaned: files, rows, and what is missing.

    `rows` is none where only reading would tell, such as of a data set on the hub, and `exact` says whether they were
    counted or taken from what rows look like.
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
    known = [count for count in counts if count is not None]
    rows = sum(rows for rows, _ in known) if len(known) == len(counts) else None
    return Holding(source, len(files), rows, all(exact for _, exact in known))


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
    """Yield what a build would make, what the sources hold for it, and what is missing.

    Raises OpenbookError for a mix that is not in the spec, or a scale that leaves nothing of one.
    """
    mixes = wanted_mixes(spec, only, scale)
    shares = {name: wanted(mix) for name, mix in mixes.items()}
    holdings = [holding(source, data) for source in spec.sources]
    held = {domain: _held(holdings, domain) for domain in DOMAINS}
    planned = (
        (name, _figure(mix.size, mix.over), *(_figure(shares[name].get(domain)) for domain in DOMAINS))
        for name, mix in mixes.items()
    )
    sources = ("the sources hold", "", *("unknown" if rows is None else f"{rows:,}" for rows in held.values()))
    yield table(("mix", "size", *DOMAINS), [*planned, (), sources], "to be built")
    yield table(
        ("source", "domain", "licence", "files", "rows"),
        [
            (
                each.source.name,
                each.source.domain,
                each.source.licence,
                _figure(each.files),
                "unknown" if each.rows is None else f"{'' if each.exact else 'about '}{each.rows:,}",
            )
            for each in holdings
        ],
        "sources, before anything is cleaned",
    )
    exams = spec.decontaminate.exams if spec.decontaminate else []
    yield line(f"to be checked against {', '.join(exams)}" if exams else "checked against no exam")
    for name, mix in mixes.items():
        outcome = "rows will be repeated" if mix.allow_repeat else "the build will stop, unless by allow_repeat"
        for domain, share in shares[name].items() if mix.over == "rows" else ():
            if (rows := held[domain]) is not None and rows < share:
                yield line(f"{name}: {domain} is {share - rows:,} rows short before any is dropped; {outcome}")
    yield from (line(f"source {each.source.name}: {each.missing}") for each in holdings if each.missing)


def _held(holdings: Sequence[Holding], domain: Domain) -> int | None:
    """The rows of a domain, none where those of some source are not known."""
    rows = [each.rows for each in holdings if each.source.domain == domain]
    known = [each for each in rows if each is not None]
    return sum(known) if len(known) == len(rows) else None


def _figure(number: int | None, over: str = "rows") -> str:
    return "-" if number is None else f"{number:,}{'' if over == 'rows' else f' {over}'}"


# --- A mix: counts, ratio wanted and got, lengths of rows, and samples of each source


def show(folder: Path) -> Iterator[Table | Text]:
    """Yield a mix, or every mix in a folder; raise OpenbookError where one is broken.

    Samples are drawn by the seed of the mix: the same ones every time.
    """
    for mix in mixes_in(folder):
        manifest, rows = read_manifest(mix), read_rows(mix)
        yield from _head(manifest)
        yield _domains(manifest)
        yield table(
            ("source", "rows", "tokens", "% of rows"),
            [
                (name, _figure(count.rows), _figure(count.tokens), _share(count.rows, manifest.rows))
                for part in manifest.domains.values()
                for name, count in part.sources.items()
            ],
        )
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
    return table(
        ("domain", "rows", "tokens", "repeated rows", f"wanted, % of {manifest.over}", "got, %"),
        [
            (
                name,
                *map(_figure, (part.rows, part.tokens, part.repeats)),
                _share(part.wanted, size),
                _share(got[name], total),
            )
            for name, part in manifest.domains.items()
        ],
    )


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
    yield table(
        ("source", "read", "broken", "unclean", "twice", "alike", "exam", "kept"),
        [
            (
                name,
                *map(_figure, (flow.read, flow.broken, sum(flow.dropped.values()), flow.exact, flow.near)),
                *map(_figure, (flow.contaminated, flow.kept)),
            )
            for name, flow in built.sources.items()
        ],
        "rows of the sources",
    )
    repeated = {name: sum(part.repeats for part in mix.domains.values()) for name, mix in built.mixes.items()}
    yield table(
        ("mix", "rows", *DOMAINS, "repeated", "tokens"),
        [
            (
                name,
                _figure(mix.rows),
                *(_figure(mix.domains[domain].rows if domain in mix.domains else None) for domain in DOMAINS),
                *map(_figure, (repeated[name], mix.tokens)),
            )
            for name, mix in built.mixes.items()
        ],
        "mixes",
    )
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
