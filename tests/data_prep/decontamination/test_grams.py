"""The index counts what rows share with texts exactly as a plain count does."""

from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontamination.grams import Grams, N, windows
from data_prep.duplicates.plain import plain

# Few letters, so that texts share much.
TEXTS = st.lists(st.text("甲乙丙", max_size=14), max_size=5)


def index(texts: list[str], owners: list[int]) -> Grams:
    return Grams.of(*windows(plain(pl.Series(texts, dtype=pl.String)), np.array(owners, dtype=np.int64)))


def grams(text: str) -> set[str]:
    return {text[place : place + N] for place in range(len(text) - N + 1)}


@given(TEXTS, TEXTS)
def test_shared_n_grams_are_counted_once_a_row_and_text(texts: list[str], rows: list[str]) -> None:
    wanted = {
        (row, text): len(both)
        for row, in_row in enumerate(rows)
        for text, in_text in enumerate(texts)
        if (both := grams(in_row) & grams(in_text))
    }
    found = index(texts, list(range(len(texts)))).shared(plain(pl.Series(rows, dtype=pl.String)))
    pairs = zip(found.rows.tolist(), found.texts.tolist(), strict=True)
    assert dict(zip(pairs, found.counts.tolist(), strict=True)) == wanted


def test_texts_of_one_owner_count_together() -> None:
    found = index(["甲乙丙丁戊", "己庚辛壬癸"], [7, 7]).shared(plain(pl.Series(["甲乙丙丁戊己庚辛壬癸"])))
    assert (found.texts.tolist(), found.counts.tolist()) == ([7], [2])


def test_rows_longer_than_a_block_are_looked_at_whole() -> None:
    text = "甲乙丙丁戊"
    for before in (65_530, 65_532, 65_533, 65_536, 200_000):
        found = index([text], [0]).shared(plain(pl.Series(["子" * before + text])))
        assert found.counts.tolist() == [1]


@given(st.lists(st.text("甲乙丙", max_size=14), min_size=1, max_size=5))
def test_no_n_gram_runs_over_the_end_of_a_text(texts: list[str]) -> None:
    hashes, owners = windows(plain(pl.Series(texts)), np.arange(len(texts)))
    assert Counter(owners.tolist()) == {owner: len(grams(text)) for owner, text in enumerate(texts) if grams(text)}
    assert len(set(hashes.tolist())) == len(set().union(*map(grams, texts)))


@given(st.integers(0, 2**32 - 1))
def test_hashes_that_begin_alike_are_told_apart(seed: int) -> None:
    draw = np.random.default_rng(seed)
    # Of these many begin with the same twenty bits.
    near = (draw.integers(0, 8, 400, dtype=np.uint32) << np.uint32(12)) + draw.integers(0, 4096, 400, dtype=np.uint32)
    held = np.unique(near[:200])
    places = Grams.of(held, np.zeros(len(held), dtype=np.int64))._places(near)
    assert (places >= 0).tolist() == np.isin(near, held).tolist()
    assert held[places[places >= 0]].tolist() == near[places >= 0].tolist()
