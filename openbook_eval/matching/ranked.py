"""The letters that a model's next token points to: a choice from log-probabilities instead of from a response."""

import math
from collections.abc import Mapping

from openbook_eval.types import Choice, QType


def rank_letters(logprobs: Mapping[str, float], qtype: QType) -> Choice:
    """The choice of a model that gives each option's letter this log-probability as its next token.

    Single choice: the likeliest letter, of equals the first. Multiple choice: every letter with more than an equal
    share of the probability that all letters have together, 1/n of n. Of all sets of letters that is the one with the
    highest sum of log p - log 1/n, so that ranking sets finds the same. It asks less than writing does: a model that
    is certain of "ACD" may put all on the "A" that it would write first; then only A is chosen. So multiple choice by
    rank is a lower bound, to be compared with itself only.
    """
    shares = letter_shares(logprobs)
    best = max(shares, key=lambda letter: shares[letter])
    if qtype == "single":
        return Choice(best, "implied", "ranked")
    chosen = [letter for letter, share in shares.items() if share > 1 / len(shares)]
    return Choice("".join(sorted(chosen or [best])), "implied", "ranked")


def letter_shares(logprobs: Mapping[str, float]) -> dict[str, float]:
    """Each letter's part of the probability that all letters have together; the sum is 1.

    Equal parts where all have none.
    """
    most = max(logprobs.values())
    if most == -math.inf:
        return dict.fromkeys(logprobs, 1 / len(logprobs))
    weights = {letter: math.exp(logprob - most) for letter, logprob in logprobs.items()}
    total = math.fsum(weights.values())
    return {letter: weight / total for letter, weight in weights.items()}
