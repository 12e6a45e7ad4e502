"""Rows that hold an exam item: an index of five-grams finds the few rows that could, and rules decide.

The rules weigh the three-grams that row and item share; their thresholds were chosen on labelled rows. A disease, a
drug or a common phrase in both is no evidence. A stem is, word for word where it has `WHOLE` characters, or nearly; a
shorter one where the row asks nothing else, or has options of the question as well. So "高血压的诊断标准是" inside a
patient's longer question stays, and as the row's whole question goes.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz import fuzz

from data_prep.dedup import END, code_points
from data_prep.exam_items import ExamItem, in_plain, items, option_texts
from openbook_eval.exams import ExamFile

Kind = Literal["stem", "options", "entry"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# What every exam says, whatever it asks; one phrase a line, project-written.
PHRASES = tuple((Path(__file__).parent / "phrases.txt").read_text(encoding="utf-8").split())

# Characters of a stem that stands in the row word for word; a shorter one may be anybody's question.
WHOLE = 14
# The same where the row asks nothing else.
_WHOLE_QUESTION = 8
# From how many characters a stem is looked for at the end of a longer question, and of how many words between signs.
_LAST, _PARTS = 4, 6
# Share of the stem, and characters, where the row's answer is the right one and no more.
_BESIDE_ANSWER = (0.25, 4)
# What may stand in front of an answer.
_ANSWER = r"^(?:正确)?(?:答案|答)[是为]?"
# Of its characters, those that are no stock phrase and not in many questions.
_OWN = 8
# Share of the n-grams of a stem that was rewritten, and characters that they must cover. The fewer characters the
# larger the share: the names of two diseases have up to twenty, the signs of an illness in textbooks about thirty.
_REWRITTEN_STEM = ((0.9, WHOLE), (0.65, 16), (0.5, 30))
# The same of a passage.
_REWRITTEN_PASSAGE = ((0.6, 16),)
# Share of the stem beside the list of its options, and beside three of them with letters in front.
_BESIDE_LIST, _BESIDE_LETTERED = 0.4, 0.5
# Characters of a list of options without its stem, and of options here and there beside a short stem.
_LONG_LIST, _SCATTERED = 32, 8
# How alike a row and a question with its options, or with its answer, are as a whole (2 common / both lengths).
_ALIKE = 65
# Of its characters, those of the stem that are no stock phrase; and how many times as long the row may be.
_TELLING_SIGNS, _LONGER = 4, 1.5
# How alike the stem alone is, where the row's answer is the right one and no more.
_ALIKE_STEM = 50
# What lies close together: twice the length of the item, and some more.
_SLACK = 20
# Characters between two options of a list, or around a stem: a letter or a number, and a word such as 选项 or 请问.
_BETWEEN = 4

# Characters of the n-grams that the rules weigh, and of those in the index.
_N, _INDEXED = 3, 5
# An n-gram is common where more texts than this have it, and more than one in so many.
_MANY, _ONE_IN = 8, 500
# An n-gram of the index that more texts than this have, about two a question, tells nothing of which it is.
_TELLING = 16
# Share of the indexed n-grams of a text that make a row worth a closer look.
_LOOK: dict[Kind, float] = {"stem": 0.2, "options": 0.5, "entry": 0.4}
_LEAST = 2

# Odd numbers of 32 bits; with the sums of the hash any will do that mix well (golden ratio, and two of xxHash's).
_ONE, _TWO, _FOUR = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)
# Bits of the table that tells apart, at one look, nearly all n-grams that are none of the exam's: 4 MB.
_BITS = 25
# Characters that are hashed at a time: what is worked on fits the processor's cache.
_BLOCK = 1 << 16

Codes = NDArray[np.uint32]


class Match(NamedTuple):
    """The exam item that a row holds, and as what.

    `share` is the share of the item's n-grams that stand in the row; `text` is the beginning of the item's text.
    """

    exam: str
    id: str
    kind: Kind
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class ExamIndex:
    """The exams in the form in which rows are checked against them.

    `items` are the questions and passages. `grams` has the columns hash, text and wanted: text 2n is the stem of
    question n or passage n, text 2n + 1 the question's options; `wanted` is how many n-grams of the text a row must
    hold to be looked at. `table` has a bit for the upper bits of each hash. `common` are for each item the three-grams
    that tell nothing, `stems` the questions by their stems, `endings` those whose stems are more
    than phrases that their exam has often, `answers` all by the texts of their right options.
    """

    items: tuple[ExamItem, ...]
    grams: pl.DataFrame
    table: NDArray[np.uint8]
    common: tuple[frozenset[str], ...]
    stems: Mapping[str, int]
    endings: Mapping[str, int]
    answers: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, exams: Sequence[ExamFile]) -> "ExamIndex":
        """Index these exams; the order of exams and of their questions makes no difference.

        What is common is so among the questions of one exam, or its passages: a further exam takes nothing away.
        """
        groups = [group for exam in sorted(exams, key=lambda exam: (exam.name, exam.sha256)) for group in items(exam)]
        found = tuple(chain.from_iterable(groups))
        grams = _grams(groups)
        there = np.zeros(1 << _BITS, dtype=np.bool_)
        there[grams["hash"].to_numpy() >> np.uint32(32 - _BITS)] = True
        stock = frozenset(gram for phrase in PHRASES for gram in _three_grams(phrase))
        by_group = [(stock.union(_common([item.text for item in group])),) * len(group) for group in groups]
        common = tuple(chain.from_iterable(by_group))
        asked = [(item.text, number) for number, item in reversed(list(enumerate(found))) if item.options and item.text]
        endings = {
            stem: number
            for stem, number in asked
            if len(stem) >= _LAST and not common[number].issuperset(_three_grams(stem))
        }
        answers: dict[str, list[int]] = {}
        for number, item in enumerate(found):
            if item.right:
                answers.setdefault(item.right, []).append(number)
        table = np.packbits(there, bitorder="little")
        return cls(found, grams, table, common, dict(asked), endings, answers)

    def check(self, rows: pl.DataFrame) -> dict[int, Match]:
        """Return for each row that holds an exam item, by its place, the item that it holds most of.

        `rows` have the columns question, plain_question and plain_answer.
        """
        texts = rows.select(pl.concat_str("plain_question", "plain_answer")).to_series()
        questions = rows["plain_question"]
        likely = {row: self._best(questions[row], texts[row], numbers) for row, numbers in self._likely(texts)}
        found = {row: match for row, match in likely.items() if match}
        for row, numbers in self._answered(rows):
            if row not in found and (match := self._beside_answer(questions[row].lstrip("0123456789"), numbers)):
                found[row] = match
        for row, stem in self._asked(rows):
            if (row not in found) or (found[row].kind, found[row].share) != ("stem", 1.0):
                item = self.items[self.stems[stem]]
                found[row] = Match(item.exam, item.id, "stem", 1.0, item.shown)
        return found

    def _asked(self, rows: pl.DataFrame) -> Iterator[tuple[int, str]]:
        """Rows whose question is a stem, however common its words, or ends in one as a sentence of its own."""
        questions = rows["plain_question"]
        for asked in (questions.str.replace(r"^\d{1,3}", ""), questions):
            yield from ((row, asked[row]) for row in asked.is_in(list(self.stems)).arg_true())
        near = questions.str.tail(_LAST).is_in({stem[-_LAST:] for stem in self.endings}).arg_true()
        parts = rows["question"].gather(near).str.extract_all(r"\w+")
        for count in range(1, _PARTS + 1):
            ends = pl.Series(in_plain(parts.list.tail(count).list.join("")), dtype=pl.String)
            yield from ((near[place], ends[place]) for place in ends.is_in(list(self.endings)).arg_true())

    def _answered(self, rows: pl.DataFrame) -> Iterator[tuple[int, Sequence[int]]]:
        """Rows whose answer is that of some questions and no more, and these questions."""
        answers = rows["plain_answer"].str.replace(_ANSWER, "")
        yield from ((row, self.answers[answers[row]]) for row in answers.is_in(list(self.answers)).arg_true())

    def _beside_answer(self, question: str, numbers: Sequence[int]) -> Match | None:
        """The question with this answer whose stem was rewritten as the row's; of equals the earlier one."""
        found: list[Match] = []
        least, characters = _BESIDE_ANSWER
        for number in numbers:
            item = self.items[number]
            own = [at for at, gram in enumerate(_three_grams(item.text)) if gram not in self.common[number]]
            share, covered = _close_together(item.text, own, question)
            if (share >= least and covered >= characters) or fuzz.ratio(item.text, question) >= _ALIKE_STEM:
                found.append(Match(item.exam, item.id, "stem", round(share, 4), item.shown))
        return max(found, key=lambda match: match.share, default=None)

    def _likely(self, texts: pl.Series) -> Iterator[tuple[int, list[int]]]:
        """Rows that share enough n-grams with some texts of the index, and the items that these are of."""
        codes, ends = code_points(texts)
        places, hashes = self._lookup(codes)
        found = pl.LazyFrame({"row": np.searchsorted(ends, places), "hash": hashes})
        shared = found.join(self.grams.lazy(), on="hash").unique()
        counted = shared.group_by("row", "text").agg(pl.len(), pl.col("wanted").first())
        likely = counted.filter(pl.col("len") >= pl.col("wanted")).sort("row", "text")
        of = (pl.col("text") // 2).unique(maintain_order=True)
        yield from likely.group_by("row", maintain_order=True).agg(of).collect().iter_rows()

    def _lookup(self, codes: Codes) -> tuple[NDArray[np.int64], Codes]:
        """Places and hashes of nearly only those n-grams that are in the index."""
        places, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint32)]
        for start in range(0, len(codes) - _INDEXED + 1, _BLOCK):
            block = _hashed(codes[start : start + _BLOCK + _INDEXED - 1])
            bit = block >> np.uint32(32 - _BITS)
            # No place is out of the table, and with "clip" that is not looked for.
            bits = np.take(self.table, bit >> np.uint32(3), mode="clip") >> (bit & np.uint32(7)).astype(np.uint8)
            found = np.flatnonzero((bits & np.uint8(1)).view(np.bool_))
            places.append(found + start)
            hashes.append(block[found])
        return np.concatenate(places), np.concatenate(hashes)

    def _best(self, question: str, row: str, numbers: Sequence[int]) -> Match | None:
        """The item that the row holds most of; of equals that whose kind tells more, then the earlier one."""
        found: list[Match] = []
        for number in numbers:
            item = self.items[number]
            if held := self._held(item, self.common[number], question, row):
                found.append(Match(item.exam, item.id, *held, item.shown))
            if held == ("stem", 1.0):
                break
        best = min(found, key=lambda match: (-match.share, KINDS.index(match.kind)), default=None)
        return best and best._replace(share=round(best.share, 4))

    @staticmethod
    def _held(item: ExamItem, common: Set[str], question: str, row: str) -> tuple[Kind, float] | None:
        """What of an item is in the row, and the share of its n-grams; none where it is no evidence."""
        own = [place for place, gram in enumerate(_three_grams(item.text)) if gram not in common]
        whole = bool(item.options and item.text) and item.text in row
        enough = _WHOLE_QUESTION if whole and _asks_only(item.text, question) else WHOLE
        if whole and len(item.text) >= enough and _covered(own) >= _OWN:
            return "stem", 1.0
        if not item.options and len(item.text) >= _WHOLE_QUESTION and item.text in row:
            return "entry", 1.0
        share, covered = _close_together(item.text, own, row)
        rewritten = _REWRITTEN_STEM if item.options else _REWRITTEN_PASSAGE
        if any(share >= least and covered >= characters for least, characters in rewritten):
            return "stem" if item.options else "entry", share
        reworded = not whole and covered >= (_TELLING_SIGNS if item.options else _OWN) and _alike(item, row)
        if reworded or (item.options and _options_tell(item, row, share, whole=whole)):
            return "options" if item.options else "entry", _share_of_all(item, row)
        return None


# N-grams.


def _three_grams(text: str) -> Iterator[str]:
    return (text[place : place + _N] for place in range(len(text) - _N + 1))


def _common(texts: Sequence[str]) -> set[str]:
    """The three-grams that many of the texts have."""
    counts = Counter(chain.from_iterable(set(_three_grams(text)) for text in texts))
    return {gram for gram, count in counts.items() if count > max(_MANY, len(texts) // _ONE_IN)}


def _grams(groups: Sequence[Sequence[ExamItem]]) -> pl.DataFrame:
    """The n-grams of all texts that tell which text of its group it is; columns as ExamIndex.grams, each pair once."""
    stock = _windows([(0, phrase) for phrase in PHRASES])
    found = [pl.DataFrame(schema={"hash": pl.UInt32, "text": pl.Int64, "wanted": pl.UInt32})]
    first = 0
    for group in groups:
        texts = [(2 * number, each.text) for number, each in enumerate(group, first)]
        texts += [
            (2 * number + 1, text) for number, each in enumerate(group, first) for text in option_texts(each.options)
        ]
        first += len(group)
        telling = _windows(texts).join(stock, on="hash", how="anti").filter(pl.len().over("hash") <= _TELLING)
        whole = _LOOK["stem" if group and group[0].options else "entry"]
        look = pl.when(pl.col("text") % 2 == 1).then(_LOOK["options"]).otherwise(whole)
        wanted = pl.max_horizontal((look * pl.len()).ceil(), pl.min_horizontal(pl.len(), _LEAST))
        found.append(telling.with_columns(wanted=wanted.over("text").cast(pl.UInt32)))
    return pl.concat(found)


def _windows(texts: Sequence[tuple[int, str]]) -> pl.DataFrame:
    """Hash and number of the text of every n-gram that lies within one text, each pair once."""
    codes, ends = code_points(pl.Series([text for _, text in texts], dtype=pl.String))
    of = np.searchsorted(ends, np.arange(len(codes)))
    whole = (of[: 1 - _INDEXED] == of[_INDEXED - 1 :]) & (codes[_INDEXED - 1 :] != ord(END))
    numbers = np.array([number for number, _ in texts], dtype=np.int64)[of[: 1 - _INDEXED][whole]]
    return pl.DataFrame({"hash": _hashed(codes)[whole], "text": numbers}).unique(maintain_order=True)


def _hashed(codes: Codes) -> Codes:
    """A hash of every five-gram, from that of two and of four characters.

    It only chooses what is compared character by character afterwards: one of a few thousand is taken for another.
    """
    two = codes[:-1] * _ONE + codes[1:]
    four = two[:-2] * _TWO + two[2:]
    five = four[:-1] * _FOUR + codes[4:]
    # The upper bits, which the table is built on, must depend on all characters.
    mixed: Codes = (five ^ (five >> np.uint32(15))) * _ONE
    return mixed


# Evidence.


def _close_together(text: str, own: Sequence[int], row: str) -> tuple[float, int]:
    """Share of the text's own n-grams that stand close together in the row, and how many characters they cover."""
    at = sorted((here, place) for place in own for here in _occurrences(text[place : place + _N], row))
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
    return sum(min(_N, following - place) for place, following in pairwise([*places, sys.maxsize]))


def _asks_only(stem: str, question: str) -> bool:
    """Whether the row's question is the stem and no more, but for options."""
    before, found, after = question.partition(stem)
    return bool(found) and len(before) <= _BETWEEN and (len(after) <= _BETWEEN or after.startswith("a"))


def _options_tell(item: ExamItem, row: str, share: float, *, whole: bool) -> bool:
    """Whether the options that the row holds make up for a stem that is short, or was rewritten, or is not there."""
    options = item.options
    if _in_list(options, row) and (whole or share >= _BESIDE_LIST or sum(map(len, options)) >= _LONG_LIST):
        return True
    lettered = sum(bool(option) and any(letter + option in row for letter in "abcdefgh") for option in options)
    if lettered >= 3 and (whole or share >= _BESIDE_LETTERED):
        return True
    held = [option for option in options if len(option) > 1 and option in row]
    scattered = len(held) >= min(3, len(options)) and sum(map(len, held)) >= _SCATTERED
    return whole and len(item.text) > _N and scattered


def _alike(item: ExamItem, row: str) -> bool:
    """Whether a row is, from beginning to end, a passage or a question with options or answer, in other words."""
    wholes = [item.text + rest for rest in ("".join(item.options), item.right) if rest or not item.options]
    return any(len(row) <= _LONGER * len(whole) and fuzz.ratio(whole, row) >= _ALIKE for whole in wholes)


def _in_list(options: Sequence[str], row: str) -> bool:
    """Whether the options stand in the row one after the other, with nothing but letters or numbers between."""
    if len(options) < 3 or not all(option and option in row for option in options):
        return False
    return re.search(f".{{0,{_BETWEEN}}}?".join(map(re.escape, options)), row) is not None


def _share_of_all(item: ExamItem, row: str) -> float:
    every = {gram for text in (item.text, *item.options) for gram in _three_grams(text)}
    return sum(gram in row for gram in every) / len(every) if every else 1.0
