"""Log-probabilities of short continuations of a prompt, all of them from one pass, with the prefix cache on.

The continuations of a prompt form a trie, and a pass gives the probabilities of all branches at one of its nodes: of
letters there is one node. Where they share a beginning (the line break that ends a chat format's prompt, which lm-eval
counts to the continuation), the model is let write on: if it writes that beginning, the nodes below come of the same
pass; if not, they are asked in another one, of which all but the last tokens are in the cache.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel

from openbook_eval.files import sha256, sha256_json
from openbook_eval.models.tokenization import Ids

Continuation = tuple[int, ...]

# The most that vLLM takes of `logprob_token_ids` (vllm.sampling_params.MAX_LOGPROB_TOKEN_IDS).
_MOST_TOKENS = 128
# Pairs that are tokenised at once: a prompt's tokens are in memory once for each of its options then.
_PAIRS = 1024


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's token ids and the arguments of vLLM's SamplingParams with which it is asked."""

    tokens: Ids
    sampling: Mapping[str, Any]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Make the key: equal prompts that are asked alike have one."""
        key = sha256(sha256_json(dict(self.sampling)).encode() + np.asarray(self.tokens, np.int32).tobytes())
        object.__setattr__(self, "key", key[:32])


class EngineResponse(BaseModel):
    """What the engine answered to a prompt: the text, nothing cut off, why it ended, how many tokens it took.

    Of a ranking, `tokens` are the likeliest tokens one after another, and `logprobs` at each of them the
    log-probabilities of the tokens asked for, in the order in which they were asked for; None for minus infinity.
    """

    text: str = ""
    finish: str = ""
    generated: int = 0
    tokens: list[int] = []
    logprobs: list[list[float | None]] = []


@dataclass(slots=True)
class Ranking:
    """The continuations of one prompt, and what is known of them so far.

    Known of a node of the trie are its likeliest token and the log-probabilities of its branches.
    """

    context: Ids
    continuations: Sequence[Continuation]
    _known: dict[Continuation, tuple[int, Mapping[int, float]]] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Continuation]:
        """Return the nodes of the trie that have branches, the shallowest first."""
        starts = {continuation[:end] for continuation in self.continuations for end in range(len(continuation))}
        return sorted(starts, key=lambda node: (len(node), node))

    @property
    def worthwhile(self) -> bool:
        """Return whether this takes no more passes than one for each continuation, and fits the engine's limit."""
        return 0 < len(self.nodes) <= len(self.continuations) and len(self._branches()) <= _MOST_TOKENS

    def next_prompt(self) -> Prompt | None:
        """Return what to ask next; None where all is known."""
        node = self._unknown()
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
        return Prompt(np.concatenate([self.context, np.array(node, np.int32)]), sampling)

    def take(self, response: EngineResponse) -> None:
        """Learn from the response to `next_prompt`: of its node, and of those below that the model wrote itself."""
        branches, nodes, node = self._branches(), set(self.nodes), self._unknown()
        for likeliest, logprobs in zip(response.tokens, response.logprobs, strict=True):
            if node is None or node not in nodes:
                return
            chances = (-np.inf if chance is None else chance for chance in logprobs)
            self._known[node] = likeliest, dict(zip(branches, chances, strict=True))
            node = (*node, likeliest)

    def results(self) -> Iterator[tuple[float, bool]]:
        """Yield the log-probability of each continuation, and whether the model would write it; lm-eval's form."""
        for continuation in self.continuations:
            path = [(*self._known[continuation[:place]], token) for place, token in enumerate(continuation)]
            total = sum(logprobs[token] for _, logprobs, token in path)
            yield total, all(likeliest == token for likeliest, _, token in path)

    def _unknown(self) -> Continuation | None:
        return next((node for node in self.nodes if node not in self._known), None)

    def _branches(self) -> list[int]:
        return sorted({token for continuation in self.continuations for token in continuation})


def grouped(pairs: Sequence[tuple[Ids, Ids]]) -> list[tuple[Ranking, list[int]]]:
    """Group pairs of a context and a continuation by context: each one's ranking, and the places of its pairs."""
    # By hash: as bytes, all prompts would be in memory once more.
    places: dict[str, list[int]] = {}
    for place, (context, _) in enumerate(pairs):
        places.setdefault(sha256(context.tobytes()), []).append(place)
    return [
        (Ranking(pairs[group[0]][0], [tuple(pairs[place][1].tolist()) for place in group]), group)
        for group in places.values()
    ]


def pair_ids(
    pairs: Sequence[tuple[str, str]],
    ids_of: Callable[[Sequence[str]], list[Ids]],
    plain: Callable[[str], Ids],
    first: int,
) -> list[tuple[Ids, Ids]]:
    """Return the ids of prompts and continuations by the rule of lm-eval's TemplateLM.loglikelihood.

    The pair is tokenised whole and split where the prompt's own ids end, without the spaces and line breaks that end
    it. Without a prompt the token `first` stands for it; `plain` gives the ids of a text with nothing added.
    """
    split: dict[int, tuple[Ids, Ids]] = {}
    # By text: so a batch has prompts of few books.
    prompted = sorted((place for place, (prompt, _) in enumerate(pairs) if prompt), key=pairs.__getitem__)
    for start in range(0, len(prompted), _PAIRS):
        places = prompted[start : start + _PAIRS]
        prompts = ids_of([pairs[place][0].rstrip() for place in places])
        wholes = ids_of(["".join(pairs[place]) for place in places])
        for place, prompt, whole in zip(places, prompts, wholes, strict=True):
            split[place] = prompt, whole[len(prompt) :].copy()
    for place, (text, continuation) in enumerate(pairs):
        if not text:
            ids = plain(continuation)
            split[place] = (ids[:1], ids[1:]) if ids[:1].tolist() == [first] else (np.array([first], np.int32), ids)
    return [split[place] for place in range(len(pairs))]
