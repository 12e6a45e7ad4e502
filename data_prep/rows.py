"""Rows as they go through the house: columns of a polars frame, one row an example."""

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

# `question` is what the user says and `answer` what the assistant says, several turns joined by line breaks; `turns` is
# the JSON of the whole conversation where it is more than one question and one answer, else null. `file` and `row`
# (from 1) name the place that a row was read from.
SCHEMA: Mapping[str, pl.DataType] = {
    "source": pl.String(),
    "domain": pl.String(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "question": pl.String(),
    "answer": pl.String(),
    "turns": pl.String(),
}


def line(question: str, answer: str, turns: str | None) -> bytes:
    """One line of train.jsonl: `{"messages": [{"role", "content"}, ...]}`, as Axolotl's `type: chat_template` reads."""
    messages: Any = (
        orjson.Fragment(turns)
        if turns is not None
        else [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    )
    return orjson.dumps({"messages": messages}) + b"\n"
