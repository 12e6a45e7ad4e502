"""The texts behind a run's items: question, book, what was sent and what was answered, from lm-eval's samples.

All of it is text from outside and is kept as it is, half characters and control characters too.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.sample_lines import read_out, rows
from openbook_eval.prompt import Frame, render
from openbook_eval.types import Book, Entry, ExamName, QType, Question

# Stands in for the book where the prompt around it is laid; no exam's text holds it.
_PLACE = "\0book\0"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class QuestionText:
    """A question as it was asked.

    `right` are the letters that are right under the condition, "" where abstaining is. `entry` is the question's own,
    as it stands in the book, and `provider` who gave it. `book_sha256` names a book that questions share; None where
    the book is the entry alone, or none is there. `prompt_before` and `prompt_after` are the bare prompt around the
    book; without a book all of it stands in `prompt_after`.
    """

    id: str
    exam: ExamName
    exam_class: str
    subject: str
    qtype: QType
    stem: str
    options: Mapping[str, str]
    right: str
    entry: str
    provider: str
    book_sha256: str | None
    prompt_before: str
    prompt_after: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A response, "" where letters were ranked or none came, and what was read out of it, None where none came.

    `template_before` and `template_after` are what the model's chat template put around the bare prompt; None where the
    prompt is not found in what was sent.
    """

    id: str
    response: str
    letters: str | None
    state: str | None
    rule: str | None
    template_before: str | None
    template_after: str | None


def at_hand(run: Run) -> bool:
    """Whether the samples of a run lie where they were read, unchanged; those of a run from a store do not."""
    return all(_unchanged(Path(file.path), file.sha256) for file in run.samples)


def _unchanged(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def questions(run: Run) -> Iterator[QuestionText]:
    """The questions of a run whose samples are `at_hand`. Raises OpenbookError where they lack a text."""
    return _each(run, lambda sample: _question(sample["doc"], run.condition))


def answers(run: Run) -> Iterator[AnswerText]:
    """The answers of a run in the order of `questions`; errors as there."""
    return _each(run, lambda sample: _answer(sample, run.condition))


def books(run: Run) -> Iterator[tuple[str, str]]:
    """The books that questions of a run share, by their sha256, each once; errors as in `questions`."""
    told: set[str] = set()
    for book in _each(run, lambda sample: _shared(sample, run.condition, told)):
        if book:
            told.add(book[0])
            yield book


def _each(run: Run, taken: Callable[[Mapping[str, Any]], _T]) -> Iterator[_T]:
    for file in run.samples:
        path = Path(file.path)
        for sample in rows(path):
            try:
                made = taken(sample)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise OpenbookError(
                    f"{path}: a sample lacks what our tasks tell ({type(error).__name__}: {error}); run again"
                ) from error
            yield made


def _question(doc: Mapping[str, Any], condition: str) -> QuestionText:
    before, after = _around(doc, condition)
    return QuestionText(
        id=doc["id"],
        exam=doc["exam"],
        exam_class=doc["exam_class"],
        subject=doc["subject"],
        qtype=doc["qtype"],
        stem=doc["stem"],
        options=_options(doc),
        right=doc.get("expected", doc["answer"]),
        entry=doc["entry"]["text"],
        provider=doc["entry"]["provider"],
        book_sha256=doc["book"] if doc.get("group") else None,
        prompt_before=before,
        prompt_after=after,
    )


def _answer(sample: Mapping[str, Any], condition: str) -> AnswerText:
    first = sample["resps"][0][0]
    letters, state, rule = read_out(sample)
    sent = _sent(sample)
    place = _place(sent, sample["doc"], condition)
    return AnswerText(
        id=sample["doc"]["id"],
        response=first if isinstance(first, str) else "",
        letters=letters,
        state=state,
        rule=rule,
        template_before=sent[: place[0]] if place else None,
        template_after=sent[place[1] :] if place else None,
    )


def _shared(sample: Mapping[str, Any], condition: str, told: Collection[str]) -> tuple[str, str] | None:
    """A shared book that is not yet told, where it is what its hash says."""
    doc = sample["doc"]
    if not doc.get("group") or doc["book"] in told:
        return None
    text = _book(_plain(_sent(sample)), doc, condition)
    if text is None or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != doc["book"]:
        return None
    return doc["book"], text


def _around(doc: Mapping[str, Any], condition: str) -> tuple[str, str]:
    """The bare prompt around its book, "" and all of it where there is none."""
    question = Question(
        id=doc["id"],
        exam=doc["exam"],
        exam_class=doc["exam_class"],
        subject=doc["subject"],
        qtype=doc["qtype"],
        stem=doc["stem"],
        options=_options(doc),
        answer=doc["answer"],
    )
    frame: Frame = "reading" if condition.startswith("reading_") else "paper"
    if condition in ("closedbook", "reading_closed"):
        return "", render(question, Book(), frame)
    before, _, after = render(question, Book((Entry(doc["id"], _PLACE, ""),)), frame).partition(_PLACE)
    return before, after


def _place(sent: str, doc: Mapping[str, Any], condition: str) -> tuple[int, int] | None:
    """Where the bare prompt stands in what was sent: from and to."""
    before, after = _around(doc, condition)
    book = _book(_plain(sent), doc, condition)
    if book is None:
        return None
    bare = f"{before}{book}{after}"
    # Messages for an endpoint are sent as JSON.
    for text in (bare, json.dumps(bare, ensure_ascii=False)[1:-1]):
        start = sent.rfind(text)
        if start >= 0:
            return start, start + len(text)
    return None


def _book(sent: str, doc: Mapping[str, Any], condition: str) -> str | None:
    """The book in what was sent, by its length in front of the rest of the prompt; None where it is not there."""
    before, after = _around(doc, condition)
    length = doc["length"] if "length" in doc else len(doc["entry"]["text"]) if before else 0
    end = sent.rfind(after)
    start = end - length
    if end < 0 or start < len(before) or sent[start - len(before) : start] != before:
        return None
    return sent[start:end]


def _sent(sample: Mapping[str, Any]) -> str:
    """What was sent to the model; versions before 0.4.3 wrote a list for each request."""
    arguments = sample["arguments"]
    first = arguments["gen_args_0"]["arg_0"] if isinstance(arguments, Mapping) else arguments[0][0]
    # A chat for an endpoint is wrapped once more.
    return first if isinstance(first, str) else str(first[0])


def _plain(sent: str) -> str:
    """The last message of a chat that was sent as JSON; else all of it."""
    if not sent.startswith("[{"):
        return sent
    try:
        return str(json.loads(sent)[-1]["content"])
    except (ValueError, LookupError, TypeError):
        return sent


def _options(doc: Mapping[str, Any]) -> dict[str, str]:
    return {option["letter"]: option["text"] for option in doc["options"]}
