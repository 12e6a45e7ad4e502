"""Boards: averages, ranks, what an exam can detect, and what is said below."""

from math import isnan

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.marks import Marks
from openbook_eval.leaderboard.standings import Board, Row, boards
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.types import SIX_EXAMS
from openbook_eval.window.truncation import Truncation
from tests.leaderboard.hand_made import first, make_taken

SIZES = dict(zip(SIX_EXAMS, (10, 10, 10, 10, 10, 50), strict=True))


def board(taken: Taken) -> Board:
    (only,) = boards(taken, draws=200)
    return only


def placed(row: Row) -> int | None:
    return row.rank.place if row.rank else None


def test_macro_is_the_plain_mean_of_six_and_micro_that_of_items() -> None:
    (row,) = board(make_taken({"a": first(10)}, sizes=SIZES)).rows
    assert [estimate.value for estimate in row.averages.exams] == [1, 1, 1, 1, 1, 0.2]
    assert row.averages.macro.value == pytest.approx(5.2 / 6)
    assert row.averages.micro.value == pytest.approx(0.6)


def test_the_best_stands_first_and_names_decide_between_equals() -> None:
    rows = board(make_taken({"low": first(2), "z": first(8), "a": first(8)})).rows
    assert [row.run.model for row in rows] == ["a", "z", "low"]
    assert [placed(row) for row in rows] == [1, 1, 3]


def test_runs_that_chance_could_exchange_share_a_place() -> None:
    rows = board(make_taken({"a": first(6), "b": lambda exam, place: place < 6 + (exam == "nursing")})).rows
    assert [(row.run.model, placed(row)) for row in rows] == [("b", 1), ("a", 1)]


def test_without_all_six_exams_there_is_no_average_and_the_rank_is_by_all_items() -> None:
    sizes = {"nursing": 10, "pharmacist": 30}
    own = board(make_taken({"a": first(10), "b": first(5)}, sizes=sizes))  # type: ignore[arg-type]
    assert own.exams == ("nursing", "pharmacist")
    assert all(isnan(row.averages.macro.value) and row.averages.macro.interval is None for row in own.rows)
    assert [row.averages.micro.value for row in own.rows] == [0.5, 0.25]
    assert [row.marks["correct_strict"] for row in own.rows] == [0.5, 0.25]
    assert own.notes == (
        "only nursing, pharmacist: no average of six exams; runs are ranked by the share of all items",
    )


def test_questions_without_a_label_are_shown_and_in_no_average() -> None:
    def right(exam: str, place: int) -> bool:
        return exam != "other" and place < 5

    with_others = board(make_taken({"a": right}, sizes={**dict.fromkeys(SIX_EXAMS, 10), "other": 100}))
    assert with_others.exams == (*SIX_EXAMS, "other")
    (row,) = with_others.rows
    assert (row.averages.exams[-1].value, row.averages.exams[-1].n) == (0.0, 100)
    assert [row.averages.macro.value, row.averages.micro.value] == pytest.approx([0.5, 0.5])
    assert (row.averages.macro.n, row.averages.micro.n) == (60, 60)
    assert row.marks["correct_strict"] == 0.5
    assert with_others.notes == ("questions without a label (other) stand beside the six exams and are in no average",)


def test_questions_without_a_label_alone_are_ranked_by_their_share() -> None:
    own = board(make_taken({"a": first(9), "b": first(30)}, sizes={"other": 60}))
    assert [(row.run.model, row.averages.micro.value, placed(row)) for row in own.rows] == [
        ("b", 0.5, 1), ("a", 0.15, 2)
    ]  # fmt: skip
    assert own.notes == ()


def test_marks_are_averaged_over_the_exams_that_have_them() -> None:
    taken = make_taken({"a": first(10)}, sizes=SIZES)
    (row,) = board(taken).rows
    assert row.marks["correct_strict"] == pytest.approx(5.2 / 6)
    assert row.marks["answered"] == 1.0
    assert (row.marks["abstained"], row.marks["partial_credit"]) == (None, None)


def test_an_item_without_a_response_is_neither_right_nor_wrong() -> None:
    (row,) = board(make_taken({"a": lambda _, place: None if place == 9 else place < 3})).rows
    assert row.averages.macro.value == pytest.approx(1 / 3)
    assert (row.averages.micro.n, row.asked) == (54, 60)


def test_a_run_with_items_that_got_no_response_has_no_rank_and_that_is_said() -> None:
    # Right on all that it answered, which is half.
    own = board(make_taken({"half": lambda _, place: True if place < 5 else None, "a": first(8), "b": first(2)}))
    assert [(row.run.model, placed(row)) for row in own.rows] == [("a", 1), ("b", 2), ("half", None)]
    assert own.rows[2].averages.macro.value == pytest.approx(1.0)
    assert own.notes == ("half: 30 of 60 items have no response; it has no rank, and its averages are of the others",)


def test_where_each_exam_is_one_group_any_place_may_be() -> None:
    rows = board(make_taken({"a": first(9), "b": first(5), "c": first(1)}, groups=10)).rows
    assert [row.averages.macro.interval for row in rows] == [None, None, None]
    assert [row.rank and (row.rank.place, row.rank.low, row.rank.high) for row in rows] == [(1, 1, 3)] * 3


def test_a_run_without_any_mark_of_an_exam_has_no_average_and_comes_last() -> None:
    taken = make_taken({"a": lambda exam, _: None if exam == "nursing" else True, "b": first(1)})
    rows = board(taken).rows
    assert [row.run.model for row in rows] == ["b", "a"]
    assert isnan(rows[1].averages.macro.value)
    assert rows[1].marks["correct_strict"] is None


def test_unlike_runs_are_never_on_one_board() -> None:
    taken = make_taken({"a": first(5), "b": first(5)}, changes={"b": {"entries_sha256": "0" * 64}})
    assert [[row.run.model for row in each.rows] for each in boards(taken, draws=100)] == [["a"], ["b"]]


def test_a_run_whose_items_are_not_those_it_says_is_refused() -> None:
    taken = make_taken({"a": first(5)})
    forged = make_taken({"b": first(5)}, sizes={**dict.fromkeys(SIX_EXAMS, 10), "nursing": 11}, id="forged")
    both = Taken((*taken.runs, *forged.runs), taken.items.vstack(forged.items), ())
    with pytest.raises(OpenbookError, match="b says that it was asked what a was, but its items are others"):
        boards(both, draws=100)


def test_items_that_share_a_book_make_intervals_longer() -> None:
    # Whole books right or wrong: of 60 items as much is known as of 12 books.
    def right(_: str, place: int) -> bool:
        return place // 5 % 2 == 0

    def width(groups: int | None) -> float:
        (row,) = board(make_taken({"a": right}, sizes=60, groups=groups)).rows
        assert row.averages.macro.interval
        return row.averages.macro.interval.high - row.averages.macro.interval.low

    assert width(5) > 1.8 * width(None)


def test_each_item_can_be_taken_by_itself_and_classes_as_a_whole() -> None:
    taken = make_taken({"a": first(30)}, sizes=60, groups=5)
    marks = Marks.of(taken.runs, taken.items)
    clusters = {cluster: len(set(marks.design(cluster).clusters)) for cluster in ("auto", "item", "class")}
    assert clusters == {"auto": 6 * 12, "item": 6 * 60, "class": 6 * 2}
    assert len(set(marks.design("class").strata)) == 6
    assert len(set(marks.design("auto").strata)) == 12


def test_the_detectable_difference_is_what_the_formula_gives_for_the_discordance() -> None:
    # Of 600 items 60 are right in one run only, 30 in each: discordance 0.1, difference 0.
    taken = make_taken({"a": lambda _, place: place < 5, "b": lambda _, place: 5 <= place < 10}, sizes=100)
    (own,) = boards(taken, draws=10_000)
    # (1.96 sqrt(0.1) + 0.842 sqrt(0.1 - d^2))^2 / d^2 is 600 at d = 0.0360, and 7,846 at d = 0.01.
    assert own.detectable == pytest.approx(0.0360, rel=0.02)
    assert own.items_for_a_point == pytest.approx(7846, rel=0.04)


def test_items_that_share_a_book_detect_less() -> None:
    # Whole books of ten flip: as much is known as of a tenth of the items.
    def a(_: str, place: int) -> bool:
        return place // 10 % 4 == 0

    def b(_: str, place: int) -> bool:
        return place // 10 % 4 == 1

    alone, shared = (
        boards(make_taken({"a": a, "b": b}, sizes=400, groups=groups), draws=5_000)[0] for groups in (None, 10)
    )
    assert alone.items_for_a_point
    assert shared.items_for_a_point == pytest.approx(10 * alone.items_for_a_point, rel=0.1)


def test_one_run_alone_detects_nothing() -> None:
    own = board(make_taken({"a": first(5)}))
    assert (own.detectable, own.items_for_a_point) == (None, None)


def test_runs_with_the_same_marks_detect_nothing() -> None:
    assert board(make_taken({"a": first(5), "b": first(5)})).detectable is None


def test_what_keeps_a_run_from_being_whole_is_said() -> None:
    taken = make_taken(
        {"a": first(5), "b": first(5), "c": first(5), "d": lambda _, place: None if place == 9 else place < 5},
        limited=True,
        changes={
            "a": {"truncation": Truncation(True, None, 60, 7, 2000, 1536)},
            "b": {"truncation": Truncation.unchecked("no tokenizer")},
            "c": {"truncation": Truncation.unchecked("no tokenizer")},
            "d": {"gaps": "6 of 60 questions of the run not answered (6 timeout) and not marked: run again"},
        },
    )
    assert board(taken).notes == (
        "taken with --limit: not all questions were asked",
        "TRUNCATED: a: 7 of 60 prompts did not reach the model whole",
        "d: 6 of 60 items have no response (6 of 60 questions of the run not answered (6 timeout) and not marked: run "
        "again); it has no rank, and its averages are of the others",
        "not checked for truncation (no tokenizer): b, c",
    )


def test_the_same_runs_make_the_same_board() -> None:
    taken = make_taken({"a": first(5), "b": first(6)})
    shuffled = Taken(taken.runs, taken.items.sample(fraction=1.0, shuffle=True, seed=1), ())
    assert board(taken) == board(shuffled)
