"""The only functions that the task files name: they turn lm-eval's dicts into our types and back, and hold no logic."""

import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson
from datasets import Dataset
from lm_eval.api.filter import Filter

from openbook_eval.conditions import Condition, Item, ask
from openbook_eval.errors import OpenbookError
from openbook_eval.evidence import options_held
from openbook_eval.exams import require
from openbook_eval.matching import match_choice, rank_letters
from openbook_eval.prompt import render
from openbook_eval.scoring import Scope, score
from openbook_eval.sitting import Settings, Sitting, prepare
from openbook_eval.types import ABSTENTION, Book, Choice, Entry, ExamName, Question, Unanswered

Doc = Mapping[str, Any]

_log = logging.getLogger(__name__)

# Shared books by their hash: a document names its book, so that 256,000 characters do not stand in each of them.
_books: dict[str, Book] = {}


def exam_docs(exam_label: ExamName, **metadata: object) -> dict[str, Dataset]:
    """lm-eval's `custom_dataset` of the paper's exam: one exam's questions, in the file's order, as the split `test`.

    `exam_label` comes from the task file, the settings of an exam from `--metadata` (see `sitting.Settings`); lm-eval
    adds the model's arguments to them. `exam_file` and `entries_used` are the dicts of that name in the task's own
    metadata: what is put into them stands in the results file, which could not name exam and entries otherwise.
    """
    with _one_line_errors():
        sitting = prepare(Settings.of(metadata))
        questions = require(sitting.file, exam_label)
    _tell(sitting, metadata)
    docs = [_doc(question, sitting.material.entries[question.id], sitting) for question in questions]
    return {"test": Dataset.from_list(docs)}


def reading_docs(
    exam_label: ExamName, condition: Condition, book_length: int | None = None, **metadata: object
) -> dict[str, Dataset]:
    """lm-eval's `custom_dataset` of the reading exam: one exam's items under a condition, groups of a book together.

    `condition` and `book_length` (characters) come from the task file, all else as in `exam_docs`.
    """
    with _one_line_errors():
        settings = Settings.of(metadata)
        sitting = prepare(settings)
        require(sitting.file, exam_label)
        items = ask(sitting.material, exam_label, condition, book_length, full=settings.full)
    _tell(sitting, metadata)
    return {"test": Dataset.from_list([_reading_doc(item, sitting) for item in items])}


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """lm-eval prints a traceback for whatever is raised in a hook; a user's mistake deserves one line."""
    try:
        yield
    except OpenbookError as error:
        print(f"openbook-eval: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _doc(question: Question, entry: Entry, sitting: Sitting) -> dict[str, Any]:
    held = options_held(entry.text, question.options)
    told = {
        "text": entry.text,
        "provider": entry.provider,
        "removed": list(entry.removed),
        "holds_right": set(question.answer) <= set(held),
        "holds_wrong": not set(held) <= set(question.answer),
    }
    return question.to_doc() | {"entry": told, "exam_file": sitting.file.provenance}


def _reading_doc(item: Item, sitting: Sitting) -> dict[str, Any]:
    _books[item.book.sha256] = item.book
    return _doc(item.question, item.entry, sitting) | {
        "condition": item.condition,
        "group": item.group,
        "depth": item.depth,
        "length": len(item.book.text),
        "book_length": item.book_length,
        "book": item.book.sha256,
        "expected": item.answer,
        "target": item.answer or ABSTENTION,
    }


def _tell(sitting: Sitting, metadata: Mapping[str, object]) -> None:
    """Says what was read: in the results, and once in the log, though every task of the exam asks for it."""
    for key, told in (("exam_file", sitting.file.provenance), ("entries_used", sitting.provenance)):
        if isinstance(place := metadata.get(key), dict):
            place.update(told)
    _log_once(sitting.file.name, (*sitting.file.notices, *sitting.provided.notices))


@cache
def _log_once(name: str, notices: tuple[str, ...]) -> None:
    for notice in notices:
        _log.warning("exam %s: %s", name, notice)


def open_prompt(doc: Doc) -> str:
    """The paper's prompt with the question's own entry."""
    question = _question(doc)
    return render(question, Book((Entry(question.id, doc["entry"]["text"], doc["entry"]["provider"]),)))


def closed_prompt(doc: Doc) -> str:
    """The paper's prompt without a book: the control."""
    return render(_question(doc), Book())


def reading_prompt(doc: Doc) -> str:
    """The prompt of the reading exam, with the book that the document names."""
    return render(_question(doc), _books[doc["book"]], "reading")


class ChoiceFilter(Filter):  # type: ignore[misc]
    """lm-eval's filter: reads each question's first response.

    What it returns stands in the samples file, where lm-eval writes anything but text as Python's repr: so it is JSON.
    """

    def apply(self, resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
        """The choice of each question as a JSON object of `letters`, `state` and `rule`, or of `unanswered` and why."""
        return [_read_out(responses[0], doc) for responses, doc in zip(resps, docs, strict=True)]


def verdict(doc: Doc, results: Sequence[str]) -> dict[str, float | None]:
    """lm-eval's `process_results` of the paper's exam: the marks of one question, none where it got no response."""
    choice = _read(results)
    return dict(score(choice, _question(doc)).metrics) if choice else {}


def reading_verdict(doc: Doc, results: Sequence[str]) -> dict[str, float | None]:
    """lm-eval's `process_results` of the reading exam; whom the answer followed is told of contrary books only."""
    choice = _read(results)
    if choice is None:
        return {}
    scope: Scope = "counterfactual" if doc["condition"] == "contrary" else "reading"
    return dict(score(choice, _question(doc), scope, doc["expected"]).metrics)


def letters(doc: Doc) -> list[str]:
    """The letters of a question's options: what is ranked."""
    return [option["letter"] for option in doc["options"]]


def first_right(doc: Doc) -> int:
    """The place of the first right letter among `letters`."""
    return letters(doc).index(doc["answer"][0])


def ranked_verdict(doc: Doc, results: Sequence[tuple[float, bool]]) -> dict[str, float | None]:
    """lm-eval's `process_results` where letters are ranked: their log-probabilities come in the order of `letters`."""
    question = _question(doc)
    logprobs = {letter: logprob for letter, (logprob, _) in zip(letters(doc), results, strict=True)}
    return dict(score(rank_letters(logprobs, question.qtype), question, "ranked", logprobs=logprobs).metrics)


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Mean over the questions that have the mark at all; None where none has."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _read(results: Sequence[str]) -> Choice | None:
    read = orjson.loads(results[0])
    return None if "unanswered" in read else Choice(**read)


def _read_out(response: str, doc: Doc) -> str:
    if isinstance(response, Unanswered):
        return orjson.dumps({"unanswered": response.reason}).decode()
    question = _question(doc)
    return orjson.dumps(match_choice(response, question.options, question.qtype)).decode()


def _question(doc: Doc) -> Question:
    return Question.from_doc(doc)
