"""Rows that are left out, as lines that say where they were read and why."""

from collections.abc import Iterator, Mapping, Sequence

import orjson
import polars as pl

from data_prep.building.lines import Lines
from data_prep.decontamination import Match
from data_prep.sources import Broken


def broken_line(broken: Broken) -> bytes:
    """A row that could not be read."""
    return _line(
        {"file": broken.file, "row": broken.row, "reason": "broken", "fault": broken.reason, "text": broken.text}
    )


def break_line(file: str, fault: str) -> bytes:
    """A place where a file is not as it should be, though no row is lost by it."""
    return _line({"file": file, "reason": "break", "fault": fault})


def dropped_lines(gone: pl.DataFrame, more: Sequence[Mapping[str, object]] = ()) -> Iterator[bytes]:
    """Rows of SCHEMA with a column `reason`: as in train.jsonl, with file, row, reason and `more` of each in front."""
    heads = gone.select("file", "row", "reason").to_dicts()
    for number, (head, text) in enumerate(zip(heads, Lines.of(gone).each(), strict=True)):
        yield headed({**head, **(more[number] if more else {})}, text)


def headed(head: Mapping[str, object], text: bytes) -> bytes:
    """A line of train.jsonl with more keys in front."""
    return orjson.dumps(head)[:-1] + b"," + text[1:]


def exam_item(match: Match) -> dict[str, object]:
    """The exam item that a row holds."""
    return {
        "exam": match.exam,
        "id": match.question_id,
        "kind": match.kind,
        "share": round(match.share, 4),
        "text": match.excerpt,
    }


def match_lines(gone: pl.DataFrame, matches: Sequence[Match]) -> Iterator[bytes]:
    """Where each row was read, and the exam item that it holds."""
    for place, match in zip(gone.select("source", "file", "row").to_dicts(), matches, strict=True):
        yield _line({**place, **exam_item(match)})


def _line(content: Mapping[str, object]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
