"""Near-duplicates: MinHash signatures (rensa), bands of them as buckets, and each candidate pair compared exactly."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.duplicates.exact import Keys
from data_prep.duplicates.shingles import Shingles, shingles

_PERMUTATIONS = 128
_SEED = 20240726
_BATCH = 5_000
# The chance that two texts exactly as alike as the threshold come into one bucket.
_RECALL = 0.99

Places = NDArray[np.int64]


def near(texts: Sequence[str], keys: Keys, threshold: float) -> Places:
    """For each text the place of the one that stands for it, itself where it stays.

    Two texts are alike where the Jaccard similarity of their character shingles is at least `threshold`; what is alike
    is one cluster, and the text with the lowest key stands for it: neither order nor number of processes matters. A
    pair exactly at the threshold is missed with a chance of one in a hundred, a more alike one less often.
    """
    places = np.arange(len(texts), dtype=np.int64)
    if len(texts) < 2:
        return places
    found = shingles(texts)
    rank = np.argsort(np.argsort(keys, kind="stable"), kind="stable")
    leader = places.copy()

    def top(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = int(leader[place])
        return place

    for first, second in _candidates(found, rank, threshold):
        a, b = top(first), top(second)
        if a != b and found.jaccard(first, second) >= threshold:
            low, high = (a, b) if rank[a] < rank[b] else (b, a)
            leader[high] = low
    return np.fromiter((top(place) for place in range(len(texts))), dtype=np.int64, count=len(texts))


def _candidates(found: Shingles, rank: Places, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs that share a bucket, each once: every text with the first of its bucket and with the one before it."""
    pairs: list[NDArray[np.uint64]] = []
    for bucket in _buckets(found, _rows_of_a_band(threshold)):
        order = np.lexsort((rank, bucket))
        same = bucket[order][1:] == bucket[order][:-1]
        starts = np.flatnonzero(np.concatenate([[True], ~same]))
        first = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
        pairs += [_packed(order[:-1][same], order[1:][same]), _packed(first[1:][same], order[1:][same])]
    for pair in np.unique(np.concatenate(pairs)).tolist():
        yield pair >> 32, pair & 0xFFFFFFFF


def _packed(first: Places, second: Places) -> NDArray[np.uint64]:
    low, high = np.minimum(first, second).astype(np.uint64), np.maximum(first, second).astype(np.uint64)
    return (low << np.uint64(32)) | high


def _rows_of_a_band(threshold: float) -> int:
    """The longest band with which a pair at the threshold is found with the wanted chance: 1 - (1 - t^r)^b."""
    for rows in range(_PERMUTATIONS, 1, -1):
        if 1 - (1 - threshold**rows) ** (_PERMUTATIONS // rows) >= _RECALL:
            return rows
    return 1


def _buckets(found: Shingles, rows: int) -> Iterator[NDArray[np.uint64]]:
    """For each band of the signatures one number for each text, the same for texts that agree in the whole band."""
    bands = _PERMUTATIONS // rows
    signatures = np.concatenate(list(_signatures(found)))
    for band in range(bands):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        _, numbers = np.unique(part.view(np.dtype((np.void, part.dtype.itemsize * rows))).ravel(), return_inverse=True)
        yield numbers.astype(np.uint64)


def _signatures(found: Shingles) -> Iterator[NDArray[np.uint32]]:
    from rensa import RMinHash

    count = len(found.offsets) - 1
    for start in range(0, count, _BATCH):
        offsets = found.offsets[start : min(start + _BATCH, count) + 1]
        hashes = found.hashes[offsets[0] : offsets[-1]].astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, (offsets - offsets[0]).astype(np.uint64), _PERMUTATIONS, _SEED
        )
        yield np.array(matrix.to_rows(), dtype=np.uint32)
