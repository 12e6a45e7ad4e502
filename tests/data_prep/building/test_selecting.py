"""Of equal rows over all sources one stays, and which does not hang on the order they came in."""

from collections.abc import Sequence

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data_prep.building.selecting import select

_COLUMNS = {"key": pl.UInt64, "source": pl.String, "file": pl.String, "row": pl.UInt32}
_ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 99)),
    unique_by=lambda row: row[1:],
)


def _index(rows: Sequence[tuple[int, str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def _no_texts(_: pl.DataFrame) -> tuple[list[str], list[str]]:
    raise AssertionError("near duplicates are not looked for")


@given(_ROWS, st.randoms())
def test_the_rows_that_stay_are_the_same_in_any_order(rows: list[tuple[int, str, str, int]], shuffle: object) -> None:
    kept = select(_index(rows), 7, None, _no_texts).kept
    assert sorted(kept["key"]) == sorted({row[0] for row in rows})
    shuffle.shuffle(rows)  # type: ignore[attr-defined]
    assert set(select(_index(rows), 7, None, _no_texts).kept.iter_rows()) == set(kept.iter_rows())


def test_a_duplicate_names_the_row_that_stands_for_it() -> None:
    rows = [(1, "a", "x", 1), (1, "b", "y", 2), (2, "b", "y", 3)]
    selected = select(_index(rows), 0, None, _no_texts)
    (gone,) = selected.exact.iter_rows(named=True)
    (stays,) = selected.kept.filter(pl.col("key") == 1).iter_rows(named=True)
    assert {(gone["source"], gone["row"]), (stays["source"], stays["row"])} == {("a", 1), ("b", 2)}
    assert (gone["of_source"], gone["of_file"], gone["of_row"]) == (stays["source"], stays["file"], stays["row"])


def test_another_seed_lets_another_row_stay() -> None:
    rows = [(1, "a", "x", number) for number in range(1, 50)]
    assert len({select(_index(rows), seed, None, _no_texts).kept["row"].item() for seed in range(20)}) > 10


def test_alike_rows_go_after_equal_ones_and_name_the_row_that_stays() -> None:
    long = "，".join(f"饭后散步{number}分钟有助于消化，睡前不要吃得太饱" for number in range(20))
    texts = {1: long, 2: long + "。好", 3: "完全不同的内容：感冒的时候多喝水，注意休息，必要时去医院就诊检查。"}
    rows = [(1, "a", "x", 1), (1, "a", "x", 4), (2, "b", "y", 2), (3, "b", "y", 3)]
    selected = select(_index(rows), 0, 0.8, lambda found: ([texts[key] for key in found["key"]],) * 2)
    assert (selected.exact.height, selected.near.height) == (1, 1)
    (gone,) = selected.near.iter_rows(named=True)
    (stays,) = selected.kept.filter(pl.col("key") != 3).iter_rows(named=True)
    assert {gone["key"], stays["key"]} == {1, 2}
    assert (gone["of_source"], gone["of_file"], gone["of_row"]) == (stays["source"], stays["file"], stays["row"])


def test_of_no_rows_none_stay() -> None:
    selected = select(_index([]), 0, 0.8, _no_texts)
    assert (selected.kept.height, selected.exact.height, selected.near.height) == (0, 0, 0)
