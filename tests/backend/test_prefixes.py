"""The order keeps shared prefixes together, the bound counts a trie's nodes, and shares end as soon as they can."""

from itertools import combinations_with_replacement, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.backend.prefixes import least, order, share_out

# Few ids and short prompts, so that prefixes are shared; ids beyond a byte, so that their order is not that of bytes.
PROMPTS = st.lists(st.lists(st.sampled_from([0, 1, 255, 256, 151_935]), max_size=7), max_size=12)


def nodes(prompts: list[list[int]], block: int = 1) -> set[tuple[int, ...]]:
    return {tuple(prompt[:end]) for prompt in prompts for end in range(block, len(prompt) + 1, block)}


def computed(prompts: list[list[int]], block: int) -> int:
    """What an engine with an endless cache of whole blocks computes, one prompt after the other."""
    cache: set[tuple[int, ...]] = set()
    tokens = 0
    for prompt in prompts:
        kept = 0
        while kept + block < len(prompt) and tuple(prompt[: kept + block]) in cache:
            kept += block
        tokens += len(prompt) - kept
        cache |= nodes([prompt], block)
    return tokens


def work(prompts: list[list[int]], places: list[int]) -> int:
    return len(nodes([prompts[place] for place in places]))


@given(PROMPTS)
def test_the_order_is_lexicographic_and_stable(prompts: list[list[int]]) -> None:
    assert order(prompts) == sorted(range(len(prompts)), key=prompts.__getitem__)


@given(PROMPTS)
def test_arrays_are_ordered_and_counted_as_lists_are(prompts: list[list[int]]) -> None:
    arrays = [np.array(prompt, np.int32) for prompt in prompts]
    assert order(arrays) == order(prompts)
    assert least(arrays, order(arrays)) == least(prompts, order(prompts))


@given(PROMPTS)
def test_the_least_is_the_nodes_of_the_trie(prompts: list[list[int]]) -> None:
    assert least(prompts, order(prompts)) == len(nodes(prompts))


@given(PROMPTS, st.integers(2, 4))
def test_the_least_of_a_cache_of_blocks_is_what_it_computes_in_this_order(prompts: list[list[int]], block: int) -> None:
    assert least(prompts, order(prompts), block) == computed([prompts[place] for place in order(prompts)], block)


@given(st.lists(st.lists(st.integers(0, 1), max_size=5), max_size=5), st.integers(2, 3))
def test_no_order_computes_less_than_the_least(prompts: list[list[int]], block: int) -> None:
    orders = permutations(prompts)
    assert least(prompts, order(prompts), block) == min(computed(list(each), block) for each in orders)


def test_a_last_block_that_is_kept_is_computed_all_the_same() -> None:
    assert least([[1, 2, 3, 4], [1, 2, 3, 4]], [0, 1], block=2) == 4 + 2
    assert least([[1, 2, 3, 4], [1, 2, 3, 4, 5]], [0, 1], block=2) == 4 + 1


@given(PROMPTS, st.integers(1, 4))
def test_every_prompt_goes_to_one_replica_in_the_order(prompts: list[list[int]], parts: int) -> None:
    shares = share_out(prompts, order(prompts), parts)
    assert len(shares) == parts
    assert [place for share in shares for place in share] == order(prompts)


@given(PROMPTS, st.integers(1, 4))
def test_no_cuts_of_the_order_end_sooner(prompts: list[list[int]], parts: int) -> None:
    places = order(prompts)
    best = min(
        max(work(prompts, places[start:end]) for start, end in zip([0, *cuts], [*cuts, len(places)], strict=True))
        for cuts in combinations_with_replacement(range(len(places) + 1), parts - 1)
    )
    assert max(work(prompts, share) for share in share_out(prompts, places, parts)) == best


def test_books_stay_whole_where_they_come_out_even() -> None:
    books = [[book] * 50 + [question] for book in range(4) for question in range(9)]
    shares = share_out(books, order(books), 2)
    assert [{books[place][0] for place in share} for share in shares] == [{0, 1}, {2, 3}]


def test_the_only_book_is_read_by_all_replicas() -> None:
    book = [[7] * 50 + [question] * 10 for question in range(9)]
    assert [len(share) for share in share_out(book, order(book), 3)] == [3, 3, 3]


def test_there_is_at_least_one_replica() -> None:
    with pytest.raises(ValueError, match="among 0 replicas"):
        share_out([], [], 0)
