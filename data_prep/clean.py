"""Which rows are fit to train on: one filter a reason, and the first reason that applies drops the row."""

import polars as pl

from data_prep.spec import REASONS, Cleaning

__all__ = ["REASONS", "judge"]


def judge(frame: pl.DataFrame, settings: Cleaning) -> pl.Series:
    """Return for each row of columns question and answer the first reason to drop it, or null where it is kept."""
    raise NotImplementedError
