"""Rows that hold too little or too much."""

from collections.abc import Iterable

import polars as pl

from data_prep.cleaning.suspects import ANSWER, QUESTION, close_look, either
from data_prep.spec import Cleaning
from data_prep.tokens import at_most, estimate

# White space, what takes no room (zero-width blanks, joiners, byte order mark), and the blank of Braille and Hangul.
_BLANKS = "[\\s\u200b-\u200f\u2060-\u2064\u2800\u3164\ufe0f\ufeff\u00ad]"


def empty(_settings: Cleaning) -> pl.Expr:
    """Question or answer holds nothing that can be seen, or `nan` or `null` as tables write a missing value."""
    return either(lambda text: text.str.contains(rf"^{_BLANKS}*(?:nan|NaN|null|NULL)?{_BLANKS}*$"))


def too_short(settings: Cleaning) -> pl.Expr:
    """Question or answer has fewer characters than it must, blanks around it not counted."""
    return (_length(QUESTION) < settings.min_question) | (_length(ANSWER) < settings.min_answer)


def too_long(settings: Cleaning) -> pl.Expr:
    """The row has more estimated tokens than it may."""

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        return estimate(rows) > settings.max_tokens

    return close_look(at_most() > settings.max_tokens, look)


def _length(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.len_chars()
