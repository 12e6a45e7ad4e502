"""Asks the rules in order; the first that speaks decides."""

import re
from collections.abc import Mapping

from openbook_eval.choice import reading, rules
from openbook_eval.choice.grammar import grammar
from openbook_eval.choice.quoted import exact_option, quoted_options
from openbook_eval.choice.rules import Response, Rule
from openbook_eval.choice.value import Choice, State
from openbook_eval.question import QType

_RULES: tuple[tuple[str, State, Rule], ...] = (
    *rules.RULES[:2],
    ("exact_option", "implied", exact_option),
    *rules.RULES[2:],
    ("quoted_options", "implied", quoted_options),
    ("lone_letters", "implied", rules.lone_letters),
)
# Where the options are not known, letters up to here are possible.
_SAYS_SOMETHING = re.compile(r"\w|[Ⓐ-Ⓩ①-⑳]")
_UNKNOWN_OPTIONS = dict.fromkeys("ABCDE", "")


def match_choice(response: str, options: Mapping[str, str], qtype: QType = "single") -> Choice:
    """Reads which letters of `options` (letters and texts) a response commits to.

    Without options A to E are taken to be there. Never raises, whatever the text; of one longer than 40,000
    characters the first and last 20,000 are read.
    """
    if response in options:  # the commonest response by far is the one letter that was asked for
        return Choice(response, "stated", "letters_only")
    text = reading.without_thought(response)
    if text is None:
        return Choice("", "none", "cut_off")
    head, rest = reading.own_answer(reading.plain(reading.ends(text)))
    known = options or _UNKNOWN_OPTIONS
    patterns = grammar("".join(known))
    choice = _match(Response(head, known, qtype == "multi", False, patterns))
    if rest and not choice.letters:
        return _match(Response(rest, known, qtype == "multi", True, patterns))
    return choice


def _match(response: Response) -> Choice:
    if not _SAYS_SOMETHING.search(response.text):
        return Choice("", "none", "empty")
    for name, state, rule in _RULES:
        found = rule(response)
        if found is None:
            continue
        if found.reason:
            return Choice("", "none", found.reason)
        if letters := "".join(sorted(set(found.letters) & response.options.keys())):
            return Choice(letters, state, name)
    return Choice("", "none", "undecided")
