"""The paper's claims, judged by scores of which the truth is known and by the published figures.

Only what is alike in all but what a claim is about is compared.
"""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
import pytest
from scipy import stats

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.published import PublishedRow
from openbook_eval.leaderboard.stats import Numbers, holm
from openbook_eval.study.claims import COMPARISONS, Evidence, claims, judge
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


def found(key: str, arms: Sequence[Arm]) -> Evidence:
    """What a study says of a claim."""
    (own,) = (own for claim, own in judge(arms) if claim.key == key)
    assert own
    return own


def lacks(key: str, arms: Sequence[Arm]) -> bool:
    return next(own is None for claim, own in judge(arms) if claim.key == key)


def test_a_claim_that_holds_replicates() -> None:
    own = found("ratio", mixes(FALLING))
    assert own.conclusion == "replicates"
    assert own.value == pytest.approx(-0.36, abs=0.04)
    assert own.interval
    assert own.interval.high < 0
    assert (own.seeds, own.adjusted < 0.001) == (3, True)


def test_the_change_is_that_of_the_line_through_all_levels() -> None:
    shares = np.repeat([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], 6, axis=0).reshape(3, 24)
    own = [arm(shares[[place]], ratio) for place, ratio in enumerate(("9:1", "1:1", "1:9"))]
    assert found("ratio", own).value == pytest.approx(0.5)


@pytest.mark.parametrize(
    "arms", [mixes(FALLING, seeds=1), [*mixes(FALLING)[:-1], arm(scores(0.45, 1), "1:9")]], ids=["all", "one"]
)
def test_an_arm_of_one_seed_leaves_a_claim_undecided_and_says_why(arms: list[Arm]) -> None:
    own = found("ratio", arms)
    assert (own.conclusion, own.seeds, own.value < -0.3) == ("undecided", 1, True)
    assert isnan(own.p)
    assert isnan(own.adjusted)
    assert own.note.startswith("undecided, for chance in training is not known")


@pytest.mark.parametrize(("seeds", "conclusion"), [(2, "undecided"), (3, "replicates")])
def test_two_seeds_of_the_only_trained_arm_decide_nothing(seeds: int, conclusion: str) -> None:
    own = found("alone-base", [arm(scores(0.9, 1), None, table=None), *alone([0.4], seeds)])
    assert own.conclusion == conclusion
    assert own.note.startswith("undecided") is (seeds == 2)


def test_a_failed_arm_leaves_the_others_to_be_compared() -> None:
    assert found("ratio", mixes({ratio: FALLING[ratio] for ratio in ("9:1", "1:9")})).conclusion == "replicates"
    assert lacks("ratio", mixes({"9:1": 0.8}))


def test_several_models_weigh_the_same_and_each_is_told() -> None:
    own = found("ratio", [*mixes(FALLING, model="a/one"), *mixes(FLAT, model="b/two")])
    assert [name for name, _ in own.by_model] == ["one", "two"]
    assert own.value == pytest.approx(sum(value for _, value in own.by_model) / 2)


def test_p_is_corrected_over_the_claims_that_could_be_tested() -> None:
    own = [own for _, own in judge([*mixes(FLAT), *alone([0.55, 0.6])]) if own]
    assert [each.adjusted for each in own] == pytest.approx(holm([each.p for each in own]), nan_ok=True)
    assert len(own) > 3


def test_of_ratios_that_do_nothing_a_trend_is_found_5_times_in_100() -> None:
    generator, p = np.random.default_rng(3), []
    for _ in range(200):
        level = generator.normal(size=120)
        own = [
            arm((level + generator.normal(0, 0.2, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(float), each)
            for each in RATIOS
        ]
        trend = COMPARISONS["ratio"](own, [])
        assert trend
        p.append(trend.p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.09


def test_4_to_1_is_no_worse_than_9_to_1_only_where_that_is_sure() -> None:
    same = scores(0.6, items=6000)
    other = same.copy()
    other[:, ::1000] = 1 - other[:, ::1000]
    better, worse = scores(0.8, items=6000), scores(0.5, items=6000)
    for four, conclusion in ((other, "replicates"), (better, "replicates"), (worse, "contradicts")):
        assert found("four-to-one", [arm(same, "9:1"), arm(four, "4:1")]).conclusion == conclusion
    few = [arm(scores(0.6, draw=draw), ratio) for draw, ratio in enumerate(("9:1", "4:1"))]
    assert found("four-to-one", few).conclusion == "undecided"


def test_medical_data_alone_are_held_against_mixes_of_equal_rows() -> None:
    mixed = [arm(scores(0.8, draw=draw), ratio, rows=300) for draw, ratio in enumerate(("9:1", "1:9"))]
    equal, more = (arm(scores(share, draw=5), "0:1", table=5, rows=rows) for share, rows in ((0.8, 300), (0.3, 9000)))
    own = found("alone-mixes", [*mixed, equal, more])
    assert (own.conclusion, abs(own.value) < 0.05, own.note) == ("undecided", True, "")
    unlike = "no medical data alone have as many rows as a mix: the difference is one of rows as well"
    assert found("alone-mixes", [*mixed, more]).note == unlike


@pytest.mark.parametrize(("key", "table"), [("ratio", 4), ("size", 5), ("small-sizes", 5), ("four-to-one", 4)])
def test_levels_that_differ_in_ratio_and_in_rows_are_not_compared(key: str, table: int) -> None:
    unlike = [
        arm(scores(share), ratio, rows=rows, table=table)
        for share, ratio, rows in ((0.7, "9:1", 300), (0.4, "4:1", 9000))
    ]
    assert lacks(key, unlike)


def test_medical_data_alone_are_held_against_mixes_and_against_the_base() -> None:
    own = [arm(scores(0.9, 1), None, table=None), *mixes(FLAT), *alone([0.4, 0.4])]
    both = [found(key, own) for key in ("alone-mixes", "alone-base")]
    assert [each.conclusion for each in both] == ["replicates", "replicates"]
    assert [each.value for each in both] == pytest.approx([-0.2, -0.48], abs=0.04)


@pytest.mark.parametrize(("shares", "conclusion"), [([0.4, 0.5, 0.6], "replicates"), ([0.6, 0.5, 0.4], "contradicts")])
def test_sizes_that_rise_replicate_and_sizes_that_fall_contradict(shares: list[float], conclusion: str) -> None:
    assert found("size", alone(shares)).conclusion == conclusion


def test_neighbours_of_the_smaller_half_are_compared_and_are_never_contradicted() -> None:
    own = found("small-sizes", alone([0.4, 0.7, 0.7, 0.1]))
    assert own.conclusion == "replicates"
    assert [name for name, _ in own.by_model] == ["the tiny model, 100 to 200 rows"]
    assert found("small-sizes", alone([0.6, 0.6, 0.1, 0.9])).conclusion == "undecided"


def test_general_data_are_held_against_the_medical_model_before() -> None:
    before = arm(scores(0.3, 1), None, table=2)
    assert found("restored", [before, arm(scores(0.6), "1:0", table=3)]).conclusion == "replicates"
    assert all(lacks("restored", [before, arm(scores(0.6), ratio, table=3)]) for ratio in ("0:1", "1:1"))


def untrained(shares: Sequence[tuple[int, Numbers]]) -> list[Arm]:
    return [arm(each, None, table=table, model=f"{table}/{place}") for place, (table, each) in enumerate(shares)]


def test_medical_models_are_held_against_general_ones() -> None:
    own = untrained([(table, scores(share, 1)) for table, share in ((1, 0.7), (1, 0.6), (2, 0.3), (2, 0.4))])
    models = found("kinds", own)
    assert (models.conclusion, models.seeds, models.note) == ("replicates", 0, "of these models, not of others")
    assert lacks("kinds", own[:3])


def test_models_that_answered_no_question_of_an_exam_in_common_are_undecided() -> None:
    answered, others = scores(0.7, 1), scores(0.3, 1)
    answered[:, :20], others[:, 20:40] = np.nan, np.nan
    own = found("kinds", untrained([(1, answered), (1, answered), (2, others), (2, others)]))
    assert own.conclusion == "undecided"
    assert isnan(own.value)
    assert own.note.startswith("an exam without an item that has a score everywhere")


@pytest.mark.parametrize(
    ("read", "known", "conclusion"), [(1, 1, "contradicts"), (1, -1, "replicates"), (-1, 1, "replicates")]
)
def test_the_trade_off_is_of_the_end_that_reads_worse_less_the_other(read: int, known: int, conclusion: str) -> None:
    rising, falling = (dict(zip(RATIOS, list(FALLING.values())[::step], strict=True)) for step in (-1, 1))
    of, sign = {1: rising, -1: falling}, -read * known
    own = found("trade-off", [*mixes(of[read]), *mixes(of[known], condition="closedbook")])
    assert own.conclusion == conclusion
    assert own.value * sign == pytest.approx(0.36, abs=0.04)
    assert own.interval
    assert own.interval.low * sign > 0 < own.interval.high * sign
    assert [value for _, value in own.by_model] == pytest.approx([own.value])
    assert own.note == (
        f"with the book the most {'general' if read > 0 else 'medical'} mix reads worse; "
        "closed-book averages at or below guessing tell of answering in form, not of knowledge"
    )


def test_where_no_reading_was_surely_lost_nothing_is_said_of_a_trade_off() -> None:
    own = found("trade-off", [*mixes(FLAT), *mixes(FALLING, condition="closedbook")])
    assert own.conclusion == "undecided"
    assert "not surely: whether reading was lost is not known" in own.note


# What claims.yml says of the published figures, from these figures themselves.


def rows(table: int, model: str | None = None) -> list[PublishedRow]:
    return [row for row in published.tables()[table - 1].rows if model in (None, row.model)]


def shares(table: int, model: str | None = None) -> Numbers:
    return np.array([row.share for row in rows(table, model)])


MODELS = list(dict.fromkeys(row.model for row in rows(4)))
BY_RATIO = np.stack([shares(4, model) for model in MODELS])  # models, from 9:1 to 1:9
RESTORED = {row.model: row.share - row.before for row in rows(3) if row.before is not None}
# The change along the line through five ratios, and that from 9:1 to 4:1.
TREND, FIFTH = BY_RATIO @ [-0.8, -0.4, 0, 0.4, 0.8], BY_RATIO[:, 1] - BY_RATIO[:, 0]


def one_sample(changes: Numbers, p: float | None = None) -> list[float]:
    found = stats.ttest_1samp(changes, 0.0)
    return [changes.mean(), *found.confidence_interval(0.95), found.pvalue if p is None else p]


def welch(one: Numbers, other: Numbers) -> list[float]:
    found = stats.ttest_ind(one, other, equal_var=False)
    return [one.mean() - other.mean(), *found.confidence_interval(0.95), found.pvalue]


def by_size() -> list[float]:
    line, t = stats.linregress(range(8), shares(5)), stats.t.isf(0.025, 6)
    ends = [7 * (line.slope + way * t * line.stderr) for way in (0, -1, 1)]
    return [*ends, stats.kendalltau(range(8), shares(5)).pvalue]


def surest_neighbours() -> list[float]:
    small = shares(5)[:4]
    variance = small * (1 - small) / published.ITEMS
    apart, errors = np.diff(small), np.sqrt(variance[1:] + variance[:-1])
    surest = int(np.abs(apart / errors).argmax())
    return [*(apart[surest] + way * stats.norm.isf(0.025) * errors[surest] for way in (0, -1, 1)), np.nan]


def test_what_the_paper_says_of_its_claims_follows_from_its_tables() -> None:
    page = min(stats.page_trend_test(way, method="exact").pvalue for way in (BY_RATIO, BY_RATIO[:, ::-1]))
    wanted = {
        "ratio": one_sample(TREND, 2 * page),
        "four-to-one": one_sample(FIFTH, stats.ttest_1samp(FIFTH, -0.01, alternative="greater").pvalue),
        "alone-mixes": welch(shares(5), shares(4, "Qwen1.5-7B")),
        "size": by_size(),
        "small-sizes": surest_neighbours(),
        "restored": one_sample(np.array(list(RESTORED.values()))),
        "kinds": welch(shares(2), shares(1)),
    }
    paper = {claim.key: claim.paper for claim in claims() if claim.paper}
    assert list(paper) == list(wanted)
    for key, own in paper.items():
        assert own.interval
        assert [own.value, *own.interval, own.p] == pytest.approx(wanted[key], rel=1e-6, nan_ok=True)
    assert dict(paper["ratio"].by_model) == pytest.approx(dict(zip(MODELS, TREND, strict=True)))
    assert dict(paper["four-to-one"].by_model) == pytest.approx(dict(zip(MODELS, FIFTH, strict=True)))
    assert dict(paper["restored"].by_model) == pytest.approx(RESTORED)
