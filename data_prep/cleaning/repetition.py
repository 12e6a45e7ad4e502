"""Rows that say one thing over and over, as a model does that has lost its way."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.cleaning.suspects import close_look, either, one_by_one
from data_prep.signs import Signs, counted
from data_prep.spec import Cleaning

# In bytes of UTF-8, so that a piece is about six Han characters or four English words, and code is not all repetition.
_PIECE = 18
# Of 56,971 real rows, the nine over this say one thing three times or more. A question that stands there twice, as many
# forums put title and text, is at a half at most; lists of like prescriptions and calls of a program come to 0.54.
_MOST = 0.55
# In bytes: 16 Han characters. Below that 哈哈哈 and the like are speech.
_SHORTEST = 48
# A loop shows early; so the look takes the same time for a text of any length.
_LOOKED_AT = 30_000
# A loop that fills most of a text holds its middle, so a piece from there stands three times or more in it.
_PROBES, _TIMES = (0.4, 0.6), 3
_PROBE_CHARACTERS = 6
# An odd number that tells pairs of characters apart: the golden ratio in 32 bits.
_GOLDEN = np.uint32(0x9E3779B1)


def pairs_return(signs: Signs) -> NDArray[np.bool_]:
    """Whether two characters from the middle of the question or of the answer stand there three times or more."""
    codes, starts = signs.codes, signs.starts
    if len(codes) < 2:
        return np.zeros(len(starts) // 2, dtype=np.bool_)
    sizes = signs.ends - starts
    pairs = np.append(codes[:-1] * _GOLDEN + codes[1:], np.uint32(0))
    middles = (starts + (share * sizes).astype(np.int64) for share in _PROBES)
    times = [counted(pairs == np.repeat(pairs[middle], sizes + 1), starts) for middle in middles]
    found: NDArray[np.bool_] = np.max(times, axis=0).reshape(-1, 2).max(axis=1) >= _TIMES
    return found


def repeated(_settings: Cleaning) -> pl.Expr:
    """Most of the question or of the answer repeats what stood there before, signs and blanks not counted."""
    pieces_return = either(lambda text: pl.any_horizontal(*(_stands_often(text, share) for share in _PROBES)))

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        return rows.select(close_look(pieces_return, one_by_one(_loops))).to_series()

    return close_look(pl.col("pairs_return"), look)


def _stands_often(text: pl.Expr, share: float) -> pl.Expr:
    start = (text.str.len_chars() * share).cast(pl.Int64)
    count = text.str.count_matches(text.str.slice(start, _PROBE_CHARACTERS), literal=True)
    return (count >= _TIMES) & (text.str.len_bytes() >= _SHORTEST)


def _loops(text: str) -> bool:
    read = "".join(filter(str.isalnum, text[:_LOOKED_AT])).encode()[:_LOOKED_AT]
    if len(read) < _SHORTEST:
        return False
    pieces = [read[start : start + _PIECE] for start in range(len(read) - _PIECE + 1)]
    return 1 - len(set(pieces)) / len(pieces) > _MOST
