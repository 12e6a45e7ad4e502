"""Asks the rules in order; the first that speaks decides."""

import re
from collections.abc import Mapping

from openbook_eval.matching import abstention, forms, judgements, quoted, reading, statements
from openbook_eval.matching.grammar import grammar
from openbook_eval.matching.response import Response, Rule
from openbook_eval.types import Choice, QType, State

# In the order in which they are asked: the first that reads letters, or is sure that there are none, decides.
RULES: tuple[tuple[str, State, Rule], ...] = (
    ("letters_only", "stated", forms.letters_only),
    ("one_option_line", "stated", forms.one_option_line),
    ("exact_option", "implied", quoted.exact_option),
    ("dressed_letters", "stated", forms.dressed_letters),
    ("abstention_only", "none", abstention.abstention_only),
    ("answer_then_question", "stated", forms.answer_then_question),
    ("judged_list", "stated", judgements.judged_list),
    ("option_lines", "stated", forms.option_lines),
    ("declared", "stated", statements.declared),
    ("leading_letters", "stated", forms.leading_letters),
    ("announced_sentence", "stated", statements.announced_sentence),
    ("judged", "stated", judgements.judged),
    ("abstention", "none", abstention.abstention),
    ("refused", "none", forms.refused),
    ("other_alphabet", "stated", forms.other_alphabet),
    ("echoed_options", "none", forms.echoed_options),
    ("closing_statement", "stated", statements.closing_statement),
    ("quoted_options", "implied", quoted.quoted_options),
    ("lone_letters", "implied", statements.lone_letters),
)
# Where the options are not known, letters up to here are possible.
_SAYS_SOMETHING = re.compile(r"\w|[Ⓐ-Ⓩ①-⑳]")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_UNKNOWN_OPTIONS = dict.fromkeys("ABCDE", "")


def match_choice(response: str, options: Mapping[str, str], qtype: QType = "single") -> Choice:
    """Reads which letters of `options` (letters and texts) a response commits to.

    Options are called by single capital letters, others are not looked for; without any, A to E are taken to be
    there. Never raises, whatever the text; of one longer than 40,000
    characters the first and last 20,000 are read.
    """
    known = options or _UNKNOWN_OPTIONS
    letters = "".join(known)
    if len(letters) != len(known) or not (letters.isascii() and letters.isalpha() and letters.isupper()):
        return match_choice(response, {name: text for name, text in options.items() if name in _LETTERS}, qtype)
    patterns = grammar(letters)
    # The two commonest responses, the letter that was asked for and one option line, need no preparation.
    if response in known:
        return Choice(response, "stated", "letters_only")
    if line := patterns.option_line.fullmatch(response):
        return Choice(line.group(1), "stated", "one_option_line")
    text = reading.without_thought(response)
    if text is None:
        return Choice("", "none", "cut_off")
    head, rest = reading.own_answer(reading.plain(reading.ends(text)))
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
            return Choice(letters, state, name)
    return Choice("", "none", "undecided")
