"""From a choice to its score: METRICS is the registry, an entry a metric."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from openbook_eval.types import Choice, Question, Score

# How a response came about, which decides the metrics that it has: the paper's exam, its ranked form, the reading exam,
# and the reading exam's books that say otherwise than the truth.
Scope = Literal["paper", "ranked", "reading", "counterfactual"]

_COUNTERFACTUAL: frozenset[Scope] = frozenset({"counterfactual"})
_READING: frozenset[Scope] = _COUNTERFACTUAL | {"reading"}
_WRITTEN: frozenset[Scope] = _READING | {"paper"}
_RANKED: frozenset[Scope] = frozenset({"ranked"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """A choice beside what is right for it.

    `expected` are the letters that are right under the condition, "" where abstaining is right. `logprobs` are those
    of the letters where they were ranked.
    """

    choice: Choice
    question: Question
    expected: str
    logprobs: Mapping[str, float] | None = None

    @property
    def chosen(self) -> set[str]:
        """Return the letters chosen."""
        return set(self.choice.letters)

    @property
    def is_correct(self) -> bool:
        """Return whether the choice is exactly the right letters, or the abstention where that is right."""
        return self.chosen == set(self.expected) if self.expected else self.choice.abstained

    @property
    def is_as_demanded(self) -> bool:
        """Return whether the response has the form that the prompt demands: letters only, or only the abstention."""
        return self.choice.format_followed or self.choice.rule == "abstention_only"

    @property
    def partial_credit(self) -> float | None:
        """Return the share of several right letters that were found, 0 where a wrong one is among them.

        This is the custom of Chinese examinations with partial credit: an incomplete answer scores in part, a wrong
        letter voids it.
        """
        if self.question.qtype == "single" or not self.expected:
            return None
        return len(self.chosen) / len(self.expected) if self.chosen <= set(self.expected) else 0.0

    @property
    def letter_mass(self) -> float | None:
        """Return the probability that the next token is a letter at all; where it is small, the ranking says little."""
        if self.logprobs is None:
            return None
        # Log-probabilities of 32 bits come to a little more than 1 at times.
        return min(1.0, math.fsum(map(math.exp, self.logprobs.values())))


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a response, and how it is shown.

    `compute` returns None where a response has no such number. `label` heads its column. `scopes` are those whose
    responses have it. `averaged` metrics, which all of these have, have a mean over the six exams. `graded` ones lie
    between 0 and 1, all others are either. Those `of_letters` follow from the letters read, the letters of the options
    and those that are right, and are refused in samples where they do not.
    """

    label: str
    meaning: str
    compute: Callable[[Attempt], float | None]
    scopes: frozenset[Scope] = _WRITTEN | _RANKED
    higher_is_better: bool = True
    averaged: bool = True
    graded: bool = False
    of_letters: bool = True


METRICS: Mapping[str, Metric] = {
    "correct": Metric("correct", "commits to exactly the right letters", lambda attempt: attempt.is_correct),
    "correct_strict": Metric(
        "strict",
        "is nothing but the right letters",
        lambda attempt: attempt.is_correct and attempt.is_as_demanded,
        _WRITTEN,
    ),
    "format_followed": Metric("format", "is nothing but letters", lambda attempt: attempt.is_as_demanded, _WRITTEN),
    "answered": Metric("answered", "commits to any letter", lambda attempt: bool(attempt.chosen), _WRITTEN),
    "abstained": Metric(
        "abstained",
        "says that the book does not tell",
        lambda attempt: attempt.choice.abstained,
        _READING,
        higher_is_better=False,
    ),
    "partial_credit": Metric(
        "partial",
        "share of the right letters found, 0 with a wrong one",
        lambda attempt: attempt.partial_credit,
        averaged=False,
        graded=True,
    ),
    "follows_context": Metric(
        "context",
        "answers as the counterfactual book does",
        lambda attempt: attempt.chosen == set(attempt.expected),
        _COUNTERFACTUAL,
    ),
    "follows_memory": Metric(
        "memory",
        "answers the truth against the counterfactual book",
        lambda attempt: attempt.chosen == set(attempt.question.answer),
        _COUNTERFACTUAL,
        higher_is_better=False,
    ),
    "follows_neither": Metric(
        "neither",
        "answers neither as the book nor the truth",
        lambda attempt: attempt.chosen not in (set(attempt.expected), set(attempt.question.answer)),
        _COUNTERFACTUAL,
        higher_is_better=False,
    ),
    "letter_mass": Metric(
        "mass",
        "probability that the next token is a letter",
        lambda attempt: attempt.letter_mass,
        _RANKED,
        graded=True,
        of_letters=False,
    ),
}


def score(
    choice: Choice,
    question: Question,
    scope: Scope = "paper",
    expected: str | None = None,
    logprobs: Mapping[str, float] | None = None,
) -> Score:
    """Score a choice by every metric of its scope.

    `expected` are the letters that are right under the condition, "" where abstaining is; if left out, the question's.
    """
    attempt = Attempt(choice, question, question.answer if expected is None else expected, logprobs)
    found = {name: metric.compute(attempt) for name, metric in METRICS.items() if scope in metric.scopes}
    return Score({name: None if value is None else float(value) for name, value in found.items()})
