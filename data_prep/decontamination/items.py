"""What rows are checked against: the questions of the exams, and the passages that their books hold."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from data_prep.duplicates.plain import plain_texts
from openbook_eval.exams import ExamFile
from openbook_eval.types import Entry, Question

# A longer passage is checked piece by piece: a row that copies one of them copies the book.
PIECE = 100
_SHOWN = 120
# Characters of an option, on average, from which it has n-grams enough by itself.
_LONG = 6
# A number in front of the stem is the exam paper's, not the question's; that of 1.5 mg is.
_NUMBER = re.compile(r"\s*[(（]?\d{1,3}\s*(?:[)）、]|[.．-](?!\d))\s*")
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of an exam: its stem and its options in their order, as `plain_texts` makes them."""

    exam: str
    question_id: str
    stem: str
    options: tuple[str, ...]
    question: str

    @property
    def shown(self) -> str:
        """The beginning of the question as it stands in the exam."""
        return _shortened(self.question)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an entry or of an explanation, as `plain_texts` makes it."""

    exam: str
    question_id: str
    text: str
    piece: str

    @property
    def shown(self) -> str:
        """The beginning of the piece as it stands in the book."""
        return _shortened(self.piece)


def items(exams: Sequence[ExamFile]) -> tuple[tuple[Asked, ...], tuple[Passage, ...]]:
    """Questions and passages, each different one once, by the first exam and question that has it."""
    pairs = sorted(
        ((exam.name, question) for exam in exams for question in exam.questions),
        key=lambda pair: (pair[0], pair[1].id, pair[1].stem, *pair[1].options.values()),
    )
    return tuple(_asked(pairs)), tuple(_passages(pairs))


def option_texts(options: Sequence[str]) -> list[str]:
    """The texts by which a list of options is looked for; short options only together, with letters and without."""
    if sum(map(len, options)) >= _LONG * len(options):
        return list(options)
    lettered = (f"{chr(ord('a') + number)}{option}" for number, option in enumerate(options))
    return [*options, "".join(options), "".join(lettered)]


def _asked(pairs: Sequence[tuple[str, Question]]) -> list[Asked]:
    texts = [text for _, question in pairs for text in (_NUMBER.sub("", question.stem, 1), *question.options.values())]
    plain = iter(plain_texts(pl.Series(texts, dtype=pl.String)))
    found: dict[tuple[str, ...], Asked] = {}
    for exam, question in pairs:
        stem, *options = (next(plain) for _ in range(1 + len(question.options)))
        found.setdefault((stem, *options), Asked(exam, question.id, stem, tuple(options), _whole(question)))
    return list(found.values())


def _passages(pairs: Sequence[tuple[str, Question]]) -> list[Passage]:
    pieces = [
        (exam, question.id, piece)
        for exam, question in pairs
        for text in _entry_texts(question)
        for piece in cut(text, PIECE)
    ]
    plain = plain_texts(pl.Series([piece for _, _, piece in pieces], dtype=pl.String))
    found: dict[str, Passage] = {}
    for (exam, question_id, piece), text in zip(pieces, plain, strict=True):
        found.setdefault(text, Passage(exam, question_id, text, piece))
    return list(found.values())


def _entry_texts(question: Question) -> Iterator[str]:
    yield _NUMBER.sub("", Entry.given_or_statement(question).text, 1)
    if question.explanation:
        yield question.explanation


def cut(text: str, size: int) -> list[str]:
    """The text in pieces of whole sentences, of `size` characters or somewhat more; a shorter rest goes to the last."""
    pieces = [""]
    for sentence in _SENTENCE.findall(text):
        if len(pieces[-1]) >= size:
            pieces.append("")
        pieces[-1] += sentence
    if len(pieces) > 1 and len(pieces[-1]) < size:
        rest = pieces.pop()
        pieces[-1] += rest
    return pieces


def _whole(question: Question) -> str:
    return " ".join([question.stem, *(f"{letter}. {text}" for letter, text in question.options.items())])


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
