"""What is compared for each claim: only what is alike in all but what the claim is about."""

from math import isnan

import numpy as np
import pytest

from tests.study.findings.known import FALLING, FLAT, RATIOS, alone, marks, mixes, outcome
from tests.study.made import setting


def test_4_to_1_is_no_worse_than_9_to_1_only_where_that_is_sure() -> None:
    same = marks(0.6, items=6000)
    other = same.copy()
    other[:, ::1000] = 1 - other[:, ::1000]
    better = marks(0.8, items=6000)
    for four, verdict in ((other, "replicates"), (better, "replicates"), (marks(0.5, items=6000), "contradicts")):
        assert outcome("four-to-one", [setting(same, "9:1"), setting(four, "4:1")]).study.verdict == verdict
    few = [setting(marks(0.6, draw=draw), ratio) for draw, ratio in enumerate(("9:1", "4:1"))]
    assert outcome("four-to-one", few).study.verdict == "undecided"


def test_medical_data_alone_are_held_against_mixes_of_equal_rows() -> None:
    mixed = [setting(marks(0.8, draw=draw), ratio, rows=300) for draw, ratio in enumerate(("9:1", "1:9"))]
    equal, more = (
        setting(marks(share, draw=5), "0:1", table=5, rows=rows) for share, rows in ((0.8, 300), (0.3, 9000))
    )
    found = outcome("alone-mixes", [*mixed, equal, more]).study
    assert found.verdict == "undecided"
    assert found.found is not None
    assert (abs(found.found.value) < 0.05, found.found.note) == (True, "")
    found = outcome("alone-mixes", [*mixed, more]).study
    assert found.found is not None
    assert found.found.note == "no medical data alone have as many rows as a mix: what their number does is in it"


@pytest.mark.parametrize(("key", "table"), [("ratio", 4), ("size", 5), ("small-sizes", 5), ("four-to-one", 4)])
def test_levels_that_differ_in_ratio_and_in_rows_are_not_compared(key: str, table: int) -> None:
    unlike = [
        setting(marks(share), ratio, rows=rows, table=table)
        for share, ratio, rows in ((0.7, "9:1", 300), (0.4, "4:1", 9000))
    ]
    assert outcome(key, unlike).study.verdict == "not in this study"


def test_several_lines_of_a_model_weigh_the_same() -> None:
    own = [
        setting(marks(share), ratio, rows=rows)
        for rows, ends in ((300, (0.8, 0.4)), (900, (0.8, 0.6)))
        for ratio, share in zip(("9:1", "1:9"), ends, strict=True)
    ]
    found = outcome("ratio", own).study.found
    assert found is not None
    assert found.value == pytest.approx(-0.3, abs=0.05)


def test_medical_data_alone_are_held_against_mixes_and_against_the_base() -> None:
    base = setting(marks(0.9, 1), None, table=None)
    own = [base, *mixes(FLAT), *alone([0.4, 0.4])]
    assert outcome("alone-mixes", own).study.verdict == outcome("alone-base", own).study.verdict == "replicates"
    against_mixes, against_base = (outcome(key, own).study.found for key in ("alone-mixes", "alone-base"))
    assert against_mixes is not None
    assert against_base is not None
    assert (against_mixes.value, against_base.value) == pytest.approx((-0.2, -0.48), abs=0.04)


def test_without_the_base_what_needs_it_is_not_in_the_study() -> None:
    own = [*mixes(FLAT), *alone([0.4, 0.4])]
    assert outcome("alone-base", own).study.verdict == "not in this study"
    assert outcome("alone-mixes", own).study.verdict == "replicates"


def test_sizes_that_rise_replicate_and_sizes_that_fall_contradict() -> None:
    for shares, verdict in (([0.4, 0.5, 0.6], "replicates"), ([0.6, 0.5, 0.4], "contradicts")):
        assert outcome("size", alone(shares)).study.verdict == verdict


def test_neighbours_of_the_smaller_half_are_compared_and_are_never_contradicted() -> None:
    found = outcome("small-sizes", alone([0.4, 0.7, 0.7, 0.1])).study
    assert found.verdict == "replicates"
    assert found.found is not None
    assert [name for name, _ in found.found.by_model] == ["the tiny model, 100 to 200 rows"]
    assert outcome("small-sizes", alone([0.6, 0.6, 0.1, 0.9])).study.verdict == "undecided"


def test_neighbours_of_one_seed_do_not_stand_before_those_that_seeds_tell_apart() -> None:
    of_one = [setting(marks(0.5, 1), "0:1", table=5, rows=rows) for rows in (20, 40)]
    found = outcome("small-sizes", [*of_one, *alone([0.3, 0.9, 0.9, 0.9, 0.9])]).study
    assert found.verdict == "replicates"
    assert found.found is not None
    assert [name for name, _ in found.found.by_model] == ["the tiny model, 100 to 200 rows"]


def test_general_data_are_held_against_the_medical_model_before() -> None:
    before = setting(marks(0.3, 1), None, table=2)
    assert outcome("restored", [before, setting(marks(0.6), "1:0", table=3)]).study.verdict == "replicates"
    for ratio in ("0:1", "1:1"):
        own = [before, setting(marks(0.6), ratio, table=3)]
        assert outcome("restored", own).study.verdict == "not in this study"


def test_medical_models_are_held_against_general_ones() -> None:
    own = [
        setting(marks(share, 1), None, table=table, model=f"{table}/{share}")
        for table, share in ((1, 0.7), (1, 0.6), (2, 0.3), (2, 0.4))
    ]
    found = outcome("kinds", own).study
    assert (found.verdict, found.found and found.found.seeds) == ("replicates", 0)
    assert found.found is not None
    assert found.found.note == "of these models, not of others"
    assert outcome("kinds", own[:3]).study.verdict == "not in this study"


def test_models_that_answered_no_question_of_an_exam_in_common_are_undecided() -> None:
    answered, others = marks(0.7, 1), marks(0.3, 1)
    answered[:, :20], others[:, 20:40] = np.nan, np.nan
    own = [
        setting(each, None, table=table, model=f"{table}{other}")
        for table, each in ((1, answered), (2, others))
        for other in "ab"
    ]
    found = outcome("kinds", own).study
    assert found.verdict == "undecided"
    assert found.found is not None
    assert isnan(found.found.value)
    assert found.found.note.startswith("an exam without an item that has a mark everywhere")


def test_the_trade_off_is_judged_without_the_book() -> None:
    own = [*mixes(FALLING), *mixes(FALLING, condition="closedbook")]
    assert outcome("trade-off", own).study.verdict == "contradicts"
    assert outcome("trade-off", mixes(FALLING)).study.verdict == "not in this study"
    assert outcome("trade-off", mixes(FALLING, condition="closedbook")).study.verdict == "not in this study"


@pytest.mark.parametrize(
    ("read", "known", "verdict"), [(1, 1, "contradicts"), (1, -1, "replicates"), (-1, 1, "replicates")]
)
def test_the_trade_off_is_of_the_end_that_reads_worse_less_the_other(read: int, known: int, verdict: str) -> None:
    rising, falling = (dict(zip(RATIOS, list(FALLING.values())[::step], strict=True)) for step in (-1, 1))
    of = {1: rising, -1: falling}
    own = [*mixes(of[read]), *mixes(of[known], condition="closedbook")]
    found = outcome("trade-off", own).study
    assert found.verdict == verdict
    assert found.found is not None
    assert found.found.interval is not None
    sign = -read * known
    assert found.found.value * sign == pytest.approx(0.36, abs=0.04)
    assert found.found.interval.low * sign > 0 < found.found.interval.high * sign
    assert [value for _, value in found.found.by_model] == pytest.approx([found.found.value])
    assert found.found.note == (
        f"with the book the most {'general' if read > 0 else 'medical'} mix reads worse; "
        "closed-book averages at or below guessing tell of answering in form, not of knowledge"
    )


def test_where_no_reading_was_surely_lost_nothing_is_said_of_a_trade_off() -> None:
    found = outcome("trade-off", [*mixes(FLAT), *mixes(FALLING, condition="closedbook")]).study
    assert found.verdict == "undecided"
    assert found.found is not None
    assert "not surely: whether reading was lost is not known" in found.found.note
