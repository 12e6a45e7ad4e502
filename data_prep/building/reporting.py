"""What was left out, and why: dropped/<source>.jsonl, contamination.jsonl, and the counts of each source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import polars as pl

from data_prep.building.aside import aside
from data_prep.building.dropping import headed
from data_prep.building.examining import CONTAMINATED, DROPPED, MATCHES
from data_prep.building.jobs import Job
from data_prep.building.selecting import Selected
from data_prep.building.shards import Shards, counts
from data_prep.building.work import Work
from data_prep.manifest import Flow

DROPPED_FOLDER, CONTAMINATION = "dropped", "contamination.jsonl"
_BLOCK = 1 << 20


def flows(jobs: Sequence[Job], work: Work, selected: Selected) -> dict[str, Flow]:
    """What became of the rows of each source."""
    kept, exact, near = (_by_source(frame) for frame in (selected.kept, selected.exact, selected.near))
    found: dict[str, Flow] = {}
    for source, group in groupby(jobs, lambda job: job.source):
        read, broken, reasons = 0, 0, Counter[str]()
        for job in group:
            counted = counts(job, work)
            read, broken = read + counted.read, broken + counted.broken
            reasons.update(counted.reasons)
        contaminated = reasons.pop(CONTAMINATED, 0)
        found[source.name] = Flow(
            domain=source.domain,
            licence=source.licence,
            read=read,
            broken=broken,
            dropped=dict(sorted(reasons.items())),
            exact=exact[source.name],
            near=near[source.name],
            contaminated=contaminated,
            kept=kept[source.name],
        )
    return found


def _by_source(rows: pl.DataFrame) -> Counter[str]:
    return Counter(dict(rows.group_by("source").len().iter_rows()))


def breaks(jobs: Sequence[Job], work: Work) -> dict[str, list[str]]:
    """By source, where its files are not as they should be though no row is lost by it; only of sources with such."""
    found: dict[str, list[str]] = {}
    for job in jobs:
        if told := counts(job, work).breaks:
            found.setdefault(job.source.name, []).extend(told)
    return found


def write(
    out: Path, jobs: Sequence[Job], work: Work, duplicates: Mapping[str, pl.DataFrame], against_exams: bool
) -> None:
    """Writes what is left out: dropped/<source>.jsonl, and contamination.jsonl where rows were checked against exams.

    `duplicates` are rows of the index by the reason to leave them out, with the columns of_source, of_file, of_row.
    """
    with Shards(work) as shards:
        write_dropped(out, jobs, work, duplicates, shards)
    if against_exams:
        write_contamination(out, jobs, work)


def write_dropped(
    out: Path, jobs: Sequence[Job], work: Work, duplicates: Mapping[str, pl.DataFrame], shards: Shards
) -> None:
    """Writes dropped/<source>.jsonl: rows that were broken, unclean or contaminated, in order; then the duplicates."""
    folder = out / DROPPED_FOLDER
    folder.mkdir(exist_ok=True)
    for name, group in groupby(jobs, lambda job: job.source.name):
        with aside(folder / f"{name}.jsonl") as file:
            for block in _blocks(group, work, DROPPED):
                file.write(block)
            for reason, gone in duplicates.items():
                for line in _duplicates(gone.filter(pl.col("source") == name), reason, shards):
                    file.write(line)


def write_contamination(out: Path, jobs: Sequence[Job], work: Work) -> None:
    """Writes contamination.jsonl: each row that holds an exam item, where it was read, and the item."""
    with aside(out / CONTAMINATION) as file:
        for block in _blocks(jobs, work, MATCHES):
            file.write(block)


def _blocks(jobs: Iterable[Job], work: Work, name: str) -> Iterator[bytes]:
    for job in jobs:
        with (work.place(job.number) / name).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def _duplicates(rows: pl.DataFrame, reason: str, shards: Shards) -> Iterator[bytes]:
    places = rows.select("file", "row", "of_source", "of_file", "of_row").iter_rows()
    for (file, row, *of), line in zip(places, shards.lines(rows), strict=True):
        standing = dict(zip(("source", "file", "row"), of, strict=True))
        yield headed({"file": file, "row": row, "reason": reason, "of": standing}, line)
