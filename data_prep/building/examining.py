"""Pass 1 over one job: its rows read, judged and written aside, as kept or as dropped with the reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from data_prep.building.dropping import break_line, broken_line, dropped_lines, exam_item, match_lines
from data_prep.building.jobs import Job
from data_prep.building.lines import Lines
from data_prep.cleaning import judge
from data_prep.decontamination import Guard
from data_prep.duplicates import keys
from data_prep.duplicates.plain import PlainRows
from data_prep.signs import Signs
from data_prep.sources import Chunk, read
from data_prep.spec import Cleaning
from data_prep.tokens import estimate

SHARD, INDEX, DROPPED, MATCHES, COUNTS = "lines.jsonl", "index.arrow", "dropped.jsonl", "matches.jsonl", "counts.json"
CONTAMINATED = "contaminated"

# A kept row: what it is, where it was read, and where its line stands in the shard, in bytes.
INDEX_SCHEMA: Mapping[str, pl.DataType] = {
    "key": pl.UInt64(),
    "tokens": pl.UInt32(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "start": pl.UInt64(),
    "length": pl.UInt32(),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a row must pass."""

    clean: Cleaning
    guard: Guard | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows read, broken ones apart; dropped ones by reason; and where files are not as they should be, rows or no."""

    read: int
    broken: int
    reasons: Mapping[str, int]
    breaks: Sequence[str]


@dataclass(slots=True)
class _Outcome:
    """The open files of a job, and what was counted so far."""

    shard: BinaryIO
    dropped: BinaryIO
    matches: BinaryIO
    index: list[pl.DataFrame] = field(default_factory=list)
    written: int = 0
    read: int = 0
    broken: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    breaks: list[str] = field(default_factory=list)


def examine(job: Job, rules: Rules, folder: Path) -> None:
    """Writes into `folder` the kept rows of a job as lines, an index of them, the dropped rows, matches and counts."""
    with (
        (folder / SHARD).open("wb") as shard,
        (folder / DROPPED).open("wb") as dropped,
        (folder / MATCHES).open("wb") as matches,
    ):
        outcome = _Outcome(shard, dropped, matches)
        for part in job.parts:
            for chunk in read(part):
                _note_faults(chunk, part.label, outcome)
                _examine(chunk, rules, outcome)
    counts = Counts(outcome.read, outcome.broken, outcome.reasons, outcome.breaks)
    (folder / COUNTS).write_bytes(orjson.dumps(counts))
    index = pl.concat([pl.DataFrame(schema=INDEX_SCHEMA), *outcome.index])
    with (folder / INDEX).open("wb") as file:
        index.write_ipc(file)


def _note_faults(chunk: Chunk, file: str, outcome: _Outcome) -> None:
    outcome.read += chunk.frame.height
    outcome.broken += len(chunk.broken)
    outcome.dropped.writelines(map(broken_line, chunk.broken))
    outcome.dropped.writelines(break_line(file, fault) for fault in chunk.breaks)
    outcome.breaks += [f"{file}: {fault}" for fault in chunk.breaks]


def _examine(chunk: Chunk, rules: Rules, outcome: _Outcome) -> None:
    signs = chunk.signs
    frame = chunk.frame.with_columns(estimate(chunk.frame, signs))
    kept = _clean(frame, signs, rules.clean, outcome)
    if kept.any():
        _keep(frame.filter(pl.Series(kept)), PlainRows.of(signs, kept), rules.guard, outcome)


def _clean(frame: pl.DataFrame, signs: Signs, settings: Cleaning, outcome: _Outcome) -> NDArray[np.bool_]:
    """Whether each row is kept."""
    reasons = judge(frame, settings, signs)
    if reasons.null_count() < len(reasons):
        gone = frame.with_columns(reasons.alias("reason")).filter(reasons.is_not_null())
        outcome.reasons.update(gone["reason"].to_list())
        outcome.dropped.writelines(dropped_lines(gone))
    return reasons.is_null().to_numpy()


def _keep(frame: pl.DataFrame, rows: PlainRows, guard: Guard | None, outcome: _Outcome) -> None:
    # Both the keys and the exams' guard want texts in their plain form.
    frame = frame.with_columns(pl.Series("key", keys(frame, rows)))
    if guard:
        frame = _uncontaminated(frame, rows, guard, outcome)
    lines = Lines.of(frame)
    outcome.shard.write(lines.text)
    ends = outcome.written + np.cumsum(lines.lengths, dtype=np.uint64)
    outcome.written += len(lines.text)
    known = {"start": ends - lines.lengths, "length": lines.lengths}
    found = frame.select("key", "file", "row", "tokens").with_columns(
        **{name: pl.Series(values) for name, values in known.items()}
    )
    outcome.index.append(found.select(pl.col(name).cast(kind) for name, kind in INDEX_SCHEMA.items()))


def _uncontaminated(frame: pl.DataFrame, rows: PlainRows, guard: Guard, outcome: _Outcome) -> pl.DataFrame:
    matches = guard.check(frame, rows)
    if not matches:
        return frame
    places = [match.place for match in matches]
    gone = frame[places].with_columns(pl.lit(CONTAMINATED).alias("reason"))
    outcome.reasons[CONTAMINATED] += len(places)
    outcome.dropped.writelines(dropped_lines(gone, [{"exam_item": exam_item(match)} for match in matches]))
    outcome.matches.writelines(match_lines(gone, matches))
    stays = np.ones(frame.height, dtype=bool)
    stays[places] = False
    return frame.filter(pl.Series(stays))
