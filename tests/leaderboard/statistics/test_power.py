"""What an exam can detect."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from openbook_eval.leaderboard.statistics.power import detectable, items_needed


# What calculators of R. J. Connor's formula print: powerandsamplesize.com (0.45 and 0.05 discordant), and
# clinicaltrials-tools.vercel.app (0.30 and 0.15).
@pytest.mark.parametrize(("one", "other", "items"), [(0.45, 0.05, 23), (0.3, 0.15, 155)])
def test_published_numbers_of_pairs(one: float, other: float, items: int) -> None:
    assert items_needed(one - other, one + other) == items


def test_what_the_exact_test_finds_is_what_was_promised() -> None:
    n = items_needed(0.03, 0.2)
    counts = np.random.default_rng(0).multinomial(n, [0.115, 0.085, 0.8], 4000)
    fewer, discordant = counts[:, :2].min(axis=1), counts[:, :2].sum(axis=1)
    p = np.minimum(2 * stats.binom.cdf(fewer, discordant, 0.5), 1)
    assert (n, (p < 0.05).mean()) == (1742, pytest.approx(0.8, abs=0.02))


def test_clusters_need_as_many_more_as_their_design_effect() -> None:
    assert items_needed(0.05, 0.2, design_effect=3) == pytest.approx(3 * items_needed(0.05, 0.2), abs=3)
    assert detectable(900, 0.2, design_effect=3) == pytest.approx(detectable(300, 0.2))


def test_too_few_items_detect_nothing() -> None:
    assert detectable(5, 0.1) is None
    assert detectable(0, 0.1) is None
    assert detectable(1000, 0.0) is None


@pytest.mark.parametrize(("difference", "discordance"), [(0.0, 0.2), (0.3, 0.2), (0.5, 1.5), (float("nan"), 0.2)])
def test_a_difference_above_the_discordance_cannot_be(difference: float, discordance: float) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        items_needed(difference, discordance)


DISCORDANCES = st.floats(0.01, 1)


@given(st.floats(0.001, 1), DISCORDANCES)
def test_the_items_needed_detect_the_difference_and_one_fewer_do_not(part: float, discordance: float) -> None:
    difference = part * discordance
    n = items_needed(difference, discordance)
    found, with_one_fewer = detectable(n, discordance), detectable(n - 1, discordance)
    assert found is not None
    assert found <= difference + 1e-9
    assert with_one_fewer is None or with_one_fewer >= difference - 1e-9


@given(st.integers(10, 20_000), st.integers(1, 1000), DISCORDANCES)
def test_more_items_detect_less_and_more_discordance_hides_more(n: int, more: int, discordance: float) -> None:
    found, with_more = detectable(n, discordance), detectable(n + more, discordance)
    assume(found is not None and with_more is not None)
    assert found is not None
    assert with_more is not None
    assert with_more < found
    hidden = detectable(n, min(1.0, discordance * 1.1))
    assert hidden is not None
    assert hidden >= found - 1e-9


@given(st.integers(100, 20_000), st.floats(0.05, 0.5), st.floats(0.5, 0.95))
def test_more_power_and_less_alpha_need_more(n: int, discordance: float, power: float) -> None:
    found, surer = detectable(n, discordance, power=power), detectable(n, discordance, power=power + 0.04)
    stricter = detectable(n, discordance, alpha=0.01, power=power)
    if surer is not None and stricter is not None:
        assert found is not None
        assert found < min(surer, stricter)
