"""Reads which letters a response commits to: ordered rules, the first that speaks decides."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["stated", "implied", "none"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a response commits to.

    `letters` is a sorted set of option letters. `state` is `stated` (named as the answer), `implied` (an option's text,
    or letters without a word that makes them the answer) or `none`. `rule` names the rule that read it, or the reason
    why there is nothing: `empty`, `all_options` (every option was listed), `undecided`, `cut_off` (in mid-thought).
    """

    letters: str
    state: State
    rule: str


# Repetitions are possessive ("*+"): no text, however long and hostile, makes a pattern try the same signs twice.
# Separators that stand between the letters of one answer: "A、C", "A,C", "A和C", "A C", "AC".
_SEPARATOR = r"[\s、,;/&和与及]*+"
_LETTERS = rf"[A-Z](?:{_SEPARATOR}[A-Z])*(?![A-Za-z])"
_OPENING = r"[\s*_`\"'“‘(\[{【《<:]*+"
_CLOSING = r"[\s*_`\"'”’)\]}】》>.。!,;、]*+"
_SAYS = (
    r"(?:正确)?(?:答案|选项)(?:选项)?(?:应该|应当|应|就)?(?:是|为|选|选择)?"
    r"|(?<![不非未没])(?:故|应|因此|所以)?选择?"
    r"|[Aa]nswer(?:\s+is)?"
)

_ONLY_LETTERS = re.compile(rf"{_OPENING}(?:(?:{_SAYS}){_OPENING})?({_LETTERS}){_CLOSING}(?:选项|项)?{_CLOSING}")
_DECLARED = re.compile(rf"(?:{_SAYS}){_OPENING}({_LETTERS})")
_OPTION_LINE = re.compile(r"^[ \t*_`\"'“‘(\[{【]*+([A-Z])[*_`\"'”’\]}】]*+[.、:)\s]", re.MULTILINE)
# "A patient" is an article, "B12" a vitamin: a lone letter has neither letters nor digits beside it.
_LONE_LETTER = re.compile(r"(?<![A-Za-z0-9])([A-Z])(?![A-Za-z0-9])(?!\s+[a-z])")
# A base model writes on after its answer: the next prompt of our own frame begins like this.
_NEXT_PROMPT = re.compile(r"\n[ \t]*+【(?:材料|要求|题目)】")


def match_choice(response: str, options: Mapping[str, str]) -> Choice:
    """Reads the choice out of a response; `options` maps letters to texts. Never raises, whatever the text."""
    text = _plain(response)
    if "</think>" in text:
        text = text.rpartition("</think>")[2]
    elif "<think>" in text:
        return Choice("", "none", "cut_off")
    if not text.strip():
        return Choice("", "none", "empty")
    run_on = _NEXT_PROMPT.split(text, maxsplit=1)
    choice = _match(run_on[0].strip(), options)
    return choice if choice.letters or len(run_on) == 1 else _match(text.strip(), options)


def _plain(text: str) -> str:
    """Full-width letters and signs as their ASCII forms; the Chinese full stop and enumeration comma stay."""
    return unicodedata.normalize("NFKC", text)


def _match(text: str, options: Mapping[str, str]) -> Choice:
    for name, state, rule in _RULES:
        letters = "".join(sorted(rule(text, options) & options.keys()))
        if not letters:
            continue
        if state == "implied" and len(letters) == len(options):
            return Choice("", "none", "all_options")
        return Choice(letters, state, name)
    return Choice("", "none", "undecided")


def _only_letters(text: str, _: Mapping[str, str]) -> set[str]:
    """`AC`, `答案：A、C。`, `(B)`, `B选项`: the whole response is the letters."""
    found = _ONLY_LETTERS.fullmatch(text)
    return set(re.findall("[A-Z]", found.group(1))) if found else set()


def _declared(text: str, _: Mapping[str, str]) -> set[str]:
    """`...，所以选B`: letters that a word makes the answer; the last such statement corrects the earlier ones."""
    found = _DECLARED.findall(text)
    return set(re.findall("[A-Z]", found[-1])) if found else set()


def _option_lines(text: str, options: Mapping[str, str]) -> set[str]:
    """`A. 潮气量`: the response begins with an option line; further ones belong to the answer."""
    if not _OPTION_LINE.match(text):
        return set()
    letters = set(_OPTION_LINE.findall(text))
    # A list of every option is an echo of the question, not an answer.
    return letters if len(letters & options.keys()) < len(options) else set()


def _option_texts(text: str, options: Mapping[str, str]) -> set[str]:
    """An option quoted word for word without its letter; longer options first, so that parts of them do not count."""
    letters = set()
    for letter, option in sorted(options.items(), key=lambda item: -len(item[1])):
        quoted = _plain(option).strip()
        if quoted and quoted in text:
            letters.add(letter)
            text = text.replace(quoted, "\n")
    return letters


def _lone_letters(text: str, _: Mapping[str, str]) -> set[str]:
    """Letters that stand alone in the text, when nothing better is there."""
    return set(_LONE_LETTER.findall(text))


_Rule = Callable[[str, Mapping[str, str]], set[str]]
_RULES: tuple[tuple[str, State, _Rule], ...] = (
    ("only_letters", "stated", _only_letters),
    ("declared", "stated", _declared),
    ("option_lines", "stated", _option_lines),
    ("option_texts", "implied", _option_texts),
    ("lone_letters", "implied", _lone_letters),
)
