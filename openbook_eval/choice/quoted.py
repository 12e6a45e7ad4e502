"""Options quoted by their text, word for word or with small slips."""

import re
import unicodedata
from collections.abc import Mapping

from rapidfuzz import fuzz

from openbook_eval.choice.rules import Reading, Response

_NEGATED = re.compile(r"(?:不是|并非|而非|不选|排除|不属于|不包括|不应)[\s\"“「]*$")
# Below this similarity (in percent) another option or another wording is as likely as a slip of the pen.
_SIMILAR = 85.0
_SHORT = 200
_PLAIN = re.compile(r"[\s,.。;、:()\"'“”‘’*]")


def quoted_options(response: Response) -> Reading | None:
    """`胰高血糖素`, `应为胰高血糖素。`: an option's text without its letter."""
    # Options come from an exam file and the response from a model: both are brought to one form of every sign.
    options = {letter: _one_form(option).strip() for letter, option in response.options.items()}
    text = _one_form(response.text)
    # A long text may quote options on its way: what counts is how it ends.
    letters = _quoted(text if len(text) <= _SHORT else text[-_SHORT:], options) or _similar(text, options)
    if not letters:
        return None
    if len(letters) > 1 and not response.multi:
        return Reading(reason="undecided" if len(letters) < len(response.options) else "all_options")
    return Reading(letters)


def _one_form(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _quoted(text: str, options: Mapping[str, str]) -> str:
    letters = ""
    # Longer options first: what stands inside another option does not count for itself.
    for letter, option in sorted(options.items(), key=lambda item: -len(item[1])):
        # One or two characters mean an option only where little else is said.
        if not option or (len(option) < 4 and len(text) > 3 * len(option) + 12):
            continue
        place = text.find(option)
        if place >= 0 and not _NEGATED.search(text[max(0, place - 8) : place]):
            letters += letter
        if place >= 0:
            text = text.replace(option, "\n")
    return "".join(sorted(letters))


def _similar(text: str, options: Mapping[str, str]) -> str:
    core = _PLAIN.sub("", text)
    longest = max(map(len, options.values()), default=0)
    if not 3 <= len(core) <= 2 * longest + 10:
        return ""
    scores = sorted((fuzz.ratio(core, _PLAIN.sub("", option)), letter) for letter, option in options.items())
    best, second = scores[-1], scores[-2] if len(scores) > 1 else (0.0, "")
    return best[1] if best[0] >= _SIMILAR and best[0] - second[0] >= 5 else ""
