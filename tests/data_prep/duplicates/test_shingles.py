"""Texts as sets of shingles, compared with sets of substrings."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.duplicates import shingles as module
from data_prep.duplicates.shingles import in_batches, shingles


def test_shingles_of_a_text_are_those_of_its_normalised_form() -> None:
    sets = shingles(["abcdef", "ABC DEF!", "abcde", "bcdef"])
    assert sets.sizes().tolist() == [2, 2, 1, 1]
    assert set(sets.of(0)) == set(sets.of(1)) == set(sets.of(2)) | set(sets.of(3))


def test_a_text_shorter_than_a_shingle_is_one_whatever_comes_after_it() -> None:
    sets = shingles(["头痛", "头晕", "头痛", "", "头"])
    assert sets.sizes().tolist() == [1, 1, 1, 0, 1]
    assert sets.of(0) == sets.of(2)
    assert len({int(sets.of(place)[0]) for place in (0, 1, 4)}) == 3


@given(st.lists(st.text(alphabet="甲乙丙丁", max_size=12), min_size=2, max_size=6))
def test_jaccard_is_that_of_the_sets_of_substrings(texts: list[str]) -> None:
    def substrings(text: str) -> set[str]:
        return {text[n : n + 5] for n in range(max(1, len(text) - 4))} if text else set()

    pairs = list(combinations(range(len(texts)), 2))
    found = shingles(texts).jaccard(*(np.array([pair[side] for pair in pairs]) for side in (0, 1)))
    for (a, b), jaccard in zip(pairs, found.tolist(), strict=True):
        both = substrings(texts[a]) | substrings(texts[b])
        shared = substrings(texts[a]) & substrings(texts[b])
        assert jaccard == (len(shared) / len(both) if both else 1.0)


@given(st.lists(st.text(alphabet="甲乙丙丁", max_size=12), max_size=9), st.integers(1, 30))
def test_batches_change_nothing(texts: list[str], characters: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH", characters)
        parts, whole = list(in_batches(texts)), shingles(texts)
    assert sum(len(part.sizes()) for part in parts) == len(texts)
    alone = [shingles([text]).of(0).tolist() for text in texts]
    assert [whole.of(place).tolist() for place in range(len(texts))] == alone
