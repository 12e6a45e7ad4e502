"""Five-grams of exam texts, looked up in rows a block at a time: which rows share how many with which text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.duplicates.plain import Plain
from data_prep.signs import END, Codes

N = 5
# Odd numbers of 32 bits; with the sums of the hash any will do that mix well (golden ratio, and two of xxHash's).
_ONE, _TWO, _FOUR = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)
_BLOCK = 1 << 16
# Bits of the table that tells apart, at one look, nearly all n-grams that are none of the exam's: 2 MB.
_BITS = 24
# Bits of a hash that say where to begin looking for it.
_HEAD = 20


@dataclass(frozen=True, slots=True)
class Shared:
    """Row `rows[i]` shares `counts[i]` different n-grams with text `texts[i]`; ordered by row, then text."""

    rows: NDArray[np.int64]
    texts: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grams:
    """An index of n-grams: hashes in order, and of each, the texts that hold it.

    The hash has 32 bits: about one row's n-gram in a few thousand is taken for one of the exam's. It only chooses what
    is compared sign by sign afterwards.
    """

    hashes: Codes
    starts: NDArray[np.int64]
    holders: NDArray[np.int32]
    table: NDArray[np.uint8]
    heads: NDArray[np.int32]

    @classmethod
    def of(cls, hashes: Codes, texts: NDArray[np.int64]) -> "Grams":
        """An index of pairs of a hash and a text, each pair once."""
        order = np.lexsort((texts, hashes))
        found, starts = np.unique(hashes[order], return_index=True)
        table = np.zeros(1 << (_BITS - 3), dtype=np.uint8)
        place = found >> np.uint32(32 - _BITS)
        np.bitwise_or.at(table, place >> np.uint32(3), _bit(place))
        heads = np.searchsorted(found >> np.uint32(32 - _HEAD), np.arange((1 << _HEAD) + 1))
        return cls(
            found,
            np.append(starts, len(order)),
            texts[order].astype(np.int32),
            table,
            heads.astype(np.int32),
        )

    @property
    def nbytes(self) -> int:
        """Memory of the index."""
        return sum(part.nbytes for part in (self.hashes, self.starts, self.holders, self.table, self.heads))

    def shared(self, rows: Plain) -> Shared:
        """What the rows share with the texts."""
        positions, grams = self._found(rows.codes)
        pairs, _ = _counted(rows.owners(positions) * len(self.hashes) + grams)
        in_rows, grams = pairs // max(1, len(self.hashes)), pairs % max(1, len(self.hashes))
        lengths = self.starts[grams + 1] - self.starts[grams]
        texts = self.holders[_ranges(self.starts[grams], lengths)]
        width = 1 + int(self.holders.max(initial=0))
        keys, counts = _counted(np.repeat(in_rows, lengths) * width + texts)
        return Shared(keys // width, keys % width, counts)

    def _found(self, codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the n-grams that are in the index, and their places there."""
        positions, grams = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start in range(0, len(codes) - N + 1, _BLOCK):
            hashes = hashed(codes[start : start + _BLOCK + N - 1])
            likely = np.flatnonzero(self._may_hold(hashes))
            place = self._places(hashes[likely])
            positions.append(likely[place >= 0] + start)
            grams.append(place[place >= 0])
        return np.concatenate(positions), np.concatenate(grams)

    def _may_hold(self, hashes: Codes) -> NDArray[np.bool_]:
        place = hashes >> np.uint32(32 - _BITS)
        # No place is out of the table, and with "clip" that is not looked for.
        bits = np.take(self.table, place >> np.uint32(3), mode="clip") >> (place & np.uint32(7)).astype(np.uint8)
        found: NDArray[np.bool_] = (bits & np.uint8(1)).view(np.bool_)
        return found

    def _places(self, hashes: Codes) -> NDArray[np.int64]:
        """Where each hash stands in the index, -1 where it does not."""
        head = hashes >> np.uint32(32 - _HEAD)
        place = self.heads[head].astype(np.int64)
        end = self.heads[head + np.uint32(1)]
        found = np.full(len(hashes), -1, dtype=np.int64)
        open_ = np.flatnonzero(place < end)
        while len(open_):
            here = self.hashes[place[open_]]
            same = here == hashes[open_]
            found[open_[same]] = place[open_[same]]
            open_ = open_[here < hashes[open_]]
            place[open_] += 1
            open_ = open_[place[open_] < end[open_]]
        return found


def hashed(codes: Codes) -> Codes:
    """A hash of every n-gram, from that of two and of four signs; n - 1 fewer than there are signs."""
    two = codes[:-1] * _ONE + codes[1:]
    four = two[:-2] * _TWO + two[2:]
    five = four[:-1] * _FOUR + codes[4:]
    # The upper bits, which the tables are built on, must depend on all signs.
    return (five ^ (five >> np.uint32(15))) * _ONE


def windows(texts: Plain, owners: NDArray[np.int64]) -> tuple[Codes, NDArray[np.int64]]:
    """Hash and owner of every n-gram that lies within one text, each pair once; `owners` are those of the texts."""
    if len(texts.codes) < N:
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    of_texts = np.repeat(np.arange(len(texts.ends)), np.diff(texts.ends, prepend=-1))
    whole = (of_texts[: 1 - N] == of_texts[N - 1 :]) & (texts.codes[N - 1 :] != END)
    pairs, _ = _counted(owners[of_texts[: 1 - N][whole]] << 32 | hashed(texts.codes)[whole])
    return (pairs & 0xFFFFFFFF).astype(np.uint32), pairs >> 32


def _counted(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Different numbers in order, and how often each occurs. Many times as fast as numpy.unique, which hashes first."""
    ordered = np.sort(numbers)
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[starts], np.diff(starts, append=len(ordered))


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each start, as many as its length says, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)


def _bit(place: Codes) -> NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (place & np.uint32(7)).astype(np.uint8))
