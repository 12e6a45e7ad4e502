"""What of an exam is looked for in rows: its questions, and the passages of its book and its explanations."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from data_prep.dedup import plain
from openbook_eval.exams import ExamFile
from openbook_eval.types import Entry, Question

# A longer passage is checked piece by piece: a row that copies one of them copies the book.
_PIECE, _SHOWN = 100, 120
# Characters of an option, on average, from which it has n-grams enough by itself.
_LONG_OPTION = 6
# A number in front of the stem is the exam paper's, not the question's; that of 1.5 mg is.
_NUMBER = re.compile(r"\s*[(（]?\d{1,3}\s*(?:[)）、]|[.．-](?!\d))\s*")
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]?")


@dataclass(frozen=True, slots=True)
class ExamItem:
    """A question of an exam, or a piece of its book without options; texts in plain form, `shown` as in the exam.

    `right` is the text of the right options.
    """

    exam: str
    id: str
    text: str
    options: tuple[str, ...]
    shown: str
    right: str = ""


def items(exam: ExamFile) -> tuple[tuple[ExamItem, ...], tuple[ExamItem, ...]]:
    """Return the questions and the passages of an exam, each different one once, by the first question that has it."""
    asked = sorted(exam.questions, key=lambda question: (question.id, question.stem, *question.options.values()))
    texts = in_plain(text for each in asked for text in (_NUMBER.sub("", each.stem, 1), *each.options.values()))
    questions: dict[tuple[str, ...], ExamItem] = {}
    for each in asked:
        stem, *options = (next(texts) for _ in range(1 + len(each.options)))
        shown = " ".join([each.stem, *(f"{letter}. {text}" for letter, text in each.options.items())])
        right = "".join(text for letter, text in zip(each.options, options, strict=True) if letter in each.answer)
        made = ExamItem(exam.name, each.id, stem, tuple(options), _shortened(shown), right)
        questions.setdefault((stem, *options), made)
    pieces = [(each.id, piece) for each in asked for text in _book(each) for piece in cut(text, _PIECE)]
    passages: dict[str, ExamItem] = {}
    for (number, piece), text in zip(pieces, in_plain(piece for _, piece in pieces), strict=True):
        passages.setdefault(text, ExamItem(exam.name, number, text, (), _shortened(piece)))
    return tuple(questions.values()), tuple(passages.values())


def in_plain(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts in the form in which they are compared."""
    frame = pl.DataFrame({"text": list(texts)}, schema={"text": pl.String})
    return iter(frame.select(plain(pl.col("text"))).to_series().to_list())


def _book(question: Question) -> Iterator[str]:
    yield _NUMBER.sub("", Entry.given_or_statement(question).text, 1)
    if question.explanation:
        yield question.explanation


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def cut(text: str, size: int) -> list[str]:
    """Cut a text into whole sentences of `size` characters or somewhat more; a shorter rest goes to the last."""
    pieces = [""]
    for sentence in _SENTENCE.findall(text):
        if len(pieces[-1]) >= size:
            pieces.append("")
        pieces[-1] += sentence
    if len(pieces) > 1 and len(pieces[-1]) < size:
        rest = pieces.pop()
        pieces[-1] += rest
    return pieces


def option_texts(options: Sequence[str]) -> list[str]:
    """Return the texts by which options are looked for; short ones only together, with letters and without."""
    if sum(map(len, options)) >= _LONG_OPTION * len(options):
        return list(options)
    lettered = (f"{chr(ord('a') + number)}{option}" for number, option in enumerate(options))
    return [*options, "".join(options), "".join(lettered)]
