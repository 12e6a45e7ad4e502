"""Items and marks as columns, so that a page filters 11,200 of them without a look at any text."""

from collections.abc import Sequence
from typing import Any

import polars as pl

# The marks that the page filters by and shows beside each item.
_MARKS = ("correct", "correct_strict", "format_followed", "answered", "abstained")
_NONE = "-"


def in_order(items: pl.DataFrame, exams: Sequence[str]) -> pl.DataFrame:
    """The items of a run in the order of a board: by exam, as they were asked."""
    ranks = {exam: rank for rank, exam in enumerate(exams)}
    asked = items.filter(pl.col("exam").is_in(exams))
    rank = pl.col("exam").replace_strict(ranks, return_dtype=pl.Int64)
    return asked.sort(rank, maintain_order=True)


def of_items(items: pl.DataFrame, exams: Sequence[str]) -> dict[str, Any]:
    """The piece `items-B`: what was asked, of the items of one run in the order of the board."""
    classes = sorted(items["exam_class"].unique())
    return {
        "ids": items["id"].to_list(),
        "exam": _codes(items["exam"], exams),
        "classes": classes,
        "class": _codes(items["exam_class"], classes),
        "multi": _flags(items["qtype"] == "multi"),
        "depth": items["depth"].round(4).to_list(),
        "group": items["group"].to_list(),
        "right": items["expected"].to_list(),
    }


def of_marks(items: pl.DataFrame, ids: pl.Series) -> dict[str, Any]:
    """The piece `marks-R`: the marks of a run's items, in the order of `ids`."""
    own = pl.DataFrame({"id": ids}).join(items, on="id", how="left", maintain_order="left")
    rules = own["rule"].fill_null("")
    names = sorted(rules.unique())
    return {
        **{mark: _flags(own[mark]) for mark in _MARKS},
        "letters": own["letters"].fill_null("").to_list(),
        "rules": names,
        "rule": _codes(rules, names),
    }


def _codes(values: pl.Series, names: Sequence[str]) -> list[int]:
    codes = {name: code for code, name in enumerate(names)}
    return [codes[value] for value in values]


def _flags(marks: pl.Series) -> str:
    """A digit a mark, a dash where there is none."""
    return "".join(marks.cast(pl.Int8).cast(pl.String).fill_null(_NONE))
