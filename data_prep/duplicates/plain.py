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

Codes = NDArray[np.uint32]

# A noncharacter of Unicode: it ends a text, and is taken out of texts that hold it.
END = 0xFFFF
# What the table says of characters that leave the text, and of those that it cannot map.
_GONE, _HARD = 0, 1
# Letters that compose with those before them, or look at the next: marks, jamo, and the Greek sigma, which has another
# form at the end of a word.
_CONTEXT = r"[\p{M}\x{3A3}\x{1100}-\x{11FF}]"
_BLOCK = 1 << 16


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
    def of(cls, frame: pl.DataFrame) -> "PlainRows":
        """Of a frame with columns question and answer, neither of them null."""
        sides = pl.concat([frame["question"], frame["answer"]])
        order = np.arange(2 * frame.height).reshape(2, -1).T.ravel()
        return cls(plain(sides[order]))

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
    whole = _joined(texts)
    found = _mapped(whole, _table())
    hard = np.unique(found.owners(np.flatnonzero(found.codes == _HARD)))
    if not len(hard):
        return found
    each = whole.split(chr(END))[:-1]
    mended = plain_texts(pl.Series([each[place] for place in hard.tolist()]))
    for place, text in zip(hard.tolist(), mended.to_list(), strict=True):
        each[place] = text
    # What is still hard now is its own form.
    return _mapped(_joined(each), np.where(_table() == _HARD, np.arange(0x110000, dtype=np.uint32), _table()))


def plain_texts(texts: pl.Series) -> pl.Series:
    """The same as strings."""
    return pl.select(normalised(pl.lit(texts))).to_series()


def _mapped(whole: str, table: Codes) -> Plain:
    """Joined texts character by character; `_HARD` stands where that cannot be done."""
    raw = np.frombuffer(whole.encode("utf-32-le"), dtype=np.uint32)
    codes = np.concatenate([np.empty(0, np.uint32), *_kept(raw, table)])
    return Plain(codes, np.flatnonzero(codes == END))


def _joined(texts: pl.Series | Sequence[str]) -> str:
    """The texts as one, `END` after each."""
    if not len(texts):
        return ""
    # Strings of Python not through polars: each would keep its UTF-8 beside it from then on.
    whole: str = (texts.str.join(chr(END)).item() if isinstance(texts, pl.Series) else chr(END).join(texts)) + chr(END)
    return whole if whole.count(chr(END)) == len(texts) else _joined([text.replace(chr(END), "") for text in texts])


def _kept(raw: Codes, table: Codes) -> Iterator[Codes]:
    # In blocks that the processor's cache holds.
    for start in range(0, len(raw), _BLOCK):
        block = table[raw[start : start + _BLOCK]]
        yield block[block != _GONE]


@cache
def _table() -> Codes:
    """What becomes of every code point."""
    points = np.delete(np.arange(0x110000, dtype=np.uint32), np.s_[0xD800:0xE000])
    signs = pl.Series(list(points.tobytes().decode("utf-32-le")))
    results = plain_texts(signs)
    lengths = results.str.len_chars().to_numpy()
    # The half-width sound marks of katakana are letters, and become marks.
    of_context = signs.str.contains(_CONTEXT).to_numpy() | results.str.contains(_CONTEXT).to_numpy()
    hard = (lengths > 1) | ((lengths == 1) & of_context)
    whole = np.frombuffer(results.filter(pl.Series(lengths == 1)).str.join("").item().encode("utf-32-le"), np.uint32)
    table = np.zeros(0x110000, dtype=np.uint32)
    table[points[lengths == 1]] = whole
    table[points[hard]] = _HARD
    table[END] = END
    return table
