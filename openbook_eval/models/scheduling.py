"""Prompts on their way to an engine: their token ids, their order, and options that are ranked from one pass.

Ids are exactly the tokenizer's own, but what long texts have in common is tokenised once: ids are joined only where a
line begins, which a text that was tokenised whole has shown to be the end of a token. Prompts are paths of a prefix
trie; walked depth first, it asks of an engine's prefix cache no more than the prompts at hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from openbook_eval.files import sha256, sha256_json

Ids = NDArray[np.int32]
Tokens = Sequence[int] | Ids
Continuation = tuple[int, ...]

# The characters before a cut that are tokenised again, and those after it that texts must have in common: what stands
# farther off than a line's end and so much more never decides about a token, in any rule for splitting text that
# tokenizers are known to have.
_BEFORE, _AFTER = 128, 64
# These work on one word of a text at a time, or join neighbours only. Unigram weighs a text as a whole.
_LOCAL_MODELS = ("BPE", "WordPiece", "WordLevel")
# A tokenizer is asked for so many at once, so that its lists stay small.
_BATCH_CHARACTERS = 500_000
# The most that vLLM takes of `logprob_token_ids` (vllm.sampling_params.MAX_LOGPROB_TOKEN_IDS).
_MOST_TOKENS = 128


def encode(texts: Sequence[str], tokenizer: Any, *, first: str | None, special: bool | None) -> list[Ids]:
    """Return the ids of texts as lm-eval's models send them.

    Special tokens are added where `special` says so (None leaves it to the tokenizer), except before a text that
    begins with `first`, the text of the token that begins every prompt.
    """
    begun = [first is not None and text.startswith(first) for text in texts]
    known = {
        mark: _encode_all([text for text, has in zip(texts, begun, strict=True) if has is mark], tokenizer, adding)
        for mark, adding in ((False, special is not False), (True, False))
    }
    return [known[mark][text] for text, mark in zip(texts, begun, strict=True)]


def _encode_all(texts: Sequence[str], tokenizer: Any, special: bool) -> dict[str, Ids]:
    """Tokenise distinct texts: one that shares more than half of itself with others is cut where a line begins.

    Where equality with the ids of the whole cannot be shown, a text is tokenised whole. Ids are arrays, since 100
    million of them take 4 GB in lists.
    """
    distinct = sorted(set(texts))
    ending = _ending(tokenizer, special) if distinct else None
    cuts = [] if ending is None else list(_cuts(distinct))
    shared = {text for _, text in cuts}
    known = dict(_tokenize([text for text in distinct if text not in shared], tokenizer, special))
    for (like, at), group in groupby(cuts, key=lambda cut: cut[0]):
        known.update(_joined(like, at, [text for _, text in group], known[like], tokenizer, ending or []))
    known.update(_tokenize([text for text in distinct if text not in known], tokenizer, special))
    return known


def _cuts(texts: Sequence[str]) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the texts that begin as another does, behind that other and the place of the cut; `texts` is sorted.

    A text is compared with the last one that is tokenised whole, and becomes the next such where it shares too little.
    """
    like = ""
    for text in texts:
        at = _line(text, _common(like, text) - _AFTER)
        if all(at - _BEFORE > len(each) // 2 for each in (like, text)):
            yield (like, at), text
        else:
            like = text


def _common(one: str, other: str) -> int:
    """Return how many first characters two texts share, found by halves: comparing slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _line(text: str, end: int) -> int:
    """Return the last place up to `end` where a line begins, and not with whitespace; 0 where there is none.

    No tokenizer that splits text into words joins what stands before such a place to what stands behind it.
    """
    at = text.rfind("\n", 0, max(end, 0)) + 1
    while at and text[at].isspace():
        at = text.rfind("\n", 0, at - 1) + 1
    return at


def _joined(
    like: str, at: int, texts: Sequence[str], whole: Ids, tokenizer: Any, ending: Sequence[int]
) -> Iterator[tuple[str, Ids]]:
    """Yield those `texts` whose ids can be joined: the head's from the whole text `like`, then their own.

    Each text is tokenised from `_BEFORE` characters before the cut on. A token must end at the cut, and those before it
    be the same as without what follows: so nothing was joined across. The rest of `like` must have the ids that it has
    in the whole; then what is left of the whole's are the head's, and so they are before any text that goes on alike,
    as words are found from left to right and parts of words are joined to neighbours only.
    """
    begin = at - _BEFORE
    [(_, lead)] = _tokenize([like[begin:at]], tokenizer, False)
    head = whole
    parts = _tokenize([text[begin:] for text in (like, *texts)], tokenizer, False)
    for text, (_, ids) in zip((like, *texts), parts, strict=True):
        fits = np.array_equal(ids[: len(lead)], lead)
        tail = np.concatenate([ids[len(lead) :], np.asarray(ending, np.int32)])
        if text is like:
            if not (fits and np.array_equal(whole[-len(tail) :], tail)):
                return
            head = whole[: -len(tail)]
        elif fits:
            yield text, np.concatenate([head, tail])


def _ending(tokenizer: Any, special: bool) -> list[int] | None:
    """Return the ids that are added after every text; None for a tokenizer whose ids cannot be joined."""
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    if type(model).__name__ not in _LOCAL_MODELS or getattr(model, "dropout", None):
        return None
    [(_, plain)], [(_, full)] = (list(_tokenize(["0"], tokenizer, adding)) for adding in (False, special))
    size = len(plain)
    found = [at for at in range(len(full) - size + 1) if np.array_equal(full[at : at + size], plain)]
    return [int(token) for token in full[found[0] + size :]] if size and len(found) == 1 else None


def _tokenize(texts: Sequence[str], tokenizer: Any, special: bool) -> Iterator[tuple[str, Ids]]:
    """Yield each text with the tokenizer's own ids."""
    size = max(1, _BATCH_CHARACTERS // (1 + max(map(len, texts), default=0)))
    for start in range(0, len(texts), size):
        batch = list(texts[start : start + size])
        found = tokenizer(batch, add_special_tokens=special, verbose=False)["input_ids"]
        yield from zip(batch, (np.asarray(ids, np.int32) for ids in found), strict=True)


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
    return [0][: len(ordered)] + [_in_common(*pair) for pair in pairwise(ordered)]


def _in_common(one: Ids, other: Ids) -> int:
    size = min(len(one), len(other))
    differs = np.append(one[:size] != other[:size], True)
    return int(differs.argmax())


@dataclass(frozen=True)  # without slots: the key is kept
class Prompt:
    """A prompt's token ids and the arguments of vLLM's SamplingParams with which it is asked."""

    tokens: Ids
    sampling: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """Return a hash that equal prompts have in common which are asked alike."""
        return sha256(sha256_json(dict(self.sampling)).encode() + np.asarray(self.tokens, np.int32).tobytes())[:32]


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


@dataclass
class Ranking:
    """The continuations of one prompt, whose log-probabilities come from as few passes as can be.

    They form a trie, and a pass gives the probabilities of all branches at one of its nodes: of letters there is one
    node. Where they share a beginning (the line break that ends a chat format's prompt, which lm-eval counts to the
    continuation), the model is let write on: if it writes that beginning, the nodes below come of the same pass; if
    not, they are asked in another one, of which all but the last tokens are in the cache. Known of a node are its
    likeliest token and the log-probabilities of its branches.
    """

    context: Ids
    continuations: Sequence[Continuation]
    _known: dict[Continuation, tuple[int, Mapping[int, float]]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> list[Continuation]:
        """Return the nodes of the trie that have branches, the shallowest first."""
        starts = {continuation[:end] for continuation in self.continuations for end in range(len(continuation))}
        return sorted(starts, key=lambda node: (len(node), node))

    @cached_property
    def _branches(self) -> list[int]:
        return sorted({token for continuation in self.continuations for token in continuation})

    @property
    def worthwhile(self) -> bool:
        """Return whether this takes no more passes than one for each continuation, and fits the engine's limit."""
        return 0 < len(self.nodes) <= len(self.continuations) and len(self._branches) <= _MOST_TOKENS

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
            "logprob_token_ids": self._branches,
        }
        return Prompt(np.concatenate([self.context, np.array(node, np.int32)]), sampling)

    def take(self, response: EngineResponse) -> None:
        """Learn from the response to `next_prompt`: of its node, and of those below that the model wrote itself."""
        node = self._unknown()
        for likeliest, logprobs in zip(response.tokens, response.logprobs, strict=True):
            if node is None or node not in self.nodes:
                return
            chances = (-np.inf if chance is None else chance for chance in logprobs)
            self._known[node] = likeliest, dict(zip(self._branches, chances, strict=True))
            node = (*node, likeliest)

    def results(self) -> Iterator[tuple[float, bool]]:
        """Yield the log-probability of each continuation, and whether the model would write it; lm-eval's form."""
        for continuation in self.continuations:
            path = [(*self._known[continuation[:place]], token) for place, token in enumerate(continuation)]
            total = sum(logprobs[token] for _, logprobs, token in path)
            yield total, all(likeliest == token for likeliest, _, token in path)

    def _unknown(self) -> Continuation | None:
        return next((node for node in self.nodes if node not in self._known), None)


def rankings(
    pairs: Sequence[tuple[str, str]], ids_of: Callable[[Sequence[str]], list[Ids]]
) -> list[tuple[Ranking, list[int]]]:
    """Group pairs of a prompt and a continuation by prompt: each one's ranking, and the places of its pairs.

    By the rule of lm-eval's TemplateLM.loglikelihood a pair is tokenised whole and split behind the ids of the prompt
    without the spaces and line breaks that end it. Pairs without a prompt are left out.
    """
    places: dict[str, list[int]] = {}
    for place, (prompt, _) in enumerate(pairs):
        places.setdefault(prompt.rstrip(), []).append(place)
    places.pop("", None)
    wholes = iter(ids_of(["".join(pairs[place]) for group in places.values() for place in group]))
    return [
        (Ranking(context, [tuple(next(wholes)[len(context) :].tolist()) for _ in group]), group)
        for context, group in zip(ids_of(list(places)), places.values(), strict=True)
    ]
