"""Texts as arrays of code points in the one form in which rows and exam items are compared.

The form is that of `normalised`. Mapping characters one by one through a table is several times as fast; texts with a
character that this cannot do go through `normalised` itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates.normal import normalised
from data_prep.signs import BLOCK, END, POINTS, Codes, Signs, code_points, every_character, joined

# What the table says of characters that leave the text, and of those that it cannot map.
_GONE, _HARD = 0, 1
# Letters that compose with those before them, or look at the next: marks, jamo, and the Greek sigma, which has another
# form at the end of a word.
_CONTEXT = r"[\p{M}\x{3A3}\x{1100}-\x{11FF}]"


@dataclass(frozen=True, slots=True)
class Plain:
    """Texts one after the other, `END` after each; `ends` are the places of these."""

    codes: Codes
    ends: NDArray[np.int64]

    def text(self, place: int) -> str:
        """One of the texts."""
        start = int(self.ends[place - 1]) + 1 if place else 0
        return self.codes[start : self.ends[place]].tobytes().decode("utf-32-le")

    def lengths(self) -> NDArray[np.int64]:
        """The characters of each text."""
        lengths: NDArray[np.int64] = np.diff(self.ends, prepend=-1) - 1
        return lengths

    def owners(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which text each position belongs to."""
        return np.searchsorted(self.ends, positions)


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows in the form in which they are compared: the text 2n is the question of row n, the next one its answer."""

    texts: Plain

    @classmethod
    def of(cls, signs: Signs, kept: NDArray[np.bool_] | None = None) -> "PlainRows":
        """Of all rows, or of those that are kept."""
        return cls(_plain(signs.codes if kept is None else signs.only(kept)))

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> "PlainRows":
        """Of a frame with columns question and answer."""
        return cls.of(Signs.of(frame))

    def bytes(self) -> Iterator[memoryview]:
        """Question, `END` and answer of the rows one by one, in UTF-16 of little-endian machines."""
        codes, ends = self.texts.codes, self.texts.ends[1::2].tolist()
        starts = [0, *(end + 1 for end in ends)]
        if codes.max(initial=0) <= END:
            whole = memoryview(codes.astype("<u2").view(np.uint8).data)
            yield from (whole[2 * start : 2 * end] for start, end in zip(starts, ends, strict=False))
        else:
            texts = (codes[start:end].tobytes().decode("utf-32-le") for start, end in zip(starts, ends, strict=False))
            yield from (memoryview(text.encode("utf-16-le")) for text in texts)

    def joined(self, start: int, stop: int) -> Plain:
        """Some rows, question and answer as one text."""
        ends = self.texts.ends
        first = int(ends[2 * start - 1]) + 1 if start else 0
        codes = self.texts.codes[first : int(ends[2 * stop - 1]) + 1]
        keep = np.ones(len(codes), dtype=np.bool_)
        keep[ends[2 * start : 2 * stop : 2] - first] = False
        # Before the n-th answer's end as many ends of questions went.
        return Plain(codes[keep], ends[2 * start + 1 : 2 * stop : 2] - first - np.arange(1, stop - start + 1))


def plain(texts: pl.Series | Sequence[str]) -> Plain:
    """The texts, none of them null, in the form in which they are compared."""
    return _plain(code_points(joined(texts)))


def plain_texts(texts: pl.Series) -> pl.Series:
    """The same as strings."""
    return pl.select(normalised(pl.lit(texts))).to_series()


def _plain(raw: Codes) -> Plain:
    """Texts as code points, each with END after it; those with a character that the table cannot map one by one."""
    found = _mapped(raw)
    hard = np.unique(np.searchsorted(found.ends, np.flatnonzero(found.codes == _HARD))).tolist()
    if not hard:
        return found
    ends = np.flatnonzero(raw == END)
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])
    mended = plain_texts(pl.Series([raw[starts[n] : ends[n]].tobytes().decode("utf-32-le") for n in hard]))
    pieces, done = [], 0
    for place, text in zip(hard, mended, strict=True):
        start = int(found.ends[place - 1]) + 1 if place else 0
        pieces += [found.codes[done:start], code_points(text)]
        done = int(found.ends[place])
    codes = np.concatenate([*pieces, found.codes[done:]])
    return Plain(codes, np.flatnonzero(codes == END))


def _mapped(raw: Codes) -> Plain:
    """Code points mapped one by one; `_HARD` stands where that cannot be done."""
    table, codes, size = _table(), np.empty(len(raw), dtype=np.uint32), 0
    for start in range(0, len(raw), BLOCK):
        # No code point is out of the table, and with "clip" that is not looked for.
        block = np.take(table, raw[start : start + BLOCK], mode="clip")
        block = block[block != _GONE]
        codes[size : size + len(block)] = block
        size += len(block)
    return Plain(codes[:size], np.flatnonzero(codes[:size] == END))


@cache
def _table() -> Codes:
    """What becomes of every code point."""
    points, signs = every_character()
    results = plain_texts(signs)
    lengths = results.str.len_chars().to_numpy()
    # The half-width sound marks of katakana are letters, and become marks.
    of_context = signs.str.contains(_CONTEXT).to_numpy() | results.str.contains(_CONTEXT).to_numpy()
    hard = (lengths > 1) | ((lengths == 1) & of_context)
    whole = code_points(results.filter(pl.Series(lengths == 1)).str.join("").item())
    # What is no character, or a private one, leaves the text.
    table = np.full(POINTS, _GONE, dtype=np.uint32)
    table[points[lengths == 1]] = whole
    table[points[hard]] = _HARD
    table[END] = END
    return table
