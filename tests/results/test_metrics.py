"""Scores and the measures of the reading exam, each from a handful of items that are known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.text import Text

from openbook_eval.baselines import Baseline, Reference
from openbook_eval.results import ITEMS, Scores, read_runs, reading_metrics, reading_runs
from openbook_eval.results.metrics import floor, reading_report
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS
from tests.results.lm_eval_output import DATE, write_run


def items(correct: str, **columns: Any) -> pl.DataFrame:
    """Make one item a character: `1` right, `0` wrong, `-` without a response; a list has a value an item."""
    rows = []
    for number, character in enumerate(correct):
        own = {name: value[number] if isinstance(value, list) else value for name, value in columns.items()}
        answered = None if character == "-" else True
        scored = {"correct": None if character == "-" else character == "1", "answered": answered}
        row = {"id": f"q{number}", "exam": "nursing", "abstained": None if character == "-" else False, **scored, **own}
        rows.append({name: row.get(name) for name in ITEMS})
    return pl.DataFrame(rows, schema=ITEMS)


def measured(**conditions: pl.DataFrame) -> dict[str, Any]:
    return reading_metrics({f"reading_{name}": frame for name, frame in conditions.items()})


def six(shares: Mapping[Any, str]) -> Scores:
    return Scores.of(pl.concat(items(correct, exam=exam) for exam, correct in shares.items()))


SIX = dict(zip(SIX_EXAMS, ("1000", "1100", "1110", "1111", "0000", "1100110011"), strict=True))


def test_the_average_is_the_plain_mean_of_six_and_the_weighted_one_counts_questions() -> None:
    scores = six(SIX | {"other": "1"})
    assert scores.exams["exam"].to_list() == list(EXAM_NAMES)
    assert scores.exams["questions"].to_list() == [4, 4, 4, 4, 4, 10, 1]
    assert scores.average == pytest.approx((0.25 + 0.5 + 0.75 + 1 + 0 + 0.6) / 6)
    assert scores.weighted_average == pytest.approx(16 / 30)


@pytest.mark.parametrize("nursing", [{}, {"nursing": "--"}])
def test_without_scores_of_all_six_exams_there_is_no_average(nursing: dict[str, str]) -> None:
    others: dict[str, str] = {exam: correct for exam, correct in SIX.items() if exam != "nursing"}
    scores = six(others | nursing)
    assert (scores.average, scores.weighted_average) == (None, None)


def test_items_without_a_response_are_asked_and_in_no_mean() -> None:
    row = six({"nursing": "1-0-"}).exams.row(0, named=True)
    assert (row["questions"], row["scored"], row["correct"], row["answered"]) == (4, 2, 0.5, 1.0)
    assert row["partial_credit"] is None


def test_the_gain_is_the_paired_difference_of_open_and_closed() -> None:
    counts = {"both": 1, "first_only": 3, "second_only": 1, "neither": 0}
    shares = {"open": 0.8, "closed": 0.4, "gain": pytest.approx(0.4)}
    gain = measured(open=items("11101"), closed=items("10010"))["context_gain"]
    assert gain == {"items": 5, **shares, **counts}


@pytest.mark.parametrize("closed", ["00", "00----"])
def test_only_items_that_both_conditions_scored_are_paired(closed: str) -> None:
    gain = measured(open=items("111111"), closed=items(closed))["context_gain"]
    assert (gain["items"], gain["gain"]) == (2, 1.0)


def test_retention_is_library_over_open_on_the_same_items() -> None:
    retention = measured(open=items("111101"), library_4k=items("1010"), library_64k=items("00"))["retention"]
    assert list(retention) == ["reading_library_4k", "reading_library_64k"]
    four = retention["reading_library_4k"]
    assert (four["items"], four["library"], four["open"], four["retention"]) == (4, 0.5, 1.0, 0.5)
    assert (four["both"], four["first_only"], four["second_only"], four["neither"]) == (2, 0, 2, 0)
    assert retention["reading_library_64k"]["retention"] == 0.0
    # Never right on its own entry.
    assert measured(open=items("00"), library_4k=items("01"))["retention"]["reading_library_4k"]["retention"] is None


def test_retention_by_depth_counts_fifths_of_the_book_from_the_front() -> None:
    library = items("1110", depth=[0.0, 0.19, 0.2, 1.0])
    by_depth = measured(open=items("1111"), library_4k=library)["retention"]["reading_library_4k"]["by_depth"]
    assert [(part["from"], part["to"], part["items"], part["retention"]) for part in by_depth] == [
        (0.0, 0.2, 2, 1.0),
        (0.2, 0.4, 1, 1.0),
        (0.8, 1.0, 1, 0.0),
    ]


def test_abstaining_is_right_where_the_book_cannot_tell_and_false_elsewhere() -> None:
    unanswerable = items("1110", abstained=[True, True, True, False])
    opened = items("0111", abstained=[True, False, False, False])
    found = measured(unanswerable=unanswerable, open=opened, closed=items("1111"))
    assert found["abstention"] == {"unanswerable": 0.75, "false": {"reading_open": 0.25}}


def test_context_faithfulness_is_split_three_ways() -> None:
    follows = {f"follows_{name}": [name[0] == of for of in "ccmnn"] for name in ("context", "memory", "neither")}
    shares = {"follows_context": 0.4, "follows_memory": 0.2, "follows_neither": 0.4}
    assert measured(counterfactual=items("11000", **follows))["context_faithfulness"] == {"items": 5, **shares}


def test_each_exam_has_its_own_measures() -> None:
    both = pl.concat([items("11"), items("11", exam="physician")])
    closed = pl.concat([items("00"), items("11", exam="physician")])
    found = measured(open=both, closed=closed)
    gains = {exam: own["context_gain"]["gain"] for exam, own in found["by_exam"].items()}
    assert gains == {"physician": 0, "nursing": 1}
    assert found["context_gain"]["gain"] == 0.5


def test_what_was_not_asked_is_none() -> None:
    found = measured(open=items("1"))
    assert (found["context_gain"], found["context_faithfulness"], found["retention"]) == (None, None, {})
    assert found["abstention"] == {"unanswerable": None, "false": {"reading_open": 0.0}}
    assert found["conditions"] == {"reading_open": {"items": 1, "correct": 1.0, "answered": 1.0, "abstained": 0.0}}


def test_runs_of_one_model_on_one_exam_belong_together(tmp_path: Path) -> None:
    conditions = ["reading_open", "reading_closed"]
    write_run(tmp_path, condition=[*conditions, "openbook"], questions=12)
    write_run(tmp_path, model="other/model", condition="reading_open", questions=12)
    found = reading_runs(read_runs(tmp_path))
    assert [(next(iter(runs.values())).model, list(runs)) for runs in found] == [
        ("other/model", ["reading_open"]),
        ("some/model", conditions),
    ]


def test_conditions_that_were_asked_in_other_ways_do_not_belong_together(tmp_path: Path) -> None:
    write_run(tmp_path, condition="reading_open", questions=12)
    longer = {"generation_kwargs": {"max_gen_toks": 99}}
    write_run(tmp_path, condition="reading_closed", questions=12, date=DATE.replace("01-02", "01-03"), config=longer)
    assert [list(runs) for runs in reading_runs(read_runs(tmp_path))] == [["reading_open"], ["reading_closed"]]


def test_readers_without_understanding_have_a_line_where_something_is_known_of_them(tmp_path: Path) -> None:
    write_run(tmp_path, condition=["reading_open", "reading_closed"], questions=12)
    runs = read_runs(tmp_path).runs
    reader = Baseline("chance", {}, 0.25, None)
    known, unknown = (
        run.model_copy(update={"reference": reference})
        for run, reference in zip(runs, (Reference((reader,)), Reference()), strict=True)
    )
    assert (floor(known), floor(unknown)) == (["without understanding: chance: 25.0"], [])
    items = {run.condition: read_runs(tmp_path).items_of(run) for run in runs}
    for first, second in ((known, unknown), (unknown, known)):
        report = reading_report({first.condition: first, second.condition: second}, reading_metrics(items))
        lines = [part.plain for part in report if isinstance(part, Text)]
        assert [line for line in lines if "without" in line] == ["open without understanding: chance: 25.0"]
