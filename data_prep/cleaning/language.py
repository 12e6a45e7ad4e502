"""Rows that are not Chinese."""

from collections.abc import Iterable

import polars as pl

from data_prep.cleaning.suspects import ANSWER, QUESTION, close_look
from data_prep.spec import Cleaning

# Code, formulae and sentences to translate outweigh the few Han characters of the question that asks for them, such as
# 用主动语态改写这句话：The data ... Of 3,861 real rows under 0.3, all 459 with such a run ask in Chinese.
_ASKED_IN_CHINESE = r"\p{Han}{4}"


def not_chinese(settings: Cleaning) -> pl.Expr:
    """Fewer letters of the row are Han than must be, and the question asks nothing in Chinese.

    A row without letters, a sum such as `6 + 3 = ?`, is of no language and stays.
    """

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        han, letters = (_count(kind) for kind in ("Han", "L"))
        return rows.select((han < settings.min_chinese * letters).alias("foreign"))["foreign"]

    return close_look(~QUESTION.str.contains(_ASKED_IN_CHINESE), look)


def _count(kind: str) -> pl.Expr:
    """How many characters of question and answer are of a Unicode class: what is left without runs of any others."""
    others = rf"\P{{{kind}}}+"
    return sum((text.str.replace_all(others, "").str.len_chars() for text in (QUESTION, ANSWER)), pl.lit(0))
