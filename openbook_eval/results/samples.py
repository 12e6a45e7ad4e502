"""The samples of a run: its items as a polars frame, and the texts of one item after the other for the page."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, get_args

import orjson
import polars as pl

from openbook_eval.books.conditions import Condition
from openbook_eval.errors import OpenbookError
from openbook_eval.files import sha256
from openbook_eval.matching import rank_letters
from openbook_eval.prompt import build_prompt
from openbook_eval.scoring import METRICS
from openbook_eval.types import Book, Choice, Entry, ExamName, QType, Question, State

T = TypeVar("T")
# What is raised where a file is not as lm-eval and we write it.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
# Metrics that lie between 0 and 1; all others are 0 or 1.
GRADED = ("partial_credit", "letter_mass")
# Metrics that a response may lack where another of its run has it: single choice knows no partial credit.
_NOT_OF_ALL = ("partial_credit",)

# One row an item of a run, with a column for each metric; null where the run has no such metric or no response came.
ITEMS = pl.Schema(
    {
        "run": pl.String,
        "id": pl.String,
        "exam": pl.String,
        "exam_class": pl.String,
        "qtype": pl.String,  # single or multi
        "group": pl.String,  # names the questions that share a book; null where each has its own
        "depth": pl.Float64,  # where the entry begins in the book: 0 front, 1 back
        "book_length": pl.Int64,  # in characters
        "expected": pl.String,  # the letters that are right, or "" where abstaining is
        "letters": pl.String,  # what was read out of the response
        "state": pl.String,
        "rule": pl.String,
        **{name: pl.Float64() if name in GRADED else pl.Boolean() for name in METRICS},
    }
)

_OF_DOC = ("id", "exam", "exam_class", "qtype", "group", "depth", "book_length", "answer", "expected")
_DOC = pl.Struct(
    {name: ITEMS.get(name, pl.String()) for name in _OF_DOC} | {"options": pl.List(pl.Struct({"letter": pl.String()}))}
)
_OF_CHOICE = ("letters", "state", "rule")
_LINE = pl.Schema(
    {
        "doc_hash": pl.String(),
        "filter": pl.String(),
        "doc": _DOC,
        "filtered_resps": pl.List(pl.String()),
        **dict.fromkeys(METRICS, pl.Float64()),
    }
)
# Our tasks have one filter; lm-eval writes a line for each.
_FILTER = "choice"
# polars reads half a character as NUL.
_HALF, _NUL = re.compile("[\ud800-\udfff]"), "\0"


@dataclass(frozen=True, slots=True)
class Samples:
    """The items of one samples file, as `ITEMS` has them but for the run.

    `sha256` is that of the file, `items_sha256` that of the sorted ids and document hashes: of what was asked.
    """

    items: pl.DataFrame
    sha256: str
    items_sha256: str


def read_samples(path: Path, exam: ExamName) -> Samples:
    """Read the samples of one of our tasks.

    Metrics are taken as they stand. Raises OpenbookError of one line where anything in the file is not as lm-eval and
    our tasks write it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OpenbookError(f"{path.name}: cannot be read ({error.strerror})") from error
    try:
        lines = _parse(data).filter(pl.col("filter").fill_null(_FILTER) == _FILTER)
        raw = lines.drop("doc").hstack(lines["doc"].struct.unnest()).with_columns(_choices(lines))
        if fault := next(_faults(raw, exam), None):
            raise ValueError(fault)
    except BROKEN as error:
        raise OpenbookError(f"{path.name}: {_short(error)}; run again") from error
    asked = raw.select(pl.concat_str("id", "doc_hash", separator=" ").sort())
    expected = pl.coalesce("expected", "answer").alias("expected")
    items = raw.with_columns(expected).select(pl.col(n).cast(dtype) for n, dtype in ITEMS.items() if n != "run")
    return Samples(items, hashlib.sha256(data).hexdigest(), sha256("\n".join(asked.to_series())))


def _parse(data: bytes) -> pl.DataFrame:
    try:
        return pl.read_ndjson(data, schema=_LINE)
    except (pl.exceptions.PolarsError, OSError):
        # Slow and rare: either names the line that is broken, or Python reads what polars does not. OSError stands for
        # bytes that only begin as a compressed file does, which polars unpacks unasked.
        return pl.read_ndjson("\n".join(_checked_lines(data)).encode(), schema=_LINE)


def _checked_lines(data: bytes) -> Iterator[str]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            try:
                text = json.dumps(json.loads(line), ensure_ascii=False, allow_nan=False)
                pl.read_ndjson(_HALF.sub(r"\\u0000", text).encode(), schema=_LINE)
            except (ValueError, RecursionError, pl.exceptions.PolarsError) as error:
                raise ValueError(f"line {number} is broken ({_short(error)})") from error
            yield _HALF.sub(r"\\u0000", text)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _choices(lines: pl.DataFrame) -> list[pl.Series]:
    """Return the columns letters, state and rule, null where no response came."""
    first = lines["filtered_resps"].list.first()
    if first.null_count():
        raise ValueError("an item has no filtered response")
    if first.str.starts_with("[").any():
        found = list(map(_ranked, lines["doc"], lines["filtered_resps"]))
        return [pl.Series(name, map(attrgetter(name), found), pl.String()) for name in _OF_CHOICE]
    # Few of them differ.
    texts = first.unique()
    choices = [_written(text) for text in texts]
    known = {name: [choice and getattr(choice, name) for choice in choices] for name in _OF_CHOICE}
    return [
        first.replace_strict(texts, pl.Series(own, dtype=pl.String()), return_dtype=pl.String()).alias(name)
        for name, own in known.items()
    ]


def _written(text: str) -> Choice | None:
    """Read the JSON that our filter makes of a response, None where none came."""
    found = orjson.loads(text)
    if "unanswered" in found:
        return None
    if not all(isinstance(value, str) for value in found.values()) or found.get("state") not in get_args(State):
        raise ValueError(f"{text:.60} is no choice")
    return Choice(**found)


def _ranked(doc: Mapping[str, Any], answers: Sequence[str]) -> Choice:
    """Choose as our tasks do from a log-probability for each option's letter, in order."""
    letters = [option["letter"] for option in doc["options"]]
    logprobs = [float(orjson.loads(answer)[0]) for answer in answers]
    return rank_letters(dict(zip(letters, logprobs, strict=True)), doc["qtype"])


def _faults(raw: pl.DataFrame, exam: ExamName) -> Iterator[str]:
    if raw.is_empty():
        yield "no item stands there"
    named = ("id", "exam_class", "doc_hash")
    if lacking := [name for name in (*named, "answer") if raw[name].null_count()]:
        yield f"an item has no {lacking[0]}"
    if any(raw[name].str.contains(_NUL, literal=True).any() for name in (*named, "group")):
        yield "an id, class, group or hash holds half a character"
    twice = raw["id"].filter(raw["id"].is_duplicated())
    if len(twice):
        yield f"item {twice[0]} stands there {(twice == twice[0]).sum()} times"
    if not (raw["exam"] == exam).all():
        yield f"not all items are of the exam {exam}"
    if not raw["qtype"].is_in(get_args(QType)).all():
        yield "an item is neither single nor multiple choice"
    if not raw["depth"].drop_nulls().is_between(0, 1).all() or (raw["book_length"].drop_nulls() < 0).any():
        yield "an entry lies outside of its book"
    yield from _faults_of_metrics(raw)


def _faults_of_metrics(raw: pl.DataFrame) -> Iterator[str]:
    answered = raw["letters"].is_not_null()
    for name in METRICS:
        known = raw[name].drop_nulls()
        if name in GRADED and not known.is_between(0, 1).all():
            yield f"the metric {name} is not between 0 and 1"
        if name not in GRADED and not known.is_in([0.0, 1.0]).all():
            yield f"the metric {name} is neither 0 nor 1"
        has = raw[name].is_not_null()
        if (has & ~answered).any():
            yield f"an item without a response has the metric {name}"
        if (name == "correct" or (has.any() and name not in _NOT_OF_ALL)) and (answered & ~has).any():
            yield f"an item with a response has no metric {name}"


@dataclass(frozen=True, slots=True)
class ItemText:
    """An item as text from outside, kept as it is, half characters and control characters too.

    `entry` is the question's own as it stands in the book, and `provider` who gave it. `book` and `book_sha256` are of
    a book that questions share; None where the book is the entry alone, none is there, or it is not what its hash says.
    `prompt_before` and `prompt_after` are the bare prompt around the book; without a book all of it stands in
    `prompt_after`. `template_before` and `template_after` are what the chat template put around the bare prompt, None
    where that is not found in what was sent. `response` is "" where letters were ranked or none came, `choice` None
    where none came.
    """

    question: Question
    expected: str
    entry: str
    provider: str
    book_sha256: str | None
    book: str | None
    prompt_before: str
    prompt_after: str
    template_before: str | None
    template_after: str | None
    response: str
    choice: Choice | None


def each_sample(path: Path, read: Callable[[Any], T | None], fault: str) -> Iterator[T]:
    """Give what `read` makes of each line of a samples file, but for None.

    Raises OpenbookError where the file cannot be read, and of `fault`, which may name `line` and `reason`, where a line
    lacks what `read` takes.
    """
    number = 1
    try:
        with path.open("rb") as lines:
            for line in lines:
                if line.strip() and (found := read(json.loads(line))) is not None:
                    yield found
                number += 1
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error
    except BROKEN as error:
        reason = f"{type(error).__name__}: {_short(error)}"
        raise OpenbookError(f"{path}: {fault.format(line=number, reason=reason)}") from error


def item_texts(path: Path, condition: Condition) -> Iterator[ItemText]:
    """Give the texts of the samples file of a condition item by item.

    Raises OpenbookError where the file cannot be read or a sample lacks a text.
    """

    def read(sample: Any) -> ItemText | None:
        return _texts(sample, condition) if sample.get("filter", _FILTER) == _FILTER else None

    return each_sample(path, read, "a sample lacks what our tasks tell ({reason}); run again")


def _texts(sample: Mapping[str, Any], condition: Condition) -> ItemText:
    doc, filtered, first = sample["doc"], sample["filtered_resps"], sample["resps"][0][0]
    question, entry = Question.from_doc(doc), doc["entry"]["text"]
    before, after = _around_book(question, condition)
    sent = sample["arguments"]["gen_args_0"]["arg_0"]
    # A chat for an endpoint is wrapped once more.
    sent = sent if isinstance(sent, str) else str(sent[0])
    book = _book(_last_message(sent), before, after, doc["length"])
    template = (None, None) if book is None else _around_prompt(sent, f"{before}{book}{after}")
    shared = doc["book"] if doc.get("group") else None
    return ItemText(
        question=question,
        expected=doc["expected"],
        entry=entry,
        provider=doc["entry"]["provider"],
        book_sha256=shared,
        book=book if shared and book is not None and sha256(book) == shared else None,
        prompt_before=before,
        prompt_after=after,
        template_before=template[0],
        template_after=template[1],
        response=first if isinstance(first, str) else "",
        choice=_written(filtered[0])
        if isinstance(filtered[0], str)
        else _ranked(doc, [json.dumps(f) for f in filtered]),
    )


def _around_book(question: Question, condition: Condition) -> tuple[str, str]:
    """Return the bare prompt before and behind its book."""
    # No exam's text holds it.
    place = "\0book\0"
    book = Book((Entry(question.id, place, ""),) if condition.has_book else ())
    before, found, after = build_prompt(question, book, condition.frame).partition(place)
    return (before, after) if found else ("", before)


def _book(sent: str, before: str, after: str, length: int) -> str | None:
    """Return the `length` characters in front of the rest of the prompt; None where no book stands there."""
    end = sent.rfind(after)
    start = end - length
    if end < 0 or start < len(before) or sent[start - len(before) : start] != before:
        return None
    return sent[start:end]


def _around_prompt(sent: str, bare: str) -> tuple[str | None, str | None]:
    # Messages for an endpoint are sent as JSON.
    for text in (bare, json.dumps(bare, ensure_ascii=False)[1:-1]):
        start = sent.rfind(text)
        if start >= 0:
            return sent[:start], sent[start + len(text) :]
    return None, None


def _last_message(sent: str) -> str:
    """Return the last message of a chat that was sent as JSON; else all of it."""
    if not sent.startswith("[{"):
        return sent
    try:
        return str(json.loads(sent)[-1]["content"])
    except (ValueError, LookupError, TypeError):
        return sent
