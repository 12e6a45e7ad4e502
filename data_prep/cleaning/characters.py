"""Rows with characters that nobody wrote: lost, private, or read in the wrong encoding."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.cleaning.suspects import close_look, matches
from data_prep.signs import Kind, Signs
from data_prep.spec import Cleaning

# The replacement characters, the two code points at the end of the first plane, private use (all three areas), and
# control characters but for \t \n \r. A lone surrogate cannot be in a text of UTF-8, which columns hold.
_LOST = "\ufffc-\uffff\ue000-\uf8ff\U000f0000-\U0010ffff\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
# UTF-8 read as GBK: ， 。 的 and quotation marks become 锛 or 紝, 銆, 鐨 and 鈥, which no text uses; one may be quoted.
_AS_GBK = "锛紝銆鐨鈥"
# Memory that was never written, and U+FFFD, each read as GBK.
_FILLERS = "锟斤拷|烫烫烫|屯屯屯"
# UTF-8 read as Latin-1 or Windows-1252: é, °, “, ， and 中文 become Ã©, Â°, â€œ, ï¼Œ and ä¸­æ–‡.
_HIGH = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_AS_LATIN = f"[ÃÂ][\u0080-\u00bf]|â€{_HIGH}|ï¼{_HIGH}|[ä-é]{_HIGH}{{2}}[ä-é]{_HIGH}{{2}}"
# GBK read as Latin-1: 你好吗 becomes ÄãºÃÂð. No language writes six letters with accents in a row.
_GBK_AS_LATIN = "[\u00a1-\u00ff]{6}"

# One pattern: the text is read once, however many there are. Whatever it finds holds a character of Kind.STRANGE.
_FOUND = f"[{_LOST}]|{_FILLERS}|(?s:[{_AS_GBK}].*[{_AS_GBK}])|{_AS_LATIN}|{_GBK_AS_LATIN}"


def strange(signs: Signs) -> NDArray[np.bool_]:
    """Whether each row has a character without which nothing is broken."""
    return signs.with_any(Kind.STRANGE)


def broken_characters(_settings: Cleaning) -> pl.Expr:
    """A character is lost, private or a control character, or a part was read in the wrong encoding."""

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        return rows.select(matches(_FOUND)).to_series()

    return close_look(pl.col("strange"), look)
