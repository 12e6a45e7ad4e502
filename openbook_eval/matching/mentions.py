"""The sentences of a response with the options that each names: by letter, by text, or by a letter with its text.

Everything is looked for once in the whole text, and sentences are cut out of it afterwards.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from openbook_eval.matching.patterns import Patterns

# What LaTeX and Markdown put around letters: \(B\), $B$, \text{B}, **B**, `B`.
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boldsymbol)\{([^{}]*)\}|\\[()\[\]]|[$`]|\*\*")
_WIDE = (*zip("，：；（）！？．％\u3000", ",:;()!?.% ", strict=True),)
_SPACE, _BLANKS = re.compile(r"\s+"), re.compile(r"[ \t]{2,}|\t")
# A full stop ends a sentence only behind a word, so that "A. text" stays whole, and no semicolon between letters does.
_SENTENCE_END = re.compile(
    "|".join(rf"{sign}[。!?\n]*+" for sign in ("。", "!", r"\?", r"\n"))
    + r"|;(?<![A-H].)|\.(?:(?<=[a-z0-9)\]%\"'\0].)(?=\s|$)|(?<=\bis [A-H].)(?=\s))",
    re.MULTILINE,
)
# Sentences in the middle of a long text are no answers; of a long sentence the end counts.
_LOOKED_AT, _LONGEST = 40, 2000
_ALONE = "\n 、,;。"
_WORD = re.compile("[a-z0-9]{2}")
_SMALL = re.compile(
    r"[aoc](?<![a-z0-9_].)(?:(?<=a)nswer|(?<=o)ption|(?<=c)hoice)s?(?: is)?:? \(?([a-h])\)?(?=\s*[.\n]|$)"
)
# Places in the list of options, with the signs that one may be named.
_ORDINALS = (
    (("第",), re.compile(r"第([一二三四五六])(?:个?(?:选项|答案)|项|个(?=\W|$))"), "一二三四五六"),
    (
        ("option", "choice"),
        re.compile(r"\b(first|second|third|fourth|fifth) (?:option|choice)\b"),
        ("first", "second", "third", "fourth", "fifth"),
    ),
)
_QUOTES, _AFTER = '\n ([【"“*)]】”', (".", ":", "、")
_GLOSS = re.compile(r"(?:\s*\([^()]*\))?")
_OWN_TEXT = re.compile(r"[\s:.、)(\-\"“是为选项即]{0,6}")
_IN_BRACKETS = re.compile(r"\s*\(\s*(?:选项|option)?\s*")
# Longer than any bullet, and than what stands between two options of a list.
_BULLETS, _BETWEEN = 10, 30
_BULLET = re.compile(r"[\s\-(【\[•#]*")
_OPTION_WORD = r"(?:选项|\boptions?\b)?\s*"
_LIST = re.compile(rf"[\s)\"”」选项]*(?:\s*(?:[、,;/和与及]|以及|还有|\band\b)|\s)+[\s(\"“「]*{_OPTION_WORD}")
_OR = re.compile(r"[\s)\"”」选项]*(?:或者?|或是|\bor\b)[\s(\"“「]*(?:选项|[选是])?\s*")

_start = itemgetter(1)
# A mention by its place in the whole text; sentences have theirs as Mention.
Named: TypeAlias = tuple[str, int, int, bool]


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
    """A sentence in small letters, the same with options' texts blanked out, and what it names in its order.

    `heading`: the letters that the sentence begins with, as a line of a list does, else "".
    `runs`: what is named, options of one list ("A、B和D", "A或B") together.
    """

    text: str
    besides: str
    mentions: Sequence[Mention]
    heading: str
    runs: Sequence[Sequence[Mention]]

    @property
    def opens(self) -> str:
        """Return the letter of the option that ends the sentence, with its text, or follows its colon; else ""."""
        for mention in self.mentions:
            at_end = mention.end == len(self.text) and mention.is_listed
            follows = mention.letters == "A" or self.text[: mention.start].rstrip(_QUOTES).endswith(":")
            if mention.by_letter and (at_end or (follows and self.text[mention.end :].lstrip(_QUOTES)[:1] in _AFTER)):
                return mention.letters
        return ""

    @property
    def is_option(self) -> bool:
        """Return whether the sentence is nothing but an option with its letter, or with a gloss behind it."""
        return bool(self.heading) and _GLOSS.fullmatch(self.text, self.mentions[0].end) is not None

    @property
    def is_quote(self) -> bool:
        """Return whether the sentence is nothing but an option's text."""
        return len(self.mentions) == 1 and self.mentions[0][1:] == (0, len(self.text), False)

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
    text = unwrapped(text)
    # Signs of full width are most of what is to be normalized, and replaced ten times as fast.
    for wide, narrow in _WIDE:
        text = text.replace(wide, narrow)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if "  " in text or "\t" in text:
        text = _BLANKS.sub(" ", text)
    small = text.lower()
    if len(small) != len(text):  # as of a capital I with a dot
        small = text
    texts = _texts(small, options)
    blanked = _blanked(text, texts)
    letters = _letters(blanked, small, options, patterns)
    mentions = sorted([*letters, *(each for each in texts if not _inside_word(small, *each[1:3]))], key=_start)
    return [*_cut(small, blanked, _blanked(small, texts), mentions)]


def _blanked(text: str, texts: Sequence[Named]) -> str:
    """Return a text with places blanked out, which must be in order."""
    if not texts:
        return text
    parts, end = [], 0
    for _, start, stop, _ in texts:
        parts += [text[end:start], "\0" * (stop - start)]
        end = stop
    return "".join([*parts, text[end:]])


def _cut(text: str, blanked: str, besides: str, mentions: Sequence[Named]) -> Iterator[Sentence]:
    number = 0
    for begin, end in _places(blanked):
        while number < len(mentions) and mentions[number][1] < begin:
            number += 1
        if number == len(mentions) or mentions[number][1] >= end:
            yield Sentence(text[begin:end], besides[begin:end], (), "", ())
            continue
        own = []
        while number < len(mentions) and mentions[number][1] < end:
            letters, start, stop, by_letter = mentions[number]
            own.append(Mention(letters, start - begin, stop - begin, by_letter))
            number += 1
        sentence = text[begin:end]
        if len(own) > 1:
            own = _joined(own, sentence)
        first = own[0]
        begins = first.start < _BULLETS and (first.start == 0 or _BULLET.fullmatch(sentence, 0, first.start))
        headed = first.by_letter and begins
        runs = _runs(own, sentence) if len(own) > 1 else [own]
        yield Sentence(sentence, besides[begin:end], own, first.letters if headed else "", runs)


def _places(text: str) -> list[tuple[int, int]]:
    """Return where sentences begin and end; what ends in a colon goes on in the next line."""
    places: list[tuple[int, int]] = []
    begin, goes_on = 0, False
    spans = map(re.Match.span, _SENTENCE_END.finditer(text))
    for stop, after in chain(spans, [(len(text), len(text))]):
        part = text[begin:stop].rstrip(" .")
        if bare := part.lstrip():
            end = begin + len(part)
            places.append((places.pop()[0] if goes_on else end - len(bare), end))
            goes_on = bare[-1] == ":"
        begin = after
    if len(places) > 2 * _LOOKED_AT:
        places = places[:_LOOKED_AT] + places[-_LOOKED_AT:]
    return [(max(start, end - _LONGEST), end) for start, end in places]


def _letters(text: str, small: str, options: Mapping[str, str], patterns: Patterns) -> Iterator[Named]:
    for found in patterns.named.finditer(text):
        # "ABD", but not "CBC" or "CAD": several letters of an answer ascend.
        named = found[1]
        if len(named) == 1 or [*named] == sorted(set(named)):
            yield named, *found.span(1), True
    for found in _SMALL.finditer(small) if "option" in small or "answer" in small or "choice" in small else ():
        if (letter := found.group(1).upper()) in options and text[found.start(1)].islower():
            yield letter, *found.span(1), True
    for signs, pattern, places in _ORDINALS:
        for found in pattern.finditer(small) if any(sign in small for sign in signs) else ():
            if (place := places.index(found.group(1))) < len(options):
                yield [*options][place], *found.span(), False


@lru_cache(maxsize=10_000)
def _wanted(options: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Return options' texts in their plain form with their letters, longer ones first; numbers and letters are none."""
    wanted = sorted(((plain_form(text), letter) for letter, text in options), key=lambda each: (-len(each[0]), each[1]))
    return [
        each for each in wanted if each[0] and not each[0].isnumeric() and not (len(each[0]) == 1 and each[0].isascii())
    ]


def _texts(text: str, options: Mapping[str, str]) -> list[Named]:
    """Return where options' texts stand, in order; longer ones first, so that none inside another's text counts."""
    mentions: list[Named] = []
    for wanted, letter in _wanted((*options.items(),)):
        place = text.find(wanted)
        found = []
        while place >= 0:
            end = place + len(wanted)
            # One character means the option only where it stands alone.
            if len(wanted) > 1 or (text[max(0, place - 1) : place] in _ALONE and text[end : end + 1] in _ALONE):
                found.append((letter, place, end, False))
            place = text.find(wanted, end)
        if found:
            mentions += found
            text = _blanked(text, found)
    return sorted(mentions, key=_start)


def _inside_word(text: str, start: int, end: int) -> bool:
    """Return whether letters or digits of Latin script go on before or behind."""
    if not (text[start].isascii() or text[end - 1].isascii()):
        return False
    return bool(_WORD.fullmatch(text, max(0, start - 1), start + 1) or _WORD.fullmatch(text, end - 1, end + 1))


def _runs(mentions: Sequence[Mention], text: str) -> list[list[Mention]]:
    runs = [[mentions[0]]]
    for before, mention in pairwise(mentions):
        place = before.end, mention.start
        near = mention.start - before.end < _BETWEEN
        if near and (_LIST.fullmatch(text, *place) or _OR.fullmatch(text, *place)):
            runs[-1].append(mention)
        else:
            runs.append([mention])
    return runs


def _joined(mentions: Sequence[Mention], text: str) -> list[Mention]:
    """Join a letter with its own text; where a text has another's letter in brackets, the letter counts."""
    joined: list[Mention] = []
    for mention in mentions:
        last = joined[-1] if joined else None
        if last and last.letters == mention.letters and _OWN_TEXT.fullmatch(text, last.end, mention.start):
            joined[-1] = Mention(last.letters, last.start, mention.end, last.by_letter or mention.by_letter)
        elif (
            last and mention.by_letter and not last.by_letter and _IN_BRACKETS.fullmatch(text, last.end, mention.start)
        ):
            joined[-1] = Mention(mention.letters, last.start, mention.end, True)
        else:
            joined.append(mention)
    return joined
