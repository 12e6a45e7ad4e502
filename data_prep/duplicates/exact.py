"""Texts in one form, and a stable hash of rows in that form."""

import hashlib
from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

# White space, punctuation, symbols and control characters carry no meaning that two copies of a text would differ in.
_SIGNS = r"[\s\p{Z}\p{P}\p{S}\p{C}]+"
_BETWEEN = "\x1f"


def normalised(expr: pl.Expr) -> pl.Expr:
    """Texts in the form in which they are compared: NFKC, lower case, no white space, no punctuation or symbols."""
    return expr.str.normalize("NFKC").str.to_lowercase().str.replace_all(_SIGNS, "")


def keys(frame: pl.DataFrame) -> Keys:
    """A hash of each row's question and answer in normalised form; of a row of signs alone, of its raw text.

    BLAKE2b cut to 64 bits: the same on every platform and with every version. Of a million rows two different ones
    share a key with a chance of 3 in 100 million.
    """
    forms = frame.select(normalised(pl.col("question")).alias("q"), normalised(pl.col("answer")).alias("a"))
    digests = b"".join(_digests(frame, forms))
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _digests(frame: pl.DataFrame, forms: pl.DataFrame) -> Iterator[bytes]:
    for place, (question, answer) in enumerate(zip(forms["q"].to_list(), forms["a"].to_list(), strict=True)):
        text = f"{question}{_BETWEEN}{answer}"
        if not question and not answer:
            text = "raw" + _BETWEEN.join(frame.select("question", "answer").row(place))
        yield hashlib.blake2b(text.encode(), digest_size=8).digest()


def first_of_each(keys: Keys, rank: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Marks of equal keys the row with the lowest rank, of equal ranks the first."""
    order = np.lexsort((rank, keys))
    ordered = keys[order]
    is_first = np.ones(len(keys), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    marks = np.zeros(len(keys), dtype=np.bool_)
    marks[order[is_first]] = True
    return marks
