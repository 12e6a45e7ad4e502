"""Log-probabilities of short continuations of a prompt, all of them from one pass, with the prefix cache on.

The continuations of a prompt form a trie, and a pass gives the probabilities of all branches at one of its nodes: of
letters there is one node. Where they share a beginning (the line break that ends a chat format's prompt, which lm-eval
counts to the continuation), the model is let write on: if it writes that beginning, the nodes below come of the same
pass; if not, they are asked in another one, of which all but the last tokens are in the cache.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from openbook_eval.backend.asking import Asked
from openbook_eval.backend.journal import Answer
from openbook_eval.backend.tokenising import Ids

Continuation = tuple[int, ...]

# The most that vLLM takes of `logprob_token_ids` (vllm.sampling_params.MAX_LOGPROB_TOKEN_IDS).
_MOST_TOKENS = 128


@dataclass(frozen=True, slots=True)
class _Node:
    """The likeliest token at a node of the trie, and the log-probabilities of its branches."""

    likeliest: int
    logprobs: Mapping[int, float]


@dataclass(slots=True)
class Ranking:
    """The continuations of one prompt, and what is known of them so far."""

    context: Ids
    continuations: Sequence[Continuation]
    _known: dict[Continuation, _Node] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Continuation]:
        """The nodes of the trie that have branches, the shallowest first."""
        starts = {continuation[:end] for continuation in self.continuations for end in range(len(continuation))}
        return sorted(starts, key=lambda node: (len(node), node))

    @property
    def worthwhile(self) -> bool:
        """Whether this takes no more passes than one for each continuation, and fits the engine's limit."""
        return 0 < len(self.nodes) <= len(self.continuations) and len(self._branches()) <= _MOST_TOKENS

    def asks(self) -> Asked | None:
        """What to ask next; None where all is known."""
        node = next((node for node in self.nodes if node not in self._known), None)
        if node is None:
            return None
        below = max(len(other) for other in self.nodes if other[: len(node)] == node)
        sampling = {
            "temperature": 0.0,
            "max_tokens": below - len(node) + 1,
            "ignore_eos": True,
            "detokenize": False,
            "logprob_token_ids": self._branches(),
        }
        return Asked(np.concatenate([self.context, np.array(node, np.int32)]), sampling)

    def take(self, answer: Answer) -> None:
        """What the answer to `asks` tells: of the node asked for, and of those below that the model wrote itself."""
        branches, nodes = self._branches(), set(self.nodes)
        node = next(node for node in self.nodes if node not in self._known)
        for likeliest, logprobs in zip(answer.tokens, answer.logprobs, strict=True):
            if node not in nodes:
                return
            self._known[node] = _Node(likeliest, dict(zip(branches, logprobs, strict=True)))
            node = (*node, likeliest)

    def results(self) -> Iterator[tuple[float, bool]]:
        """The log-probability of each continuation, and whether it is what the model would write; lm-eval's form."""
        for continuation in self.continuations:
            path = [(self._known[continuation[:place]], token) for place, token in enumerate(continuation)]
            total = sum(node.logprobs[token] for node, token in path)
            yield total, all(node.likeliest == token for node, token in path)

    def _branches(self) -> list[int]:
        return sorted({token for continuation in self.continuations for token in continuation})


def grouped(pairs: Sequence[tuple[Ids, Ids]]) -> list[tuple[Ranking, list[int]]]:
    """Pairs of a context and a continuation, by context: each one's ranking, and the places of its pairs."""
    # By hash: as bytes, all prompts would be in memory once more.
    places: dict[bytes, list[int]] = {}
    for place, (context, _) in enumerate(pairs):
        places.setdefault(hashlib.sha256(context.tobytes()).digest(), []).append(place)
    return [
        (Ranking(pairs[group[0]][0], [tuple(pairs[place][1].tolist()) for place in group]), group)
        for group in places.values()
    ]
