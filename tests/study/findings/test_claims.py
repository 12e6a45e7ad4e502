"""The paper's claims, judged by marks of which the truth is known, and by the published figures."""

from math import isnan

import numpy as np
import pytest

from openbook_eval.study.findings.claims import CLAIMS, judge
from tests.study.findings.known import FALLING, FLAT, RATIOS, alone, marks, mixes, outcome
from tests.study.made import setting


def test_a_claim_that_holds_replicates() -> None:
    found = outcome("ratio", mixes(FALLING)).study
    assert found.verdict == "replicates"
    assert found.found is not None
    assert found.found.interval is not None
    assert found.found.value == pytest.approx(-0.36, abs=0.04)
    assert found.found.interval.high < 0
    assert (found.found.seeds, found.adjusted < 0.001) == (3, True)


def test_a_claim_that_does_not_hold_is_contradicted() -> None:
    rising = dict(zip(RATIOS, reversed(FALLING.values()), strict=True))
    assert outcome("ratio", mixes(rising)).study.verdict == "contradicts"


def test_where_nothing_can_be_told_a_claim_is_undecided() -> None:
    found = outcome("ratio", mixes(FLAT)).study
    assert found.verdict == "undecided"
    assert found.adjusted > 0.05


def test_a_study_of_nothing_has_no_outcome() -> None:
    assert {each.study.verdict for each in judge([])} == {"not in this study"}
    assert {each.study.found for each in judge([])} == {None}


def test_the_change_is_that_of_the_line_through_all_levels() -> None:
    shares = np.repeat([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], 6, axis=0).reshape(3, 24)
    own = [setting(shares[[place]], ratio) for place, ratio in enumerate(("9:1", "1:1", "1:9"))]
    found = outcome("ratio", own).study.found
    assert found is not None
    assert found.value == pytest.approx(0.5)


def test_of_one_seed_each_nothing_is_decided() -> None:
    found = outcome("ratio", mixes(FALLING, seeds=1)).study
    assert found.verdict == "undecided"
    assert isnan(found.adjusted)
    assert found.found is not None
    assert (found.found.seeds, found.found.value < -0.3) == (1, True)
    assert found.found.note == "nothing has two seeds: what chance does in training is not known"


def test_a_setting_of_one_seed_leaves_a_claim_undecided_and_says_why() -> None:
    own = [*mixes(FALLING)[:-1], setting(marks(0.45, 1), "1:9")]
    found = outcome("ratio", own).study
    assert (found.verdict, found.found and found.found.seeds) == ("undecided", 1)
    assert found.found is not None
    assert found.found.note == "undecided, for a setting has one seed; a verdict needs two of each at least"
    assert isnan(found.found.p)


def test_a_setting_of_one_seed_that_has_no_weight_stops_nothing() -> None:
    of_one = {ratio: 1 if ratio == "1:1" else 3 for ratio in RATIOS}
    own = [setting(marks(share, of_one[ratio]), ratio) for ratio, share in FALLING.items()]
    assert outcome("ratio", own).study.verdict == "replicates"


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "undecided"), (3, "replicates")])
def test_two_seeds_of_the_only_trained_setting_decide_nothing(seeds: int, verdict: str) -> None:
    own = [setting(marks(0.9, 1), None, table=None), *alone([0.4], seeds)]
    found = outcome("alone-base", own).study
    assert found.verdict == verdict
    assert found.found is not None
    assert found.found.note.startswith("undecided, for the only trained setting has two seeds") is (seeds == 2)


def test_a_failed_setting_leaves_the_others_to_be_compared() -> None:
    assert outcome("ratio", mixes({ratio: FALLING[ratio] for ratio in ("9:1", "1:9")})).study.verdict == "replicates"
    assert outcome("ratio", mixes({"9:1": 0.8})).study.verdict == "not in this study"


def test_several_models_weigh_the_same_and_each_is_told() -> None:
    own = [*mixes(FALLING, model="a/one"), *mixes(FLAT, model="b/two")]
    found = outcome("ratio", own).study.found
    assert found is not None
    assert [name for name, _ in found.by_model] == ["one", "two"]
    assert found.value == pytest.approx(sum(value for _, value in found.by_model) / 2)


def test_where_the_papers_exam_was_not_sat_the_reading_exam_stands_for_it() -> None:
    own = mixes(FALLING, condition="reading_open")
    assert outcome("ratio", own).study.verdict == "replicates"
    assert outcome("ratio", [*mixes(FLAT), *own]).study.verdict == "undecided"


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
            setting(
                (level + generator.normal(0, 0.2, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(float), each
            )
            for each in RATIOS
        ]
        found = ratio.of_study(own)
        assert found is not None
        p.append(found.p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.09


def test_what_the_published_figures_say_themselves() -> None:
    assert {each.claim.key: each.paper.verdict for each in judge([])} == {
        "ratio": "replicates",
        "four-to-one": "replicates",
        "alone-mixes": "replicates",
        "alone-base": "not in this study",
        "size": "undecided",
        "small-sizes": "undecided",
        "restored": "undecided",
        "kinds": "replicates",
        "trade-off": "not in this study",
    }


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
