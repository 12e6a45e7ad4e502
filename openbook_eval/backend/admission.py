"""How many prompts may be at work at once so that the engine's cache holds all of them with their answers.

An engine that takes more puts some back when their answers grow, and computes them again: with a cache of a few books
and long answers that was a third of all tokens.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openbook_eval.backend.prefixes import shared


class Admission:
    """Prompts in lexicographic order, of which the first that are not admitted yet are admitted as there is room."""

    def __init__(self, prompts: Sequence[NDArray[np.int32]], answers: Sequence[int], block: int, blocks: int) -> None:
        """`answers` are the most tokens that each answer may have, `blocks` those of the cache, of `block` tokens."""
        self._sizes = np.array([len(prompt) for prompt in prompts], np.int64)
        self._whole = -(-(self._sizes + np.array(answers, np.int64)) // block)
        self._common = np.array(shared(prompts), np.int64)
        self._block, self._blocks = block, blocks
        self._running: list[int] = []
        self._next = 0

    def admit(self) -> int | None:
        """The place of the next prompt, which is at work from now on; None where it must wait or none is left.

        One prompt alone is always admitted: the engine itself refuses what it cannot hold.
        """
        if self._next == len(self._whole):
            return None
        if self._running and self._needed([*self._running, self._next]) > self._blocks:
            return None
        self._running.append(self._next)
        self._next += 1
        return self._running[-1]

    def finish(self, place: int) -> None:
        """A prompt that was at work is so no more."""
        self._running.remove(place)

    def _needed(self, places: Sequence[int]) -> int:
        """The blocks of these prompts together, each shared one counted once.

        Two prompts have in common what all between them have: the least of what neighbours do. The block with the last
        token of a prompt is never another's (vllm.v1.core.kv_cache_manager.KVCacheManager.get_computed_blocks).
        """
        some = np.array(places)
        common = np.minimum.reduceat(self._common[: some[-1] + 1], some[:-1] + 1)
        blocks = np.minimum(common, self._sizes[some[1:]] - 1) // self._block
        return int(self._whole[some].sum() - blocks.sum())
