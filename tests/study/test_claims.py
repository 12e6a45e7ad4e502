"""The paper's claims, judged by scores of which the truth is known and by the published figures.

Only what is alike in all but what a claim is about is compared.
"""

from collections.abc import Mapping, Sequence
from math import isnan, nan

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


def base(share: float, table: int | None = None) -> Arm:
    return arm(scores(share, 1), None, table=table)


def untrained(shares: Sequence[tuple[int, Numbers]]) -> list[Arm]:
    return [arm(each, None, table=table, model=f"{table}/{place}") for place, (table, each) in enumerate(shares)]


SAME, OTHERS = scores(0.6, items=6000), scores(0.7, 1)
NEARLY = np.where(np.arange(6000) % 1000 == 0, 1 - SAME, SAME)
TWO = [arm(scores(0.8, draw=draw), ratio, rows=300) for draw, ratio in enumerate(("9:1", "1:9"))]
MODELS = untrained([(table, scores(share, 1)) for table, share in ((1, 0.7), (1, 0.6), (2, 0.3), (2, 0.4))])
NOTHING_IN_COMMON = untrained([(n, np.where(np.arange(240) // 40 == n, np.nan, OTHERS)) for n in (1, 1, 2, 2)])
TOO_FEW = "undecided, for chance in training is not known: each arm needs two seeds"
UNLIKE = "no medical data alone have as many rows as a mix: the difference is one of rows as well"
EQUAL, MORE = (arm(scores(share, draw=5), "0:1", table=5, rows=rows) for share, rows in ((0.8, 300), (0.3, 9000)))


@pytest.mark.parametrize(
    ("key", "arms", "conclusion", "value", "note"),
    [
        ("ratio", mixes(FALLING), "replicates", -0.36, ""),
        # A failed arm leaves the others to be compared.
        ("ratio", mixes({ratio: FALLING[ratio] for ratio in ("9:1", "1:9")}), "replicates", -0.36, ""),
        ("ratio", mixes(FALLING, seeds=1), "undecided", -0.36, TOO_FEW),
        ("ratio", [*mixes(FALLING)[:-1], arm(scores(0.45, 1), "1:9")], "undecided", -0.36, TOO_FEW),
        ("alone-base", [base(0.9), *alone([0.4], 2)], "undecided", -0.48, TOO_FEW),
        ("alone-base", [base(0.9), *alone([0.4], 3)], "replicates", -0.48, ""),
        ("alone-mixes", [base(0.9), *mixes(FLAT), *alone([0.4, 0.4])], "replicates", -0.2, UNLIKE),
        ("alone-mixes", [*TWO, EQUAL, MORE], "undecided", 0.0, ""),
        ("alone-mixes", [*TWO, MORE], "replicates", -0.5, UNLIKE),
        # The mean over equal rows of each kind.
        ("alone-mixes", [*TWO, EQUAL, MORE, arm(scores(0.8), "9:1", rows=9000)], "replicates", -0.25, ""),
        ("four-to-one", [arm(SAME, "9:1"), arm(NEARLY, "4:1")], "replicates", 0.0, ""),
        ("four-to-one", [arm(SAME, "9:1"), arm(scores(0.8, items=6000), "4:1")], "replicates", 0.2, ""),
        ("four-to-one", [arm(SAME, "9:1"), arm(scores(0.5, items=6000), "4:1")], "contradicts", -0.1, ""),
        ("four-to-one", [arm(scores(0.6, draw=at), of) for at, of in enumerate(("9:1", "4:1"))], "undecided", 0.0, ""),
        ("size", alone([0.4, 0.5, 0.6]), "replicates", 0.2, ""),
        ("size", alone([0.6, 0.5, 0.4]), "contradicts", -0.2, ""),
        ("restored", [base(0.3, 2), arm(scores(0.6), "1:0", table=3)], "replicates", 0.3, ""),
        ("kinds", MODELS, "replicates", -0.3, "of these models, not of others"),
        ("kinds", NOTHING_IN_COMMON, "undecided", nan, "an exam without an item that has a score everywhere"),
        ("trade-off", [*mixes(FLAT), *mixes(FALLING, condition="closedbook")], "undecided", -0.36, "with the book"),
    ],
)
def test_a_claim_is_decided_by_the_sign_and_p_of_its_difference(
    key: str, arms: list[Arm], conclusion: str, value: float, note: str
) -> None:
    own = found(key, arms)
    assert own.conclusion == conclusion
    assert own.value == pytest.approx(value, abs=0.05, nan_ok=True)
    assert own.note.startswith(note)
    assert bool(own.note) is bool(note)
    assert own.seeds == min((len(each.scores) for each in arms if each.cell.mix), default=0)
    if note == TOO_FEW:
        assert isnan(own.p)


@pytest.mark.parametrize(
    ("key", "arms"),
    [
        ("ratio", mixes({"9:1": 0.8})),
        ("kinds", MODELS[:3]),
        ("restored", [base(0.3, 2), arm(scores(0.6), "0:1", table=3)]),
        # Levels that differ in ratio and in rows.
        *((key, [arm(scores(0.7), "9:1", rows=300, table=table), arm(scores(0.4), "4:1", rows=9000, table=table)])
          for key, table in (("ratio", 4), ("size", 5), ("four-to-one", 4))),
    ],
)  # fmt: skip
def test_a_claim_is_not_in_a_study_whose_arms_are_unlike_in_more_than_it_is_about(key: str, arms: list[Arm]) -> None:
    assert next(own is None for claim, own in judge(arms) if claim.key == key)


def test_the_change_is_that_of_the_line_through_all_levels() -> None:
    shares = np.repeat([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], 6, axis=0).reshape(3, 24)
    own = [arm(shares[[place]], ratio) for place, ratio in enumerate(("9:1", "1:1", "1:9"))]
    assert found("ratio", own).value == pytest.approx(0.5)


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


@pytest.mark.parametrize(
    ("read", "known", "conclusion"), [(1, 1, "contradicts"), (1, -1, "replicates"), (-1, 1, "replicates")]
)
def test_the_trade_off_is_of_the_end_that_reads_worse_less_the_other(read: int, known: int, conclusion: str) -> None:
    rising, falling = (dict(zip(RATIOS, list(FALLING.values())[::step], strict=True)) for step in (-1, 1))
    of, sign = {1: rising, -1: falling}, -read * known
    own = found("trade-off", [*mixes(of[read]), *mixes(of[known], condition="closedbook")])
    assert own.conclusion == conclusion
    assert own.interval
    assert own.interval.low * sign > 0 < own.interval.high * sign
    assert [own.value, own.by_model[0][1]] == pytest.approx([0.36 * sign, own.value], abs=0.04)
    assert own.note == (
        f"with the book the most {'general' if read > 0 else 'medical'} mix reads worse; "
        "closed-book averages at or below guessing tell of answering in form, not of knowledge"
    )


# What claims.yml says of the published figures, from these figures themselves.


def rows(table: int, model: str | None = None) -> list[PublishedRow]:
    return [row for row in published.tables()[table - 1].rows if model in (None, row.model)]


def shares(table: int, model: str | None = None) -> Numbers:
    return np.array([row.share for row in rows(table, model)])


QWEN = list(dict.fromkeys(row.model for row in rows(4)))
BY_RATIO = np.stack([shares(4, model) for model in QWEN])  # models, from 9:1 to 1:9
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


def test_what_the_paper_says_of_its_claims_follows_from_its_tables() -> None:
    page = min(stats.page_trend_test(way, method="exact").pvalue for way in (BY_RATIO, BY_RATIO[:, ::-1]))
    wanted = {
        "ratio": one_sample(TREND, 2 * page),
        "four-to-one": one_sample(FIFTH, stats.ttest_1samp(FIFTH, -0.01, alternative="greater").pvalue),
        "alone-mixes": welch(shares(5), shares(4, "Qwen1.5-7B")),
        "size": by_size(),
        "restored": one_sample(np.array(list(RESTORED.values()))),
        "kinds": welch(shares(2), shares(1)),
    }
    paper = {claim.key: claim.paper for claim in claims() if claim.paper}
    assert list(paper) == list(wanted)
    for key, own in paper.items():
        assert own.interval
        assert [own.value, *own.interval, own.p] == pytest.approx(wanted[key], rel=1e-6, nan_ok=True)
    assert dict(paper["ratio"].by_model) == pytest.approx(dict(zip(QWEN, TREND, strict=True)))
    assert dict(paper["four-to-one"].by_model) == pytest.approx(dict(zip(QWEN, FIFTH, strict=True)))
    assert dict(paper["restored"].by_model) == pytest.approx(RESTORED)
