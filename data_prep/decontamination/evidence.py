"""Whether a row holds an exam item: rules over the three-grams that both have, chosen on a labelled set.

A disease, a drug or a common phrase that row and question share is no evidence. A stem is, word for word where it has
`WHOLE` characters, or nearly; a shorter one where the row asks nothing else, or has options of the question as well. So
"高血压的诊断标准是" inside a patient's longer question stays, and as the row's whole question goes.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from data_prep.decontamination.commonness import N, grams
from data_prep.decontamination.items import Asked, Passage

Kind = Literal["stem", "options", "entry"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Characters of a stem that stands in the row word for word; a shorter one may be anybody's question.
WHOLE = 14
# The same where the row asks nothing else.
WHOLE_QUESTION = 8
# Of its characters, those that are no stock phrase and not in many questions.
OWN = 8
# Share of the n-grams of a stem that was rewritten, and characters that they must cover. The fewer characters the
# larger the share: the names of two diseases have up to twenty, the signs of an illness in textbooks about thirty.
REWRITTEN_STEM = ((0.9, WHOLE), (0.65, 16), (0.5, 30))
# The same of a passage.
REWRITTEN_PASSAGE = ((0.6, 16),)
# Share of the stem beside the list of its options, and beside three of them with letters in front.
BESIDE_LIST, BESIDE_LETTERED = 0.4, 0.5
# Characters of a list of options that is told without its stem.
LONG_LIST = 32
# Characters of options that stand here and there beside a short stem.
SCATTERED = 8
# What lies close together: twice the length of the item, and some more.
_SLACK = 20
# Characters between two options of a list, or around a stem: a letter or a number, and a word such as 选项 or 请问.
_BETWEEN = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A row as `plain` makes it, question and answer in one, and where its answer begins."""

    text: str
    answer: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What of an item stands in the row, and the share of its n-grams."""

    kind: Kind
    share: float

    @property
    def rank(self) -> tuple[float, int]:
        """Lower where more stands in the row, then where the kind tells more."""
        return -self.share, KINDS.index(self.kind)

    @property
    def is_whole_stem(self) -> bool:
        """Whether nothing could rank lower."""
        return self.kind == "stem" and self.share == 1


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows which n-grams are `common`: those of stock phrases, and those of many questions."""

    common: frozenset[str]

    def question(self, asked: Asked, row: Row) -> Evidence | None:
        """The stem word for word or rewritten, or with its options, or a long list of options alone."""
        own = self._own(asked.stem)
        whole = bool(asked.stem) and asked.stem in row.text
        if whole and self._tells_alone(asked.stem, own, row):
            return Evidence("stem", 1.0)
        share, covered = _held(asked.stem, own, row.text)
        if any(share >= least and covered >= characters for least, characters in REWRITTEN_STEM):
            return Evidence("stem", share)
        if _options_tell(asked, whole, share, row.text):
            return Evidence("options", _share_of_all(asked, row.text))
        return None

    def passage(self, passage: Passage, row: Row) -> Evidence | None:
        """A piece of the book, word for word or rewritten."""
        own = self._own(passage.text)
        share, covered = _held(passage.text, own, row.text)
        if any(share >= least and covered >= characters for least, characters in REWRITTEN_PASSAGE):
            return Evidence("entry", share)
        return None

    def _tells_alone(self, stem: str, own: Sequence[int], row: Row) -> bool:
        if _covered(own) < OWN:
            return False
        return len(stem) >= (WHOLE_QUESTION if _asks_only(stem, row) else WHOLE)

    def _own(self, text: str) -> list[int]:
        """Where the n-grams of the text begin that are its own."""
        return [place for place, gram in enumerate(grams(text)) if gram not in self.common]


def _asks_only(stem: str, row: Row) -> bool:
    """Whether the row's question is the stem and no more, but for options."""
    question = row.text[: row.answer]
    before, found, after = question.partition(stem)
    return bool(found) and len(before) <= _BETWEEN and (len(after) <= _BETWEEN or after.startswith("a"))


def _held(text: str, own: Sequence[int], row: str) -> tuple[float, int]:
    """Share of the text's own n-grams that stand close together in the row, and how many characters they cover."""
    at = sorted((here, place) for place in own for here in _occurrences(text[place : place + N], row))
    reach = 2 * len(text) + _SLACK
    within: Counter[int] = Counter()
    best: list[int] = []
    first = 0
    for here, place in at:
        within[place] += 1
        while here - at[first][0] > reach:
            gone = at[first][1]
            within[gone] -= 1
            if not within[gone]:
                del within[gone]
            first += 1
        if len(within) > len(best):
            best = sorted(within)
    return (len(best) / len(own) if own else 0.0), _covered(best)


def _occurrences(gram: str, row: str) -> Iterator[int]:
    at = row.find(gram)
    while at >= 0:
        yield at
        at = row.find(gram, at + 1)


def _covered(places: Sequence[int]) -> int:
    """Characters that n-grams at these places cover; places in order."""
    return sum(min(N, following - place) for place, following in pairwise([*places, sys.maxsize]))


def _options_tell(asked: Asked, whole: bool, share: float, row: str) -> bool:
    """Whether the options that the row holds make up for a stem that is short, or was rewritten, or is not there."""
    options = asked.options
    if _in_list(options, row) and (whole or share >= BESIDE_LIST or sum(map(len, options)) >= LONG_LIST):
        return True
    lettered = sum(_is_lettered(option, row) for option in options)
    if lettered >= 3 and (whole or share >= BESIDE_LETTERED):
        return True
    return whole and len(asked.stem) > N and _scattered(options, row)


def _in_list(options: Sequence[str], row: str) -> bool:
    """Whether the options stand in the row one after the other, with nothing but letters or numbers between."""
    if len(options) < 3 or not all(options):
        return False
    starts = (found.start() for found in re.finditer(f"(?={re.escape(options[0])})", row))
    return any(_follow(options, row, start) for start in starts)


def _follow(options: Sequence[str], row: str, start: int) -> bool:
    at = start
    for option in options:
        place = row.find(option, at, at + len(option) + _BETWEEN)
        if place < 0:
            return False
        at = place + len(option)
    return True


def _is_lettered(option: str, row: str) -> bool:
    """Whether the option stands in the row with a letter in front, whichever it is."""
    return bool(option) and any(letter + option in row for letter in "abcdefgh")


def _scattered(options: Sequence[str], row: str) -> bool:
    """Whether most options stand somewhere in the row: three at least, or all of two."""
    held = [option for option in options if len(option) > 1 and option in row]
    return len(held) >= min(3, len(options)) and sum(map(len, held)) >= SCATTERED


def _share_of_all(asked: Asked, row: str) -> float:
    every = {gram for text in (asked.stem, *asked.options) for gram in grams(text)}
    return sum(gram in row for gram in every) / len(every) if every else 1.0
