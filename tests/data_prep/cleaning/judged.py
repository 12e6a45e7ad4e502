"""Rows judged, for tests: short ones, with or without the rest of the settings."""

from typing import Any

import polars as pl

from data_prep.cleaning import judge
from data_prep.cleaning.judging import FILTERS, with_signs
from data_prep.signs import Signs
from data_prep.spec import Cleaning

QUESTION, ANSWER = "感冒以后咳嗽怎么办？", "多喝温水，注意休息，三天不退热请就医。"


def reason(question: str = QUESTION, answer: str = ANSWER, **settings: Any) -> str | None:
    """The first reason to drop a row, by all filters."""
    found: str | None = judge(rows((question, answer)), Cleaning(**settings)).item()
    return found


def applies(name: str, question: str = QUESTION, answer: str = ANSWER, **settings: Any) -> bool:
    """Whether one filter alone would drop a row."""
    frame = rows((question, answer))
    return bool(with_signs(frame, Signs.of(frame)).select(FILTERS[name](Cleaning(**settings))).item())


def rows(*texts: tuple[str | None, str | None]) -> pl.DataFrame:
    """A frame of questions and answers."""
    return pl.DataFrame(texts, schema={"question": pl.String, "answer": pl.String}, orient="row")
