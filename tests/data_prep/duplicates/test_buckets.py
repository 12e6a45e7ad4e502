"""Which texts are compared at all."""

import random
from itertools import combinations

import numpy as np
import pytest

from data_prep.duplicates.buckets import band_length, bands_of, candidates, pair, signatures
from data_prep.duplicates.shingles import Places, shingles
from tests.data_prep.duplicates.copies import changed, texts


def places(count: int) -> Places:
    return np.arange(count, dtype=np.int64)


def pairs_of(some: list[str], threshold: float) -> list[tuple[int, int]]:
    bands, sizes = bands_of(some, places(len(some)), threshold)
    first, second = pair(candidates(bands, sizes, threshold))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def test_a_band_is_as_long_as_the_wanted_recall_allows() -> None:
    assert [band_length(t) for t in (0.7, 0.8, 0.9)] == [4, 6, 10]
    for threshold in (0.01, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0):
        rows = band_length(threshold)
        assert rows == 1 or 1 - (1 - threshold**rows) ** (128 // rows) >= 0.99


def test_signatures_are_pinned_for_every_platform() -> None:
    # Another version of rensa, or another instruction set, must not choose other rows.
    found = signatures(shingles(["高血压患者怎么办", "低盐饮食多运动。" * 400, ""]))
    assert found.shape == (3, 128)
    assert found[:, :3].tolist() == [
        [3222060651, 3272507321, 3404577570],
        [3372659238, 3228944303, 3326142357],
        [4294967295, 4294967295, 4294967295],
    ]


def test_equal_places_of_signatures_tell_how_alike_two_texts_are() -> None:
    draw = random.Random(3)  # noqa: S311 - no secret
    base = texts(200, 4)
    both = shingles([*base, *(changed(text, *draw.sample(range(120), 4)) for text in base)])
    found = signatures(both)
    estimates = (found[:200] == found[200:]).mean(axis=1)
    exact = both.jaccard(places(200), places(200) + 200)
    assert abs(float(np.mean(estimates - exact))) < 0.01
    assert float(np.std(estimates - exact)) < 0.045


def test_pairs_are_those_that_agree_in_a_band_each_once_and_in_order() -> None:
    base = texts(30, 2)
    some = [*base, *base[:10]]
    assert pairs_of(some, 0.8) == [(n, n + 30) for n in range(10)]


def test_texts_stand_in_the_order_of_their_ranks() -> None:
    base = texts(3, 2)
    bands, sizes = bands_of([base[0], base[1][:50], base[2]], np.array([2, 0, 1]), 0.8)
    alone, _ = bands_of([base[0]], places(1), 0.8)
    assert (bands[2] == alone[0]).all()
    assert sizes.tolist() == [46, 116, 116]


def test_texts_of_too_different_length_or_without_shingles_are_no_pair() -> None:
    text, other = texts(2)
    # 116 of 166 shingles.
    assert pairs_of([text, text + other[:50]], 0.6) == [(0, 1)]
    assert pairs_of([text, text + other[:50]], 0.7) == []
    assert pairs_of(["。", "！", ""], 0.8) == []


@pytest.mark.parametrize("count", [10, 300])
def test_a_bucket_of_many_costs_no_more_than_nine_pairs_a_text(count: int) -> None:
    found = pairs_of(["低盐饮食多运动。" * 9] * count, 0.8)
    assert set(combinations(range(9), 2)) <= set(found)
    assert {(0, place) for place in range(1, count)} <= set(found)
    assert len(found) <= 9 * count
