"""Checks rows against exams: an index finds the few that could hold an item, the rules of `evidence` decide."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.decontamination.commonness import PHRASES, common, telling
from data_prep.decontamination.evidence import Evidence, Judge, Kind, Row
from data_prep.decontamination.grams import Grams, windows
from data_prep.decontamination.items import Asked, Passage, items, option_texts
from data_prep.duplicates.plain import Plain, PlainRows, plain
from openbook_eval.exams import ExamFile

# Rows at a time: what is worked on stays in the processor's cache.
_SLICE = 4_000
# An n-gram of the index that more texts than this have, about two a question, tells nothing of which it is.
_MANY = 16
# Share of the n-grams of a stem, a list of options and a passage that make a row worth a closer look.
_STEM, _OPTIONS, _PASSAGE = 0.2, 0.5, 0.4
_LEAST = 3


@dataclass(frozen=True, slots=True)
class Match:
    """A row that contains an exam item: its place in the frame, the item, and what of it the row holds.

    `share` is the share of the item's n-grams that stand in the row; `excerpt` is the beginning of the item's text.
    """

    place: int
    question_id: str
    exam: str
    kind: Kind
    share: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class Guard:
    """The exams in the form in which rows are checked against them.

    Text t of the index is the stem of question t; then come the questions' options, then the passages. `wanted` is how
    many n-grams of each a row must hold to be looked at.
    """

    asked: tuple[Asked, ...]
    passages: tuple[Passage, ...]
    index: Grams
    wanted: NDArray[np.int64]
    judge: Judge

    @classmethod
    def of(cls, exams: Sequence[ExamFile]) -> "Guard":
        """The guard of these exams; the order of exams and of their questions makes no difference."""
        asked, passages = items(exams)
        index, sizes = _index(asked, passages)
        shares = np.repeat((_STEM, _OPTIONS, _PASSAGE), (len(asked), len(asked), len(passages)))
        wanted = np.maximum(np.ceil(shares * sizes), np.minimum(sizes, _LEAST)).astype(np.int64)
        return cls(
            asked,
            passages,
            index,
            wanted,
            Judge(common([each.stem for each in asked], [each.text for each in passages])),
        )

    def check(self, frame: pl.DataFrame, rows: PlainRows | None = None) -> list[Match]:
        """For each row that contains an exam item, the one that it holds most of; in the order of the rows.

        `rows` are those of the frame, where they are at hand.
        """
        rows = rows or PlainRows.of_frame(frame)
        questions = rows.texts.lengths()[::2]
        found: list[Match] = []
        for start in range(0, frame.height, _SLICE):
            stop = min(start + _SLICE, frame.height)
            found += self._check(rows.joined(start, stop), questions[start:stop], start)
        return found

    def _check(self, rows: Plain, questions: NDArray[np.int64], start: int) -> Iterator[Match]:
        """Matches of some rows, question and answer of each as one text; `questions` are the lengths of the former."""
        shared = self.index.shared(rows)
        likely = shared.counts >= self.wanted[shared.texts]
        candidates: dict[int, list[int]] = defaultdict(list)
        for place, text in zip(shared.rows[likely].tolist(), shared.texts[likely].tolist(), strict=True):
            candidates[place].append(text)
        for place, texts in candidates.items():
            if match := self._best(Row(rows.text(place), int(questions[place])), texts, start + place):
                yield match

    def _best(self, row: Row, texts: Sequence[int], place: int) -> Match | None:
        """The item that the row holds most of, by the rank of the evidence; of equals the earlier one."""
        best: tuple[Evidence, Asked | Passage] | None = None
        for evidence, item in self._held(row, texts):
            if best is None or evidence.rank < best[0].rank:
                best = evidence, item
            if evidence.is_whole_stem:
                break
        if best is None:
            return None
        evidence, item = best
        return Match(place, item.question_id, item.exam, evidence.kind, evidence.share, item.shown)

    def _held(self, row: Row, texts: Sequence[int]) -> Iterator[tuple[Evidence, Asked | Passage]]:
        """What of the items that these texts belong to is in the row."""
        count = len(self.asked)
        for number in sorted({text % count for text in texts if text < 2 * count}):
            if evidence := self.judge.question(self.asked[number], row):
                yield evidence, self.asked[number]
        for text in texts:
            if text >= 2 * count and (evidence := self.judge.passage(self.passages[text - 2 * count], row)):
                yield evidence, self.passages[text - 2 * count]


def _index(asked: Sequence[Asked], passages: Sequence[Passage]) -> tuple[Grams, NDArray[np.int64]]:
    """The index, and how many n-grams of each text are in it."""
    count = len(asked)
    texts = [(number, each.stem) for number, each in enumerate(asked)]
    texts += [(count + number, text) for number, each in enumerate(asked) for text in option_texts(each.options)]
    texts += [(2 * count + number, passage.text) for number, passage in enumerate(passages)]
    hashes, holders = windows(_plain(text for _, text in texts), np.array([number for number, _ in texts], np.int64))
    stock, _ = windows(_plain(PHRASES), np.zeros(len(PHRASES), np.int64))
    own = telling(hashes, _MANY) & ~np.isin(hashes, stock)
    return Grams.of(hashes[own], holders[own]), np.bincount(holders[own], minlength=2 * count + len(passages))


def _plain(texts: Iterable[str]) -> Plain:
    return plain(pl.Series(list(texts), dtype=pl.String))
