"""The order keeps shared prefixes together, the bound counts a trie's nodes, and the cost adds up."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.scheduling import Cost, least, order, spend, spent

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


def ordered(prompts: list[list[int]]) -> list[list[int]]:
    return [prompts[place] for place in order(prompts)]


@given(PROMPTS)
def test_the_order_is_lexicographic_and_stable(prompts: list[list[int]]) -> None:
    assert order(prompts) == sorted(range(len(prompts)), key=prompts.__getitem__)


@given(PROMPTS, st.integers(2, 4))
def test_the_least_of_a_cache_of_blocks_is_what_it_computes_in_this_order(prompts: list[list[int]], block: int) -> None:
    arrays = [np.array(prompt, np.int32) for prompt in ordered(prompts)]
    assert least(arrays, block) == least(ordered(prompts), block) == computed(ordered(prompts), block)
    assert least(arrays) == len(nodes(prompts))


@given(st.lists(st.lists(st.integers(0, 1), max_size=5), max_size=5), st.integers(2, 3))
def test_no_order_computes_less_than_the_least(prompts: list[list[int]], block: int) -> None:
    orders = permutations(prompts)
    assert least(ordered(prompts), block) == min(computed(list(each), block) for each in orders)


ONE = Cost(2, 1, 3000, 1700, 1600, 1650, 10, 1.5, 0.5)


def test_what_was_spent_adds_up_and_is_told_once() -> None:
    assert spent() is None
    spend(ONE)
    spend(Cost(kept=5))
    assert spent() == Cost(2, 6, 3000, 1700, 1600, 1650, 10, 1.5, 0.5)
    assert spent() is None


def test_the_results_file_has_every_figure() -> None:
    tokens = {"prompt_tokens": 3000, "computed_tokens": 1700, "least_tokens": 1600, "least_block_tokens": 1650}
    speed = {"generated_tokens": 10, "engine_seconds": 1.5, "other_seconds": 0.5, "tokens_per_second": 1505.0}
    assert ONE.to_json() == {"prompts": 2, "kept": 1, **tokens, **speed}
    assert Cost(kept=3, other_seconds=1.0).tokens_per_second is None


def test_the_terminal_gets_one_line() -> None:
    assert ONE.line() == (
        "cost: 2 prompts of 3,000 tokens (and 1 answered from the response cache); 1,700 computed (1,600 at least, "
        "1,650 in whole blocks), 10 generated; 1.5 s in the engine, 0.5 s outside; 1,505 tokens/s"
    )
    assert Cost(kept=3).line() == "cost: 0 prompts of 0 tokens (and 3 answered from the response cache)"
