"""Draws hang on names alone; shares are exact."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.sampling import apportion, apportion_sample, seeded_draw

WEIGHTS = st.fractions(0, 1000)


def test_a_draw_is_the_same_on_every_machine_and_names_are_not_run_together() -> None:
    assert seeded_draw(0, "order", "q1") == 3809299827073502049
    assert seeded_draw(1, "order", "q1") == 4871734353150762535
    assert seeded_draw(0, "ab", "c") != seeded_draw(0, "a", "bc")


@pytest.mark.parametrize(
    ("total", "sizes", "shares"),
    [
        (10, {"a": 53, "b": 28, "c": 19}, {"a": 5, "b": 3, "c": 2}),
        # Equal remainders go to the larger size, then to the earlier name.
        (3, {"a": 1, "b": 3}, {"a": 1, "b": 2}),
        (1, {"x": 2, "y": 2}, {"x": 1, "y": 0}),
        # More than there is gives all.
        (600, {"a": 5, "b": 7}, {"a": 5, "b": 7}),
    ],
)
def test_the_largest_remainders_are_rounded_up(total: int, sizes: dict[str, int], shares: dict[str, int]) -> None:
    assert apportion_sample(total, sizes) == shares


@given(st.integers(0, 5000), st.dictionaries(st.text(), st.integers(0, 2000), min_size=1))
def test_shares_add_up_and_exceed_no_size(total: int, sizes: dict[str, int]) -> None:
    dealt, whole = apportion_sample(total, sizes), sum(sizes.values())
    assert sum(dealt.values()) == min(total, whole)
    assert all(0 <= dealt[name] <= sizes[name] for name in sizes)
    # No share is a whole one away from its exact part.
    assert all(abs(dealt[name] - min(total, whole) * size / (whole or 1)) < 1 for name, size in sizes.items())


def test_portions_are_dealt_by_exact_fractions() -> None:
    assert apportion(10, {"a": Fraction("0.7"), "b": Fraction("0.3")}) == {"a": 7, "b": 3}
    assert apportion(1, {"a": Fraction(1, 3), "b": Fraction(2, 3)}) == {"a": 0, "b": 1}
    # More than the weights come to, unlike shares.
    assert apportion(10, {"a": 1, "b": 1}) == {"a": 5, "b": 5}


@given(st.integers(0, 10**9), st.dictionaries(st.text(), WEIGHTS, min_size=1).filter(lambda each: any(each.values())))
def test_portions_add_up_and_none_is_a_whole_one_away(total: int, weights: dict[str, Fraction]) -> None:
    dealt = apportion(total, weights)
    whole = sum(weights.values())
    assert sum(dealt.values()) == total
    assert all(abs(dealt[name] - total * weight / whole) < 1 for name, weight in weights.items())


@given(st.integers(0, 10**6), st.integers(0, 1000), WEIGHTS, WEIGHTS.filter(bool), WEIGHTS)
def test_between_two_a_larger_total_or_weight_never_means_less(
    total: int, more: int, first: Fraction, second: Fraction, heavier: Fraction
) -> None:
    dealt = apportion(total, {"a": first, "b": second})
    larger = apportion(total + more, {"a": first, "b": second})
    assert dealt["a"] <= larger["a"]
    assert dealt["b"] <= larger["b"]
    assert dealt["a"] <= apportion(total, {"a": first + heavier, "b": second})["a"]
