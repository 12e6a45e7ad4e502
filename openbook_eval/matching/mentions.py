"""The sentences of a response with the options that each names: by letter, by text, or by a letter with its text.

Everything is looked for once in the whole text, and sentences are cut out of it afterwards.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from openbook_eval.matching.patterns import Patterns

# What LaTeX and Markdown put around letters: \(B\), $B$, \text{B}, **B**, `B`.
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boldsymbol)\{([^{}]*)\}|\\[()\[\]]|[$`]|\*\*")
_SPACE, _BLANKS = re.compile(r"\s+"), re.compile(r"[ \t\u3000]+")
# A full stop ends a sentence only behind a word, so that "A. text" stays whole, and no semicolon between letters does.
_SENTENCE_END = re.compile(
    r"[。！!?？\n]+|(?<![A-H])[；;]|(?<=[a-z0-9)\]%\"'\0])\.(?=\s|$)|(?<=\bis [A-H])\.(?=\s)", re.MULTILINE
)
# Sentences in the middle of a long text are no answers; of a long sentence the end counts.
_LOOKED_AT, _LONGEST = 40, 2000
_ALONE = "\n 、,;。"
_WORD = re.compile("[a-z0-9]{2}")
_SMALL = re.compile(r"\b(?:answer|option|choice)s?(?: is)?:? \(?([a-h])\)?(?=\s*[.\n]|$)")
_ORDINAL = re.compile(
    r"第([一二三四五六])(?:个?(?:选项|答案)|项|个(?=\W|$))|\b(first|second|third|fourth|fifth) (?:option|choice)\b"
)
_ORDINALS = ("一", "二", "三", "四", "五", "六"), ("first", "second", "third", "fourth", "fifth")
_OWN_TEXT = re.compile(r"[\s:.、)(\-\"“是为选项即]{0,6}")
_IN_BRACKETS = re.compile(r"\s*\(\s*(?:选项|option)?\s*")
# Longer than any bullet, and than what stands between two options of a list.
_BULLETS, _BETWEEN = 10, 30
_BULLET = re.compile(r"[\s\-(【\[•#]*")
_OPTION_WORD = r"(?:选项|\boptions?\b)?\s*"
_LIST = re.compile(rf"[\s)\"”」选项]*(?:\s*(?:[、,;/和与及]|以及|还有|\band\b)|\s)+[\s(\"“「]*{_OPTION_WORD}")
_OR = re.compile(r"[\s)\"”」选项]*(?:或者?|或是|\bor\b)[\s(\"“「]*(?:选项|[选是])?\s*")

_start = attrgetter("start")


class Mention(NamedTuple):
    """Options named at one place of a sentence; `start` and `end` are offsets in its text."""

    letters: str
    start: int
    end: int
    by_letter: bool

    @property
    def is_listed(self) -> bool:
        """Return whether the option is named by its text, or by letter and text."""
        return self.end - self.start > len(self.letters)


class Sentence(NamedTuple):
    """A sentence in small letters, the same with options' texts blanked out, and what it names in its order."""

    text: str
    besides: str
    mentions: Sequence[Mention]

    @property
    def heading(self) -> str:
        """Return the letters that the sentence begins with, as a line of a list does, else ""."""
        first = self.mentions[0] if self.mentions else None
        if first and first.by_letter and first.start < _BULLETS and _BULLET.fullmatch(self.text, 0, first.start):
            return first.letters
        return ""

    @property
    def opens(self) -> str:
        """Return the letter of the option that ends the sentence, with its text, or follows its colon; else ""."""
        for mention in self.mentions:
            at_end = mention.end == len(self.text) or self.text[: mention.start].rstrip().endswith(":")
            if mention.by_letter and mention.is_listed and at_end:
                return mention.letters
        return ""

    @property
    def is_option(self) -> bool:
        """Return whether the sentence is nothing but an option with its letter."""
        return bool(self.heading) and self.mentions[0].end == len(self.text)

    def runs(self) -> list[list[Mention]]:
        """Return what is named, options of one list ("A、B和D", "A或B") together."""
        runs: list[list[Mention]] = []
        for mention in self.mentions:
            end = runs[-1][-1].end if runs else -_BETWEEN
            near = mention.start - end < _BETWEEN
            if near and (
                _LIST.fullmatch(self.text, end, mention.start) or _OR.fullmatch(self.text, end, mention.start)
            ):
                runs[-1].append(mention)
            else:
                runs.append([mention])
        return runs

    def is_alternative(self, one: Mention, other: Mention) -> bool:
        """Return whether only "or" stands between two mentions."""
        return _OR.fullmatch(self.text, one.end, other.start) is not None


def unwrapped(text: str) -> str:
    """Return a text without the marks of LaTeX and Markdown around letters."""
    marked = "\\" in text or "$" in text or "*" in text or "`" in text
    return _WRAPPED.sub(lambda found: found.group(1) or "", text) if marked else text


@lru_cache(maxsize=50_000)
def plain_form(text: str) -> str:
    """Return a text in one form of every character, small letters and single spaces, without a stop at its end.

    Kept, since the options of a question come back with every model that answers it.
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", unwrapped(text)).lower()).strip(" .。\"'")


def sentences(text: str, options: Mapping[str, str], patterns: Patterns) -> list[Sentence]:
    """Return the first 40 sentences of a text and the last 40, each with the options that it names.

    A letter and its own text behind it are one mention; a letter inside an option's text ("维生素B") is none.
    """
    text = _BLANKS.sub(" ", unicodedata.normalize("NFKC", unwrapped(text)))
    small = text.lower()
    if len(small) != len(text):  # as of a capital I with a dot
        small = text
    texts = _texts(small, options)
    blanked = _blanked(text, texts)
    letters = _letters(blanked, small, options, patterns)
    mentions = sorted([*letters, *(each for each in texts if not _inside_word(small, each))], key=_start)
    return [*_cut(small, blanked, mentions)]


def _blanked(text: str, texts: Sequence[Mention]) -> str:
    """Return a text with places blanked out, which must be in order."""
    parts, end = [], 0
    for mention in texts:
        parts += [text[end : mention.start], "\0" * (mention.end - mention.start)]
        end = mention.end
    return "".join([*parts, text[end:]])


def _cut(text: str, blanked: str, mentions: Sequence[Mention]) -> Iterator[Sentence]:
    number = 0
    for begin, end in _places(blanked):
        while number < len(mentions) and mentions[number].start < begin:
            number += 1
        first = number
        while number < len(mentions) and mentions[number].start < end:
            number += 1
        own = [Mention(each[0], each[1] - begin, each[2] - begin, each[3]) for each in mentions[first:number]]
        sentence = text[begin:end]
        yield Sentence(sentence, blanked[begin:end].lower(), _joined(own, sentence) if len(own) > 1 else own)


def _places(text: str) -> list[tuple[int, int]]:
    """Return where sentences begin and end; what ends in a colon goes on in the next line."""
    places: list[tuple[int, int]] = []
    begin = 0
    for found in [*_SENTENCE_END.finditer(text), None]:
        stop, after = found.span() if found else (len(text), len(text))
        part = text[begin:stop].rstrip(" .")
        end = begin + len(part)
        start = end - len(part.lstrip())
        if start < end:
            if places and text[places[-1][1] - 1] == ":":
                places[-1] = (places[-1][0], end)
            else:
                places.append((start, end))
        begin = after
    if len(places) > 2 * _LOOKED_AT:
        places = places[:_LOOKED_AT] + places[-_LOOKED_AT:]
    return [(max(start, end - _LONGEST), end) for start, end in places]


def _letters(text: str, small: str, options: Mapping[str, str], patterns: Patterns) -> Iterator[Mention]:
    for found in patterns.named.finditer(text):
        # "ABD", but not "CBC" or "CAD": several letters of an answer ascend.
        if len(found.group(1)) == 1 or [*found.group(1)] == sorted(set(found.group(1))):
            yield Mention(found.group(1), found.start(1), found.end(1), True)
    for found in _SMALL.finditer(small) if "is" in small or ":" in small else ():
        if (letter := found.group(1).upper()) in options and text[found.start(1)].islower():
            yield Mention(letter, found.start(1), found.end(1), True)
    for found in _ORDINAL.finditer(small) if "第" in small or "option" in small or "choice" in small else ():
        place = _ORDINALS[0].index(found.group(1)) if found.group(1) else _ORDINALS[1].index(found.group(2))
        if place < len(options):
            yield Mention([*options][place], found.start(), found.end(), False)


def _texts(text: str, options: Mapping[str, str]) -> list[Mention]:
    """Return where options' texts stand, in order; longer ones first, so that none inside another's text counts."""
    mentions: list[Mention] = []
    for wanted, letter in sorted(((plain_form(text), letter) for letter, text in options.items()), key=_longest_first):
        if not wanted or wanted.isnumeric():
            continue
        found = [Mention(letter, place, place + len(wanted), False) for place in _places_of(wanted, text)]
        if found:
            mentions = sorted([*mentions, *found], key=_start)
            text = _blanked(text, found)
    return mentions


def _places_of(wanted: str, text: str) -> Iterator[int]:
    place = text.find(wanted)
    while place >= 0:
        end = place + len(wanted)
        # One character means the option only where it stands alone.
        if len(wanted) > 1 or (text[max(0, place - 1) : place] in _ALONE and text[end : end + 1] in _ALONE):
            yield place
        place = text.find(wanted, end)


def _longest_first(option: tuple[str, str]) -> tuple[int, str]:
    return -len(option[0]), option[1]


def _inside_word(text: str, mention: Mention) -> bool:
    """Return whether letters or digits of Latin script go on before or behind."""
    start, end = mention.start, mention.end
    return bool(_WORD.fullmatch(text, max(0, start - 1), start + 1) or _WORD.fullmatch(text, end - 1, end + 1))


def _joined(mentions: Sequence[Mention], text: str) -> list[Mention]:
    """Join a letter with its own text; where a text has another's letter in brackets, the letter counts."""
    joined: list[Mention] = []
    for mention in mentions:
        last = joined[-1] if joined else None
        if last and last.letters == mention.letters and _OWN_TEXT.fullmatch(text, last.end, mention.start):
            joined[-1] = Mention(last.letters, last.start, mention.end, True)
        elif (
            last and mention.by_letter and not last.by_letter and _IN_BRACKETS.fullmatch(text, last.end, mention.start)
        ):
            joined[-1] = Mention(mention.letters, last.start, mention.end, True)
        else:
            joined.append(mention)
    return joined
