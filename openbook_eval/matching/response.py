"""What rules are asked about and what they answer."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from openbook_eval.matching.grammar import Grammar

# Lists of options are looked for in so many characters.
BEGINNING = 4000


class Response(NamedTuple):
    """A response made readable. `text` is what answers the question; `echoed` says that it gave the question back."""

    text: str
    options: Mapping[str, str]
    multi: bool
    echoed: bool
    grammar: Grammar


class Reading(NamedTuple):
    """What a rule reads: letters, or the reason why it is sure that there are none."""

    letters: str = ""
    reason: str | None = None


Rule = Callable[[Response], Reading | None]


def read_option_list(response: Response, start: int) -> tuple[str, int]:
    """Letters of the option lines that begin at `start`, as long as they ascend, and the place after the last start."""
    first = response.grammar.option_here.match(response.text, start)
    if not first:
        return "", start
    letters, end = first.group(1), first.end()
    for found in response.grammar.option_start.finditer(response.text, end, start + BEGINNING):
        if found.group(1) <= letters[-1]:
            break
        letters += found.group(1)
        end = found.end()
    return letters, end


def one_answer(text: str) -> str | None:
    """The letters of several runs if no letter comes back or all runs are the same, with at most one slip; or None."""
    runs = re.findall("[A-Z]+", text)
    letters = "".join(runs)
    if len(set(runs)) == 1 or len(set(letters)) >= len(letters) - (len(runs) > 2):
        return letters
    return None


def is_list(starts: str) -> bool:
    """Whether options in a row begin there; the first often stands right behind a question mark, where none begins."""
    return "AB" in starts or "BC" in starts
