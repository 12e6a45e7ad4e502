"""Mixes of exact shares, in seeded orders, the smaller within the larger."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import mix as module
from data_prep.mix import nesting, scaled, seeded_hash, wanted
from data_prep.spec import Mix
from openbook_eval.errors import OpenbookError
from openbook_eval.sampling import seeded_draw

SOURCES = {"alpaca": "general", "belle": "general", "zhongyi": "tcm", "huatuo": "western"}
NUMBERS = st.integers(1, 99) | st.floats(0.01, 99)
RATIOS = st.fixed_dictionaries({"general": NUMBERS, "medical": NUMBERS}) | st.dictionaries(
    st.sampled_from(["general", "tcm", "western"]), NUMBERS, min_size=1
)
some = settings(max_examples=50, deadline=None)


def key(source: str, number: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{source}:{number}".encode(), digest_size=8).digest(), "little")


def index(sizes: Mapping[str, int], tokens: int = 7) -> pl.DataFrame:
    """So many rows of each source; a row has 1 to `tokens` tokens."""
    pairs = [(source, number) for source, size in sizes.items() for number in range(size)]
    keys = [key(*pair) for pair in pairs]
    rows = [
        (own, SOURCES[source], source, 1 + own % tokens, number + 1)
        for own, (source, number) in zip(keys, pairs, strict=True)
    ]
    kinds = {"key": pl.UInt64, "domain": pl.String, "source": pl.String, "tokens": pl.UInt32, "row": pl.UInt32}
    return pl.DataFrame(rows, schema=kinds, orient="row")


ROWS = index({"alpaca": 60, "belle": 40, "zhongyi": 70, "huatuo": 50})


def mix(size: int, ratio: Any = None, **changes: Any) -> Mix:
    return Mix.model_validate({"size": size, "ratio": ratio or {"general": 1, "medical": 1}, **changes})


def choose(rows: pl.DataFrame, wanted: Mix, seed: int = 0) -> pl.DataFrame:
    return module.choose(rows, {"a": wanted}, seed)["a"]


def contains(outer: pl.DataFrame, inner: pl.DataFrame) -> bool:
    return not Counter(inner["key"]) - Counter(outer["key"])


def of(rows: pl.DataFrame, domain: str) -> pl.DataFrame:
    return rows.filter(pl.col("domain") == domain)


def ordered(pool: pl.DataFrame, seed: int) -> pl.DataFrame:
    return pool[np.argsort(seeded_hash(pool["key"], seed, "rows of a mix"))]


@pytest.mark.parametrize(
    ("each", "shares"),
    [
        (mix(100, "9:1"), {"general": 90, "tcm": 5, "western": 5}),
        # First between general and medical, then inside medical.
        (mix(25, "4:1", medical={"tcm": 2, "western": 1}), {"general": 20, "tcm": 3, "western": 2}),
        (mix(10, {"western": 1, "tcm": 2}), {"tcm": 7, "western": 3}),
        (mix(7, {"medical": 1}, medical={"tcm": 1}), {"tcm": 7}),
        # As written: 0.7 of 10 is 7.
        (mix(10, {"general": 0.7, "medical": 0.3}), {"general": 7, "tcm": 2, "western": 1}),
    ],
)
def test_shares_are_exact_by_largest_remainder(each: Mix, shares: dict[str, int]) -> None:
    assert wanted(each) == shares


@given(st.integers(1, 10**6), RATIOS, st.dictionaries(st.sampled_from(["tcm", "western"]), NUMBERS, min_size=1))
def test_shares_add_up_and_none_is_a_whole_one_away(size: int, ratio: dict[str, float], medical: Any) -> None:
    each = mix(size, ratio, medical=medical)
    assert sum(wanted(each).values()) == size
    assert all(abs(wanted(each)[domain] - size * weight) < 1 for domain, weight in each.weights().items())


def test_the_hash_of_a_key_is_that_of_the_published_generator() -> None:
    # The first two numbers of SplitMix64 from 0: its state grows by the second key here at every step.
    keys = pl.Series([number ^ seeded_draw(9, "purpose") for number in (0, 0x9E3779B97F4A7C15)], dtype=pl.UInt64)
    assert seeded_hash(keys, 9, "purpose").tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_the_rows_are_the_same_on_every_machine() -> None:
    rows = choose(ROWS, mix(6)).select("source", "row").rows()
    assert rows == [("huatuo", 24), ("zhongyi", 10), ("zhongyi", 46), ("belle", 22), ("alpaca", 37), ("belle", 5)]


@some
@given(st.integers(1, 100), RATIOS, st.integers(0, 2**40), st.randoms())
def test_order_of_the_index_makes_no_difference(size: int, ratio: Any, seed: int, random: Any) -> None:
    order = list(range(ROWS.height))
    random.shuffle(order)
    each = mix(size, ratio, allow_repeat=True)
    assert choose(ROWS[order], each, seed).equals(choose(ROWS, each, seed))


@some
@given(st.integers(1, 300), st.integers(0, 300), RATIOS, st.sampled_from(["rows", "tokens"]))
def test_a_smaller_mix_is_contained_in_a_larger_one_in_the_same_order(
    size: int, more: int, ratio: Any, over: str
) -> None:
    # A share of tokens is filled up with rows of the next hundred, of seven tokens at most.
    more *= 1 if over == "rows" else 7_000
    small, large = (
        choose(ROWS, mix(each, ratio, over=over, allow_repeat=True), 5) for each in (size + 50, size + 50 + more)
    )
    assert contains(large, small)
    assert large.join(small, on=["key", "repeat"], how="semi", maintain_order="left").equals(small)


@some
@given(st.integers(40, 400), NUMBERS, NUMBERS, st.floats(0, 50), st.just("rows"))
def test_the_general_part_is_contained_in_that_of_a_more_general_ratio_and_the_medical_part_the_other_way_round(
    size: int, general: float, medical: float, more: float, over: str
) -> None:
    less, most = (
        choose(ROWS, mix(size, {"general": part, "medical": medical}, over=over, allow_repeat=True), 1)
        for part in (general, general + more)
    )
    assert contains(of(most, "general"), of(less, "general"))
    assert all(contains(of(less, domain), of(most, domain)) for domain in ("tcm", "western"))


@some
@given(st.integers(1, 90), st.integers(0, 2**40))
def test_a_new_source_leaves_the_order_of_the_others_as_it_is(size: int, seed: int) -> None:
    alone = choose(index({"alpaca": 90}), mix(size, {"general": 1}), seed)
    both = choose(index({"alpaca": 90, "belle": 200}), mix(290, {"general": 1}), seed)
    taken = ordered(both, seed).filter(pl.col("source") == "alpaca")
    assert set(taken["key"][:size]) == set(alone["key"])


def test_another_seed_takes_other_rows_and_domains_are_shuffled_together() -> None:
    first, second = (choose(ROWS, mix(100), seed) for seed in (0, 1))
    assert set(first["key"]) != set(second["key"])
    changes = (first["domain"] == "general") != (first["domain"] == "general").shift(1)
    # 50 of 99 neighbours differ on average.
    assert 30 < changes.sum() < 70


@some
@given(st.integers(21, 3000), RATIOS)
def test_a_share_of_tokens_lacks_less_than_any_of_the_rows_that_come_next(size: int, ratio: Any) -> None:
    each = mix(size, ratio, over="tokens")
    try:
        chosen = choose(ROWS, each, 3)
    except OpenbookError:
        return
    for domain, share in wanted(each).items():
        rows, pool = of(chosen, domain), ordered(of(ROWS, domain), 3)
        left = pool.join(rows, on="key", how="anti", maintain_order="left")["tokens"].head(50).to_list()
        assert 0 <= share - rows["tokens"].sum() < min(left, default=1)


def test_a_long_row_at_the_end_of_a_share_of_tokens_is_passed_over() -> None:
    pool = ordered(index({"alpaca": 200}), 3).with_columns(tokens=pl.lit(40, pl.UInt32))
    first = pool["key"][2]
    rows = pool.with_columns(tokens=pl.when(pl.col("key") == first).then(900).otherwise("tokens").cast(pl.UInt32))
    chosen = choose(rows, mix(400, {"general": 1}, over="tokens"), 3)
    assert (chosen["tokens"].sum(), chosen.height) == (400, 10)
    assert set(chosen["key"]) == {*pool["key"][:2], *pool["key"][3:11]}


@some
@given(st.integers(1, 160), st.integers(0, 200), st.sampled_from([0.05, 0.3, 0.5, 1 / 3]), st.integers(0, 99))
def test_a_source_has_its_max_share_at_most_in_mixes_that_hold_each_other(
    size: int, more: int, share: float, seed: int
) -> None:
    # belle is three quarters of its domain: it has its share to a row.
    rows = index({"alpaca": 400, "belle": 1200})
    mixes = {name: mix(each, {"general": 1}) for name, each in (("small", size), ("large", size + more))}
    chosen = module.choose(rows, mixes, seed, shares={"belle": share})
    for each in chosen.values():
        assert (each["source"] == "belle").sum() <= math.ceil(Fraction(str(share)) * each.height)
    assert contains(chosen["large"], chosen["small"])
    belle = ordered(of(rows, "general"), seed).filter(pl.col("source") == "belle")["key"]
    taken = chosen["small"].filter(pl.col("source") == "belle")["key"]
    assert set(taken) == set(belle[: taken.len()])


def test_a_max_share_is_reached_where_it_can_be_and_counts_tokens_where_the_mix_does() -> None:
    rows = index({"alpaca": 400, "belle": 1200}).with_columns(
        tokens=pl.when(pl.col("source") == "belle").then(3).otherwise(30).cast(pl.UInt32)
    )
    shares, half = {"belle": 0.2}, {"alpaca": 0.5, "belle": 0.5}
    chosen = module.choose(rows, {"a": mix(100, {"general": 1})}, 0, shares=shares)["a"]
    assert (chosen["source"] == "belle").sum() == 20
    chosen = module.choose(rows, {"a": mix(3000, {"general": 1}, over="tokens")}, 0, shares=shares)["a"]
    assert 597 <= chosen.filter(pl.col("source") == "belle")["tokens"].sum() <= 603
    counted = rows.with_columns(question=pl.lit("x"), answer=pl.lit("y"), turns=pl.lit(None, pl.String))
    again = module.choose(counted, {"a": mix(100, {"general": 1})}, 0, lambda texts: [1] * len(texts), shares=shares)
    assert (
        again["a"]["key"].to_list()
        == module.choose(rows, {"a": mix(100, {"general": 1})}, 0, shares=shares)["a"]["key"].to_list()
    )
    # Both capped: they take turns, until one has no more.
    chosen = module.choose(rows, {"a": mix(800, {"general": 1})}, 0, shares=half)["a"]
    assert chosen["source"].value_counts().sort("source").rows() == [("alpaca", 400), ("belle", 400)]
    with pytest.raises(OpenbookError) as caught:
        module.choose(rows, {"a": mix(900, {"general": 1})}, 0, losses={"general": "1,600 read"}, shares=half)
    assert str(caught.value).startswith(
        "mix a: general has 801 rows (1,600 read; 799 rows over max_share) and 900 are wanted, 99 too few;"
    )


FEW = index({"alpaca": 30, "zhongyi": 10, "huatuo": 20}, tokens=1)
FIX = "take less, add sources, or say allow_repeat: true in the mix"


@pytest.mark.parametrize(
    ("rows", "mixes", "message"),
    [
        (FEW, {"a": mix(40, {"tcm": 1})}, f"mix a: tcm has 10 rows and 40 are wanted, 30 too few; {FIX}"),
        (
            FEW,
            {"r91": mix(300, "9:1"), "fits": mix(10), "big": mix(1000, {"western": 1}, over="tokens")},
            f"3 shares are larger than their domain; {FIX}:"
            "\n  mix r91: general has 30 rows and 270 are wanted, 240 too few"
            "\n  mix r91: tcm has 10 rows and 15 are wanted, 5 too few"
            "\n  mix big: western has 20 tokens and 1,000 are wanted, 980 too few",
        ),
        # A domain without rows cannot be repeated.
        (
            index({"alpaca": 3, "zhongyi": 3}),
            {"a": mix(20, allow_repeat=True)},
            f"mix a: western has 0 rows and 5 are wanted, 5 too few; {FIX}",
        ),
        (
            FEW.with_columns(pl.lit(5, pl.UInt32).alias("tokens")),
            {"a": mix(4, {"general": 1}, over="tokens")},
            "mix a: no row is as short as its share of 4 tokens; take a larger size",
        ),
    ],
)
def test_too_small_domains_are_all_named_with_what_they_lack(
    rows: pl.DataFrame, mixes: dict[str, Mix], message: str
) -> None:
    with pytest.raises(OpenbookError) as caught:
        module.choose(rows, mixes, 0)
    assert str(caught.value) == message


@some
@given(st.integers(1, 400))
def test_repeats_are_whole_rounds_then_the_first_of_the_order_again(size: int) -> None:
    pool = index({"alpaca": 37})
    rows = choose(pool, mix(size, {"general": 1}, allow_repeat=True))
    times, (rounds, rest) = Counter(rows["key"]), divmod(size, 37)
    assert [times[each] for each in ordered(pool, 0)["key"]] == [rounds + 1] * rest + [rounds] * (37 - rest)
    assert sorted(rows["repeat"]) == sorted(each // 37 for each in range(size))
    assert rows.group_by("key").agg(pl.col("repeat").n_unique() == pl.len())["repeat"].all()


def test_rows_are_not_repeated_where_there_are_enough_and_other_columns_pass_through() -> None:
    rows = choose(ROWS, mix(100, allow_repeat=True))
    assert rows.columns == [*ROWS.columns, "repeat"]
    assert (rows["repeat"].sum(), rows["key"].n_unique()) == (0, 100)
    assert rows.drop("repeat").join(ROWS, on=ROWS.columns, how="anti").is_empty()


SIZES = {"a": mix(10_000), "b": mix(150), "c": mix(50)}


def test_a_scale_multiplies_sizes_as_it_is_written() -> None:
    assert {name: each.size for name, each in scaled(SIZES, 0.01).items()} == {"a": 100, "b": 2, "c": 1}
    # 3.5, a half; the binary fraction next to 0.35 is a little less.
    assert scaled({"a": mix(10)}, 0.35)["a"].size == 4
    assert scaled(SIZES, 1) == SIZES


@pytest.mark.parametrize(
    ("scale", "fault"),
    [
        (0.001, "nothing is left of b (150), c (50); take a larger scale"),
        *((scale, "wants a number above 0") for scale in (0, -1.5, float("nan"))),
    ],
)
def test_a_scale_that_leaves_nothing_is_an_error(scale: float, fault: str) -> None:
    with pytest.raises(OpenbookError) as caught:
        scaled(SIZES, scale)
    assert str(caught.value) == f"--scale {scale}: {fault}"


def test_nesting_is_looked_up_with_how_often_a_row_is_there() -> None:
    def rows(*names: str) -> pl.DataFrame:
        table = [{"domain": name.split(":")[0], "key": key(name, 0)} for name in names]
        return pl.DataFrame(table, schema={"domain": pl.String, "key": pl.UInt64})

    mixes = {
        "both": rows("general:1", "general:2", "tcm:1"),
        "one": rows("general:1", "tcm:2"),
        "twice": rows("general:1", "general:1"),
    }
    assert nesting(mixes) == {"both": {}, "one": {"both": ["general"], "twice": ["general"]}, "twice": {}}
