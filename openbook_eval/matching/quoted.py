"""Options quoted by their text, word for word or with a slip of the pen."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rapidfuzz import fuzz

from openbook_eval.matching.grammar import ANNOUNCEMENT
from openbook_eval.matching.response import Reading, Response

_NEGATED = re.compile(r"(?:不是|并非|而非|不选|排除|不属于|不包括|不应)[\s\"“「]*$")
_SIGNS = re.compile(r"[\s,，.．。;；、:：()（）\"'“”‘’*]")
_BRIEF, _SHORT = 40, 200


@lru_cache(maxsize=50_000)
def _one_form(text: str) -> str:
    """Kept, since the options of a question come back with every model that answers it."""
    return unicodedata.normalize("NFKC", text)


def _core(text: str) -> str:
    """The text without an announcing word before it and without signs."""
    text = text.strip()
    found = ANNOUNCEMENT.match(text)
    return _SIGNS.sub("", text[found.end() if found else 0 :])


def exact_option(response: Response) -> Reading | None:
    """`CT`, `答案：B超检查`: the response is the text of one option, which may look like letters or hold some."""
    if len(response.text) > _BRIEF:
        return None
    core = _core(response.text)
    # An option whose text is another option's letter would turn an answer of letters around.
    if not core or core in response.options:
        return None
    same = (letter for letter, option in response.options.items() if len(core) <= len(option) and core[0] in option)
    letters = [letter for letter in same if core == _SIGNS.sub("", response.options[letter])]
    return Reading(letters[0]) if len(letters) == 1 else None


def quoted_options(response: Response) -> Reading | None:
    """`胰高血糖素`, `应为胰高血糖素。`: an option's text without its letter."""
    # Options come from an exam file and the response from a model: both are brought to one form of every sign.
    options = {letter: _one_form(option).strip() for letter, option in response.options.items()}
    # A long text may quote options on its way: what counts is how it ends.
    text = unicodedata.normalize("NFKC", response.text[-_SHORT:])
    letters = _quoted(text, options) or _similar(text, options)
    if not letters:
        return None
    if len(letters) > 1 and not response.multi:
        return Reading(reason="undecided" if len(letters) < len(response.options) else "all_options")
    return Reading(letters)


def _quoted(text: str, options: Mapping[str, str]) -> str:
    letters = ""
    # Longer options first: what stands inside another option does not count for itself.
    for letter, option in sorted(options.items(), key=lambda item: -len(item[1])):
        place = text.find(option) if option else -1
        if place < 0:
            continue
        # Up to three characters mean an option only where little else is said.
        telling = len(option) >= 4 or len(text) <= 12 + sum(map(len, options.values()))
        if telling and not _NEGATED.search(text[max(0, place - 8) : place]):
            letters += letter
        text = text.replace(option, "\n")
    return "".join(sorted(letters))


def _similar(text: str, options: Mapping[str, str]) -> str:
    """The one option that the text is, or holds, but for one character in each eight or fewer."""
    core = _core(text)
    longest = max(map(len, options.values()), default=0)
    if not 3 <= len(core) <= longest + 10:
        return ""
    scores: list[tuple[float, str]] = []
    for letter, option in options.items():
        bare = _SIGNS.sub("", option)
        if len(bare) >= 3:
            wanted = 100 * (1 - max(1, len(bare) // 8) / len(bare)) - 0.5
            score = fuzz.partial_ratio(bare, core) if len(core) >= len(bare) else fuzz.ratio(bare, core)
            scores.append((score if score >= wanted else 0.0, letter))
    best = max(scores, default=(0.0, ""))
    return best[1] if best[0] > 0 and sum(score == best[0] for score, _ in scores) == 1 else ""
