"""Prompts as paths of a prefix trie: an order that walks it, the tokens that it holds, shares of it for replicas.

An engine with a prefix cache reads a token again only where the cache has forgotten it. Walked depth first, the trie
asks of the cache no more than the prompts at hand.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Tokens = Sequence[int] | NDArray[np.int32]


def order(prompts: Sequence[Tokens]) -> list[int]:
    """The places of `prompts` in the lexicographic order of their token ids; equal prompts stay as they came.

    No prompt shares more with any earlier one than with the one before it. Needs four bytes a token beside the prompts.
    """
    # Bytes of a fixed width, the highest first, compare as the ids do, and at the speed of memory.
    keys = [_array(prompt).astype(">i4").tobytes() for prompt in prompts]
    return sorted(range(len(keys)), key=keys.__getitem__)


def least(prompts: Sequence[Tokens], order: Sequence[int], block: int = 1) -> int:
    """The tokens that an engine must compute at least, whatever its cache; `order` is that of `order`.

    With a `block` of 1 these are the nodes of the prefix trie. With more it is the bound of a cache that keeps whole
    blocks of so many tokens and never serves a prompt's last token, as vLLM's (KVCacheManager.get_computed_blocks).
    """
    arrays = [_array(prompts[place]) for place in order]
    kept = shared(arrays)
    if block > 1:
        kept = [
            min(tokens, max(len(prompt) - 1, 0)) // block * block for tokens, prompt in zip(kept, arrays, strict=True)
        ]
    return sum(map(len, arrays)) - sum(kept)


def share_out(prompts: Sequence[Tokens], order: Sequence[int], parts: int) -> list[list[int]]:
    """The places of `order` in `parts` runs for as many replicas, so that the one with most to compute has least.

    A cut inside a book means that two replicas read it: one is made only where that ends sooner all the same. The
    last parts are empty where fewer are as fast. Raises ValueError for less than one part.
    """
    if parts < 1:
        raise ValueError(f"cannot share out among {parts} replicas")
    arrays = [_array(prompts[place]) for place in order]
    sizes = np.array([len(prompt) for prompt in arrays], np.int64)
    # A run computes its first prompt whole and of each other what the one before has not.
    upto = np.cumsum(sizes - np.array(shared(arrays), np.int64))
    low, high = 0, int(upto[-1]) if order else 0
    while low < high:
        middle = (low + high) // 2
        if len(_cuts(sizes, upto, middle, parts)) <= parts:
            high = middle
        else:
            low = middle + 1
    ends = _cuts(sizes, upto, high, parts)
    ends += [len(order)] * (parts - len(ends))
    return [list(order[start:end]) for start, end in pairwise([0, *ends])]


def _cuts(sizes: NDArray[np.int64], upto: NDArray[np.int64], most: int, parts: int) -> list[int]:
    """Where runs end that compute at most `most` tokens each and reach as far as they can; given up beyond `parts`.

    A run that begins later never computes more, so that no other cuts need fewer runs.
    """
    ends: list[int] = []
    start = 0
    while start < len(sizes) and len(ends) <= parts:
        if sizes[start] > most:
            return [0] * (parts + 1)
        start = int(np.searchsorted(upto, most - sizes[start] + upto[start], side="right"))
        ends.append(start)
    return ends


def shared(prompts: Sequence[NDArray[np.int32]]) -> list[int]:
    """How many first tokens each prompt has in common with the one before it; 0 for the first."""
    return [0][: len(prompts)] + [_common(*pair) for pair in pairwise(prompts)]


def _common(one: NDArray[np.int32], other: NDArray[np.int32]) -> int:
    size = min(len(one), len(other))
    differs = one[:size] != other[:size]
    first = int(differs.argmax()) if size else 0
    return first if size and differs[first] else size


def _array(prompt: Tokens) -> NDArray[np.int32]:
    return np.asarray(prompt, np.int32)
