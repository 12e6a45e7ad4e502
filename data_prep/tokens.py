"""How many tokens a row has: estimated from its characters, or counted by a tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from data_prep.signs import Kind, Signs
from openbook_eval.errors import OpenbookError, first_line

# In thousandths of a token, so that sums are the same on every machine: a byte and a character of any kind ...
_BYTE, _CHARACTER = 209, -90
# ... and what is a token more often than part of one.
_SIGNS = {Kind.PAUSE: 1170, Kind.STOP: 1897, Kind.DIGIT: 1152, Kind.BLANK: 233, Kind.LINE_END: 2070}
# The most that one character adds: that of a line end.
_MOST = _BYTE + _CHARACTER + max(_SIGNS.values())
# Texts that go to the tokenizer at once.
_BATCH = 1_000


def estimate(frame: pl.DataFrame, signs: Signs | None = None) -> pl.Series:
    """About how many tokens (UInt32) Qwen2's tokenizer makes of the columns question and answer of each row.

    `signs` are those of the frame, where they are at hand.

    A sum over classes of characters: Han, letters, digits, stops, blanks, line ends. The coefficients have the least
    absolute relative error over 56,971 real rows (Alpaca in Chinese and English, medical questions, exams and cases),
    counted with the tokenizer of Qwen2. The error is 7 % in the median and 22 % at the 95th percentile; over all rows
    it is 1 %, over Chinese Alpaca 9 % too many and over lists of prescriptions 11 % too few. No chat format is counted.
    """
    signs = signs or Signs.of(frame)
    sizes = frame.select(_thousandths("question") + _thousandths("answer")).to_series().to_numpy()
    more = sum((weight * signs.count(kind).astype(np.int64) for kind, weight in _SIGNS.items()), sizes)
    return pl.Series("tokens", (more + 999) // 1000, dtype=pl.UInt32)


def at_most() -> pl.Expr:
    """What no estimate is above; known in a tenth of its time."""
    characters = pl.col("question").str.len_chars() + pl.col("answer").str.len_chars()
    return _MOST * characters.cast(pl.Int64) // 1000 + 1


def _thousandths(text: str) -> pl.Expr:
    """Han and most signs of Chinese take three bytes, all of ASCII one: their share follows from bytes and characters.

    So a Han character makes 0.537 tokens, a letter 0.119, and each of the signs so much more.
    """
    size = pl.col(text).str
    return _BYTE * size.len_bytes().cast(pl.Int64) + _CHARACTER * size.len_chars().cast(pl.Int64)


def counter(tokenizer: str) -> Callable[[Sequence[str]], list[int]]:
    """Counts the tokens of each text with the tokenizer of a folder or hub name.

    Nothing is added for a chat format or for the begin and end of a text. Raises OpenbookError where transformers is
    missing or the tokenizer cannot be loaded.
    """
    loaded = _load(tokenizer)

    def count(texts: Sequence[str]) -> list[int]:
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            counts += map(len, loaded(batch, add_special_tokens=False, verbose=False)["input_ids"])
        return counts

    return count


def _load(tokenizer: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise OpenbookError(
            f"counting tokens needs transformers ({error}); install it, or leave `tokenizer` out for an estimate"
        ) from error
    try:
        # Said outright, for without it transformers asks at the keyboard whether to run code of the tokenizer's author.
        return AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
    except Exception as error:  # a tokenizer fails in as many ways as there are tokenizers
        raise OpenbookError(
            f"{tokenizer}: no tokenizer can be loaded ({first_line(error)}); name its folder or its model on the hub"
        ) from error
