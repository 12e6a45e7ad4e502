"""Fits of made studies whose law is known, of what is too little for one, and of the paper's tables."""

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.study.fit import (
    LAWS,
    FitArms,
    FittedCondition,
    LawFit,
    StudyFit,
    fit,
    fit_arms,
    fit_law,
)
from openbook_eval.study.report import fit_report
from openbook_eval.study.results import POINTS
from tests.study.made import printed

# Accuracy by the medical share of a mix and its rows.
Truth = Callable[[float, int], float]
Mix = tuple[int, int, int]

FIVE: tuple[Mix, ...] = tuple((g, m, 1000) for g, m in ((9, 1), (4, 1), (1, 1), (1, 4), (1, 9)))
NINE: tuple[Mix, ...] = (*FIVE, (1, 0, 1000), (2, 1, 1000), (1, 2, 1000), (0, 1, 1000))
SIZES: tuple[Mix, ...] = tuple((0, 1, rows) for rows in (1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000))
GRID: tuple[Mix, ...] = tuple((g, m, rows) for g, m, _ in FIVE for rows in (1000, 4000, 16000))


def points(
    truth: Truth,
    mixes: Iterable[Mix],
    noise: float = 0.0,
    *,
    seeds: int = 1,
    items: int = 10**9,
    generator: int = 0,
    condition: str = "openbook",
    model: str = "m",
    base: str = "",
    recipe: str = "r",
) -> pl.DataFrame:
    """A point a seed: the truth, chance in the items that all are asked, and chance in each training."""
    random = np.random.default_rng(generator)
    luck = random.normal() / items**0.5
    rows = []
    for general, medical, size in mixes:
        share = truth(medical / (general + medical), size)
        asked = share + luck * (share * (1 - share)) ** 0.5
        for seed in range(1, seeds + 1):
            value = float(np.clip(asked + random.normal(0, noise), 0, 1))
            cell = f"{model}_{general}{medical}_{size}-seed{seed}"
            names = {"source": "made", "model": model, "base": base or model, "recipe": recipe, "cell": cell}
            mix = {"general": general, "medical": medical, "rows": size, "seed": seed, "condition": condition}
            own = {"table": 4, "share": value, "items": items, "evaluation": f"{base} {recipe} {cell}"}
            rows.append({**names, **mix, **own})
    return pl.DataFrame(rows, schema=POINTS)


def own_arms(made: pl.DataFrame) -> FitArms:
    return fit_arms(made.with_columns(medical=pl.col("medical") / (pl.col("general") + pl.col("medical"))), "made")


def arms(truth: Truth, mixes: Iterable[Mix], noise: float = 0.0, generator: int = 0, seeds: int = 1) -> FitArms:
    return own_arms(points(truth, mixes, noise, generator=generator, seeds=seeds))


def places(*mixes: Mix) -> pl.DataFrame:
    return pl.DataFrame({"medical": [m / (g + m) for g, m, _ in mixes], "rows": [d for *_, d in mixes]})


def chosen(made: FitArms) -> str:
    return LAWS[FittedCondition.of(made, made.shares).chosen[0]]


def text(found: StudyFit, width: int = 300) -> str:
    return printed([fit_report(found)], width)


@pytest.mark.parametrize(
    ("law", "truth", "mixes"),
    [
        ("constant", lambda _r, _d: 0.5, FIVE),
        ("linear", lambda r, _d: 0.6 - 0.1 * r, FIVE),
        ("saturating", lambda r, _d: 0.6 - 0.2 * r**3, FIVE),
        ("saturating", lambda r, _d: 0.6 - 0.2 * r**0.3, FIVE),
        ("linear", lambda _r, d: 0.5 + 0.02 * np.log(d), SIZES),
        ("saturating", lambda _r, d: 0.7 - 2 * d**-0.5, SIZES),
        ("linear", lambda r, d: 0.5 - 0.1 * r + 0.02 * np.log(d), GRID),
        ("saturating", lambda r, d: 0.8 - 0.1 * r**3 - 5 * d**-0.7, GRID),
    ],
)
def test_the_law_that_made_the_data_is_chosen(law: str, truth: Truth, mixes: tuple[Mix, ...]) -> None:
    assert chosen(arms(truth, mixes, noise=5e-4)) == law


def test_where_there_is_nothing_but_noise_the_constant_is_chosen() -> None:
    found = [chosen(arms(lambda _r, _d: 0.5, mixes, 0.02, n)) for mixes in (FIVE, SIZES) for n in range(40)]
    assert found.count("constant") >= 64


def test_a_law_with_too_many_parameters_is_undetermined_and_says_so() -> None:
    made = arms(lambda _r, _d: 0.5, FIVE[:4])
    assert fit_law("saturating", made, made.shares) == "3 parameters need 5 arms, there are 4"
    said = text(fit(points(lambda _r, _d: 0.5, FIVE[:4], 0.01), draws=100))
    assert "undetermined: saturating, E + B r^h: 3 parameters need 5 arms, there are 4" in said


def test_an_error_left_out_is_that_of_a_fit_without_the_arm() -> None:
    made = points(lambda r, _d: 0.6 - 0.1 * r**2, [*FIVE, (2, 1, 1000)], 0.01)
    whole = own_arms(made)
    every = FittedCondition.of(whole, whole.shares)
    for left, share in enumerate(whole.cells["medical"]):
        own = pl.col("medical") / (pl.col("general") + pl.col("medical")) != share
        other = own_arms(made.filter(own))
        without = FittedCondition.of(other, other.shares)
        for law in LAWS:
            error = (whole.shares[0, left] - without.predict(law, whole.cells[left])[0, 0]) ** 2
            found = every.fits[law]
            assert isinstance(found, LawFit)
            assert found.left_out[0, left] == pytest.approx(error, rel=1e-6)


def test_arms_weigh_as_much_as_they_have_seeds() -> None:
    made = own_arms(pl.concat([points(lambda *_: 0.2, FIVE[:2]), points(lambda *_: 0.6, FIVE[2:], seeds=3)]))
    share = FittedCondition.of(made, made.shares).predict("constant", places((1, 1, 1000)))[0, 0]
    assert share == pytest.approx((2 * 0.2 + 9 * 0.6) / 11, abs=1e-4)


@pytest.mark.parametrize(
    ("truth", "mixes", "seeds"),
    [
        (lambda r, _d: 0.6 - 0.05 * r, FIVE, 1),
        (lambda r, _d: 0.6 - 0.02 * r, FIVE, 3),
        (lambda _r, d: 0.6 - 0.08 * (d / 1000) ** -0.5, SIZES, 3),
    ],
)
def test_intervals_of_predictions_hold_the_truth_in_about_95_of_100(
    truth: Truth, mixes: tuple[Mix, ...], seeds: int
) -> None:
    wanted = places(mixes[0], mixes[len(mixes) // 2], mixes[-1])
    true = np.array([truth(medical, rows) for medical, rows in wanted.rows()])
    held = []
    for number in range(150):
        made = own_arms(points(truth, mixes, 0.01, seeds=seeds, items=11_200, generator=number))
        bounds = FittedCondition.drawn(made, 300, number).expected(wanted)
        held.append((bounds["low"].to_numpy() <= true) & (true <= bounds["high"].to_numpy()))
    assert 0.9 <= np.mean(held) <= 0.99


# Reading falls ever faster with the medical share, knowledge grows ever slower: the best of both is in between.
READING = points(lambda r, _d: 0.7 - 0.2 * r**2, NINE, 0.002, seeds=2)
KNOWLEDGE = points(lambda r, _d: 0.3 + 0.2 * r**0.5, NINE, 0.002, seeds=2, generator=1, condition="closedbook")


@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
def test_the_best_ratio_weighs_reading_against_knowledge(weight: float) -> None:
    # Where the derivative of the weighed truth is 0: w 0.4 r = (1 - w) 0.1 / sqrt(r).
    true = min(1.0, ((1 - weight) * 0.1 / (weight * 0.4)) ** (2 / 3))
    best = fit(pl.concat([READING, KNOWLEDGE]), weight=weight, draws=300).models[0].optimum
    assert best
    assert best.medical == pytest.approx(true, abs=0.06)
    assert best.interval.low <= true <= best.interval.high


@pytest.mark.parametrize(
    ("slope", "noise", "best", "said"),
    [
        (0.1, 0.001, 0.0, "0% medical (0% to 0%)"),
        # Only chance differs.
        (0.0, 0.02, None, "undetermined"),
    ],
)
def test_reading_alone_is_best_at_an_edge_or_nowhere(slope: float, noise: float, best: float | None, said: str) -> None:
    found = fit(points(lambda r, _d: 0.6 - slope * r, FIVE, noise, generator=1), draws=400)
    assert found.models[0].optimum
    assert found.models[0].optimum.medical == best
    assert f"best ratio for reading alone with 1,000 rows: {said}" in text(found)
    assert "the trade-off is undetermined: closed-book runs are not fitted (there are none)" in text(found)
    assert ("no mix was trained there: 10% to 90% medical were" in text(found)) is (best is not None)


def test_the_next_cell_is_where_the_draws_part_most() -> None:
    # All that is known lies at little medical data, so that laws part at much of it.
    near = tuple((20 - parts, parts, 1000) for parts in (0, 1, 2, 3, 4, 5, 6))
    found = fit(points(lambda r, _d: 0.6 - 0.1 * r, near, 0.003, seeds=2), draws=400)
    assert found.models[0].next["medical"][0] == 1.0
    assert "next cell, where the draws part most: 0:1, 1,000 rows (" in text(found)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (READING.clear(), "table 4: no trained model is evaluated yet; run the study first"),
        (
            points(lambda _r, _d: 0.5, FIVE[:2]),
            "made, table 4, m: 2 mixes with openbook: too few, a constant needs 3 and a line 4",
        ),
        (
            pl.concat([READING, READING[:1].with_columns(rows=pl.lit(0, pl.Int64), evaluation=pl.lit("other"))]),
            "made, table 4, m: the rows of some mixes are not known; fit one table at a time (--table)",
        ),
        (
            KNOWLEDGE,
            "made, table 4, m: no run with the open book (openbook or reading_open); add its condition to the study",
        ),
    ],
)
def test_what_cannot_be_fitted_is_one_line(made: pl.DataFrame, said: str) -> None:
    with pytest.raises(OpenbookError) as error:
        fit(made, table=4, draws=100)
    assert str(error.value) == said


def test_a_fit_stands_at_80_columns_with_its_law_marked() -> None:
    said = text(fit(points(lambda r, d: 0.8 - 0.1 * r**3 - 5 * d**-0.7, GRID, 1e-3), draws=100), 80).splitlines()
    assert any(row.split()[0] == "saturating," and row.split()[-1] == "chosen" for row in said if row.strip())
    assert max(map(len, said)) <= 80


def test_a_model_that_cannot_be_fitted_leaves_the_others() -> None:
    found = fit(pl.concat([READING, points(lambda _r, _d: 0.5, FIVE[:2], model="[bold]small")]), draws=100)
    assert [each.model for each in found.models] == ["m"]
    small = "made, [bold]small: 2 mixes with openbook: too few, a constant needs 3 and a line 4"
    assert found.undetermined == (small,)
    assert f"undetermined: {small}" in text(found)


MADE = pl.concat(
    [
        points(lambda r, _d: 0.6 - 0.05 * r, FIVE, 0.01, seeds=2, items=1000),
        points(lambda r, _d: 0.3 + 0.05 * r, FIVE, 0.01, seeds=2, items=1000, generator=1, condition="closedbook"),
        points(lambda r, _d: 0.7 - 0.05 * r, FIVE, 0.01, seeds=2, items=1000, generator=2, model="other"),
    ]
)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_points_changes_nothing(seed: int) -> None:
    assert text(fit(MADE.sample(fraction=1, shuffle=True, seed=seed), draws=100)) == text(fit(MADE, draws=100))


def test_the_same_seed_gives_the_same_fit_and_another_seed_another() -> None:
    once, again, other = (fit(MADE, draws=100, seed=seed).models[0].next for seed in (1, 1, 2))
    assert once.equals(again)
    assert not once.equals(other)


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({"base": "/one/m"}, {"base": "/two/m"}, ("/one/m (r)", "/two/m (r)")),
        ({"recipe": "fast"}, {"recipe": "slow"}, ("m (fast)", "m (slow)")),
    ],
)
def test_bases_with_one_title_and_recipes_on_one_mix_are_models_and_no_seeds(
    one: dict[str, str], other: dict[str, str], names: tuple[str, str]
) -> None:
    high = points(lambda r, _d: 0.9 - 0.1 * r, FIVE, 0.001, base=one.get("base", "m"), recipe=one.get("recipe", "r"))
    low = points(lambda r, _d: 0.4 - 0.1 * r, FIVE, 0.001, base=other.get("base", "m"), recipe=other.get("recipe", "r"))
    found = fit(pl.concat([high, low]), draws=100)
    assert tuple(each.model for each in found.models) == names
    assert [each.reading.arms.cells["seeds"].sum() for each in found.models] == [5, 5]
    assert all(each.reading.scatter < 0.01 for each in found.models)


def test_an_exam_that_cells_of_two_tables_share_counts_once() -> None:
    again = READING.with_columns(table=pl.lit(5, pl.Int64), cell="again-" + pl.col("cell"))
    both = pl.concat([again, READING])
    assert text(fit(both, draws=100)) == text(fit(READING, draws=100))
    assert fit(both, table=5, draws=100).models[0].reading.arms.cells["seeds"].sum() == READING.height


@pytest.mark.parametrize(
    ("closed", "lacking"),
    [
        (FIVE[:2], "made, table 4, m: 2 mixes with closedbook: too few, a constant needs 3 and a line 4"),
        (SIZES, "made, table 4, m: with closedbook size differs, with openbook ratio; evaluate the same cells"),
    ],
)
def test_closed_book_runs_that_do_not_fit_are_left_out_and_said(closed: tuple[Mix, ...], lacking: str) -> None:
    known = points(lambda _r, _d: 0.4, closed, 0.01, condition="closedbook")
    (found,) = fit(pl.concat([READING, known]), table=4, draws=100).models
    assert (found.knowledge, found.lacking) == (None, lacking)
