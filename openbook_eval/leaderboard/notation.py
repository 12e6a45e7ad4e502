"""How figures are written: shares in percent and differences in points with one decimal, for none is surer."""

from math import isfinite

from openbook_eval.leaderboard.statistics.ranks import Rank
from openbook_eval.leaderboard.statistics.values import Interval

NONE = "-"


def percent(share: float | None) -> str:
    """A share of 1 in percent; a dash where there is none."""
    return NONE if share is None or not isfinite(share) else f"{100 * share:.1f}"


def percents(interval: Interval | None) -> str:
    """The interval of a share in percent; a dash where there is none."""
    return f"{percent(interval.low)}-{percent(interval.high)}" if interval else NONE


def points(difference: float) -> str:
    """A difference of shares in points, with its sign; a dash where there is none."""
    return f"{100 * difference:+.1f}" if isfinite(difference) else NONE


def between(interval: Interval | None) -> str:
    """The interval of a difference in points; a dash where there is none."""
    return f"{points(interval.low)} to {points(interval.high)}" if interval else NONE


def p_value(p: float | None) -> str:
    """A p-value; a dash where there is none."""
    if p is None or not isfinite(p):
        return NONE
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def place(rank: Rank | None) -> str:
    """A rank, and where chance may put it if that is more than one place; a dash where there is none."""
    if rank is None:
        return NONE
    return str(rank.place) if rank.low == rank.high else f"{rank.place} ({rank.low}-{rank.high})"
