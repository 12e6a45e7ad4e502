"""Which rows are fit to train on: one small filter a reason, and the first reason that applies is told."""

from data_prep.cleaning.judging import judge
from data_prep.spec import REASONS

__all__ = ["REASONS", "judge"]
