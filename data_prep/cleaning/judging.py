"""The filters in the order in which their reasons are told."""

from collections.abc import Callable, Mapping

import polars as pl

from data_prep.cleaning.characters import broken_characters
from data_prep.cleaning.language import not_chinese
from data_prep.cleaning.markup import markup
from data_prep.cleaning.personal import personal
from data_prep.cleaning.repetition import repeated
from data_prep.cleaning.sizes import empty, too_long, too_short
from data_prep.cleaning.suspects import ANSWER, QUESTION
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


def judge(frame: pl.DataFrame, settings: Cleaning) -> pl.Series:
    """For each row of columns question and answer the first reason to drop it, or null where it is kept.

    The reasons of `settings.keep` drop nothing. A missing text is an empty one.
    """
    filters = {reason: test(settings) for reason, test in FILTERS.items() if reason not in settings.keep}
    texts = frame.select(QUESTION.fill_null(""), ANSWER.fill_null(""))
    found = texts.with_columns(test.alias(reason) for reason, test in filters.items())
    told = (pl.when(reason).then(pl.lit(reason)) for reason in filters)
    return found.with_columns(reason=pl.coalesce(*told, pl.lit(None, pl.String)))["reason"]
