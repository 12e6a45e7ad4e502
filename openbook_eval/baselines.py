"""What readers without understanding would score: the floor under every leaderboard."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from openbook_eval.evidence import options_held, plain
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, Entry, ExamName, Question

_Chances = list[float]


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
    readers: Mapping[str, Callable[[], _Chances]] = {
        "random": lambda: [random_chance(question) for question in questions],
        "majority letter": lambda: _majority_chances(questions),
        "lexical reader": lambda: _lexical_chances(questions, entries),
    }
    return tuple(_baseline(name, questions, chances()) for name, chances in readers.items())


def random_chance(question: Question) -> float:
    """Return the chance of a guess: 1/n of n options, in multiple choice one of all 2^n - 1 sets but the empty one."""
    options = len(question.options)
    return 1 / options if question.qtype == "single" else 1 / (2**options - 1)


def overlap(option: str, text: str) -> int:
    """Return the length of the longest piece of `option` that stands in `text`; both plain already."""
    best = 0  # at most two searches for each character of the option
    for start in range(len(option)):
        while start + best < len(option) and option[start : start + best + 1] in text:
            best += 1
    return best


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


def _majority_chances(questions: Iterable[Question]) -> _Chances:
    groups = [((question.exam, question.qtype), question.answer) for question in questions]
    answers: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for group, answer in groups:
        answers[group][answer] += 1
    # Of answers that are equally common the first letter, so that every machine names the same one.
    commonest = {group: min(counts, key=lambda a: (-counts[a], a)) for group, counts in answers.items()}
    return [float(commonest[group] == answer) for group, answer in groups]


def _lexical_chances(questions: Iterable[Question], entries: Mapping[str, Entry]) -> _Chances:
    texts = [entries[question.id].text if question.id in entries else "" for question in questions]
    # A shared book is the text of many questions, and long.
    made_plain = {text: plain(text) for text in set(texts)}
    return [lexical_chance(question, made_plain[text]) for question, text in zip(questions, texts, strict=True)]


def _baseline(name: str, questions: Sequence[Question], chances: _Chances) -> Baseline:
    of_exam: dict[ExamName, _Chances] = defaultdict(list)
    for question, chance in zip(questions, chances, strict=True):
        of_exam[question.exam].append(chance)
    by_exam = {exam: _mean(of_exam[exam]) for exam in EXAM_NAMES if exam in of_exam}
    whole = all(exam in by_exam for exam in SIX_EXAMS)
    return Baseline(name, by_exam, _mean(chances), _mean([by_exam[exam] for exam in SIX_EXAMS]) if whole else None)


def _mean(shares: Sequence[float]) -> float:
    return math.fsum(shares) / len(shares)
