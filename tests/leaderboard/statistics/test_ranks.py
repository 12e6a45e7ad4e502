"""Places that are shared where runs cannot be told apart."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.leaderboard.statistics.paired import p_of_pairs
from openbook_eval.leaderboard.statistics.ranks import Rank, ranks
from openbook_eval.leaderboard.statistics.resampling import averages, draw, macro_draws
from openbook_eval.leaderboard.statistics.values import Numbers
from tests.leaderboard.statistics.designs import alone, six_exams


def of(marks: Numbers, draws: int = 500) -> list[Rank]:
    design = alone(six_exams(marks.shape[1]))
    drawn = draw(design, draws)
    macro = np.array([run.macro.value for run in averages(marks, design, drawn)])
    return ranks(macro, macro_draws(marks, design, drawn), p_of_pairs(marks, design))


def shares(*of_runs: float, n: int = 3000) -> Numbers:
    return (np.random.default_rng(0).random((len(of_runs), n)) < np.array(of_runs)[:, None]).astype(np.float64)


def test_runs_far_apart_have_places_of_their_own() -> None:
    assert of(shares(0.5, 0.9, 0.7)) == [Rank(3, 3, 3), Rank(1, 1, 1), Rank(2, 2, 2)]


def test_runs_that_cannot_be_told_apart_share_a_place() -> None:
    found = of(shares(0.7, 0.7, 0.5, 0.9))
    assert [rank.place for rank in found] == [2, 2, 4, 1]
    assert {(rank.low, rank.high) for rank in found[:2]} == {(2, 3)}


def test_the_same_marks_tie_in_every_draw() -> None:
    one, other = shares(0.7, 0.9)
    assert of(np.stack([one, other, one, one])) == [Rank(2, 2, 2), Rank(1, 1, 1), Rank(2, 2, 2), Rank(2, 2, 2)]


def test_a_place_counts_the_runs_that_are_surely_better() -> None:
    macro, p = np.array([0.9, 0.8, 0.7]), np.array([[1, 0.03, 0.01], [0.03, 1, 0.5], [0.01, 0.5, 1]])
    # Of three pairs 0.01 is corrected to 0.03, 0.03 to 0.06.
    assert [rank.place for rank in ranks(macro, macro[None, :], p)] == [1, 1, 2]


def test_the_range_over_the_draws_holds_the_place() -> None:
    macro, p = np.array([0.9, 0.8]), np.full((2, 2), 0.5)
    assert ranks(macro, np.repeat(macro[None, :], 10, axis=0), p) == [Rank(1, 1, 1), Rank(1, 1, 2)]


def test_without_p_the_average_alone_decides() -> None:
    macro = np.array([0.7, 0.9, 0.7])
    assert ranks(macro, macro[None, :]) == [Rank(2, 2, 2), Rank(1, 1, 1), Rank(2, 2, 2)]


def test_a_run_without_average_comes_last_and_is_surely_no_worse_than_any() -> None:
    macro = np.array([np.nan, 0.5])
    assert ranks(macro, macro[None, :], np.array([[1, np.nan], [np.nan, 1]])) == [Rank(1, 1, 2), Rank(1, 1, 1)]
    assert ranks(macro, macro[None, :]) == [Rank(2, 2, 2), Rank(1, 1, 1)]


def test_one_run_alone_is_first() -> None:
    assert ranks(np.array([0.5]), np.array([[0.5]]), np.ones((1, 1))) == [Rank(1, 1, 1)]


def test_of_equal_runs_one_is_called_better_on_no_more_than_5_boards_in_100() -> None:
    generator = np.random.default_rng(3)
    design = alone(six_exams(400))
    wrong = 0
    for _ in range(1000):
        marks = (generator.random((6, 400)) < np.where(generator.random(400) < 0.5, 0.5, 0.9)).astype(np.float64)
        # Holm calls one pair sure where the least p of the fifteen passes Bonferroni's bound.
        wrong += p_of_pairs(marks, design).min() < 0.05 / 15
    assert 0.02 < wrong / 1000 < 0.05


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_order_of_runs_does_not_matter(macro: list[float]) -> None:
    values = np.array(macro)
    generator = np.random.default_rng(len(macro))
    drawn = values + generator.normal(0, 0.05, (50, len(values)))
    upper = np.triu(generator.random((len(values), len(values))) ** 6, 1)
    p = upper + upper.T + np.eye(len(values))
    order = generator.permutation(len(values))
    found, other = ranks(values, drawn, p), ranks(values[order], drawn[:, order], p[np.ix_(order, order)])
    assert [found[place] for place in order] == other
    assert all(1 <= rank.low <= rank.place <= rank.high <= len(values) for rank in found)
