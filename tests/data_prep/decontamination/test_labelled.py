"""The rules on rows that were labelled by hand; thresholds were chosen on them and on published data."""

from pathlib import Path

import orjson
import polars as pl
import pytest

from data_prep.decontamination import Guard, Match
from openbook_eval.exams import load_exam

ROWS = [orjson.loads(line) for line in (Path(__file__).parent / "labelled.jsonl").read_bytes().splitlines()]
# A list of signs in another order: the fragments are too short to be looked for.
MISSED = {
    "患者，女，35岁，经前乳房胀痛，两胁作痛，情志抑郁，神疲食少，头晕目眩，脉弦而虚，月经不调。宜选用什么方剂治疗？"
}
# A question beside one of the exam, with the same options.
WRONG = {"甲状腺癌中预后最差的病理类型是 A.乳头状癌 B.滤泡状癌 C.髓样癌 D.未分化癌"}


@pytest.fixture(scope="module")
def matches() -> dict[int, Match]:
    frame = pl.DataFrame({key: [row[key] for row in ROWS] for key in ("question", "answer")})
    return {match.place: match for match in Guard.of([load_exam("mini")]).check(frame)}


def test_the_set_has_rows_of_both_kinds() -> None:
    assert sum(row["item"] is not None for row in ROWS) == 75
    assert sum(row["item"] is None for row in ROWS) == 110


def test_rows_that_hold_an_item_are_found(matches: dict[int, Match]) -> None:
    missed = {row["question"] for place, row in enumerate(ROWS) if row["item"] and place not in matches}
    assert missed == MISSED


def test_the_item_is_the_right_one(matches: dict[int, Match]) -> None:
    named = {place: match.question_id for place, match in matches.items() if ROWS[place]["item"]}
    assert named == {place: ROWS[place]["item"] for place in named}


def test_rows_on_the_same_matter_are_left_alone(matches: dict[int, Match]) -> None:
    assert {ROWS[place]["question"] for place in matches if not ROWS[place]["item"]} == WRONG
