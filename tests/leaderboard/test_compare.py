"""Two runs on the same items: paired differences, what is concluded, and the items that flipped."""

import re
from dataclasses import replace
from typing import Any

import pytest

from openbook_eval.baselines import Baseline, Reference
from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.board import Comparison, comparable_pairs, compare, together
from openbook_eval.leaderboard.export import conclusion
from openbook_eval.leaderboard.stats import MCNEMAR, Interval
from openbook_eval.models.context_window import Truncation
from openbook_eval.types import SIX_EXAMS
from tests.leaderboard.hand_made import Outcome, first, make_runs


def compared(a: Outcome, b: Outcome, **shape: Any) -> Comparison:
    runs = make_runs({"a": a, "b": b}, **shape)
    return compare(runs, *runs.runs)


def test_differences_are_a_less_b_and_p_is_corrected_over_the_exams() -> None:
    found = compared(first(8), lambda exam, place: place < (2 if exam == "nursing" else 8))
    *exams, average, of_all = found.differences.values()
    assert list(found.differences) == [*SIX_EXAMS, "average", "all items"]
    assert [round(each.estimate.value, 9) for each in exams] == [0, 0.6, 0, 0, 0, 0]
    assert (exams[1].a, exams[1].b) == (0.8, 0.2)
    assert [average.a, average.b, average.estimate.value] == pytest.approx([0.8, 0.7, 0.1])
    assert of_all.estimate.value == pytest.approx(6 / 60)
    # 6 to 0 discordant in one exam: 2 / 2^6.
    assert found.test == MCNEMAR
    assert [each.p for each in exams[:2]] == [1.0, pytest.approx(2 / 2**6)]
    assert [each.adjusted for each in exams] == [1.0, pytest.approx(6 * 2 / 2**6), 1.0, 1.0, 1.0, 1.0]
    assert of_all.adjusted is None


def test_flipped_items_show_both_choices_in_the_order_of_exams() -> None:
    found = compared(
        lambda exam, place: (exam, place) == ("nursing", 3), lambda exam, place: (exam, place) == ("physician", 4)
    )
    assert found.flipped.select("id", "right", "^[ab]_.*$").rows() == [
        ("physician-004", "A", "B", "A", False, True),
        ("nursing-003", "A", "A", "B", True, False),
    ]
    # An item without a response has not flipped.
    assert compared(first(10), lambda *_: None).flipped.is_empty()


def test_questions_without_a_label_are_compared_and_in_no_average() -> None:
    sizes = {**dict.fromkeys(SIX_EXAMS, 10), "other": 8}
    found = compared(first(5), lambda exam, place: exam != "other" and place < 5, sizes=sizes)
    assert found.differences["other"].estimate.value == pytest.approx(5 / 8)
    assert found.differences["all items"].estimate.value == 0
    assert (found.counts["both"], found.counts["neither"], found.flipped.height) == (30, 30, 5)


@pytest.mark.parametrize(
    ("b", "words"),
    [
        (first(2), r"A is better by 60\.0 points \(4\d\.\d to 7\d\.\d\), surely"),
        (first(10), r"B is better by 20\.0 points \(\d\.\d to 3\d\.\d\), surely"),
        (first(8), r"no difference that this exam can tell: \+0\.0 points \(-.*"),
    ],
)
def test_who_does_better_is_said_in_words(b: Outcome, words: str) -> None:
    assert re.fullmatch(words, conclusion(compared(first(8), b)))


def test_nothing_is_sure_whose_interval_holds_zero() -> None:
    found = compared(first(8), first(2))
    assert found.overall.p < 0.05
    average = replace(found.overall, estimate=replace(found.overall.estimate, interval=Interval(-0.001, 0.9)))
    unsure = replace(found, differences={"average": average, "all items": average})
    assert conclusion(unsure).startswith("no difference that this exam can tell: +60.0 points (-0.1 to +90.0)")


@pytest.mark.parametrize(
    ("answered", "b", "words", "extremes"),
    [
        (16, lambda _, place: not 8 <= place < 16, "not sure: .* better by 50.0 points", [-0.4, 0.2]),
        (28, lambda _, place: place >= 8, "not sure: .* better by 28.6 points", [-0.1, 0.2]),
        (38, first(8), "A is better by 78.9 points (72.8 to 83.7), surely", [0.75, 0.8]),
    ],
)
def test_nothing_is_sure_that_the_missing_answers_could_turn(
    answered: int, b: Outcome, words: str, extremes: list[float]
) -> None:
    # A is right wherever it answers; in the first case B has 80 % of all.
    found = compared(lambda _, place: True if place < answered else None, b, sizes=40)
    assert found.counts["missing"] == 6 * (40 - answered)
    assert re.match(re.escape(words).replace(r"\.\*", ".*"), conclusion(found))
    assert [case.estimate.value for case in found.extremes] == pytest.approx(extremes)


def test_one_item_and_exams_of_one_group_tell_nothing_however_far_apart() -> None:
    assert conclusion(compared(first(1), first(0), sizes={"nursing": 1})).startswith("too little to tell")
    found = compared(first(10), first(1), groups=10)
    assert found.overall.estimate.value == pytest.approx(0.9)
    assert found.overall.estimate.interval is None
    assert conclusion(found).startswith("too little to tell")


def test_runs_that_are_not_comparable_are_refused_with_the_reasons() -> None:
    runs = make_runs({"a": first(5), "b\x1b[31m": first(5)}, changes={"b\x1b[31m": {"shots": 5, "task_version": "2.0"}})
    with pytest.raises(OpenbookError) as caught:
        compare(runs, *runs.runs)
    assert str(caught.value) == (
        r"b\x1b[31m cannot be compared with a, openbook: task version 2.0 instead of 1.0; "
        "shows 5 examples instead of 0 (--num_fewshot); run them with the same settings"
    )
    with pytest.raises(OpenbookError, match="one run cannot be compared with itself"):
        compare(runs, runs.runs[0], runs.runs[0])


@pytest.mark.parametrize(
    ("models", "changes", "message"),
    [
        (("b", "c"), {}, "b, c: several models, openbook; name a file of one, or a model and --among"),
        (("b",), {"b": {"shots": 5}}, "b cannot be compared with a, openbook: shows 5 examples instead of 0"),
        (("b",), {"b": {"condition": "closedbook"}}, "no condition in common: openbook and closedbook"),
    ],
)
def test_sides_that_do_not_meet_say_why(models: tuple[str, ...], changes: Any, message: str) -> None:
    other = make_runs(dict.fromkeys(models, first(5)), changes=changes).runs
    with pytest.raises(OpenbookError) as caught:
        comparable_pairs(make_runs({"a": first(5)}).runs, other)
    assert message in str(caught.value)


def test_what_a_board_would_say_of_its_runs_a_comparison_says_too() -> None:
    reader = Reference((Baseline("chance", {}, 0.25, None),))
    cut = {"b": {"truncation": Truncation(True, None, 60, 7, 2000, 1536)}, "a": {"reference": reader}}
    assert compared(first(5), first(4), limited=True, changes=cut).notes == (
        "taken with --limit: not all questions were asked",
        "TRUNCATED: 7 of 60 prompts did not reach the model whole: b",
        "without understanding: chance: 25.0",
    )


def test_runs_that_differ_in_settings_alone_can_be_compared_across_them() -> None:
    runs = make_runs({"a": first(5), "b": first(5)}, changes={"b": {"settings": {"temperature": "0.7"}}})
    with pytest.raises(OpenbookError, match=r"temperature 0\.7 instead of not set; say --across settings to comp"):
        compare(runs, *runs.runs)
    across = runs.across_settings()
    assert compare(across, *across.runs).overall.estimate.value == 0.0


def test_a_run_on_both_sides_is_there_once() -> None:
    runs = make_runs({"a": first(5), "b": first(4)})
    both = together(replace(runs, runs=runs.runs[:1]), runs)
    assert (both.runs, both.refused, both.items.height) == (runs.runs, (), runs.items.height)
    assert compare(both, *both.runs).counts["only_a"] == 6


def test_sides_have_the_items_of_their_own_runs_and_names_that_tell_them_apart() -> None:
    runs = make_runs({"a": first(5), "b": first(4), "c": first(3)}, changes={"b": {"model": "a", "date": "2027"}})
    both = together(replace(runs, runs=runs.runs[:1]), replace(runs, runs=runs.runs[1:2]))
    assert [run.model for run in both.runs] == ["a (2026-01-02T03-04-05)", "a (2027)"]
    assert both.items["run"].unique(maintain_order=True).to_list() == [run.id for run in runs.runs[:2]]
