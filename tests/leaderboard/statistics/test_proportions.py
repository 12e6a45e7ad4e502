"""Wilson's interval, by published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.leaderboard.statistics.proportions import bounds, interval


# R. G. Newcombe, Stat. Med. 17 (1998), 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_intervals(right: int, n: int, low: float, high: float) -> None:
    found = interval(right / n, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_of_no_items_a_share_may_be_anything() -> None:
    assert (interval(0.5, 0).low, interval(0.5, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize(("share", "n"), [(-0.1, 10), (1.01, 10), (87.2, 10), (0.5, -1), (float("nan"), 10)])
def test_what_is_no_share_is_refused(share: float, n: int) -> None:
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        interval(share, n)


@given(st.floats(0, 1), st.integers(1, 20_000))
def test_a_share_lies_within_and_right_and_wrong_are_mirrored(share: float, n: int) -> None:
    found, mirrored = interval(share, n), interval(1 - share, n)
    assert 0 <= found.low <= share <= found.high <= 1
    assert found.high > found.low
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)


@given(st.floats(0, 1), st.floats(0.1, 1000))
def test_more_items_are_never_less_sure(share: float, items: float) -> None:
    shares = np.array([share, share])
    low, high = bounds(shares, shares, np.array([items, items * 1.5]))
    assert high[1] - low[1] <= high[0] - low[0] + 1e-12
