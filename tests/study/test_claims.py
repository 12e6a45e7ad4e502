"""The paper's claims, judged by scores of which the truth is known and by the published figures.

Only what is alike in all but what a claim is about is compared.
"""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
import pytest

from openbook_eval.leaderboard.stats import Numbers
from openbook_eval.study.claims import CLAIMS, ClaimOutcome, judge
from openbook_eval.study.results import Arm
from tests.study.made import BASE, arm

RATIOS = ("9:1", "4:1", "1:1", "1:4", "1:9")
FALLING = dict(zip(RATIOS, (0.8, 0.75, 0.65, 0.55, 0.45), strict=True))
FLAT = dict.fromkeys(RATIOS, 0.6)


def scores(share: float, seeds: int = 3, items: int = 240, draw: int = 0) -> Numbers:
    """The same questions are hard everywhere; draw by draw other answers are given."""
    hard = np.random.default_rng(7).random(items)
    noise = np.random.default_rng([draw, round(share * 1000), seeds]).normal(0, 0.15, (seeds, items))
    return (hard + noise < share).astype(np.float64)


def mixes(shares: Mapping[str, float], *, seeds: int = 3, model: str = BASE, condition: str = "openbook") -> list[Arm]:
    return [
        arm(scores(share, seeds, draw=place), ratio, model=model, condition=condition)
        for place, (ratio, share) in enumerate(shares.items())
    ]


def alone(shares: Sequence[float], seeds: int = 3) -> list[Arm]:
    """Medical data alone, of 100, 200, 300 rows and so on."""
    return [
        arm(scores(share, seeds, draw=9 + place), "0:1", table=5, rows=100 * (place + 1))
        for place, share in enumerate(shares)
    ]


def outcome(key: str, arms: Sequence[Arm]) -> ClaimOutcome:
    return next(each for each in judge(arms) if each.claim.key == key)


def test_a_claim_that_holds_replicates() -> None:
    found = outcome("ratio", mixes(FALLING)).study
    assert found.conclusion == "replicates"
    assert found.found is not None
    assert found.found.interval is not None
    assert found.found.value == pytest.approx(-0.36, abs=0.04)
    assert found.found.interval.high < 0
    assert (found.found.seeds, found.adjusted < 0.001) == (3, True)


def test_a_claim_that_does_not_hold_is_contradicted() -> None:
    rising = dict(zip(RATIOS, reversed(FALLING.values()), strict=True))
    assert outcome("ratio", mixes(rising)).study.conclusion == "contradicts"


def test_the_change_is_that_of_the_line_through_all_levels() -> None:
    shares = np.repeat([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], 6, axis=0).reshape(3, 24)
    own = [arm(shares[[place]], ratio) for place, ratio in enumerate(("9:1", "1:1", "1:9"))]
    found = outcome("ratio", own).study.found
    assert found is not None
    assert found.value == pytest.approx(0.5)


def test_of_one_seed_each_nothing_is_decided() -> None:
    found = outcome("ratio", mixes(FALLING, seeds=1)).study
    assert found.conclusion == "undecided"
    assert isnan(found.adjusted)
    assert found.found is not None
    assert (found.found.seeds, found.found.value < -0.3) == (1, True)
    assert found.found.note == "nothing has two seeds: what chance does in training is not known"


def test_an_arm_of_one_seed_leaves_a_claim_undecided_and_says_why() -> None:
    own = [*mixes(FALLING)[:-1], arm(scores(0.45, 1), "1:9")]
    found = outcome("ratio", own).study
    assert (found.conclusion, found.found and found.found.seeds) == ("undecided", 1)
    assert found.found is not None
    assert found.found.note == "undecided, for an arm has one seed; a conclusion needs two of each at least"
    assert isnan(found.found.p)


@pytest.mark.parametrize(("seeds", "conclusion"), [(2, "undecided"), (3, "replicates")])
def test_two_seeds_of_the_only_trained_arm_decide_nothing(seeds: int, conclusion: str) -> None:
    own = [arm(scores(0.9, 1), None, table=None), *alone([0.4], seeds)]
    found = outcome("alone-base", own).study
    assert found.conclusion == conclusion
    assert found.found is not None
    assert found.found.note.startswith("undecided, for the only trained arm has two seeds") is (seeds == 2)


def test_a_failed_arm_leaves_the_others_to_be_compared() -> None:
    assert outcome("ratio", mixes({ratio: FALLING[ratio] for ratio in ("9:1", "1:9")})).study.conclusion == "replicates"
    assert outcome("ratio", mixes({"9:1": 0.8})).study.conclusion == "not in this study"


def test_several_models_weigh_the_same_and_each_is_told() -> None:
    own = [*mixes(FALLING, model="a/one"), *mixes(FLAT, model="b/two")]
    found = outcome("ratio", own).study.found
    assert found is not None
    assert [name for name, _ in found.by_model] == ["one", "two"]
    assert found.value == pytest.approx(sum(value for _, value in found.by_model) / 2)


def test_p_is_corrected_over_the_claims_that_could_be_tested() -> None:
    own = [*mixes(FLAT), *alone([0.55, 0.6])]
    for each in judge(own):
        if each.study.found:
            assert each.study.adjusted >= each.study.found.p


def test_of_ratios_that_do_nothing_a_trend_is_found_5_times_in_100() -> None:
    generator, p = np.random.default_rng(3), []
    (ratio,) = (claim for claim in CLAIMS if claim.key == "ratio")
    for _ in range(200):
        level = generator.normal(size=120)
        own = [
            arm((level + generator.normal(0, 0.2, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(float), each)
            for each in RATIOS
        ]
        found = ratio.of_study(own, [])
        assert found is not None
        p.append(found.p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.09


def test_the_figures_behind_them() -> None:
    found = {each.claim.key: each.paper.found for each in judge([])}
    values = {key: round(100 * each.value, 2) for key, each in found.items() if each}
    assert values == {
        "ratio": -4.48,
        "four-to-one": -0.31,
        "alone-mixes": -5.91,
        "size": 0.33,
        "small-sizes": -2.52,
        "restored": 4.65,
        "kinds": -31.26,
    }
    ps = {key: each.p for key, each in found.items() if each and not isnan(each.p)}
    assert ps == pytest.approx(
        {
            "ratio": 1.2e-6,
            "four-to-one": 0.0116,
            "alone-mixes": 1.5e-4,
            "size": 0.905,
            "restored": 0.136,
            "kinds": 0.0099,
        },
        rel=0.01,
    )


def test_4_to_1_is_no_worse_than_9_to_1_only_where_that_is_sure() -> None:
    same = scores(0.6, items=6000)
    other = same.copy()
    other[:, ::1000] = 1 - other[:, ::1000]
    better = scores(0.8, items=6000)
    for four, conclusion in ((other, "replicates"), (better, "replicates"), (scores(0.5, items=6000), "contradicts")):
        assert outcome("four-to-one", [arm(same, "9:1"), arm(four, "4:1")]).study.conclusion == conclusion
    few = [arm(scores(0.6, draw=draw), ratio) for draw, ratio in enumerate(("9:1", "4:1"))]
    assert outcome("four-to-one", few).study.conclusion == "undecided"


def test_medical_data_alone_are_held_against_mixes_of_equal_rows() -> None:
    mixed = [arm(scores(0.8, draw=draw), ratio, rows=300) for draw, ratio in enumerate(("9:1", "1:9"))]
    equal, more = (arm(scores(share, draw=5), "0:1", table=5, rows=rows) for share, rows in ((0.8, 300), (0.3, 9000)))
    found = outcome("alone-mixes", [*mixed, equal, more]).study
    assert found.conclusion == "undecided"
    assert found.found is not None
    assert (abs(found.found.value) < 0.05, found.found.note) == (True, "")
    found = outcome("alone-mixes", [*mixed, more]).study
    assert found.found is not None
    assert found.found.note == "no medical data alone have as many rows as a mix: the difference is one of rows as well"


@pytest.mark.parametrize(("key", "table"), [("ratio", 4), ("size", 5), ("small-sizes", 5), ("four-to-one", 4)])
def test_levels_that_differ_in_ratio_and_in_rows_are_not_compared(key: str, table: int) -> None:
    unlike = [
        arm(scores(share), ratio, rows=rows, table=table)
        for share, ratio, rows in ((0.7, "9:1", 300), (0.4, "4:1", 9000))
    ]
    assert outcome(key, unlike).study.conclusion == "not in this study"


def test_medical_data_alone_are_held_against_mixes_and_against_the_base() -> None:
    base = arm(scores(0.9, 1), None, table=None)
    own = [base, *mixes(FLAT), *alone([0.4, 0.4])]
    assert outcome("alone-mixes", own).study.conclusion == outcome("alone-base", own).study.conclusion == "replicates"
    against_mixes, against_base = (outcome(key, own).study.found for key in ("alone-mixes", "alone-base"))
    assert against_mixes is not None
    assert against_base is not None
    assert (against_mixes.value, against_base.value) == pytest.approx((-0.2, -0.48), abs=0.04)


def test_sizes_that_rise_replicate_and_sizes_that_fall_contradict() -> None:
    for shares, conclusion in (([0.4, 0.5, 0.6], "replicates"), ([0.6, 0.5, 0.4], "contradicts")):
        assert outcome("size", alone(shares)).study.conclusion == conclusion


def test_neighbours_of_the_smaller_half_are_compared_and_are_never_contradicted() -> None:
    found = outcome("small-sizes", alone([0.4, 0.7, 0.7, 0.1])).study
    assert found.conclusion == "replicates"
    assert found.found is not None
    assert [name for name, _ in found.found.by_model] == ["the tiny model, 100 to 200 rows"]
    assert outcome("small-sizes", alone([0.6, 0.6, 0.1, 0.9])).study.conclusion == "undecided"


def test_general_data_are_held_against_the_medical_model_before() -> None:
    before = arm(scores(0.3, 1), None, table=2)
    assert outcome("restored", [before, arm(scores(0.6), "1:0", table=3)]).study.conclusion == "replicates"
    for ratio in ("0:1", "1:1"):
        own = [before, arm(scores(0.6), ratio, table=3)]
        assert outcome("restored", own).study.conclusion == "not in this study"


def test_medical_models_are_held_against_general_ones() -> None:
    own = [
        arm(scores(share, 1), None, table=table, model=f"{table}/{share}")
        for table, share in ((1, 0.7), (1, 0.6), (2, 0.3), (2, 0.4))
    ]
    found = outcome("kinds", own).study
    assert (found.conclusion, found.found and found.found.seeds) == ("replicates", 0)
    assert found.found is not None
    assert found.found.note == "of these models, not of others"
    assert outcome("kinds", own[:3]).study.conclusion == "not in this study"


def test_models_that_answered_no_question_of_an_exam_in_common_are_undecided() -> None:
    answered, others = scores(0.7, 1), scores(0.3, 1)
    answered[:, :20], others[:, 20:40] = np.nan, np.nan
    own = [
        arm(each, None, table=table, model=f"{table}{other}")
        for table, each in ((1, answered), (2, others))
        for other in "ab"
    ]
    found = outcome("kinds", own).study
    assert found.conclusion == "undecided"
    assert found.found is not None
    assert isnan(found.found.value)
    assert found.found.note.startswith("an exam without an item that has a score everywhere")


@pytest.mark.parametrize(
    ("read", "known", "conclusion"), [(1, 1, "contradicts"), (1, -1, "replicates"), (-1, 1, "replicates")]
)
def test_the_trade_off_is_of_the_end_that_reads_worse_less_the_other(read: int, known: int, conclusion: str) -> None:
    rising, falling = (dict(zip(RATIOS, list(FALLING.values())[::step], strict=True)) for step in (-1, 1))
    of = {1: rising, -1: falling}
    own = [*mixes(of[read]), *mixes(of[known], condition="closedbook")]
    found = outcome("trade-off", own).study
    assert found.conclusion == conclusion
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
    assert found.conclusion == "undecided"
    assert found.found is not None
    assert "not surely: whether reading was lost is not known" in found.found.note
