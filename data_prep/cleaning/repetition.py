"""Rows that say one thing over and over, as a model does that has lost its way."""

import polars as pl

from data_prep.cleaning.suspects import close_look, either, one_by_one
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
_PROBES = (0.4, 0.6)
_PROBE_CHARACTERS = 6


def repeated(_settings: Cleaning) -> pl.Expr:
    """Most of the question or of the answer repeats what stood there before, signs and blanks not counted."""
    return close_look(either(_may_loop), one_by_one(_loops))


def _may_loop(text: pl.Expr) -> pl.Expr:
    probes = [(text.str.len_chars() * share).cast(pl.Int64) for share in _PROBES]
    counts = [text.str.count_matches(text.str.slice(start, _PROBE_CHARACTERS), literal=True) for start in probes]
    return pl.any_horizontal(*(count >= 3 for count in counts)) & (text.str.len_bytes() >= _SHORTEST)


def _loops(text: str) -> bool:
    read = "".join(filter(str.isalnum, text[:_LOOKED_AT])).encode()[:_LOOKED_AT]
    if len(read) < _SHORTEST:
        return False
    pieces = [read[start : start + _PIECE] for start in range(len(read) - _PIECE + 1)]
    return 1 - len(set(pieces)) / len(pieces) > _MOST
