"""Rows that are equal in the form in which texts are compared."""

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates.plain import PlainRows

Keys = NDArray[np.uint64]


def keys(frame: pl.DataFrame, rows: PlainRows | None = None) -> Keys:
    """A hash of each row's question and answer in normalised form; of a row of signs alone, of its raw text.

    `rows` are those of the frame, where they are at hand.

    BLAKE2b cut to 64 bits: the same on every platform and with every version. Of a million rows two different ones
    share a key with a chance of 3 in 100 million.
    """
    rows = rows or PlainRows.of_frame(frame)
    # Without a call of `_digest`, which takes a tenth of the time.
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows.bytes()]
    found = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    lengths = rows.texts.lengths()
    for place in np.flatnonzero(lengths[::2] + lengths[1::2] == 0).tolist():
        raw = "\x1f".join(("raw", *frame.select("question", "answer").row(place)))
        found[place] = int.from_bytes(_digest(raw.encode()), "big")
    return found


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=8).digest()


def first_of_each(keys: Keys, rank: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Marks of equal keys the row with the lowest rank, of equal ranks the first."""
    order = np.argsort(keys)
    ordered = keys[order]
    alike = ordered[1:] == ordered[:-1]
    of_many, marks = np.zeros(len(keys), dtype=np.bool_), np.ones(len(keys), dtype=np.bool_)
    of_many[1:] = alike
    of_many[:-1] |= alike
    # Keys that occur once need no more; those that do not are few, and are put in order by rank and place.
    many = np.sort(order[of_many])
    many = many[np.lexsort((rank[many], keys[many]))]
    marks[many[1:][keys[many[1:]] == keys[many[:-1]]]] = False
    return marks
