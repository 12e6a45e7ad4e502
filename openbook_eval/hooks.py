"""The only functions that the task files name: they turn lm-eval's dicts into our types and back, and hold no logic."""

import difflib
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
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.exams import ExamFile, load_exam, require
from openbook_eval.prompt import render
from openbook_eval.question import ExamName, Question
from openbook_eval.verdict import mark

Doc = Mapping[str, Any]

_log = logging.getLogger(__name__)


def exam_docs(
    exam_label: ExamName,
    exam: object = None,
    exam_file: object = None,
    **others: object,
) -> dict[str, Dataset]:
    """lm-eval's `custom_dataset`: one exam's questions as the split `test`.

    `exam_label` comes from the task file, `exam` from `--metadata`; lm-eval adds the model's arguments to them.
    `exam_file` is the dict of that name in the task's own metadata: what is put into it stands in the results file,
    which could not name the exam otherwise.
    """
    try:
        file = load_exam(_spec(exam, others))
        questions = require(file, exam_label)
    except OpenbookError as error:
        # lm-eval prints a traceback for whatever is raised here; a user's mistake deserves one line.
        print(f"openbook-eval: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    _tell(file.name, file.notices)
    if isinstance(exam_file, dict):
        exam_file.update(file.provenance)
    return {"test": Dataset.from_list([_doc(question, file) for question in questions])}


def _spec(exam: object, others: Mapping[str, object]) -> str | None:
    if exam is None and (close := difflib.get_close_matches("exam", others, cutoff=0.75)):
        raise ExamError(f"--metadata: unknown key {close[0]!r}; did you mean 'exam'?")
    if exam is not None and not isinstance(exam, str):
        raise ExamError(f"--metadata: exam must be a name or a path, not {exam!r}")
    return exam


def _doc(question: Question, file: ExamFile) -> dict[str, Any]:
    # Options as a list: of an object Arrow would keep neither the order nor which letters a question has.
    options = [{"letter": letter, "text": text} for letter, text in question.options.items()]
    return asdict(question) | {"options": options, "exam_file": file.provenance}


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
        return [orjson.dumps(_choice(responses[0], _question(doc))).decode() for responses, doc in pairs]


def verdict(doc: Doc, results: Sequence[str]) -> dict[str, float | None]:
    """lm-eval's `process_results`: the marks of one question; no partial credit for single choice."""
    marks = asdict(mark(Choice(**orjson.loads(results[0])), _question(doc)))
    return {name: None if value is None else float(value) for name, value in marks.items()}


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Mean over the questions that have the mark at all; None where none has."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _choice(response: str, question: Question) -> Choice:
    return match_choice(response, question.options, question.qtype)


def _question(doc: Doc) -> Question:
    fields = {key: value for key, value in doc.items() if key != "exam_file"}
    fields["options"] = {option["letter"]: option["text"] for option in doc["options"]}
    return Question(**fields)
