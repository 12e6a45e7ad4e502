"""Rows that are equal in the form in which texts are compared."""

import hashlib
from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates.plain import plain

Keys = NDArray[np.uint64]

_BETWEEN = b"\x1f"


def keys(frame: pl.DataFrame) -> Keys:
    """A hash of each row's question and answer in normalised form; of a row of signs alone, of its raw text.

    BLAKE2b cut to 64 bits: the same on every platform and with every version. Of a million rows two different ones
    share a key with a chance of 3 in 100 million.
    """
    return np.frombuffer(b"".join(_digests(frame)), dtype=">u8").astype(np.uint64)


def _digests(frame: pl.DataFrame) -> Iterator[bytes]:
    pairs = zip(plain(frame["question"]).each(), plain(frame["answer"]).each(), strict=True)
    for place, (question, answer) in enumerate(pairs):
        digest = hashlib.blake2b(question, digest_size=8)
        if question or answer:
            digest.update(_BETWEEN)
            digest.update(answer)
        else:
            digest.update(b"raw" + "\x1f".join(frame.select("question", "answer").row(place)).encode())
        yield digest.digest()


def first_of_each(keys: Keys, rank: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Marks of equal keys the row with the lowest rank, of equal ranks the first."""
    order = np.lexsort((rank, keys))
    ordered = keys[order]
    is_first = np.ones(len(keys), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    marks = np.zeros(len(keys), dtype=np.bool_)
    marks[order[is_first]] = True
    return marks
