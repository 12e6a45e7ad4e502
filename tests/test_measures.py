"""Measures of the reading exam, each from a handful of items whose marks are known."""

from typing import Any

import pytest

from openbook_eval.measures import Answered, answered, measures


def item(key: str, condition: str, correct: int, **more: Any) -> Answered:
    fields = {"exam": "nursing", "depth": None, "answered": True, "abstained": False, "followed": None, **more}
    return Answered(id=key, condition=condition, correct=bool(correct), **fields)


def run(condition: str, marks: str, **more: Any) -> list[Answered]:
    """One item a mark: `1` right, `0` wrong."""
    return [item(f"q{n}", condition, int(mark), **more) for n, mark in enumerate(marks)]


def test_the_gain_is_the_paired_difference_of_open_and_closed() -> None:
    gain = measures(run("open", "11101") + run("closed", "10010"))["reading_gain"]
    assert gain == {
        "items": 5,
        "open": 0.8,
        "closed": 0.4,
        "gain": pytest.approx(0.4),
        "both": 1,
        "first_only": 3,
        "second_only": 1,
        "neither": 0,
    }


def test_only_items_that_both_asked_are_paired() -> None:
    gain = measures(run("open", "111111") + run("closed", "00"))["reading_gain"]
    assert (gain["items"], gain["gain"]) == (2, 1.0)


def test_retention_is_library_over_open_on_the_same_items() -> None:
    retention = measures(run("open", "111101") + run("library_4k", "1010") + run("library_64k", "00"))["retention"]
    assert list(retention) == ["library_4k", "library_64k"]
    four = retention["library_4k"]
    assert (four["items"], four["library"], four["open"], four["retention"]) == (4, 0.5, 1.0, 0.5)
    assert (four["both"], four["first_only"], four["second_only"], four["neither"]) == (2, 0, 2, 0)
    assert retention["library_64k"]["retention"] == 0.0


def test_retention_by_depth_counts_fifths_of_the_book_from_the_front() -> None:
    depths = (0.0, 0.19, 0.2, 0.99)
    library = [item(f"q{n}", "library_4k", n != 3, depth=depth) for n, depth in enumerate(depths)]
    by_depth = measures(run("open", "1111") + library)["retention"]["library_4k"]["by_depth"]
    assert [(part["from"], part["to"], part["items"], part["retention"]) for part in by_depth] == [
        (0.0, 0.2, 2, 1.0),
        (0.2, 0.4, 1, 1.0),
        (0.8, 1.0, 1, 0.0),
    ]


def test_a_model_that_is_never_right_on_its_own_entry_has_no_retention() -> None:
    assert measures(run("open", "00") + run("library_4k", "01"))["retention"]["library_4k"]["retention"] is None


def test_abstention_is_right_where_the_entry_is_missing_and_false_elsewhere() -> None:
    items = [
        *(item(f"q{n}", "missing", n < 3, abstained=n < 3) for n in range(4)),
        *(item(f"q{n}", "open", n > 0, abstained=n == 0) for n in range(4)),
        *run("closed", "1111"),
    ]
    assert measures(items)["abstention"] == {"missing": 0.75, "false": {"open": 0.25}}


def test_obedience_is_split_three_ways() -> None:
    followed = ["context", "context", "memory", "neither", None]
    items = [item(f"q{n}", "contrary", name == "context", followed=name) for n, name in enumerate(followed)]
    assert measures(items)["obedience"] == {
        "items": 5,
        "follows_context": 0.4,
        "follows_memory": 0.2,
        "follows_neither": 0.2,
    }


def test_each_exam_has_its_own() -> None:
    items = run("open", "11") + run("closed", "00")
    items += [item(f"p{n}", condition, 1, exam="physician") for n in range(2) for condition in ("open", "closed")]
    made = measures(items)
    assert {exam: own["reading_gain"]["gain"] for exam, own in made["by_exam"].items()} == {
        "physician": 0,
        "nursing": 1,
    }
    assert made["reading_gain"]["gain"] == 0.5


def test_what_was_not_asked_is_none() -> None:
    made = measures(run("open", "1"))
    assert (made["reading_gain"], made["obedience"], made["retention"]) == (None, None, {})
    assert made["abstention"] == {"missing": None, "false": {"open": 0.0}}
    assert made["conditions"] == {"open": {"items": 1, "correct": 1.0, "answered": 1.0, "abstained": 0.0}}


def test_a_sample_is_named_as_its_task_and_carries_its_depth() -> None:
    doc = {"id": "q1", "exam": "nursing", "condition": "library", "book_length": 16000, "depth": 0.5}
    marks = {"correct": 1.0, "answered": 1.0, "abstained": 0.0}
    assert answered({"doc": doc, **marks}) == item("q1", "library_16k", 1, depth=0.5)
    assert answered({"doc": {"id": "q1"}, **marks}) is None


def test_whom_a_sample_followed_is_read_from_its_marks() -> None:
    doc = {"id": "q1", "exam": "nursing", "condition": "contrary", "book_length": 4000, "depth": 0.5}
    sample = {
        "doc": doc,
        "correct": 0.0,
        "answered": 1.0,
        "abstained": 0.0,
        "follows_context": 0.0,
        "follows_memory": 1.0,
    }
    assert answered(sample) == item("q1", "contrary", 0, followed="memory")
