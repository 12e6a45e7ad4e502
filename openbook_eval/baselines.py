"""Readers without understanding, the floor under every leaderboard, and what the string-matching one sees in a text."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, Entry, ExamName, Question


@dataclass(frozen=True, slots=True)
class Baseline:
    """The expected share of right answers, of 1, of a reader without understanding; exact, nothing is drawn.

    `by_exam` holds the exams that have questions; `average` is the plain mean of the six exams, the paper's "Avg.(All
    exams)", None where one of them is missing.
    """

    name: str
    by_exam: Mapping[ExamName, float]
    overall: float
    average: float | None


def baselines(questions: Sequence[Question], entries: Mapping[str, Entry]) -> tuple[Baseline, ...]:
    """Return the rows `random`, `majority letter` and `lexical reader`; none where there are no questions.

    `entries` are by question id; a question that has none is a blank page to the lexical reader.
    """
    if not questions:
        return ()
    texts = [entries[question.id].text if question.id in entries else "" for question in questions]
    # A shared book is the text of many questions, and long.
    made_plain = {text: plain(text) for text in set(texts)}
    lexical = [lexical_chance(question, made_plain[text]) for question, text in zip(questions, texts, strict=True)]
    return (
        _baseline("random", questions, [random_chance(question) for question in questions]),
        _baseline("majority letter", questions, _majority_chances(questions)),
        _baseline("lexical reader", questions, lexical),
    )


def random_chance(question: Question) -> float:
    """Return the chance of a guess: 1/n of n options, in multiple choice one of all 2^n - 1 sets but the empty one."""
    options = len(question.options)
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
    overlaps = {letter: overlap(plain(option), text) for letter, option in question.options.items()}
    longest = max(overlaps.values())
    best = "".join(sorted(letter for letter, length in overlaps.items() if length == longest))
    if question.qtype == "multi":
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
        answers[question.exam, question.qtype][question.answer] += 1
    # Of answers that are equally common the first letter, so that every machine names the same one.
    commonest = {group: min(counts, key=lambda a: (-counts[a], a)) for group, counts in answers.items()}
    return [float(commonest[question.exam, question.qtype] == question.answer) for question in questions]


def _baseline(name: str, questions: Sequence[Question], chances: Sequence[float]) -> Baseline:
    of_exam: dict[ExamName, list[float]] = defaultdict(list)
    for question, chance in zip(questions, chances, strict=True):
        of_exam[question.exam].append(chance)
    by_exam = {exam: _mean(of_exam[exam]) for exam in EXAM_NAMES if exam in of_exam}
    whole = all(exam in by_exam for exam in SIX_EXAMS)
    return Baseline(name, by_exam, _mean(chances), _mean([by_exam[exam] for exam in SIX_EXAMS]) if whole else None)


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
