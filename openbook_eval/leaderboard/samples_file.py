"""A samples file of lm-eval as columns: what was read out of each response, and how it was marked."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.runs import ITEMS
from openbook_eval.leaderboard.sample_lines import Ranked, Written, lines
from openbook_eval.types import ExamName

_RANKED = "openbook_ranked"
_OF_DOC = ("id", "exam", "exam_class", "qtype", "group", "depth", "book_length", "answer", "expected")
_SHARES = ("correct", "correct_strict", "format_followed", "answered", "abstained")
_FOLLOWED = ("follows_context", "follows_memory", "follows_neither")
_OF_LINE = ("doc_hash", *_SHARES, "partial_credit", *_FOLLOWED)
_RAW = {
    **{name: ITEMS.get(name, pl.String()) for name in _OF_DOC},
    **{name: pl.String() if name == "doc_hash" else pl.Float64() for name in _OF_LINE},
    **dict.fromkeys(("letters", "state", "rule"), pl.String()),
}
_fields = attrgetter(*(f"doc.{name}" for name in _OF_DOC), *_OF_LINE)


@dataclass(frozen=True, slots=True)
class Samples:
    """The items of one samples file, as `runs.ITEMS` has them but for the run.

    `sha256` is that of the file, `asked_sha256` that of the sorted ids and document hashes.
    """

    items: pl.DataFrame
    sha256: str
    asked_sha256: str


def read_samples_file(path: Path, condition: str, exam: ExamName) -> Samples:
    """The samples of one task. Raises OpenbookError that names what is wrong, and the line where there is one.

    Marks are taken as they stand; those that a condition does not have are null, as are all of an item that got no
    response.
    """
    digest = hashlib.sha256()
    rows = list(_rows(path, condition, digest))
    try:
        raw = pl.DataFrame(rows, schema=_RAW, orient="row")
    except UnicodeEncodeError as error:
        raise OpenbookError(f"{path}: an id, class or hash holds half a character; run again") from error
    if fault := next(_faults(raw, condition, exam), None):
        raise OpenbookError(f"{path}: {fault}; run again")
    asked = "\n".join(sorted(raw.select(pl.concat_str("id", "doc_hash", separator=" ")).to_series()))
    return Samples(_items(raw, condition), digest.hexdigest(), hashlib.sha256(asked.encode()).hexdigest())


def _rows(path: Path, condition: str, digest: Any) -> Iterator[Sequence[Any]]:
    for number, sample in lines(path, Ranked if condition == _RANKED else Written, digest):
        try:
            yield (*_fields(sample), *sample.reading())
        except (ValueError, LookupError) as error:
            raise OpenbookError(f"{path}: line {number}: nothing can be read out ({error!s:.80}); run again") from error


def _faults(raw: pl.DataFrame, condition: str, exam: ExamName) -> Iterator[str]:
    twice = raw.filter(pl.col("id").is_duplicated())["id"]
    if len(twice):
        yield f"item {twice[0]} stands there {(twice == twice[0]).sum()} times"
    if raw["doc_hash"].null_count():
        yield "a document has no hash"
    if not (raw["exam"] == exam).all():
        yield f"not all items are of the exam {exam}"
    if condition.startswith("reading_") and raw["expected"].null_count():
        yield "an item does not tell what is right"
    yield from _faults_of_marks(raw, condition)


def _faults_of_marks(raw: pl.DataFrame, condition: str) -> Iterator[str]:
    for mark in _SHARES:
        if not raw[mark].drop_nulls().is_in([0.0, 1.0]).all():
            yield f"a mark {mark} is neither 0 nor 1"
    for mark in _marks_of(condition):
        if (raw[mark].is_null() != raw["letters"].is_null()).any():
            yield f"an item with a response has no mark {mark}, or one without has"


def _marks_of(condition: str) -> tuple[str, ...]:
    """The marks that each item with a response has; only a followed material can be abstained from."""
    if condition == _RANKED:
        return _SHARES[:1]
    return _SHARES if condition.startswith("reading_") else _SHARES[:-1]


def _items(raw: pl.DataFrame, condition: str) -> pl.DataFrame:
    has = _marks_of(condition)
    whom = [pl.when(pl.col(mark) == 1.0).then(pl.lit(mark.removeprefix("follows_"))) for mark in _FOLLOWED]
    return raw.with_columns(
        *(pl.when(mark in has).then(pl.col(mark)).cast(pl.Boolean).alias(mark) for mark in _SHARES),
        right=pl.coalesce("expected", "answer"),
        followed=pl.coalesce(whom),
    ).select([name for name in ITEMS if name != "run"])
