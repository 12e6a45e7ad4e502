"""The best ratio, the next cell, what cannot be fitted, and what a fit of the paper's tables says."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

from openbook_eval.errors import OpenbookError
from openbook_eval.report.study_fit import fit_report
from openbook_eval.study.findings.points import Point, paper_points
from openbook_eval.study.fitting import Fit, fit
from openbook_eval.study.fitting.ensemble import ensemble
from openbook_eval.study.fitting.gathering import settings_of
from openbook_eval.study.fitting.next_cells import SEEDS, Outlook
from openbook_eval.study.fitting.optimum import Trade, _highest, optima
from openbook_eval.study.fitting.values import Place, Varies
from tests.study.fitting.simulated import FIVE, GRID, NINE, SIZES, points


def text(found: Fit) -> str:
    console = Console(width=300)
    with console.capture() as capture:
        for part in fit_report(found):
            console.print(part)
    return capture.get()


# Reading falls ever faster with the medical share, knowledge grows ever slower: the best of both is in between.
READING = points(lambda r, _d: 0.7 - 0.2 * r**2, NINE, 0.002, seeds=2)
KNOWLEDGE = points(lambda r, _d: 0.3 + 0.2 * r**0.5, NINE, 0.002, seeds=2, generator=1, condition="closedbook")


def best_of(weight: float) -> float:
    """Where the derivative of the weighed truth is 0: w 0.4 r = (1 - w) 0.1 / sqrt(r)."""
    return float(min(1.0, ((1 - weight) * 0.1 / (weight * 0.4)) ** (2 / 3)))


@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
def test_the_best_ratio_weighs_reading_against_knowledge(weight: float) -> None:
    best = fit([*READING, *KNOWLEDGE], weight=weight, draws=300).groups[0].optimum
    assert best
    assert best.medical == pytest.approx(best_of(weight), abs=0.06)
    assert best.interval.low <= best_of(weight) <= best.interval.high
    assert {best.at_edge, best.untold, best.extrapolated} == {False}


def test_reading_alone_is_best_at_an_edge_and_the_trade_off_is_not_told() -> None:
    found = fit(points(lambda r, _d: 0.6 - 0.1 * r, FIVE, 0.001), draws=100)
    best = found.groups[0].optimum
    assert best
    assert (best.medical, best.at_edge, best.extrapolated) == (0.0, True, True)
    said = text(found)
    assert "no closed-book runs: what knowledge is gained, and so the trade-off, cannot be told" in said
    assert (
        "the best is an edge, no mix: general data alone; every law that so few settings allow rises or falls" in said
    )


def test_where_only_chance_differs_the_best_ratio_is_untold() -> None:
    found = fit(points(lambda _r, _d: 0.5, FIVE, 0.02, generator=1), draws=400)
    best = found.groups[0].optimum
    assert best
    assert (best.medical, best.untold) == (None, True)
    assert "best ratio for reading alone: none is better than another by the chosen law" in text(found)
    assert "the interval is all of what a ratio can be: these points do not tell a best ratio" in text(found)


def test_draws_that_prefer_no_ratio_leave_every_ratio_open() -> None:
    made = settings_of(points(lambda _r, _d: 0.5, FIVE, 0.02, generator=1), "openbook", ("m",), "made")
    trade = Trade(ensemble(made, 1000, 0), None, 1.0)
    best = optima(trade, 0)[~trade.decided]
    assert len(best) > 500
    assert np.quantile(best, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.05)


def test_the_next_cell_is_where_the_ensemble_disagrees() -> None:
    # All that is known lies at little medical data, so that laws part at much of it.
    near = tuple((20 - parts, parts, 1000) for parts in (0, 1, 2, 3, 4, 5, 6))
    after = fit(points(lambda r, _d: 0.6 - 0.1 * r, near, 0.003, seeds=2), draws=400).groups[0].next
    assert after.untrained[0].place.ratio == "0:1"
    found = fit(points(lambda _r, d: 0.7 - 2 * d**-0.5, SIZES[:4], 0.005), draws=400, size=64_000).groups[0].next
    assert found.target
    assert found.target.rows == 64_000
    assert found.untrained[0].place.rows == 2 * SIZES[3][2]


def test_seeds_of_a_new_cell_make_a_level_known_like_as_many_trainings_more() -> None:
    made = points(lambda _r, _d: 0.6, SIZES, 0.02)
    found = ensemble(settings_of(made, "openbook", ("m",), "made"), 2000, 0)
    trade = Trade(found, None, 1.0)
    place = Place(Fraction(1), SIZES[-1][2], "m")
    outlook = Outlook.of(trade, trade.values([place])[:, 0], 0)
    widths = [outlook.width(replace(place, rows=2 * place.rows), seeds) for seeds in SEEDS]
    assert widths == sorted(widths, reverse=True)
    for seeds in (24, 64):
        level = 2 * 1.96 * found.scatter.estimate.training**0.5 / (len(SIZES) + seeds) ** 0.5
        assert widths[SEEDS.index(seeds)] == pytest.approx(level, rel=0.1)


def test_halving_takes_the_fewest_seeds_that_are_expected_to_do_it() -> None:
    after = fit(points(lambda _r, _d: 0.6, SIZES, 0.02), draws=1000).groups[0].next
    assert after.untrained[0].width < after.width
    assert after.halving in (4, 6, 8)
    assert after.again
    assert after.again.seeds == 1


def test_ratio_and_size_are_fitted_together_where_both_vary() -> None:
    (group,) = fit(points(lambda r, d: 0.7 - 5 * r * d**-0.5, GRID, 1e-3), draws=100, table=4).groups
    assert (group.varies, group.reading.chosen.name) == (Varies.BOTH, "D-CPT, first term")
    seen = [each for each in group.reading.predicted if each.observed is not None]
    assert len(seen) == len(GRID)
    assert all(each.share == pytest.approx(each.observed, abs=4e-3) for each in seen)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([], "table 4: no trained model is examined yet; run the study first"),
        (
            points(lambda _r, _d: 0.5, FIVE[:1], seeds=3),
            "made, table 4, m: 1 mix of m with openbook: too few, for a constant needs 3 and a line 4",
        ),
        (
            points(lambda _r, _d: 0.5, FIVE[:2]),
            "made, table 4, m: 2 mixes of m with openbook: too few, for a constant needs 3 and a line 4",
        ),
        ([replace(READING[0], share=1.2)], "m_91_1000-seed1: accuracy 1.2 is no share of 1"),
        ([replace(READING[0], share=math.nan)], "m_91_1000-seed1: accuracy nan is no share of 1"),
        ([replace(READING[0], items=0)], "m_91_1000-seed1: 0 questions; an accuracy needs one at least"),
        (
            [*READING, replace(READING[0], rows=0, exam="")],
            "made, table 4, m: the rows of some mixes are not known; fit one table at a time (--table)",
        ),
        (
            KNOWLEDGE,
            "made, table 4, m: no run with the open book (openbook or reading_open); add its condition to the study",
        ),
    ],
)
def test_what_cannot_be_fitted_is_one_line(made: list[Point], said: str) -> None:
    with pytest.raises(OpenbookError) as error:
        fit(made, table=4, draws=100)
    assert str(error.value) == said


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(OpenbookError, match=r"weight 1\.5 is not between 0 \(knowledge alone\) and 1"):
        fit(READING, weight=1.5)
    with pytest.raises(OpenbookError, match="10 draws are too few for an interval of 95 %; take 100 at least"):
        fit(READING, draws=10)
    with pytest.raises(OpenbookError, match="size 0: a mix has one row at least"):
        fit(READING, size=0)
    with pytest.raises(OpenbookError, match=r"the size is above 1,000,000,000,000 rows, which no mix has"):
        fit(READING, size=10**5000)
    with pytest.raises(OpenbookError, match=r"more than 100,000 draws: no memory holds them"):
        fit(READING, draws=10**5000)
    with pytest.raises(OpenbookError, match=r"ratio and rows of a mix are 1,000,000,000,000 at most"):
        fit([replace(READING[0], rows=10**5000)])


def test_the_largest_size_is_predicted() -> None:
    found = fit(points(lambda _r, d: 0.7 - 2 * d**-0.5, SIZES, 0.01), draws=100, size=10**12)
    assert found.groups[0].reading.predicted[-1].place.rows == 10**12


def test_a_law_that_passes_1_is_best_where_it_is_highest_and_not_where_it_reaches_1() -> None:
    made = points(lambda r, _d: 0.97 + 0.045 * r, [(g, m, 1000) for g, m in ((1, 0), (9, 1), (4, 1), (2, 1), (1, 1))])
    best = fit(made, draws=200).groups[0].optimum
    assert best
    assert (best.medical, best.value) == (1.0, 1.0)
    assert best.interval.low > 0.9


def test_of_equals_the_middle_is_best() -> None:
    values = np.array([[1.0, 2, 2, 2, 0], [3, 3, 3, 3, 3], [0, 0, 0, 0, 1]])
    assert _highest(values).tolist() == [2, 2, 4]


def test_three_settings_allow_nothing_but_a_constant_and_the_fit_says_so() -> None:
    said = text(fit(points(lambda r, _d: 0.6 - 0.1 * r, FIVE[:3], 0.001), draws=100))
    assert "so few settings allow nothing but a constant: that nothing changes is not found, but all there is" in said
    assert "nothing but a constant" not in text(fit(points(lambda _r, _d: 0.6, FIVE[:4], 0.01), draws=100))


def test_a_trend_of_settings_too_few_for_the_test_is_no_trend_not_found() -> None:
    said = text(fit(points(lambda r, _d: 0.6 - 0.1 * r, [FIVE[0], FIVE[1], FIVE[3], FIVE[4]], 0.001), draws=100))
    assert "p 0.08" in said
    assert "too few unlike settings for this test, in which p cannot be less than 0.08" in said
    assert "such studies would find" not in said


def test_where_both_vary_the_best_ratio_is_told_with_its_rows() -> None:
    said = text(fit(points(lambda r, d: 0.7 - 5 * r * d**-0.5, GRID, 1e-3), draws=100))
    assert "best ratio for reading alone with 16,000 rows: 0% medical" in said


def test_the_chosen_law_is_marked_at_80_columns() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        for part in fit_report(fit(points(lambda r, d: 0.7 - 5 * r * d**-0.5, GRID, 1e-3), draws=100)):
            console.print(part)
    assert any(row.split()[:2] == ["chosen", "D-CPT,"] for row in capture.get().splitlines())
    assert "drawn" in capture.get()


def test_a_model_that_cannot_be_fitted_leaves_the_others() -> None:
    found = fit([*READING, *points(lambda _r, _d: 0.5, FIVE[:2], model="[bold]small")], draws=100)
    assert [group.models for group in found.groups] == [("m",)]
    small = "made, [bold]small: 2 mixes of [bold]small with openbook: too few, for a constant needs 3 and a line 4"
    assert found.left_out == (small,)
    assert "not fitted: made, [bold]small: 2 mixes" in text(found)


def test_closed_book_runs_that_are_too_few_are_told_and_left_out() -> None:
    found = fit([*READING, *KNOWLEDGE[:4]], draws=100)
    assert found.groups[0].knowledge is None
    lacking = "made, m: 2 mixes of m with closedbook: too few, for a constant needs 3 and a line 4"
    assert found.groups[0].lacking == lacking
    assert f"closed-book runs are not fitted ({lacking}): what knowledge is gained, and so" in text(found)
    assert "no closed-book runs" not in text(found)


def test_table_5_tells_no_trend_by_size() -> None:
    found = fit(paper_points(), table=5)
    (group,) = found.groups
    assert group.reading.chosen.name == "constant"
    assert group.reading.chosen.drawn > 0.9
    (trend,) = group.reading.trends
    assert trend.interval.low < 0 < trend.interval.high
    assert trend.p > 0.5
    assert "not to be told from none; 4 of 5 such studies would find one of 2.24 points" in text(found)


def test_table_4_tells_a_trend_by_ratio_of_all_models_together() -> None:
    group = fit(paper_points(), table=4).groups[-1]
    assert len(group.models) == 4
    assert group.reading.chosen.name == "linear"
    (trend,) = group.reading.trends
    assert trend.slope == pytest.approx(-0.0517, abs=1e-4)
    assert trend.p < 0.001
    assert group.knowledge is None
