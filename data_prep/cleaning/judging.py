"""The filters in the order in which their reasons are told."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.cleaning.characters import broken_characters, strange
from data_prep.cleaning.language import not_chinese
from data_prep.cleaning.markup import markup
from data_prep.cleaning.personal import personal, traces
from data_prep.cleaning.repetition import pairs_return, repeated
from data_prep.cleaning.sizes import empty, too_long, too_short
from data_prep.cleaning.suspects import ANSWER, QUESTION
from data_prep.signs import Signs
from data_prep.spec import Cleaning

# The keys are spec.REASONS, in that order; each filter is true where a row is to be dropped.
FILTERS: Mapping[str, Callable[[Cleaning], pl.Expr]] = {
    "empty": empty,
    "too_short": too_short,
    "too_long": too_long,
    "not_chinese": not_chinese,
    "markup": markup,
    "repeated": repeated,
    "broken_characters": broken_characters,
    "personal": personal,
}

# What those filters that ask for single characters know of all rows beforehand, as columns of these names.
_BEFOREHAND: Mapping[str, Callable[[Signs], NDArray[np.bool_]]] = {
    "pairs_return": pairs_return,
    "strange": strange,
    "traces": traces,
}


def with_signs(frame: pl.DataFrame, signs: Signs) -> pl.DataFrame:
    """What the filters look at: question and answer, a missing text as an empty one, and columns by the signs."""
    known = {name: pl.Series(test(signs)) for name, test in _BEFOREHAND.items()}
    return frame.select(QUESTION.fill_null(""), ANSWER.fill_null(""), **known)


def judge(frame: pl.DataFrame, settings: Cleaning, signs: Signs | None = None) -> pl.Series:
    """For each row of columns question and answer the first reason to drop it, or null where it is kept.

    The reasons of `settings.keep` drop nothing. A missing text is an empty one. `signs` are those of the frame, where
    they are at hand.
    """
    filters = {reason: test(settings) for reason, test in FILTERS.items() if reason not in settings.keep}
    texts = with_signs(frame, signs or Signs.of(frame))
    found = texts.with_columns(test.alias(reason) for reason, test in filters.items())
    told = (pl.when(reason).then(pl.lit(reason)) for reason in filters)
    return found.with_columns(reason=pl.coalesce(*told, pl.lit(None, pl.String)))["reason"]
