"""Wilson's interval of a share, for independent items or for as many as clustered ones are worth."""

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from openbook_eval.leaderboard.statistics.values import LEVEL, Interval, Numbers


def interval(share: float, n: int) -> Interval:
    """The 95 % interval of a share of `n` items of which nothing else is known; 0 to 1 where n is 0.

    It takes the items for independent and is an approximation where they are not. `share` may be rounded, as published
    shares are. Raises ValueError where it lies outside of 0 to 1, or n below 0.
    """
    if not 0 <= share <= 1 or n < 0:
        raise ValueError(f"a share between 0 and 1 of no fewer than 0 items is needed, not {share} of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    low, high = bounds(np.array([share]), np.array([share]), np.array([float(n)]))
    return Interval(float(low[0]), float(high[0]))


def bounds(shares: Numbers, _squares: Numbers, items: Numbers) -> tuple[Numbers, Numbers]:
    """Lower and upper 95 % bounds of shares of so many items, which may be broken numbers; all of one shape.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212. The share lies inside, and no interval is empty, at 0 and 1
    neither.
    """
    low, high = proportion_confint(shares * items, items, alpha=1 - LEVEL, method="wilson")
    # At 0 and 1 the formula comes to the share itself, but for rounding.
    return np.minimum(low, shares), np.maximum(high, shares)
