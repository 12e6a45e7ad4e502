"""Which n-grams tell nothing: those of stock phrases, and those that many exam texts have."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates.plain import plain
from data_prep.signs import END, Codes

# What every exam says, whatever it asks; one phrase a line, project-written.
PHRASES = tuple((Path(__file__).parent / "phrases.txt").read_text(encoding="utf-8").split())
N = 3
# An n-gram is common where more texts than this have it, and more than one in so many.
_MANY, _ONE_IN = 8, 500
_BITS = 21


def grams(text: str) -> Iterator[str]:
    """All n-grams of a text, in order."""
    return (text[place : place + N] for place in range(len(text) - N + 1))


def common(*groups: Sequence[str]) -> frozenset[str]:
    """The n-grams of stock phrases, and those that are common in one of the groups of texts."""
    stock = {gram for phrase in PHRASES for gram in grams(phrase)}
    return frozenset(stock.union(*map(_common, groups)))


def _common(texts: Sequence[str]) -> set[str]:
    found = plain(pl.Series(texts, dtype=pl.String))
    codes = found.codes.astype(np.int64)
    if len(codes) < N:
        return set()
    # Three code points fill 63 bits.
    packed = codes[:-2] << 2 * _BITS | codes[1:-1] << _BITS | codes[2:]
    owners = np.repeat(np.arange(len(found.ends)), np.diff(found.ends, prepend=-1))[:-2]
    whole = (codes[:-2] != END) & (codes[1:-1] != END) & (codes[2:] != END)
    packed, owners = packed[whole], owners[whole]
    order = np.argsort(packed, kind="stable")
    packed, owners = packed[order], owners[order]
    # In one gram the owners stand in order, so that each is counted once.
    first = np.append(True, (packed[1:] != packed[:-1]) | (owners[1:] != owners[:-1]))
    held, counts = np.unique(packed[first], return_counts=True)
    many = held[counts > max(_MANY, len(texts) // _ONE_IN)]
    return {"".join(chr(gram >> shift & 0x1FFFFF) for shift in (2 * _BITS, _BITS, 0)) for gram in many.tolist()}


def telling(hashes: Codes, most: int) -> NDArray[np.bool_]:
    """Which of the hashes occur no more often than `most` times."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, np.int64)
    counts = np.diff(np.append(starts, len(ordered)))
    few = np.empty(len(hashes), dtype=bool)
    few[order] = np.repeat(counts <= most, counts)
    return few
