"""Texts as sets of hashed character shingles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates.normal import normalised

# Characters of a shingle: two or three Chinese words; single words are common to texts that say different things.
SIZE = 5
_BASE = np.uint64(0x9E3779B97F4A7C15)
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Shingles:
    """Sorted sets of 32-bit hashes one after the other; set n lies between `offsets` n and n + 1."""

    hashes: NDArray[np.uint32]
    offsets: NDArray[np.int64]

    def of(self, place: int) -> NDArray[np.uint32]:
        """The set of one text."""
        return self.hashes[self.offsets[place] : self.offsets[place + 1]]

    def jaccard(self, first: int, second: int) -> float:
        """What two texts share of what either has; 1 for two texts without any shingle."""
        a, b = self.of(first), self.of(second)
        shared = len(np.intersect1d(a, b, assume_unique=True))
        return shared / (len(a) + len(b) - shared) if len(a) or len(b) else 1.0


def shingles(texts: Sequence[str]) -> Shingles:
    """The shingles of each text in normalised form. A text shorter than a shingle is one shingle, an empty one none."""
    parts = list(_in_batches(texts))
    sizes = np.concatenate([np.zeros(1, dtype=np.int64), *(counts for _, counts in parts)])
    hashes = np.concatenate([np.zeros(0, dtype=np.uint32), *(found for found, _ in parts)])
    return Shingles(hashes, np.cumsum(sizes))


def _in_batches(texts: Sequence[str]) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
    for start in range(0, len(texts), _BATCH):
        frame = pl.DataFrame({"text": texts[start : start + _BATCH]}, schema={"text": pl.String})
        yield _of_batch(frame.select(normalised(pl.col("text")))["text"].to_list())


def _of_batch(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The hashes of all texts, each text's sorted and each once, and how many there are of each."""
    # A text ends in signs that no normalised text holds, so that a short one has a shingle too.
    joined = "".join(text + "\0" * (SIZE - 1) for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    owner = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths + SIZE - 1)
    rolling = np.zeros(max(0, len(codes) - SIZE + 1), dtype=np.uint64)
    for step in range(SIZE):
        rolling = rolling * _BASE + codes[step : step + len(rolling)]
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths + SIZE - 1)])[:-1]
    within = np.arange(len(rolling)) - np.repeat(starts, lengths + SIZE - 1)[: len(rolling)]
    wanted = np.repeat(np.maximum(lengths - SIZE + 1, np.minimum(lengths, 1)), lengths + SIZE - 1)[: len(rolling)]
    keep = within < wanted
    marked = _each_once((owner[: len(rolling)][keep] << np.uint64(32)) | (_mixed(rolling[keep]) >> np.uint64(32)))
    counts = np.bincount((marked >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    return marked.astype(np.uint32), counts.astype(np.int64)


def _each_once(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The values in order, each once. numpy's own unique takes a hash table for numbers, which is many times slower."""
    values.sort()
    first = np.ones(len(values), dtype=np.bool_)
    first[1:] = values[1:] != values[:-1]
    once: NDArray[np.uint64] = values[first]
    return once


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit of the result hangs on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
