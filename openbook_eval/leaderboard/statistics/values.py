"""Estimates with their intervals, and the design that says which items belong together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int_]
Numbers = NDArray[np.float64]

LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of 1, or a difference of two; NaN over no items.

    `interval` is None where there is too little to tell how far chance goes: no two clusters of a stratum with marks.
    `n` is how many items had a mark.
    """

    value: float
    interval: Interval | None
    n: int


@dataclass(frozen=True, slots=True)
class Averages:
    """The exams in the order of their codes, their plain mean, and the mean over all items.

    An exam without any mark is NaN, and so is `macro` then.
    """

    exams: tuple[Estimate, ...]
    macro: Estimate
    micro: Estimate


@dataclass(frozen=True, slots=True)
class Design:
    """How n items were chosen: three arrays of n codes, any integers.

    The exams are fixed. Within an exam each stratum has its fixed number of clusters, and what chance chose are the
    clusters with all their items. Codes of strata and clusters count within their exam; items that stand for themselves
    have a cluster each.
    """

    exams: Codes
    strata: Codes
    clusters: Codes

    def __post_init__(self) -> None:
        """Raises ValueError where the arrays are not of one length, or empty."""
        shapes = {np.shape(codes) for codes in (self.exams, self.strata, self.clusters)}
        if len(shapes) > 1 or len(shape := shapes.pop()) != 1 or not shape[0]:
            raise ValueError("exams, strata and clusters must be arrays of one length, of one item at least")
