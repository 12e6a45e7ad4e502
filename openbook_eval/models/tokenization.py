"""Token ids of many texts, exactly the tokenizer's own, where what long texts have in common is tokenised once.

Ids are joined only where a line begins, which a text that was tokenised whole has shown to be the end of a token.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]

# The characters before a cut that are tokenised again, and those after it that texts must have in common: what stands
# farther off than a line's end and so much more never decides about a token, in any rule for splitting text that
# tokenizers are known to have.
_BEFORE, _AFTER = 128, 64
# These work on one word of a text at a time, or join neighbours only. Unigram weighs a text as a whole.
_LOCAL_MODELS = ("BPE", "WordPiece", "WordLevel")
_BATCH_CHARACTERS = 500_000


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
    known = dict(_tokenize((text for text in distinct if text not in shared), tokenizer, special))
    for (like, at), group in groupby(cuts, key=lambda cut: cut[0]):
        known.update(_joined(like, at, [text for _, text in group], known[like], tokenizer, ending or []))
    known.update(_tokenize([text for text in distinct if text not in known], tokenizer, special))
    return known


def _cuts(texts: Sequence[str]) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the texts that begin as another does, behind that other and the place of the cut; `texts` is sorted.

    A text is compared with the last one that is tokenised whole, and becomes the next such where the text behind it
    shares twice as much with it: so a book's first prompt stands for the book, and not for the prompts' common opening.
    """
    like = ""
    for text, behind in pairwise([*texts, ""]):
        common = _common(like, text)
        at = _line(text, common - _AFTER) if 2 * common >= _common(text, behind) else 0
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
    parts = _tokenize((text[begin:] for text in (like, *texts)), tokenizer, False)
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


def _tokenize(texts: Iterable[str], tokenizer: Any, special: bool) -> Iterator[tuple[str, Ids]]:
    """Yield each text with the tokenizer's own ids, asked in batches that keep its lists small."""
    for batch in _batches(texts):
        found = tokenizer(batch, add_special_tokens=special, verbose=False)["input_ids"]
        yield from zip(batch, (np.asarray(ids, np.int32) for ids in found), strict=True)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
