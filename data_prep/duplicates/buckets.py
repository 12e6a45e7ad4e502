"""Which texts may be alike: MinHash signatures (rensa), and texts that agree in a whole band of them.

Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from data_prep.duplicates.shingles import Numbers, Places, Shingles, each_once, in_batches, mixed

# Two places in one number: see `pair`.
Pairs = NDArray[np.uint64]

_PERMUTATIONS = 128
_SEED = 20240726
# The chance that two texts exactly as alike as the threshold come into one bucket.
_RECALL = 0.99
# With how many that come next in a bucket a text is compared: a bucket of n texts costs 9 n comparisons, not n squared,
# when texts of one template fill it.
_NEXT = 8
_ODD = np.uint64(0x9E3779B97F4A7C15)


def bands_of(texts: Iterable[str], ranks: Places, threshold: float) -> tuple[Numbers, Places]:
    """The bands of each text, one number a band, and how many shingles it has; texts stand in the order of `ranks`.

    Texts are read once, in the order they come in.
    """
    rows = band_length(threshold)
    bands = np.empty((len(ranks), _PERMUTATIONS // rows), dtype=np.uint64)
    sizes = np.empty(len(ranks), dtype=np.int64)
    start = 0
    for batch in in_batches(texts):
        here = ranks[start : start + len(batch.sizes())]
        bands[here], sizes[here] = _bands(batch, rows), batch.sizes()
        start += len(here)
    return bands, sizes


def candidates(bands: Numbers, sizes: Places, threshold: float) -> Pairs:
    """Pairs of texts that share a bucket and may be as alike as the threshold; each once, in order.

    Of the texts in a bucket the first is paired with all others, and each with those that come next.
    """
    found = np.zeros(0, dtype=np.uint64)
    for band in range(bands.shape[1]):
        # A stable sort: within a bucket texts stand in the order of their places.
        order = np.argsort(bands[:, band], kind="stable")
        pairs = [_packed(*both, sizes, threshold) for both in _in_buckets(bands[order, band], order)]
        found = each_once(np.concatenate([found, *pairs]))
    return found


def pair(pairs: Pairs) -> tuple[Places, Places]:
    """The two places of each pair, the lower one first: the upper and the lower half of its bits."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def band_length(threshold: float) -> int:
    """The longest band with which a pair at the threshold is found with the wanted chance: 1 - (1 - t^r)^b."""
    for rows in range(_PERMUTATIONS, 1, -1):
        if 1 - (1 - threshold**rows) ** (_PERMUTATIONS // rows) >= _RECALL:
            return rows
    return 1


def signatures(found: Shingles) -> NDArray[np.uint32]:
    """The MinHash signature of each text, texts by permutations; the same with every instruction set of a processor."""
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        found.hashes * _ODD, found.offsets.astype(np.uint64), _PERMUTATIONS, _SEED
    )
    numbers = chain.from_iterable(matrix.to_rows())
    return np.fromiter(numbers, dtype=np.uint32, count=_PERMUTATIONS * matrix.len()).reshape(-1, _PERMUTATIONS)


def _bands(found: Shingles, rows: int) -> Numbers:
    signed_texts = signatures(found)
    bands = np.zeros((len(signed_texts), _PERMUTATIONS // rows), dtype=np.uint64)
    for row in range(rows):
        bands = mixed(bands * _ODD + signed_texts[:, row::rows][:, : bands.shape[1]])
    return bands


def _in_buckets(bucket: Numbers, order: Places) -> Iterator[tuple[Places, Places]]:
    opens = np.diff(bucket, prepend=~bucket[:1]) != 0
    first = order[opens][np.cumsum(opens) - 1]
    yield first[~opens], order[~opens]
    for step in range(1, _NEXT + 1):
        same = bucket[step:] == bucket[:-step]
        yield order[:-step][same], order[step:][same]


def _packed(first: Places, second: Places, sizes: Places, threshold: float) -> Pairs:
    low, high = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
    # Sets of too different sizes cannot be so alike, and a text without shingles is like none.
    may = low / np.maximum(high, 1) >= threshold
    pairs: Pairs = (first[may].astype(np.uint64) << np.uint64(32)) | second[may].astype(np.uint64)
    return pairs
