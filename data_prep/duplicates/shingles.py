"""Texts as sets of hashed character shingles, and how alike two sets are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.duplicates.plain import Plain, plain

Places = NDArray[np.int64]
Hashes = NDArray[np.uint32]
Numbers = NDArray[np.uint64]

# Characters of a shingle: two or three Chinese words; single words are common to texts that say different things.
SIZE = 5
# Characters of a batch: what is worked on fits the processor's cache, and memory does not hang on the texts' number.
_BATCH = 1 << 20
# Odd, so that multiplying by it loses nothing.
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Shingles:
    """Sorted sets of 32-bit hashes one after the other; set n lies between `offsets` n and n + 1."""

    hashes: Hashes
    offsets: Places

    def of(self, place: int) -> Hashes:
        """The set of one text."""
        return self.hashes[self.offsets[place] : self.offsets[place + 1]]

    def sizes(self) -> Places:
        """How many shingles each text has."""
        return np.diff(self.offsets)

    def jaccard(self, first: Places, second: Places) -> NDArray[np.float64]:
        """For each pair of places what the two sets share of what either has; 1 for two sets without any shingle."""
        merged = np.concatenate([self._numbered(first), self._numbered(second)])
        merged.sort()
        twice = merged[1:][merged[1:] == merged[:-1]]
        shared = np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(first))
        either = self.sizes()[first] + self.sizes()[second] - shared
        alike: NDArray[np.float64] = np.divide(shared, either, out=np.ones(len(first)), where=either > 0)
        return alike

    def _numbered(self, places: Places) -> Numbers:
        """The sets of places one after the other, the number of each set above its hashes."""
        sizes = self.sizes()[places]
        shifts = np.repeat(self.offsets[places] - np.cumsum(sizes) + sizes, sizes)
        numbers = np.repeat(np.arange(len(places), dtype=np.uint64), sizes)
        numbered: Numbers = (numbers << np.uint64(32)) | self.hashes[np.arange(len(shifts)) + shifts]
        return numbered


def shingles(texts: Iterable[str]) -> Shingles:
    """The shingles of each text in normalised form. A text shorter than a shingle is one shingle, an empty one none."""
    parts = list(in_batches(texts))
    sizes = [np.zeros(1, dtype=np.int64), *(part.sizes() for part in parts)]
    hashes = [np.zeros(0, dtype=np.uint32), *(part.hashes for part in parts)]
    return Shingles(np.concatenate(hashes), np.cumsum(np.concatenate(sizes)))


def in_batches(texts: Iterable[str]) -> Iterator[Shingles]:
    """The same in batches of about a million characters."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= _BATCH:
            yield _of(plain(batch))
            batch, characters = [], 0
    if batch:
        yield _of(plain(batch))


def _of(texts: Plain) -> Shingles:
    lengths = texts.lengths()
    counts = np.where(lengths < SIZE, np.minimum(lengths, 1), lengths - SIZE + 1)
    owners = np.repeat(np.arange(len(lengths), dtype=np.uint64), counts)
    # Where windows begin: at each text's first characters, as many as it has windows.
    begins = np.arange(len(owners)) + np.repeat(texts.ends - lengths - np.cumsum(counts) + counts, counts)
    marked = each_once((owners << np.uint64(32)) | (mixed(_windows(texts)[begins]) >> np.uint64(32)))
    sizes = np.bincount((marked >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
    return Shingles(marked.astype(np.uint32), np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)]))


def _windows(texts: Plain) -> Numbers:
    """A number for the window that begins at each character; of a text shorter than a window, for the whole text."""
    codes = np.concatenate([texts.codes.astype(np.uint64), np.zeros(SIZE, dtype=np.uint64)])
    windows = np.zeros(len(texts.codes), dtype=np.uint64)
    for step in range(SIZE):
        windows = windows * _BASE + codes[step : step + len(windows)]
    short = np.flatnonzero((texts.lengths() > 0) & (texts.lengths() < SIZE))
    first = texts.ends[short] - texts.lengths()[short]
    whole = np.zeros(len(short), dtype=np.uint64)
    for step in range(SIZE):
        whole = whole * _BASE + np.where(first + step < texts.ends[short], codes[first + step], np.uint64(0))
    windows[first] = whole
    return windows


def each_once(values: Numbers) -> Numbers:
    """The values in order, each once. numpy's own unique takes a hash table for numbers, which is many times slower."""
    values.sort()
    once: Numbers = values[np.diff(values, prepend=~values[:1]) != 0]
    return once


def mixed(values: Numbers) -> Numbers:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit of the result hangs on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
