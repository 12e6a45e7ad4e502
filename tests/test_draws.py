"""Draws hang on names alone; shares are exact."""

from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.draws import draw, shares


def test_a_draw_is_the_same_on_every_machine() -> None:
    assert draw(0, "order", "q1") == 3809299827073502049
    assert draw(1, "order", "q1") == 4871734353150762535


def test_names_are_not_run_together() -> None:
    assert draw(0, "ab", "c") != draw(0, "a", "bc")


def test_the_largest_remainders_are_rounded_up() -> None:
    assert shares(10, {"a": 53, "b": 28, "c": 19}) == {"a": 5, "b": 3, "c": 2}


def test_equal_remainders_go_to_the_larger_size_then_to_the_earlier_name() -> None:
    assert shares(3, {"a": 1, "b": 3}) == {"a": 1, "b": 2}
    assert shares(1, {"x": 2, "y": 2}) == {"x": 1, "y": 0}


def test_more_than_there_is_gives_all() -> None:
    assert shares(600, {"a": 5, "b": 7}) == {"a": 5, "b": 7}


@given(st.integers(0, 5000), st.dictionaries(st.text(), st.integers(0, 2000), min_size=1))
def test_shares_add_up_and_exceed_no_size(total: int, sizes: dict[str, int]) -> None:
    dealt = shares(total, sizes)
    assert sum(dealt.values()) == min(total, sum(sizes.values()))
    assert all(0 <= dealt[name] <= sizes[name] for name in sizes)
    # No share is a whole one away from its exact part.
    assert all(
        abs(dealt[name] - min(total, sum(sizes.values())) * size / (sum(sizes.values()) or 1)) < 1
        for name, size in sizes.items()
    )
