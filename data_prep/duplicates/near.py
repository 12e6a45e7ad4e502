"""Near-duplicates: pairs that MinHash finds are compared exactly; of rows that are alike one stands for the others."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.duplicates.buckets import Pairs, bands_of, candidates, pair
from data_prep.duplicates.exact import Keys
from data_prep.duplicates.shingles import Places, shingles

# Shingles that are compared at a time.
_BLOCK = 4_000_000


def near(texts: Sequence[str], keys: Keys, threshold: float, answers: Sequence[str] | None = None) -> Places:
    """For each row the place of the one that stands for it, itself where it stays; `texts` are whole rows.

    Two rows are alike where the Jaccard similarity of their character shingles is at least `threshold`, and that of
    their `answers` too, where these are given: the same question with another answer is another row. Rows are taken in
    the order of their keys, each of which must be there once; a row stays unless it is like one that stays already, and
    the first such stands for it. So neither the order of rows nor that of sources matters, no two rows that stay are
    known to be alike, and each that goes is like the one that stands for it.

    Of pairs exactly at the threshold one in a hundred is missed, of those more alike fewer. Texts and answers are read
    piece by piece: what is kept of a row is some 200 bytes.
    """
    standing = np.arange(len(texts), dtype=np.int64)
    if len(texts) < 2:
        return standing
    places = np.argsort(keys, kind="stable")
    ranks = np.empty_like(places)
    ranks[places] = standing
    bands, sizes = bands_of(texts, ranks, threshold)
    for block in _blocks(candidates(bands, sizes, threshold), sizes):
        first, second = pair(block)
        stay = (standing[first] == first) & (standing[second] == second)
        first, second = first[stay], second[stay]
        for side in (texts, answers):
            if side is not None:
                alike = _jaccard(side, places[first], places[second]) >= threshold
                first, second = first[alike], second[alike]
        # Pairs are in order of the row that comes first, so that it is settled whether that row stays.
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            if standing[one] == one and standing[other] == other:
                standing[other] = one
    return places[standing[ranks]]


def _blocks(pairs: Pairs, sizes: Places) -> Iterator[Pairs]:
    first, second = pair(pairs)
    shingles_so_far = np.cumsum(sizes[first] + sizes[second])
    yield from np.split(pairs, np.flatnonzero(np.diff(shingles_so_far // _BLOCK)) + 1)


def _jaccard(texts: Sequence[str], first: Places, second: Places) -> NDArray[np.float64]:
    wanted, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    found = shingles(texts[place] for place in wanted.tolist())
    return found.jaccard(numbers[: len(first)], numbers[len(first) :])
