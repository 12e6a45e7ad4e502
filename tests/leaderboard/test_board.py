"""Boards: averages, ranks, what an exam can detect, and what is said below."""

from math import isnan

import pytest

from openbook_eval.baselines import Baseline, Reference
from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.board import Board, Row, ScoreTable, apart_by_settings, boards
from openbook_eval.leaderboard.export import board_sheet
from openbook_eval.models.context_window import Truncation
from openbook_eval.results import Runs
from openbook_eval.types import SIX_EXAMS
from tests.leaderboard.hand_made import first, make_runs

SIZES = dict(zip(SIX_EXAMS, (10, 10, 10, 10, 10, 50), strict=True))


def board(runs: Runs) -> Board:
    (only,) = boards(runs)
    return only


def placed(row: Row) -> int | None:
    return row.rank.place if row.rank else None


def test_macro_is_the_plain_mean_of_six_as_of_other_metrics_and_micro_that_of_items() -> None:
    (row,) = board(make_runs({"a": first(10)}, sizes=SIZES)).rows
    assert [estimate.value for estimate in row.averages.exams] == [1, 1, 1, 1, 1, 0.2]
    assert row.averages.macro.value == pytest.approx(5.2 / 6)
    assert row.averages.micro.value == pytest.approx(0.6)
    assert row.metrics["correct_strict"] == pytest.approx(5.2 / 6)
    assert (row.metrics["answered"], row.metrics["abstained"], row.metrics["partial_credit"]) == (1.0, None, None)


def test_the_best_stands_first_names_decide_between_equals_and_runs_that_chance_could_exchange_share_a_place() -> None:
    models = {"low": first(1), "z": first(6), "a": first(6), "b": lambda exam, place: place < 6 + (exam == "nursing")}
    own = board(make_runs(models))
    assert [(row.run.model, placed(row)) for row in own.rows] == [("b", 1), ("a", 1), ("z", 1), ("low", 4)]
    assert [row[0] for row in board_sheet(own).rows] == ["1-3", "1-3", "1-3", "4"]


def test_without_all_six_exams_there_is_no_average_and_the_rank_is_by_all_items() -> None:
    own = board(make_runs({"a": first(10), "b": first(5)}, sizes={"nursing": 10, "pharmacist": 30}))
    assert own.exams == ("nursing", "pharmacist")
    assert all(isnan(row.averages.macro.value) and row.averages.macro.interval is None for row in own.rows)
    assert [row.averages.micro.value for row in own.rows] == [0.5, 0.25]
    assert [row.metrics["correct_strict"] for row in own.rows] == [0.5, 0.25]
    assert own.notes == (
        "only nursing, pharmacist: no average of six exams; runs are ranked by the share of all items",
    )
    assert board_sheet(own).heads[:6] == ["rank", "model", "nursing", "pharmacist", "all items", "95 % interval"]


def test_questions_without_a_label_are_shown_and_in_no_average() -> None:
    own = board(
        make_runs(
            {"a": lambda exam, place: exam != "other" and place < 5},
            sizes={**dict.fromkeys(SIX_EXAMS, 10), "other": 100},
        )
    )
    (row,) = own.rows
    assert own.exams == (*SIX_EXAMS, "other")
    assert (row.averages.exams[-1].value, row.averages.exams[-1].n) == (0.0, 100)
    assert [row.averages.macro.value, row.averages.micro.value] == pytest.approx([0.5, 0.5])
    assert (row.averages.macro.n, row.averages.micro.n, row.metrics["correct_strict"]) == (60, 60, 0.5)
    assert own.notes == ("questions without a label (other) stand beside the six exams and are in no average",)


def test_a_run_with_items_that_got_no_response_has_no_rank_and_that_is_said() -> None:
    # Right on all that it answered, which is half.
    own = board(make_runs({"half": lambda _, place: True if place < 5 else None, "a": first(8), "b": first(2)}))
    assert [(row.run.model, placed(row)) for row in own.rows] == [("a", 1), ("b", 2), ("half", None)]
    assert own.rows[2].averages.macro.value == pytest.approx(1.0)
    assert own.rows[2].averages.micro.n == 30
    assert own.notes == ("half: 30 of 60 items have no response; it has no rank, and its averages are of the others",)


def test_a_run_whose_items_are_not_those_it_says_is_refused() -> None:
    runs = make_runs({"a": first(5)})
    forged = make_runs({"b": first(5)}, sizes={**dict.fromkeys(SIX_EXAMS, 10), "nursing": 11}, id="forged")
    with pytest.raises(OpenbookError, match="b says that it was asked what a was, but its items are others"):
        boards(Runs((*runs.runs, *forged.runs), runs.items.vstack(forged.items)))


def test_each_item_can_be_drawn_by_itself_and_classes_as_a_whole() -> None:
    runs = make_runs({"a": first(30)}, sizes=60, groups=5)
    table = ScoreTable.of(runs.runs, runs.items)
    designs = {cluster: table.design(cluster) for cluster in ("auto", "item", "class")}
    clusters = {cluster: len(set(zip(d.exams, d.clusters, strict=True))) for cluster, d in designs.items()}
    assert clusters == {"auto": 6 * 12, "item": 6 * 60, "class": 6 * 2}
    assert [len(set(designs[cluster].strata)) for cluster in ("auto", "class")] == [2, 1]


def test_the_detectable_difference_is_what_the_formula_gives_for_the_discordance() -> None:
    # Of 600 items 60 are right in one run only, 30 in each: discordance 0.1, difference 0.
    own = board(make_runs({"a": lambda _, place: place < 5, "b": lambda _, place: 5 <= place < 10}, sizes=100))
    assert own.detectable == pytest.approx((1.96 + 0.842) * (0.1 / 600) ** 0.5, rel=0.001)
    assert own.items_for_a_point == pytest.approx(7849, rel=0.001)


def test_what_keeps_a_run_from_being_whole_is_said() -> None:
    runs = make_runs(
        {"a": first(5), "b": first(5), "c": first(5), "d": lambda _, place: None if place == 9 else place < 5},
        limited=True,
        changes={
            "a": {"truncation": Truncation(True, None, 60, 7, 2000, 1536)},
            "b": {"truncation": Truncation.unchecked("no tokenizer")},
            "c": {"truncation": Truncation.unchecked("no tokenizer")},
            "d": {"gaps": "6 of 60 questions not answered (6 timeout): run again"},
        },
    )
    own = board(runs)
    assert own.notes == (
        "taken with --limit: not all questions were asked",
        "TRUNCATED: 7 of 60 prompts did not reach the model whole: a",
        "not checked for truncation (no tokenizer): b, c",
        "d: 6 of 60 items have no response (6 of 60 questions not answered (6 timeout): run again); it has no rank, "
        "and its averages are of the others",
    )
    assert {"a (TRUNCATED)", "d (INCOMPLETE)"} < {row[1] for row in board_sheet(own).rows}


def test_exams_of_one_book_have_no_interval_and_what_to_do_is_said() -> None:
    runs = make_runs({"a": first(5)}, groups=10)
    own = board(runs)
    assert own.rows[0].overall.interval is None
    assert own.notes[0] == (
        f"no interval can be had: the items of {', '.join(SIX_EXAMS)} share one book; --cluster item takes each "
        "as drawn alone"
    )
    (by_item,) = boards(runs, cluster="item")
    assert by_item.rows[0].overall.interval is not None
    assert by_item.notes == board(make_runs({"a": first(5)}, groups=5)).notes == ()


def test_the_only_item_of_an_exam_shares_no_book() -> None:
    sizes = dict(zip(SIX_EXAMS, (1, 10, 10, 10, 10, 10), strict=True))
    assert board(make_runs({"a": first(5)}, sizes=sizes)).notes == ()


def test_of_runs_without_a_rank_those_without_any_score_stand_last() -> None:
    runs = make_runs({"a": lambda *_: None, "b": lambda _, place: None if place else False, "c": first(0)})
    assert [row.run.model for row in board(runs).rows] == ["c", "b", "a"]


def test_all_settings_that_differ_on_one_board_are_said() -> None:
    changes = {"a": {"settings": {"engine": "hf", "temperature": "0"}}, "b": {"settings": {"engine": "vllm"}}}
    runs = make_runs({"a": first(5), "b": first(5)}, changes=changes)
    assert board(runs.across_settings()).notes == (
        "asked with engine hf: a",
        "asked with engine vllm: b",
        "asked with temperature 0: a",
        "asked with temperature not set: b",
    )


def test_boards_that_differ_in_settings_alone_are_said_and_no_others() -> None:
    def runs(**changes: object) -> Runs:
        return make_runs({"a": first(5), "b": first(5), "c": first(5)}, changes={"b": changes})

    assert list(apart_by_settings(boards(runs()))) == []
    assert list(apart_by_settings(boards(runs(task_version="2.0")))) == []
    assert list(apart_by_settings(boards(runs(settings={"max_gen_toks": "16"})))) == [
        "openbook: 2 boards differ in settings alone (max gen toks); --across settings makes them one"
    ]


def test_readers_without_understanding_are_those_of_any_run_that_knows_them() -> None:
    reader = Baseline("chance", {}, 0.2, None)
    changes = {"b": {"reference": Reference((reader,))}}
    assert board(make_runs({"a": first(5), "b": first(4)}, changes=changes)).readers == (reader,)


def test_questions_without_a_label_stand_alone_where_nothing_else_was_asked() -> None:
    assert board(make_runs({"a": first(5)}, sizes={"other": 10})).notes == ()


def test_what_got_no_response_is_in_no_metric() -> None:
    runs = make_runs({"a": lambda _, place: None if place == 9 else place < 5})
    assert board(runs).rows[0].metrics["correct_strict"] == pytest.approx(5 / 9)
