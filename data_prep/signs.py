"""The characters of many rows as arrays, so that what is asked of every character is asked of all rows at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.uint32]

# A noncharacter of Unicode: it ends a text. Texts that hold it get the one before it, which is as meaningless.
END = 0xFFFF
# What the processor's cache holds.
BLOCK = 1 << 16
POINTS, _PRIVATE = 0x110000, 0xF0000


class Kind(IntEnum):
    """What a character is to those who count or look for some: every one is of one kind. A bit each, but for OTHER."""

    OTHER = 0
    PAUSE = 1
    STOP = 2
    DIGIT = 4
    BLANK = 8
    LINE_END = 16
    ACCOUNT = 32
    STRANGE = 64


# ACCOUNT are characters of which one is in every mail address or name of a chat service. STRANGE are the signs
# of damage: lost and private characters, controls, those that Chinese text has only where UTF-8 was read as GBK, and
# Latin letters with accents and the like, which are all that there is where it was read as Latin-1.
_PATTERNS = {
    Kind.PAUSE: "[、，。：]",
    Kind.STOP: "[.,]",
    Kind.DIGIT: "[0-9]",
    Kind.BLANK: " ",
    Kind.LINE_END: "\n",
    Kind.ACCOUNT: "[@QqVvWw微薇威扣]",
    Kind.STRANGE: "[\ufffc-\uffff\ue000-\uf8ff\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
    "锛紝銆鐨鈥锟烫屯\u00a1-\u00ff]",
}


@dataclass(frozen=True, slots=True)
class Signs:
    """The texts of rows one after the other as code points, `END` after each: question and answer of each row in turn.

    `ends` are the places of the `END`s, two a row; `kinds` has the Kind of every code point (uint8), `present` for each
    row the bits of all that it has (uint8).
    """

    codes: Codes
    ends: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    present: NDArray[np.uint8]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Signs":
        """Those of the columns question and answer; a missing text is an empty one."""
        sides = (frame[name].fill_null("").to_list() for name in ("question", "answer"))
        return cls.of_joined(joined(chain.from_iterable(zip(*sides, strict=True))))

    @classmethod
    def of_joined(cls, texts: str) -> "Signs":
        """Those of texts with END after each."""
        codes = code_points(texts)
        kinds = np.empty(len(codes), dtype=np.uint8)
        for start in range(0, len(codes), BLOCK):
            block = slice(start, start + BLOCK)
            # No code point is out of the table, and with "clip" that is not looked for.
            np.take(_table(), codes[block], mode="clip", out=kinds[block])
        ends = np.flatnonzero(codes == END)
        starts = _starts(ends)[::2]
        return cls(codes, ends, kinds, np.bitwise_or.reduceat(kinds, starts) if len(starts) else kinds)

    def with_any(self, kind: Kind) -> NDArray[np.bool_]:
        """Whether each row has a character of a kind."""
        return (self.present & np.uint8(kind)) > 0

    def count(self, kind: Kind) -> NDArray[np.int32]:
        """How many characters of a kind each row has."""
        return counted(self.kinds == np.uint8(kind), self.starts[::2])

    @property
    def starts(self) -> NDArray[np.int64]:
        """The places where the texts begin."""
        return _starts(self.ends)

    def only(self, kept: NDArray[np.bool_]) -> Codes:
        """The code points of some rows."""
        if kept.all():
            return self.codes
        sizes = np.diff(self.ends[1::2], prepend=-1)
        return self.codes[np.repeat(kept, sizes)]


def counted(marks: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """How many marks there are from each start to the next."""
    if not len(starts):
        return np.empty(0, dtype=np.int32)
    counts: NDArray[np.int32] = np.add.reduceat(marks.view(np.uint8), starts, dtype=np.int32)
    return counts


def _starts(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(ends) else ends


def code_points(text: str) -> Codes:
    """A text as its code points."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def joined(texts: Iterable[str]) -> str:
    """Texts as one, END after each."""
    end = chr(END)
    each = [*texts, ""]
    whole = end.join(each)
    if whole.count(end) == len(each) - 1:
        return whole
    return joined(text.replace(end, chr(END - 1)) for text in each[:-1])


def every_character() -> tuple[Codes, pl.Series]:
    """All characters, as code points and each as a text.

    Beyond the fourth plane Unicode has only tags and variation selectors, and two planes for private use.
    """
    planes = (0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000)
    points = np.concatenate([np.arange(*plane, dtype=np.uint32) for plane in planes])
    return points, pl.Series(list(points.tobytes().decode("utf-32-le")))


@cache
def _table() -> NDArray[np.uint8]:
    """The kind of every code point."""
    points, signs = every_character()
    table = np.zeros(POINTS, dtype=np.uint8)
    for kind, pattern in _PATTERNS.items():
        table[points[signs.str.contains(pattern).to_numpy()]] = kind
    table[_PRIVATE:] = Kind.STRANGE
    # It ends a text and is not in it.
    table[END] = Kind.OTHER
    return table
