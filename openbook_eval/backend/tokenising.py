"""Token ids of many texts, exactly the tokenizer's own, where what long texts have in common is tokenised once.

Ids are put together at the beginning of a line, where a text that was tokenised whole has the end of a token, and only
for texts that go on as that one does for a while.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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


def encode(texts: Sequence[str], tokenizer: Any, *, add_special_tokens: bool) -> list[Ids]:
    """The ids of each text, as `tokenizer(text)` gives them: arrays, since 100 million ids in lists take 4 GB.

    `tokenizer` is one of transformers. A text that shares more than half of itself with others is cut where a line
    begins; where equality with the ids of the whole cannot be shown, it is tokenised whole. Equal texts have the same
    array.
    """
    distinct = sorted(set(texts))
    ending = _ending(tokenizer, add_special_tokens)
    cuts = {} if ending is None else dict(_cuts(distinct))
    known: dict[str, Ids] = {}

    def take_whole(some: Sequence[str]) -> None:
        known.update(zip(some, _ids(some, tokenizer, add_special_tokens), strict=True))

    take_whole([text for text in distinct if text not in cuts])
    for (like, at), sharers in _by_head(cuts).items():
        known.update(_joined(like, at, sharers, known[like], tokenizer, ending or ()))
    take_whole([text for text in distinct if text not in known])
    return [known[text] for text in texts]


def _cuts(texts: Sequence[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The texts that begin as another does: which, and up to which character; `texts` sorted and distinct.

    A text is compared with the last one that is tokenised whole, and becomes the next such where the text behind it
    shares twice as much with it: so a book's first prompt stands for the book, and not for the prompts' common opening.
    """
    like = ""
    for text, behind in pairwise([*texts, ""]):
        common = _common(like, text)
        at = _line(text, common - _AFTER) if 2 * common >= _common(text, behind) else 0
        if all(at - _BEFORE > len(each) // 2 for each in (like, text)):
            yield text, (like, at)
        else:
            like = text


def _by_head(cuts: dict[str, tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
    heads: dict[tuple[str, int], list[str]] = {}
    for text, head in cuts.items():
        heads.setdefault(head, []).append(text)
    return heads


def _common(one: str, other: str) -> int:
    """How many first characters two texts have in common, found by halves: comparing slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _line(text: str, end: int) -> int:
    """The last place up to `end` where a line begins, and not with a blank; 0 where there is none.

    No tokenizer that splits text into words joins what stands before such a place to what stands behind it, and one
    that joins any neighbours seldom does.
    """
    at = text.rfind("\n", 0, max(end, 0)) + 1
    while at and text[at].isspace():
        at = text.rfind("\n", 0, at - 1) + 1
    return at


def _joined(
    like: str, at: int, texts: Sequence[str], whole: Ids, tokenizer: Any, ending: Sequence[int]
) -> Iterator[tuple[str, Ids]]:
    """The ids of those `texts` for which they can be put together: the head's from the whole text `like`, then theirs.

    Each text is tokenised from `_BEFORE` characters before the cut on. A token must end at the cut, and those before it
    be the same as without what follows: so nothing was joined across. The rest of `like` must have the ids that it has
    in the whole; then what is left of the whole's are the head's, and so they are before any text that goes on alike,
    as words are found from left to right and parts of words are joined to neighbours only.
    """
    begin = at - _BEFORE
    [lead] = _ids([like[begin:at]], tokenizer, False)
    head = whole
    parts = (text[begin:] for text in (like, *texts))
    for text, ids in zip((like, *texts), _ids(parts, tokenizer, False), strict=True):
        fits = np.array_equal(ids[: len(lead)], lead)
        tail = np.concatenate([ids[len(lead) :], np.asarray(ending, np.int32)])
        if text is like:
            if not (fits and np.array_equal(whole[-len(tail) :], tail)):
                return
            head = whole[: -len(tail)]
        elif fits:
            yield text, np.concatenate([head, tail])


def _ending(tokenizer: Any, add_special_tokens: bool) -> list[int] | None:
    """The ids that are added after every text; None for a tokenizer whose ids cannot be put together."""
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    if type(model).__name__ not in _LOCAL_MODELS or getattr(model, "dropout", None):
        return None
    [plain], [full] = (list(_ids(["0"], tokenizer, special)) for special in (False, add_special_tokens))
    size = len(plain)
    found = [at for at in range(len(full) - size + 1) if np.array_equal(full[at : at + size], plain)]
    return [int(token) for token in full[found[0] + size :]] if size and len(found) == 1 else None


def _ids(texts: Iterable[str], tokenizer: Any, add_special_tokens: bool) -> Iterator[Ids]:
    """The tokenizer's own ids, asked in batches that keep its lists small."""
    for batch in _batches(texts):
        found = tokenizer(batch, add_special_tokens=add_special_tokens, return_attention_mask=False)["input_ids"]
        yield from (np.asarray(ids, np.int32) for ids in found)


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
