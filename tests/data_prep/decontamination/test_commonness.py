"""Which n-grams tell nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontamination.commonness import PHRASES, common, grams, telling

STOCK = {gram for phrase in PHRASES for gram in grams(phrase)}


def test_stock_phrases_tell_nothing() -> None:
    assert common() == STOCK
    assert "可能的" in common()


def test_what_nine_texts_have_tells_nothing_and_what_eight_have_does() -> None:
    assert "鹤膝风" in common(["鹤膝风甲"] * 9)
    assert "鹤膝风" not in common(["鹤膝风甲鹤膝风"] * 8)


def test_of_many_texts_more_than_one_in_five_hundred_must_have_it() -> None:
    others = [f"{chr(0x4E00 + number)}{chr(0x5E00 + number)}" for number in range(5_000)]
    assert "鹤膝风" not in common([*others, *["鹤膝风"] * 10])
    assert "鹤膝风" in common([*others, *["鹤膝风"] * 11])


def test_groups_are_counted_apart() -> None:
    assert "鹤膝风" not in common(["鹤膝风"] * 5, ["鹤膝风"] * 5)


@given(st.lists(st.integers(0, 5)), st.integers(1, 4))
def test_telling_hashes_occur_no_more_than_so_often(hashes: list[int], most: int) -> None:
    found = telling(np.array(hashes, dtype=np.uint32), most)
    assert found.tolist() == [hashes.count(each) <= most for each in hashes]
