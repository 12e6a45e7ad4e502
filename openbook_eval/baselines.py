"""Readers without understanding, the floor under every leaderboard, and what the string-matching one sees in a text."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field

from openbook_eval.console import percent
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, ExamName, Question

READERS = ("chance", "majority letter", "longest option", "string matching", "always abstaining", "ceiling")
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The expected share of right answers, of 1, of a reader without understanding; exact, nothing is drawn.

    `by_exam` holds the exams that have questions; `average` is the plain mean of the six exams, the paper's "Avg.(All
    exams)", None where one of them is missing. `overall` is of all questions, without those of no label where there are
    others.
    """

    name: str
    by_exam: Mapping[ExamName, Share]
    overall: Share
    average: Share | None

    @property
    def ranked(self) -> float:
        """The mean that boards rank by."""
        return self.overall if self.average is None else self.average


@dataclass(frozen=True, slots=True)
class Reference:
    """What a score must be read with: a row for each reader without understanding, on the items that were asked.

    Where right letters were not shown, `cannot_be_right` counts these items, and the last row is the `ceiling`.
    """

    rows: tuple[Baseline, ...] = ()
    cannot_be_right: int = 0

    @classmethod
    def of(cls, questions: Sequence[Question], texts: Sequence[str] | None) -> Self:
        """Read questions, whose `answer` is what is right as they are asked: "" where that is to abstain.

        `texts` are the books that they are asked on, None without any. There are no rows where there are no questions.
        """
        rows = [_baseline(name, questions, chances) for name, chances in _chances(questions, texts)]
        return cls(tuple(rows), sum(map(_is_impossible, questions)))

    def __str__(self) -> str:
        """Say what each reader gets, in percent."""
        return ", ".join(f"{row.name}: {percent(row.ranked)}" for row in self.rows)


def _chances(questions: Sequence[Question], texts: Sequence[str] | None) -> Iterator[tuple[str, list[float]]]:
    if any(question.answer for question in questions):
        yield "chance", list(map(random_chance, questions))
        yield "majority letter", _majority_chances(questions)
        lengths = [{letter: len(plain(text)) for letter, text in each.options.items()} for each in questions]
        yield "longest option", list(map(_chance_of_most, questions, lengths))
        if texts is not None:
            # A shared book is the text of many questions, and long.
            made_plain = {text: plain(text) for text in set(texts)}
            pairs = zip(questions, texts, strict=True)
            yield "string matching", [lexical_chance(question, made_plain[text]) for question, text in pairs]
    if not all(question.answer for question in questions):
        yield "always abstaining", [float(not question.answer) for question in questions]
    if any(map(_is_impossible, questions)):
        yield "ceiling", [float(not _is_impossible(question)) for question in questions]


def _is_impossible(question: Question) -> bool:
    return not set(question.answer) <= set(question.options)


def random_chance(question: Question) -> float:
    """Return the chance of a guess: 1/n of n options, in multiple choice one of all 2^n - 1 sets but the empty one."""
    options = len(question.options)
    if not question.answer or _is_impossible(question):
        return 0.0
    return 1 / options if question.qtype == "single" else 1 / (2**options - 1)


def lexical_chance(question: Question, text: str) -> float:
    """Return the chance of the reader that picks the option with the longest overlap with `text`, plain already.

    Where k options tie, the chance is 1/k. In multiple choice it picks all options that stand whole in the text; where
    none or all do, those that overlap most.
    """
    if question.qtype == "multi":
        held = options_held(text, question.options)
        if held and len(held) < len(question.options):
            return float(held == question.answer)
    return _chance_of_most(
        question, {letter: overlap(plain(option), text) for letter, option in question.options.items()}
    )


def _chance_of_most(question: Question, sizes: Mapping[str, int]) -> float:
    best = "".join(sorted(letter for letter, size in sizes.items() if size == max(sizes.values())))
    if question.qtype == "multi" or not question.answer:
        return float(best == question.answer)
    return 1 / len(best) if question.answer in best else 0.0


def overlap(option: str, text: str) -> int:
    """Return the length of the longest piece of `option` that stands in `text`; both plain already."""
    best = 0  # at most two searches for each character of the option
    for start in range(len(option)):
        while start + best < len(option) and option[start : start + best + 1] in text:
            best += 1
    return best


def _majority_chances(questions: Sequence[Question]) -> list[float]:
    answers: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for question in questions:
        if question.answer and not _is_impossible(question):
            answers[question.exam, question.qtype][question.answer] += 1
    # Of answers that are equally common the first letter, so that every machine names the same one.
    commonest = {group: min(counts, key=lambda a: (-counts[a], a)) for group, counts in answers.items()}
    return [float(commonest.get((question.exam, question.qtype)) == question.answer) for question in questions]


def _baseline(name: str, questions: Sequence[Question], chances: Sequence[float]) -> Baseline:
    of_exam: dict[ExamName, list[float]] = defaultdict(list)
    for question, chance in zip(questions, chances, strict=True):
        of_exam[question.exam].append(chance)
    by_exam = {exam: _mean(of_exam[exam]) for exam in EXAM_NAMES if exam in of_exam}
    whole = all(exam in by_exam for exam in SIX_EXAMS)
    labelled = [chance for exam in SIX_EXAMS for chance in of_exam[exam]]
    return Baseline(
        name, by_exam, _mean(labelled or chances), _mean([by_exam[exam] for exam in SIX_EXAMS]) if whole else None
    )


def _mean(shares: Sequence[float]) -> float:
    return math.fsum(shares) / len(shares)


def plain(text: str) -> str:
    """Return the text without whitespace, every character in one form (NFKC, lower case), fit to be compared."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def options_held(text: str, options: Mapping[str, str]) -> str:
    """Return letters, sorted, of the options whose text stands in `text`.

    An option that is part of a longer one (`肝` of `肝硬化`) is held only where it stands apart from it, and one that
    begins or ends in a digit (`16`) not inside another number (`160`, `1.16`).
    """
    rest, held = plain(text), []
    letters: dict[str, list[str]] = defaultdict(list)
    for letter, option in options.items():
        letters[plain(option)].append(letter)
    # A longer option hides the shorter ones inside it; options of one text hold or fail together.
    for wanted in sorted(filter(None, letters), key=lambda text: (-len(text), letters[text])):
        if wanted in rest and (cut := re.sub(apart(wanted), "\n", rest)) != rest:
            held += letters[wanted]
            rest = cut
    return "".join(sorted(held))


def apart(wanted: str) -> str:
    """Return a pattern for `wanted` (not empty) where it is no part of a longer number."""
    before = r"(?<!\d)(?<!\d\.)" if wanted[0].isdecimal() else ""
    after = r"(?!\.?\d)" if wanted[-1].isdecimal() else ""
    return f"{before}{re.escape(wanted)}{after}"
