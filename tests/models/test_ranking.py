"""Continuations ranked from few passes: against a small model that can be asked anything, one by one."""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.ranking import EngineResponse, Prompt, Ranking, grouped

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


def test_pairs_are_grouped_by_their_prompt_and_know_their_places() -> None:
    one, other = np.array([1, 2], np.int32), np.array([1], np.int32)
    pairs = [(one, np.array([5], np.int32)), (other, np.array([5], np.int32)), (one.copy(), np.array([6], np.int32))]
    found = [(group.context.tolist(), group.continuations, places) for group, places in grouped(pairs)]
    assert found == [([1, 2], [(5,), (6,)], [0, 2]), ([1], [(5,)], [1])]
