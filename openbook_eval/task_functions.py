"""The only functions that the task files name: they turn lm-eval's dicts into our types and back, and hold no logic."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from datasets import Dataset
from lm_eval.api.filter import Filter

from openbook_eval import models
from openbook_eval.baselines import options_held
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.preparation import ExamSettings, prepare
from openbook_eval.books.shared_books import Item
from openbook_eval.console import leave
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.exams import require
from openbook_eval.matching import match_choice, rank_letters
from openbook_eval.matching.matcher import choice_when_asked
from openbook_eval.models.settings import refuse_by_command_line
from openbook_eval.prompt import build_prompt
from openbook_eval.scoring import score
from openbook_eval.types import ABSTENTION, Book, Choice, ExamName, Marked, Question, Unanswered

Doc = Mapping[str, Any]

_log = logging.getLogger(__name__)

# Books by their hash: a document names its book, so that 256,000 characters do not stand in each of them.
_books: dict[str, Book] = {}


def docs(condition: str, exam_label: ExamName, **metadata: object) -> dict[str, Dataset]:
    """Build lm-eval's `custom_dataset`: one exam's items under a condition, as the split `test`.

    `condition` and `exam_label` stand in the task file's metadata, `books.preparation.ExamSettings` come from
    `--metadata`; lm-eval adds the model's arguments to them. `exam_file` and `entries_used` are the dicts of that name
    in the task's own metadata: what is put into them stands in the results file, which could not name exam and entries
    otherwise.
    """
    try:
        refuse_by_command_line()
        settings = ExamSettings.of(metadata)
        if settings.prompt and CONDITIONS[condition].has_book:
            raise ExamError('--metadata: prompt "authors" has no room for a book; leave it out, or ask cmed_closedbook')
        prepared = prepare(settings)
        require(prepared.file, exam_label)
        items = CONDITIONS[condition].ask(prepared.material, exam_label, settings.full)
    except OpenbookError as error:
        # lm-eval prints a traceback for whatever else is raised here.
        leave(error)
    for key, provenance in (("exam_file", prepared.file.record), ("entries_used", prepared.provenance)):
        if isinstance(place := metadata.get(key), dict):
            place.update(provenance)
    _log_once(prepared.file.name, (*prepared.file.notices, *prepared.provided.notices))
    models.ask_again = bool(settings.undecided)
    return {"test": Dataset.from_list([_doc(condition, item, settings) for item in items])}


@cache  # every task of the exam has the same to say
def _log_once(name: str, notices: tuple[str, ...]) -> None:
    for notice in notices:
        _log.warning("exam %s: %s", name, notice)


def _doc(condition: str, item: Item, settings: ExamSettings) -> dict[str, Any]:
    # Nothing of the exam file's name: lm-eval hashes documents, and the same questions are the same items.
    _books[item.book.sha256] = item.book
    held = set(options_held(item.entry.text, item.question.options))
    right = set(item.question.answer)
    row = item.question.to_doc()
    if settings.options or settings.prompt:
        row["options"] = [option for option in row["options"] if option["letter"] in "ABCD"]
        row["hidden"] = "".join(sorted({*item.question.options} - {*"ABCD"}))
    # Asked in another way the same question is another item.
    row |= {"prompt": settings.prompt} if settings.prompt else {}
    return row | {
        "condition": condition,
        "entry": {
            "text": item.entry.text,
            "provider": item.entry.provider,
            "removed": list(item.entry.removed),
            "holds_right": right <= held,
            "holds_wrong": not held <= right,
        },
        "group": item.group,
        "depth": item.depth,
        "length": len(item.book.text),
        "book_length": item.book_length,
        "book": item.book.sha256,
        "expected": item.expected,
        "target": item.expected or ABSTENTION,
    }


def prompt(doc: Doc) -> str:
    """Return the prompt of a document, with the book that it names."""
    frame = CONDITIONS[doc["condition"]].frame
    return build_prompt(Question.from_doc(doc), _books[doc["book"]], doc.get("prompt") or frame)


class ChoiceFilter(Filter):  # type: ignore[misc]
    """lm-eval's filter: reads each question's first response.

    What it returns stands in the samples file, where lm-eval writes anything but text as Python's repr: so it is JSON.
    """

    def apply(self, resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
        """Return the choice of each question as a JSON object of `letters`, `state`, `rule`, or of `unanswered`."""
        return [
            orjson.dumps(
                {"unanswered": text.reason} if isinstance(text, Unanswered) else _choice(text, doc).to_json()
            ).decode()
            for (text, *_), doc in zip(resps, docs, strict=True)
        ]


def _choice(response: str, doc: Doc) -> Choice:
    question = Question.from_doc(doc)
    if isinstance(response, Marked):
        logprobs = response.logprobs
        return choice_when_asked(logprobs, question.qtype) if logprobs else Choice("", "cut_off", "cut_off")
    return match_choice(response, question.options, question.qtype)


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, float | None]:
    """Score one question for lm-eval; there are no metrics where it got no response."""
    choice = orjson.loads(results[0])
    return {} if "unanswered" in choice else _metrics(Choice(**choice), doc)


def _metrics(choice: Choice, doc: Doc, logprobs: Mapping[str, float] | None = None) -> dict[str, float | None]:
    scope = CONDITIONS[doc["condition"]].scope
    return dict(score(choice, Question.from_doc(doc), scope, doc["expected"], logprobs).metrics)


def letters(doc: Doc) -> list[str]:
    """Return the letters of a question's options: what is ranked."""
    return [option["letter"] for option in doc["options"]]


def first_right(doc: Doc) -> int:
    """Return the place of the first right letter among `letters`, 0 where none is shown."""
    return next((place for place, letter in enumerate(letters(doc)) if letter in doc["answer"]), 0)


def process_ranked_results(doc: Doc, results: Sequence[tuple[float, bool]]) -> dict[str, float | None]:
    """Score one question whose letters were ranked: their log-probabilities come in the order of `letters`."""
    logprobs = {letter: logprob for letter, (logprob, _) in zip(letters(doc), results, strict=True)}
    return _metrics(rank_letters(logprobs, doc["qtype"]), doc, logprobs)


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Return the mean over the questions that have the metric at all; None where none has."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
