"""What a build would make, what the sources hold for it, and what is missing; files are counted, not read."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

import polars as pl
from rich.table import Table
from rich.text import Text

from data_prep.building.order import wanted_mixes
from data_prep.mixing import wanted
from data_prep.sources.content import head, is_packed
from data_prep.sources.formats import format_of
from data_prep.spec import DOMAINS, Domain, Format, Mix, Source, Spec
from openbook_eval.errors import OpenbookError

_FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*")\s*:')


@dataclass(frozen=True, slots=True)
class Holding:
    """What a source holds before anything is cleaned.

    `rows` is none where nobody can tell without reading it in full, such as of a data set on the hub. `exact` says
    whether they were counted or taken from what rows look like. `missing` says what is not there.
    """

    source: Source
    files: int
    rows: int | None
    exact: bool
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The mixes, scaled; what each wants of every domain; and what the sources hold."""

    mixes: Mapping[str, Mix]
    wanted: Mapping[str, Mapping[Domain, int]]
    holdings: tuple[Holding, ...]
    exams: tuple[str, ...]

    def held(self, domain: Domain) -> int | None:
        """The rows of a domain, none where those of some source are not known."""
        rows = [holding.rows for holding in self.holdings if holding.source.domain == domain]
        known = [count for count in rows if count is not None]
        return sum(known) if len(known) == len(rows) else None

    def short(self, name: str, domain: Domain) -> int:
        """How many rows a mix wants beyond what there is of a domain, as far as that is known."""
        held = self.held(domain)
        if held is None or self.mixes[name].over != "rows":
            return 0
        return max(0, self.wanted[name].get(domain, 0) - held)


def plan(spec: Spec, data: Path, scale: float = 1.0, only: Sequence[str] = ()) -> Plan:
    """The plan of a spec. Raises OpenbookError for a mix that is not in it, or a scale that leaves nothing of one."""
    mixes = wanted_mixes(spec, only, scale)
    return Plan(
        mixes=mixes,
        wanted={name: wanted(mix) for name, mix in mixes.items()},
        holdings=tuple(_holding(source, data) for source in spec.sources),
        exams=tuple(spec.decontaminate.exams) if spec.decontaminate else (),
    )


def _holding(source: Source, data: Path) -> Holding:
    files = _files(source.path, data) if source.path else []
    if not files:
        if source.hub:
            return Holding(source, 0, None, False, f"to be fetched from the hub: {source.hub}")
        return Holding(source, 0, 0, True, f"no file {data / (source.path or '')}")
    try:
        counts = [_count(file, source.format) for file in files]
    except (OSError, OpenbookError, pl.exceptions.PolarsError) as error:
        return Holding(source, len(files), 0, True, f"cannot be read ({str(error).splitlines()[0]})")
    known = [count for count in counts if count is not None]
    rows = sum(rows for rows, _ in known) if len(known) == len(counts) else None
    return Holding(source, len(files), rows, all(exact for _, exact in known))


def _files(path: str, data: Path) -> list[Path]:
    # Unlike Path.glob it takes a path that starts at the root.
    names = [path] if (data / path).is_file() else glob.glob(path, root_dir=data, recursive=True)  # noqa: PTH207
    return sorted(data / name for name in names if (data / name).is_file())


def _count(file: Path, declared: Format | None) -> tuple[int, bool] | None:
    """Rows of a file and whether that is exact; none for a kind of file that does not tell."""
    if is_packed(file):
        return None
    match format_of(file, file.name, declared):
        case "parquet":
            with file.open("rb") as opened:
                return pl.scan_parquet(opened).select(pl.len()).collect().item(), True
        case "jsonl":
            return _occurrences(file, rb"\n(?=[^\n]|\Z)|[^\n]\Z"), True
        case "json":
            key = _FIRST_KEY.search(head(file))
            return (_occurrences(file, re.escape(key[1]) + rb"\s*:"), False) if key else None
        case "csv" | "tsv":
            return max(0, _occurrences(file, rb"\n") - 1), False
    return None


def _occurrences(file: Path, pattern: bytes) -> int:
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return 0
        with mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            return sum(1 for _ in re.finditer(pattern, content))


def plan_report(found: Plan) -> Iterator[Table | Text]:
    """The plan as tables, and what is missing, for rich to print."""
    yield _mix_table(found)
    yield _source_table(found)
    checked = ", ".join(found.exams)
    yield Text(f"to be checked against {checked}" if checked else "checked against no exam")
    for name, mix in found.mixes.items():
        for domain in DOMAINS:
            if short := found.short(name, domain):
                way = "rows will be repeated" if mix.allow_repeat else "the build will stop, unless by allow_repeat"
                yield Text(f"{name}: {domain} is {short:,} rows short before any is dropped; {way}")
    for holding in found.holdings:
        if holding.missing:
            yield Text(f"source {holding.source.name}: {holding.missing}")


def _mix_table(found: Plan) -> Table:
    table = Table("mix", title="to be built")
    for column in ("size", *DOMAINS):
        table.add_column(column, justify="right")
    for name, mix in found.mixes.items():
        shares = found.wanted[name]
        unit = "" if mix.over == "rows" else " tokens"
        table.add_row(
            name, f"{mix.size:,}{unit}", *(f"{shares[domain]:,}" if domain in shares else "-" for domain in DOMAINS)
        )
    held = [found.held(domain) for domain in DOMAINS]
    table.add_section()
    table.add_row("the sources hold", "", *("unknown" if rows is None else f"{rows:,}" for rows in held))
    return table


def _source_table(found: Plan) -> Table:
    table = Table("source", "domain", "licence", title="sources, before anything is cleaned")
    for column in ("files", "rows"):
        table.add_column(column, justify="right")
    for holding in found.holdings:
        source = holding.source
        rows = "unknown" if holding.rows is None else f"{'' if holding.exact else 'about '}{holding.rows:,}"
        table.add_row(source.name, source.domain, source.licence, f"{holding.files:,}", rows)
    return table
