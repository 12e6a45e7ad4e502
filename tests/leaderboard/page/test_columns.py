"""Items and marks as columns in one order for all runs of a board."""

from typing import Any

import polars as pl

from openbook_eval.leaderboard.page import columns
from openbook_eval.results import ITEMS

EXAMS = ("physician", "nursing")


def items(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ITEMS)


def item(key: str, **changes: Any) -> dict[str, Any]:
    marks = dict.fromkeys(("correct", "correct_strict", "format_followed", "answered"), True)
    row = {
        "run": "r",
        "id": key,
        "exam": "nursing",
        "exam_class": "儿科",
        "qtype": "single",
        "right": "A",
        "letters": "A",
    }
    return row | marks | {"state": "chosen", "rule": "bare"} | changes


def test_items_go_by_exam_and_then_as_they_were_asked() -> None:
    asked = items(item("n2"), item("n1"), item("p1", exam="physician"), item("o1", exam="other"))
    assert columns.in_order(asked, EXAMS)["id"].to_list() == ["p1", "n2", "n1"]


def test_what_was_asked_stands_in_columns() -> None:
    asked = items(
        item("p1", exam="physician", exam_class="外科", qtype="multi", right="AC"),
        item("n1", depth=0.123456, group="g1"),
    )
    assert columns.of_items(asked, EXAMS) == {
        "ids": ["p1", "n1"],
        "exam": [0, 1],
        "classes": ["儿科", "外科"],
        "class": [1, 0],
        "multi": "10",
        "depth": [None, 0.1235],
        "group": [None, "g1"],
        "right": ["AC", "A"],
    }


def test_marks_stand_in_the_order_of_the_items_with_a_dash_where_there_is_none() -> None:
    own = items(
        item("n1", correct_strict=False, rule="said", letters="AB", abstained=False),
        item("n2", correct=None, correct_strict=None, format_followed=None, answered=None, letters="", rule=None),
    )
    assert columns.of_marks(own, pl.Series(["n2", "n1", "unasked"])) == {
        "correct": "-1-",
        "correct_strict": "-0-",
        "format_followed": "-1-",
        "answered": "-1-",
        "abstained": "-0-",
        "letters": ["", "AB", ""],
        "rules": ["", "said"],
        "rule": [0, 1, 0],
    }
