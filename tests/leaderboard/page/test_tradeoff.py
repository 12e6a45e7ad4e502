"""Reading gain against knowledge, and the front of those that nobody dominates."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.leaderboard.page.plots.drawing import draw
from openbook_eval.leaderboard.page.plots.sittings import sittings
from openbook_eval.leaderboard.page.plots.tradeoff import Trade, front, gain_by_knowledge
from openbook_eval.results import ITEMS
from openbook_eval.types import SIX_EXAMS
from tests.leaderboard.page.boards import make_board, make_row, make_run

SHARE = st.integers(0, 4).map(lambda fifth: fifth / 4)


def trade(knowledge: float, gain: float, model: str = "m") -> Trade:
    return Trade(model, knowledge, None, None, gain, None, None, 10)


def dominates(one: Trade, other: Trade) -> bool:
    at_least = one.knowledge >= other.knowledge and one.gain >= other.gain
    return at_least and (one.knowledge, one.gain) != (other.knowledge, other.gain)


@settings(deadline=None)
@given(st.lists(st.builds(trade, SHARE, SHARE), max_size=8))
def test_on_the_front_are_those_that_nobody_dominates(trades: list[Trade]) -> None:
    expected = [one for one in trades if not any(dominates(other, one) for other in trades)]
    assert sorted(map(repr, front(trades))) == sorted(map(repr, expected))


def test_the_front_goes_by_rising_knowledge() -> None:
    high, middle, low = trade(0.2, 0.5), trade(0.4, 0.3), trade(0.6, 0.1)
    assert front([middle, low, high, trade(0.3, 0.3)]) == [high, middle, low]


def items(run: str, right: int) -> pl.DataFrame:
    """Ten questions of each exam, the first `right` of them answered right."""
    rows = [
        {"run": run, "id": f"{exam}-{n}", "exam": exam, "exam_class": "a", "correct": n < right}
        for exam in SIX_EXAMS
        for n in range(10)
    ]
    return pl.DataFrame(rows, schema=ITEMS)


def test_gain_is_the_share_right_with_the_book_less_that_without() -> None:
    boards = [make_board(make_row(make_run("m", condition))) for condition in ("openbook", "closedbook")]
    (group,) = sittings(boards)
    marks = {"m openbook": items("m openbook", 9), "m closedbook": items("m closedbook", 4)}
    figure = gain_by_knowledge(group, marks, "paper", "gain-paper")
    assert figure is not None
    (row,) = figure.rows
    model, knowledge, low, high, gain, gain_low, gain_high, questions, on_front = row
    assert (model, questions, on_front) == ("m", 60, "yes")
    assert knowledge == pytest.approx(0.4)
    assert gain == pytest.approx(0.5)
    assert low < 0.4 < high  # type: ignore[operator]
    assert gain_low < 0.5 < gain_high  # type: ignore[operator]
    assert draw(figure)["light"].startswith("<svg ")


def test_a_model_that_sat_one_of_both_is_left_out() -> None:
    (group,) = sittings([make_board(make_row(make_run("m", "openbook")))])
    assert gain_by_knowledge(group, {"m openbook": items("m openbook", 9)}, "paper", "gain-paper") is None


def test_runs_that_share_no_question_are_left_out() -> None:
    boards = [make_board(make_row(make_run("m", condition))) for condition in ("openbook", "closedbook")]
    marks = {"m openbook": items("m openbook", 9), "m closedbook": items("m closedbook", 4).clear()}
    assert gain_by_knowledge(sittings(boards)[0], marks, "paper", "gain-paper") is None
