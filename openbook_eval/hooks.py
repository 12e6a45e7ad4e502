"""The only functions that the task files name: they turn lm-eval's dicts into our types and back, and hold no logic."""

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import orjson
from datasets import Dataset
from lm_eval.api.filter import Filter

from openbook_eval.book import Book, open_book
from openbook_eval.choice import Choice, match_choice
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam, require
from openbook_eval.prompt import render
from openbook_eval.question import ExamName, Question
from openbook_eval.verdict import mark

Doc = Mapping[str, Any]

_log = logging.getLogger(__name__)


def exam_docs(
    part: ExamName,
    exam: str | None = None,
    exam_file: dict[str, Any] | None = None,
    **_: object,
) -> dict[str, Dataset]:
    """lm-eval's `custom_dataset`: one exam's questions as the split `test`.

    `part` comes from the task file, `exam` from `--metadata`; lm-eval adds the model's arguments, which do not matter.
    `exam_file` is the dict of that name in the task's own metadata: what is put into it stands in the results file,
    which could not name the exam otherwise.
    """
    try:
        file = load_exam(exam)
        questions = require(file, part)
    except OpenbookError as error:
        # lm-eval prints a traceback for whatever is raised here; a user's mistake deserves one line.
        print(f"openbook-eval: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    _tell(file.name, file.notices)
    if exam_file is not None:
        exam_file.update(file.provenance)
    return {"test": Dataset.from_list([asdict(question) | {"exam_file": file.provenance} for question in questions])}


@cache
def _tell(name: str, notices: tuple[str, ...]) -> None:
    """Logs what the reader of an exam wants known: once, though every task of the exam asks for it."""
    for notice in notices:
        _log.warning("exam %s: %s", name, notice)


def open_prompt(doc: Doc) -> str:
    """The prompt with the question's own entry."""
    question = _question(doc)
    return render(question, open_book(question))


def closed_prompt(doc: Doc) -> str:
    """The prompt without a book: the control."""
    return render(_question(doc), Book())


class ChoiceFilter(Filter):  # type: ignore[misc]
    """lm-eval's filter: reads each question's first response.

    What it returns stands in the samples file, where lm-eval writes anything but text as Python's repr: so it is JSON.
    """

    def apply(self, resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
        """The choice of each question as a JSON object of `letters`, `state` and `rule`."""
        pairs = zip(resps, docs, strict=True)
        choices = (match_choice(responses[0], _question(doc).options) for responses, doc in pairs)
        return [orjson.dumps(choice).decode() for choice in choices]


def verdict(doc: Doc, results: Sequence[str]) -> dict[str, float | None]:
    """lm-eval's `process_results`: the marks of one question; no partial credit for single choice."""
    marks = mark(Choice(**orjson.loads(results[0])), _question(doc))
    return {
        "correct": float(marks.correct),
        "answered": float(marks.answered),
        "partial_credit": marks.partial_credit,
    }


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Mean over the questions that have the mark at all; None where none has."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _question(doc: Doc) -> Question:
    fields = {key: value for key, value in doc.items() if key != "exam_file"}
    # Arrow gives every row the union of all option letters; those a question lacks are None.
    fields["options"] = {letter: text for letter, text in doc["options"].items() if text is not None}
    return Question(**fields)
