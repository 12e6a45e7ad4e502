"""What a build came to, laid out for the terminal."""

from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from data_prep.building.pipeline import Built
from data_prep.building.reporting import CONTAMINATION, DROPPED_FOLDER
from data_prep.manifest import Flow, Manifest


def report(built: Built, out: Path) -> Iterator[Table | Text]:
    """Tables of sources and mixes, and what the user must know, for rich to print."""
    yield _sources(built)
    yield _mixes(built)
    contaminated = sum(flow.contaminated for flow in built.sources.values())
    names = ", ".join(exam.name for exam in built.exams.read)
    yield Text(f"checked against {names}: {contaminated:,} rows left out" if names else "checked against no exam")
    for name, reason in built.exams.lacking.items():
        yield Text(f"NOT CHECKED against {name}: {reason}", style="bold red")
    for name, faults in built.breaks.items():
        yield Text(f"source {name}: {faults[0]}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else ""))
    if repeating := [name for name, mix in built.mixes.items() if any(part.repeats for part in mix.domains.values())]:
        yield Text(f"rows are repeated in {', '.join(repeating)}: the sources are too small for them")
    yield Text(f"{out}: mixes; rows left out in {DROPPED_FOLDER}/" + (f", {CONTAMINATION}" if names else ""))


def _sources(built: Built) -> Table:
    table = Table("source", title="rows of the sources", box=SIMPLE_HEAD)
    for column in ("read", "broken", "unclean", "twice", "alike", "exam", "kept"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, flow in built.sources.items():
        table.add_row(name, *_counts(flow))
    return table


def _counts(flow: Flow) -> Iterator[str]:
    unclean = sum(flow.dropped.values())
    for count in (flow.read, flow.broken, unclean, flow.exact, flow.near, flow.contaminated, flow.kept):
        yield f"{count:,}"


def _mixes(built: Built) -> Table:
    table = Table("mix", title="mixes", box=SIMPLE_HEAD)
    for column in ("rows", "general", "tcm", "western", "repeated", "tokens"):
        table.add_column(column, justify="right")
    for name, mix in built.mixes.items():
        table.add_row(name, *_sizes(mix))
    return table


def _sizes(mix: Manifest) -> Iterator[str]:
    parts = mix.domains
    yield f"{mix.rows:,}"
    for domain in ("general", "tcm", "western"):
        yield f"{parts[domain].rows:,}" if domain in parts else "-"
    yield f"{sum(part.repeats for part in parts.values()):,}"
    yield f"{sum(part.tokens for part in parts.values()):,}"
