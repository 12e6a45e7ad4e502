"""A row is looked at closely only where a cheap test makes it suspect: of a million rows these are a few thousand."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

QUESTION, ANSWER = pl.col("question"), pl.col("answer")

# Of a frame with columns question and answer: for each row, whether the reason applies.
Look = Callable[[pl.DataFrame], Iterable[bool]]


def either(test: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Whether a test of one text holds for the question or for the answer."""
    return test(QUESTION) | test(ANSWER)


def matches(pattern: str) -> pl.Expr:
    """Whether a pattern is found in question or answer."""
    return either(lambda text: text.str.contains(pattern))


def close_look(suspect: pl.Expr, look: Look) -> pl.Expr:
    """True where a row is suspect and the close look finds it guilty; `look` sees the suspects alone."""

    def looked(columns: Sequence[pl.Series]) -> pl.Series:
        suspects, questions, answers = columns
        guilty = np.zeros(len(suspects), dtype=bool)
        places = suspects.arg_true()
        if len(places):
            rows = pl.DataFrame([questions.gather(places), answers.gather(places)])
            guilty[places.to_numpy()] = np.fromiter(look(rows), dtype=bool, count=len(places))
        return pl.Series(guilty)

    return pl.map_batches([suspect, QUESTION, ANSWER], looked, return_dtype=pl.Boolean())


def one_by_one(guilty: Callable[[str], bool]) -> Look:
    """A close look that goes through single texts: a row is guilty where its question or its answer is."""

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        return (guilty(question) or guilty(answer) for question, answer in rows.iter_rows())

    return look
