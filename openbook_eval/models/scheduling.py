"""The order in which prompts reach an engine, and what they cost: computed, and at least possible.

Prompts are paths of a prefix trie. An engine with a prefix cache computes a token again only where the cache has
forgotten it; walked depth first, the trie asks of the cache no more than the prompts at hand.
"""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbook_eval.models.tokenization import Ids

Tokens = Sequence[int] | NDArray[np.int32]


def order(prompts: Sequence[Tokens]) -> list[int]:
    """Return the places of `prompts` in the lexicographic order of their token ids; equal prompts stay as they came.

    No prompt shares more with any earlier one than with the one before it. Needs four bytes a token beside the prompts.
    """
    # Bytes of a fixed width, the highest first, compare as the ids do, and at the speed of memory.
    keys = [np.asarray(prompt, np.int32).astype(">i4").tobytes() for prompt in prompts]
    return sorted(range(len(keys)), key=keys.__getitem__)


def least(ordered: Sequence[Tokens], block: int = 1) -> int:
    """Return the tokens of prompts in their order that an engine must compute at least, whatever its cache.

    With a `block` of 1 these are the nodes of the prefix trie. With more it is the bound of a cache that keeps whole
    blocks of so many tokens and never serves a prompt's last token, as vLLM's (KVCacheManager.get_computed_blocks).
    """
    arrays = [np.asarray(prompt, np.int32) for prompt in ordered]
    kept = shared(arrays)
    if block > 1:
        kept = [
            min(tokens, max(len(prompt) - 1, 0)) // block * block for tokens, prompt in zip(kept, arrays, strict=True)
        ]
    return sum(map(len, arrays)) - sum(kept)


def shared(ordered: Sequence[Ids]) -> list[int]:
    """Return how many first tokens each prompt has in common with the one before it; 0 for the first."""
    return [0][: len(ordered)] + [_common(*pair) for pair in pairwise(ordered)]


def _common(one: Ids, other: Ids) -> int:
    size = min(len(one), len(other))
    differs = one[:size] != other[:size]
    first = int(differs.argmax()) if size else 0
    return first if size and differs[first] else size


@dataclass(frozen=True, slots=True)
class Cost:
    """Prompts and tokens of what was asked, and the seconds that it took.

    `kept` prompts were answered from the cache of responses and cost nothing; the rest is of those that the engine was
    asked. `computed_tokens` went through the model before answers began, those of prompts that the engine put back for
    want of memory once more; `least_tokens` are the nodes of the prompts' prefix trie, `least_block_tokens` the least
    for a cache that keeps whole blocks. Both begin with an empty cache each time that the model is asked; one that has
    read the same prompts before takes less. `engine_seconds` pass while the engine works, `other_seconds` before, after
    and between: tokenising, ordering, writing.
    """

    prompts: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    least_tokens: int = 0
    least_block_tokens: int = 0
    generated_tokens: int = 0
    engine_seconds: float = 0.0
    other_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Return prompt tokens answered and tokens generated per second of the whole; None where nothing was asked."""
        seconds = self.engine_seconds + self.other_seconds
        return (self.prompt_tokens + self.generated_tokens) / seconds if self.prompt_tokens and seconds else None

    def __add__(self, other: "Cost") -> "Cost":
        """Return the cost of both together."""
        return Cost(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Return the part of a results file."""
        return {**asdict(self), "tokens_per_second": self.tokens_per_second}

    def line(self) -> str:
        """Return one line for the terminal."""
        asked = f"{self.prompts:,} prompts of {self.prompt_tokens:,} tokens"
        if self.kept:
            asked += f" (and {self.kept:,} answered from the response cache)"
        if not self.prompts:
            return f"cost: {asked}"
        least = f"{self.least_tokens:,} at least, {self.least_block_tokens:,} in whole blocks"
        return (
            f"cost: {asked}; {self.computed_tokens:,} computed ({least}), {self.generated_tokens:,} generated; "
            f"{self.engine_seconds:.1f} s in the engine, {self.other_seconds:.1f} s outside; "
            f"{self.tokens_per_second or 0:,.0f} tokens/s"
        )


# What the models of this process have spent, for whoever writes the results file: lm-eval hands no model out.
_spent: list[Cost] = []


def spend(cost: Cost) -> None:
    """Add to what this process has spent."""
    _spent.append(cost)


def spent() -> Cost | None:
    """Return what was spent since the last call; None where no model of ours was asked."""
    total = sum(_spent, Cost()) if _spent else None
    _spent.clear()
    return total
