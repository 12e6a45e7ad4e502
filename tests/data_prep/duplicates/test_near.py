"""Near-duplicates: what stands for what, compared with the exact answer."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.duplicates import near
from data_prep.duplicates.near import _rows_of_a_band
from data_prep.duplicates.shingles import shingles

_SIGNS = "患者发热咳嗽胸痛乏力首选治疗药物检查诊断急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃"


def texts(count: int, seed: int = 1, length: int = 120) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return ["".join(draw.choices(_SIGNS, k=length)) for _ in range(count)]


def changed(text: str, *places: int) -> str:
    return "".join("改" if place in places else sign for place, sign in enumerate(text))


def keys(count: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, 2**63, count, dtype=np.uint64)


def test_a_text_with_few_changes_is_stood_for_by_the_one_with_the_lower_key() -> None:
    first, other = texts(2)
    found = near([first, other, changed(first, 60)], np.array([9, 5, 3], dtype=np.uint64), 0.8)
    assert found.tolist() == [2, 1, 2]


def test_what_is_less_alike_than_the_threshold_stays() -> None:
    (text,) = texts(1)
    # Five shingles of 116 go and five come for each change: four changes leave 96 of 136.
    other = changed(text, 10, 40, 70, 100)
    assert shingles([text, other]).jaccard(0, 1) == pytest.approx(96 / 136)
    assert near([text, other], keys(2), 0.75).tolist() == [0, 1]
    assert len(set(near([text, other], keys(2), 0.7).tolist())) == 1


def test_signs_and_white_space_do_not_matter() -> None:
    assert len(set(near(["发热，怎么办？多喝水。", "发热 怎么办?多喝水"], keys(2), 1.0).tolist())) == 1


def test_texts_shorter_than_a_shingle_are_alike_only_if_they_are_the_same() -> None:
    found = near(["头痛", "头痛！", "头晕", "痛", "", "。"], np.arange(6, dtype=np.uint64), 0.8)
    assert found.tolist()[:4] == [0, 0, 2, 3]


def test_no_text_and_one_text_stand_for_themselves() -> None:
    assert near([], keys(0), 0.8).tolist() == []
    assert near(["头痛"], keys(1), 0.8).tolist() == [0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_neither_order_nor_batches_change_what_stands(seed: int, shuffler: random.Random) -> None:
    base = texts(12, seed)
    all_texts = [*base, *(changed(text, 30) for text in base[:6]), *(changed(text, 30, 90) for text in base[:3])]
    own = keys(len(all_texts), seed)
    order = list(range(len(all_texts)))
    shuffler.shuffle(order)
    plain = near(all_texts, own, 0.8)
    turned = near([all_texts[n] for n in order], own[order], 0.8)
    assert {order[n]: order[int(turned[n])] for n in range(len(order))} == dict(enumerate(plain.tolist()))


def test_nearly_all_pairs_above_the_threshold_are_found_and_none_below() -> None:
    draw = random.Random(5)  # noqa: S311 - no secret
    base = texts(150, 7)
    copies = [changed(text, *draw.sample(range(120), draw.randint(1, 6))) for text in base]
    both = base + copies
    found, sets = near(both, keys(300), 0.8), shingles(both)
    alike = [n for n in range(150) if sets.jaccard(n, n + 150) >= 0.8]
    assert 40 < len(alike) < 140
    joined = [n for n in range(150) if found[n] == found[n + 150]]
    assert set(joined) <= set(alike)
    assert len(joined) >= 0.98 * len(alike)


def test_a_band_is_as_long_as_the_wanted_recall_allows() -> None:
    assert [_rows_of_a_band(t) for t in (0.7, 0.8, 0.9)] == [4, 6, 10]
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95):
        rows = _rows_of_a_band(threshold)
        assert 1 - (1 - threshold**rows) ** (128 // rows) >= 0.99


def test_shingles_of_a_text_are_those_of_its_normalised_form() -> None:
    sets = shingles(["abcdef", "ABC DEF!", "abcde", "bcdef"])
    assert [len(sets.of(n)) for n in range(4)] == [2, 2, 1, 1]
    assert set(sets.of(0)) == set(sets.of(1)) == set(sets.of(2)) | set(sets.of(3))


@given(st.lists(st.text(alphabet="甲乙丙丁", max_size=12), min_size=2, max_size=6))
def test_jaccard_is_that_of_the_sets_of_substrings(some: list[str]) -> None:
    def plain_set(text: str) -> set[str]:
        return {text[n : n + 5] for n in range(max(1, len(text) - 4))} if text else set()

    sets = shingles(some)
    for a, b in combinations(range(len(some)), 2):
        both = plain_set(some[a]) | plain_set(some[b])
        expected = len(plain_set(some[a]) & plain_set(some[b])) / len(both) if both else 1.0
        assert sets.jaccard(a, b) == pytest.approx(expected)
