"""Two runs on the same items: paired differences, and the items that flipped."""

from dataclasses import replace
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.comparing import Comparison, Counts, Flip, alike, compare, together
from openbook_eval.leaderboard.sheets import verdict
from openbook_eval.leaderboard.statistics.paired import MCNEMAR, T_TEST
from openbook_eval.leaderboard.statistics.values import Interval
from openbook_eval.types import SIX_EXAMS
from openbook_eval.window.truncation import Truncation
from tests.leaderboard.hand_made import Mark, first, make_taken


def compared(a: Mark, b: Mark, **shape: Any) -> Comparison:
    taken = make_taken({"a": a, "b": b}, **shape)
    return compare(taken, *taken.runs, draws=200)


def test_differences_are_a_less_b() -> None:
    found = compared(first(8), lambda exam, place: place < (5 if exam == "nursing" else 8))
    assert [round(each.estimate.value, 9) for each in found.of_exams] == [0, 0.3, 0, 0, 0, 0]
    assert (found.of_exams[1].a, found.of_exams[1].b) == (0.8, 0.5)
    assert found.macro
    assert [found.macro.a, found.macro.b] == pytest.approx([0.8, 0.75])
    assert found.macro.estimate.value == pytest.approx(0.05)
    assert found.micro.estimate.value == pytest.approx(3 / 60)


def test_items_that_stand_for_themselves_have_the_exact_mcnemar_test() -> None:
    # 6 to 0 discordant in one exam: 2 / 2^6.
    found = compared(first(8), lambda exam, place: place < (2 if exam == "nursing" else 8))
    assert found.test == MCNEMAR
    assert found.of_exams[1].p == pytest.approx(2 / 2**6)
    assert found.of_exams[0].p == 1.0


def test_p_is_corrected_over_the_exams() -> None:
    found = compared(first(8), lambda exam, place: place < (2 if exam == "nursing" else 8))
    assert [each.adjusted for each in found.of_exams] == [1.0, pytest.approx(6 * 2 / 2**6), 1.0, 1.0, 1.0, 1.0]
    assert found.micro.adjusted is None


def test_items_that_share_a_book_are_tested_by_books() -> None:
    assert compared(first(8), first(5), sizes=20, groups=5).test == T_TEST


def test_counts_are_of_items() -> None:
    found = compared(first(6), lambda _, place: None if place == 9 else place in (0, 1, 7))
    assert found.counts == Counts(both=12, only_a=24, only_b=6, neither=12, missing=6)


def test_flipped_items_tell_both_readings_in_the_order_of_exams() -> None:
    found = compared(
        lambda exam, place: (exam, place) == ("nursing", 3), lambda exam, place: (exam, place) == ("physician", 4)
    )
    assert found.flipped == (
        Flip("physician-004", "physician", "class 0", "A", "B", "A", False, True),
        Flip("nursing-003", "nursing", "class 1", "A", "A", "B", True, False),
    )


def no_response(*_: object) -> None:
    """Of any item."""


def test_an_item_without_a_response_has_not_flipped() -> None:
    assert compared(first(10), no_response).flipped == ()


def test_without_all_six_exams_all_items_decide() -> None:
    found = compared(first(8), first(2), sizes={"nursing": 10, "pharmacist": 30})
    assert found.macro is None
    assert found.overall.estimate.value == pytest.approx(12 / 40)
    assert [name for name, _ in found.differences()] == ["nursing", "pharmacist", "all items"]


def test_questions_without_a_label_are_compared_and_in_no_average() -> None:
    found = compared(
        first(5), lambda exam, place: exam != "other" and place < 5, sizes={**dict.fromkeys(SIX_EXAMS, 10), "other": 8}
    )
    assert found.of_exams[-1].estimate.value == pytest.approx(5 / 8)
    assert found.micro.estimate.value == 0
    assert (found.counts.both, found.counts.neither) == (30, 30)
    assert len(found.flipped) == 5


@pytest.mark.parametrize(
    ("b", "words"),
    [
        (first(2), "A is better by 60.0 points ("),
        (first(10), "B is better by 20.0 points ("),
        (first(8), "no difference that this exam can tell: +0.0 points ("),
    ],
)
def test_who_does_better_is_said_in_words(b: Mark, words: str) -> None:
    assert verdict(compared(first(8), b)).startswith(words)


def test_a_better_run_is_surely_so_and_its_interval_is_told_from_its_side() -> None:
    said = verdict(compared(first(2), first(8)))
    low, high = (float(part) for part in said.partition("(")[2].partition(")")[0].split(" to "))
    assert said.endswith("surely")
    assert 0 < low < 60 < high


def test_nothing_is_sure_whose_interval_holds_zero() -> None:
    found = compared(first(8), first(2))
    assert found.macro
    assert found.macro.p < 0.05
    estimate = replace(found.macro.estimate, interval=Interval(-0.001, 0.9))
    unsure = replace(found, macro=replace(found.macro, estimate=estimate))
    assert verdict(unsure).startswith("no difference that this exam can tell: +60.0 points (-0.1 to +90.0)")


def test_one_item_tells_nothing() -> None:
    assert verdict(compared(first(1), first(0), sizes={"nursing": 1})).startswith("too little to tell")


def test_exams_of_one_group_each_tell_nothing_however_far_apart() -> None:
    found = compared(first(10), first(1), groups=10)
    assert found.macro
    assert found.macro.estimate.value == pytest.approx(0.9)
    assert found.macro.estimate.interval is None
    assert verdict(found).startswith("too little to tell")


def test_unlike_runs_are_refused_with_the_reasons() -> None:
    taken = make_taken({"a": first(5), "b": first(5)}, changes={"b": {"shots": 5, "task_version": "2.0"}})
    with pytest.raises(OpenbookError) as caught:
        compare(taken, *taken.runs)
    assert str(caught.value) == (
        "b cannot be compared with a, openbook: task version 2.0 instead of paper 1.0; "
        "shows 5 examples instead of 0 (--num_fewshot); run them alike"
    )


def test_a_run_is_not_compared_with_itself() -> None:
    taken = make_taken({"a": first(5)})
    with pytest.raises(OpenbookError, match="one run cannot be compared with itself"):
        compare(taken, taken.runs[0], taken.runs[0])


def test_sides_meet_where_they_are_alike() -> None:
    changes = {"a": {"entries_sha256": "0" * 64}, "a again": {"model": "a"}}
    one = make_taken({"a": first(5), "a again": first(5)}, changes=changes).runs
    other = make_taken({"b": first(5)}, id="run of b").runs
    assert [(a.id, b.id) for a, b in alike(one, other)[0]] == [("run 1", "run of b")]


def test_each_condition_of_both_sides_is_compared() -> None:
    closed = {"condition": "closedbook"}
    one = make_taken({"a": first(5), "a closed": first(5), "a ranked": first(5)}, changes={
        "a closed": closed | {"model": "a"}, "a ranked": {"condition": "openbook_ranked", "model": "a"},
    }).runs  # fmt: skip
    other = make_taken({"b": first(5), "b closed": first(5)}, changes={"b closed": closed | {"model": "b"}}).runs
    assert [a.condition for a, _ in alike(one, other)[0]] == ["openbook", "closedbook"]


def test_a_condition_that_cannot_be_compared_stops_no_other_and_is_told() -> None:
    one = make_taken({"a": first(5), "a closed": first(5), "a ranked": first(5)}, changes={
        "a closed": {"condition": "closedbook", "model": "a", "shots": 5},
        "a ranked": {"condition": "openbook_ranked", "model": "a"},
    }).runs  # fmt: skip
    closed = {"condition": "closedbook", "model": "b"}
    other = make_taken({"b": first(5), "b closed": first(5)}, changes={"b closed": closed}).runs
    pairs, left_out = alike(one, other)
    assert [a.condition for a, _ in pairs] == ["openbook"]
    assert left_out == [
        "b cannot be compared with a, closedbook: shows 0 examples instead of 5 (--num_fewshot); run them alike",
        "openbook_ranked: only A has it",
    ]


def test_what_a_board_would_say_of_its_runs_a_comparison_says_too() -> None:
    taken = make_taken({"a": first(5), "b": first(4)}, limited=True, changes={
        "b": {"truncation": Truncation(True, None, 60, 7, 2000, 1536)},
    })  # fmt: skip
    notes = compare(taken, *taken.runs, draws=100).notes
    assert notes == (
        "taken with --limit: not all questions were asked",
        "TRUNCATED: b: 7 of 60 prompts did not reach the model whole",
    )


@pytest.mark.parametrize(
    ("models", "changes", "message"),
    [
        (("b", "c"), {}, "b, c: several models, openbook; name a file of one, or a model and --among"),
        (("b",), {"b": {"shots": 5}}, "b cannot be compared with a, openbook: shows 5 examples instead of 0"),
        (("b",), {"b": {"condition": "closedbook"}}, "no condition in common: openbook and closedbook"),
    ],
)
def test_sides_that_do_not_meet_say_why(models: tuple[str, ...], changes: Any, message: str) -> None:
    other = make_taken(dict.fromkeys(models, first(5)), changes=changes).runs
    with pytest.raises(OpenbookError) as caught:
        alike(make_taken({"a": first(5)}).runs, other)
    assert message in str(caught.value)


def test_a_run_on_both_sides_is_there_once() -> None:
    taken = make_taken({"a": first(5), "b": first(4)})
    both = together(replace(taken, runs=taken.runs[:1]), taken)
    assert (both.runs, both.refused) == (taken.runs, ())
    assert both.items.height == taken.items.height
    assert compare(both, *both.runs, draws=100).counts.only_a == 6


def test_an_error_shows_no_sign_that_moves_the_cursor() -> None:
    taken = make_taken({"a": first(5), "b\x1b[31m": first(5)}, changes={"b\x1b[31m": {"shots": 5}})
    with pytest.raises(OpenbookError, match=r"b\ufffd\[31m cannot be compared with a"):
        compare(taken, *taken.runs)
