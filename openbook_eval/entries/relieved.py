"""Entries made of a text that may judge the options: an item's knowledge or explanation, a model's answer."""

import re

from openbook_eval.entries.verdicts import take_out
from openbook_eval.types import Entry, Question

_LINE_BREAK = re.compile(r"\s*\n\s*")


def passage(question: Question) -> Entry | None:
    """The item's knowledge, else its explanation, in one line and without verdicts; None where nothing is left."""
    source = question.knowledge or question.explanation
    return without_verdicts(question, source, "passage") if source else None


def without_verdicts(question: Question, text: str, provider: str) -> Entry | None:
    """The text as an entry that gives no letter away; None where it was nothing but verdicts."""
    kept, taken_out = take_out(_LINE_BREAK.sub(" ", text.strip()), question.options)
    return Entry(question.id, kept, provider, taken_out) if kept.strip() else None
