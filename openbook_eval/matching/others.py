"""The matchers of others, re-implemented from their published rules, to compare with; none of them scores our exam."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from openbook_eval.matching.matcher import match_choice
from openbook_eval.types import QType

Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Matcher:
    """A way to read a choice: letters as its makers' program gives them, and whether these are right.

    `as_sets`: letters are compared as sets; else as strings, in the order in which they were read and published.
    It knows options up to `last`, and with `multi` reads several letters.
    """

    name: str
    source: str
    read: Callable[[str, Options, QType], str]
    as_sets: bool = True
    last: str = "Z"
    multi: bool = True

    @property
    def limit(self) -> str:
        """Return what it applies to, in words."""
        return f"texts, A to {self.last}" if self.multi else "texts, single choice"

    def applies(self, options: Options, qtype: QType) -> bool:
        """Return whether a response to such a question is one that it can read."""
        return (self.multi or qtype == "single") and max(options, default="A") <= self.last

    def is_right(self, letters: str, answer: str) -> bool:
        """Return whether what was read is the published answer."""
        return set(letters) == set(answer) if self.as_sets else letters == answer


def _ours(response: str, options: Options, qtype: QType) -> str:
    return match_choice(response, options, qtype).letters


def _cmb(response: str, _: Options, qtype: QType) -> str:
    """Return letters A to G after the first 答案 or 正确选项 with 是, 为 or a colon, up to a full stop; else all.

    Of a single-choice answer only the first letter is kept. Nothing but letters is what CMB's files of answers hold:
    its scorer compares them as they stand.
    """
    if not response.strip("ABCDEFG"):
        return response
    found = re.search(r"(?:答案|正确选项)(?:应该)?(?:是|为|(?<!应该)：)(.*?)(?:。|\.|$)", response, re.DOTALL)
    letters = "".join(re.findall("[A-G]", found.group(1) if found else response))
    return letters[:1] if qtype == "single" else letters


def _authors(response: str, _: Options, __: QType) -> str:
    """Return every letter A to E of the answer."""
    return "".join(re.findall("[A-E]", response))


@cache
def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


def _bare(text: str) -> str:
    return "".join(character for character in text.lower() if not _is_punctuation(character))


def _lm_eval(response: str, options: Options, _: QType) -> str:
    """Return the first letter in brackets, else the first option text (only its words count), else a letter after a
    colon.
    """
    if found := re.search(r"\(([A-Z])\)", response):
        return found.group(1)
    texts = {_bare(text.strip()): letter for letter, text in options.items()}
    pattern = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    if (found := re.search(pattern, _bare(response))) and found.group():
        return texts[found.group()]
    found = re.search(rf":\s*([{''.join(options) or 'A-E'}])", response)
    return found.group(1) if found else ""


@cache
def _first_option_patterns(letters: str) -> tuple[re.Pattern[str], ...]:
    """OpenCompass's phrases in its order: an early phrase late in the text goes before a late phrase at its start."""
    one = f"([{letters}])"
    after = ("答案是?", "答案是?\\s?：", "答案是?\\s?:", "答案应该?是", "答案应该?选", "答案为", "答案选", "选择?")
    phrases = [f"{words}\\s?{one}" if words[-1] not in "：:" else words + one for words in after]
    phrases += [f"只有选?项?\\s?{one}\\s?{judged}" for judged in ("是?对", "是?错", "不?正确", "错误")]
    phrases += [f"说法{word}选?项?的?是\\s?{one}" for word in ("不?对", "不?正确", "错误")]
    phrases += [f"{one}\\s?是正确{word}" for word in ("的", "答案")]
    phrases += [f"选项\\s?{one}\\s?正确", f"所以答\\s?{one}", f"1.\\s?{one}[.。$]?$"]
    phrases += [f"所{word}\\s?([{letters}][.。$]?$)" for word in "以有"]
    phrases += [f"[\\s，：:,]{one}[。，,\\.]?$", f"[\\s，,：:][故即]{one}[。\\.]?$", f"[\\s，,：:]因此{one}[。\\.]?$"]
    phrases += [f"{word}\\s?{one}[。\\.]?$" for word in ("[是为。]", "因此", "显然")]
    phrases += [f"答案{word}\\s?(\\S+)(?:。|$)" for word in ("是", "应该是", "为")]
    phrases += [f"[Tt]he {words} {one}" for words in ("answer is", "answer is option", "correct answer is")]
    phrases += [f"[Tt]he {words} {one}" for words in ("correct answer is option", "answer to the question is")]
    phrases += [f"^选项\\s?{one}", f"^{one}\\s?选?项"]
    phrases += [f"(\\s|^)[{letters}][\\s。，,：:\\.$]", f"(\\s|^)[{letters}](\\s|$)", "1.\\s?(.*?)$"]
    phrases += [f"{one}:", f"[{letters}]"]
    return tuple(map(re.compile, phrases))


def _opencompass(response: str, options: Options, _: QType) -> str:
    """Return the first option letter, in alphabetical order, inside the first phrase of a long list that matches."""
    letters = "".join(sorted(options)) or "ABCDE"
    for pattern in _first_option_patterns(letters):
        if found := pattern.search(response):
            for letter in letters:
                if letter in found.group():
                    return letter
    return ""


OURS = Matcher("ours", "this project", _ours)
MATCHERS: tuple[Matcher, ...] = (
    OURS,
    Matcher("cmb", "FreedomIntelligence/CMB, src/utils.py and src/score_test.py", _cmb, as_sets=False, last="G"),
    Matcher("authors", "the paper's authors: every letter A to E", _authors, last="E"),
    Matcher("lm-eval", "lm-evaluation-harness, multi_choice_regex as its MMLU tasks set it", _lm_eval, multi=False),
    Matcher("opencompass", "OpenCompass, first_option_postprocess", _opencompass, multi=False),
)
