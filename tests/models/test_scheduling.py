"""The order keeps shared prefixes together, the bound counts a trie's nodes, options are ranked from few passes."""

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.scheduling import EngineResponse, Ids, Prompt, Ranking, least, order, rankings

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


# Options

VOCABULARY = 7
CONTINUATIONS = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3).map(tuple), min_size=1)


def logprobs(tokens: Sequence[int]) -> list[float]:
    """A model's next-token log-probabilities: any function of the tokens will do."""
    scores = [math.sin(17 * token + sum((place + 2) * one for place, one in enumerate(tokens))) for token in range(7)]
    total = math.log(sum(map(math.exp, scores)))
    return [score - total for score in scores]


def written(asked: Prompt) -> EngineResponse:
    """The model's answer: greedy, with the log-probabilities that were asked for."""
    tokens, rows, text = list(asked.tokens), [], []
    for _ in range(asked.sampling["max_tokens"]):
        row = logprobs(tokens)
        rows.append([row[token] for token in asked.sampling["logprob_token_ids"]])
        text.append(row.index(max(row)))
        tokens.append(text[-1])
    return EngineResponse(tokens=text, logprobs=rows)


def one_by_one(context: Sequence[int], continuation: Sequence[int]) -> tuple[float, bool]:
    total, greedy = 0.0, True
    for place, token in enumerate(continuation):
        row = logprobs([*context, *continuation[:place]])
        total, greedy = total + row[token], greedy and row[token] == max(row)
    return total, greedy


def solve(ranking: Ranking) -> int:
    """Asks until all is known; returns how many passes it took."""
    passes = 0
    while (asked := ranking.next_prompt()) is not None:
        ranking.take(written(asked))
        passes += 1
    return passes


def ranking(context: Sequence[int], continuations: Sequence[tuple[int, ...]]) -> Ranking:
    return Ranking(np.array(context, np.int32), continuations)


@given(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5), CONTINUATIONS)
def test_each_continuation_gets_what_asking_for_it_alone_gives(
    context: list[int], continuations: list[tuple[int, ...]]
) -> None:
    ranked = ranking(context, continuations)
    assert solve(ranked) <= len(ranked.nodes)
    for result, continuation in zip(ranked.results(), continuations, strict=True):
        total, greedy = one_by_one(context, continuation)
        assert math.isclose(result[0], total)
        assert result[1] == greedy


def test_letters_take_one_pass_of_one_token() -> None:
    ranked = ranking([1, 2], [(3,), (0,), (5,)])
    asked = ranked.next_prompt()
    assert asked is not None
    assert asked.tokens.tolist() == [1, 2]
    assert (asked.sampling["max_tokens"], asked.sampling["logprob_token_ids"]) == (1, [0, 3, 5])
    assert solve(ranked) == 1


def test_long_continuations_that_share_nothing_are_left_to_one_pass_each() -> None:
    assert ranking([1], [(2,), (3,)]).worthwhile
    assert ranking([1], [(6, 2), (6, 3)]).worthwhile
    assert not ranking([1], [(2, 3, 4), (3, 4, 5)]).worthwhile
    assert not ranking([1], [()]).worthwhile
    assert not ranking([1], [(token,) for token in range(129)]).worthwhile


def test_pairs_are_ranked_by_their_prompt_whose_blanks_at_the_end_go_with_the_option() -> None:
    def characters(texts: Sequence[str]) -> list[Ids]:
        return [np.array([ord(character) for character in text], np.int32) for text in texts]

    pairs = [("ab\n", "C"), ("b", "C"), ("ab\n", "D"), ("", "C"), (" ", "C")]
    found = [(one.context.tolist(), one.continuations, places) for one, places in rankings(pairs, characters)]
    assert found == [([97, 98], [(10, 67), (10, 68)], [0, 2]), ([98], [(67,)], [1])]
