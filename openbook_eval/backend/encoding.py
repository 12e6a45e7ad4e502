"""lm-eval's texts as token ids: where its models add a first token, and where a prompt ends and an option begins."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from lm_eval.models.utils import has_bos_prefix

from openbook_eval.backend.tokenising import Ids, encode

# A prompt's and a continuation's ids.
Split = tuple[Ids, Ids]

# Pairs that are tokenised at once: a prompt's tokens are in memory once for each of its options then.
_PAIRS = 1024


def text_ids(texts: Sequence[str], tokenizer: Any, first: int | None, adding: bool) -> list[Ids]:
    """The ids of texts by the rule of lm-eval's VLLM.tok_encode.

    Special tokens are added where `adding` says so, except before a text that begins with the token `first`.
    """
    begin = None if first is None else tokenizer.decode(first)
    ids: dict[int, Ids] = {}
    for begun in (False, True):
        places = [place for place, text in enumerate(texts) if has_bos_prefix(text, begin) is begun]
        some = encode([texts[place] for place in places], tokenizer, add_special_tokens=adding and not begun)
        ids |= zip(places, some, strict=True)
    return [ids[place] for place in range(len(texts))]


def pair_ids(
    pairs: Sequence[tuple[str, str]],
    ids_of: Callable[[Sequence[str]], list[Ids]],
    plain: Callable[[str], Ids],
    first: int,
) -> list[Split]:
    """Prompts and continuations by the rule of lm-eval's TemplateLM.loglikelihood.

    The pair is tokenised whole and split where the prompt's own ids end, without the spaces and line breaks that end
    it. Without a prompt the token `first` stands for it; `plain` are the ids of a text with nothing added.
    """
    split: dict[int, Split] = {}
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
