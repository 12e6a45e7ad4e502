"""Ask the rules in order; the first that speaks decides. And choose by the probabilities of letters where ranked."""

import math
import re
from collections.abc import Mapping
from typing import Any

from openbook_eval.matching import response as preparing
from openbook_eval.matching.patterns import patterns_for
from openbook_eval.matching.response import Response, bare_letters
from openbook_eval.matching.rules import RULES
from openbook_eval.types import Choice, Marked, QType, Question, Unanswered

_SAYS_SOMETHING = re.compile(r"\w|[Ⓐ-Ⓩ①-⑳]")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Where the options are not known, letters up to here are possible.
_UNKNOWN_OPTIONS = dict.fromkeys("ABCDE", "")
# What stands behind a response that no rule decides where the model is asked again: a letter follows.
ASKED_AGAIN = "因此，正确选项的字母是"


def match_choice(response: str, options: Mapping[str, str], qtype: QType = "single") -> Choice:
    """Read which letters of `options` (letters and texts) a response commits to.

    Options are called by single capital letters, others are not looked for; without any, A to E are taken to be
    there. Never raises: None is an empty response, other objects are read as they print. Of a response of more than
    40,000 characters the first and last 20,000 are read.
    """
    known = options or _UNKNOWN_OPTIONS
    if not (known.keys() <= _LETTERS and isinstance(response, str) and {*map(type, known.values())} == {str}):
        named = {name: str(text) for name, text in options.items() if name in _LETTERS and text is not None}
        return match_choice("" if response is None else str(response), named, qtype)
    letters = "".join(known)
    patterns = patterns_for(letters)
    # The commonest responses, the letters that were asked for and one option line, need no preparation.
    if bare := bare_letters(response.strip(), patterns):
        return Choice("".join(sorted(bare)), "stated", "letters_only")
    if line := patterns.option_line.fullmatch(response):
        return Choice(line.group(1), "stated", "one_option_line")
    text = preparing.without_thought(response)
    if text is None:
        return Choice("", "cut_off", "cut_off")
    head, rest = preparing.own_answer(preparing.plain(preparing.ends(text)))
    choice = _match(Response(head, known, qtype == "multi", False, patterns))
    if rest and not choice.letters and not choice.abstained:
        return _match(Response(rest, known, qtype == "multi", True, patterns))
    return choice


def _match(response: Response) -> Choice:
    if not _SAYS_SOMETHING.search(response.text):
        return Choice("", "none", "empty")
    for name, state, rule in RULES:
        found = rule(response)
        if found is None:
            continue
        if found.reason:
            return Choice("", "none", found.reason)
        if letters := "".join(sorted(set(found.letters) & response.options.keys())):
            return Choice(letters, "implied" if found.by_text else state, name)
    return Choice("", "none", "undecided")


def letters_to_ask(doc: Mapping[str, Any], response: str) -> list[str]:
    """Return the letters to put to the model again where no rule decides, else nothing."""
    if isinstance(response, Marked | Unanswered):
        return []
    question = Question.from_doc(doc)
    choice = match_choice(response, question.options, question.qtype)
    return list(question.options) if choice.rule == "undecided" else []


def choice_when_asked(logprobs: Mapping[str, float], qtype: QType) -> Choice:
    """Return the choice of a model that was asked again, with the part of the letters' probability that it has."""
    letters = rank_letters(logprobs, qtype).letters
    shares = letter_shares(logprobs)
    return Choice(letters, "asked", "asked", round(math.fsum(shares[letter] for letter in letters), 6))


def rank_letters(logprobs: Mapping[str, float], qtype: QType) -> Choice:
    """Return the choice of a model that gives each option's letter this log-probability as its next token.

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
    """Return each letter's part of the probability that all letters have together; the sum is 1.

    Equal parts where all have none.
    """
    most = max(logprobs.values())
    if most == -math.inf:
        return dict.fromkeys(logprobs, 1 / len(logprobs))
    weights = {letter: math.exp(logprob - most) for letter, logprob in logprobs.items()}
    total = math.fsum(weights.values())
    return {letter: weight / total for letter, weight in weights.items()}
