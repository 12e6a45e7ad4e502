"""How many tokens of a batch are tokens, and not padding."""

from collections.abc import Mapping
from typing import Any


def tokens_in(inputs: Mapping[str, Any], pad_token_id: int | None) -> Any:
    """The tokens of a batch, padding apart, as a tensor of no dimension where it would have to be waited for.

    `inputs` are tensors of shape (batch, length), as Axolotl's collators make them. Their masks of packed samples
    number the samples 1, 2, ..., so that a sum of them means nothing. Where attention lets them leave the mask out,
    padding is the last sample of its row: it begins at position 0, and nothing but padding is in it.
    """
    ids = inputs["input_ids"]
    if (mask := inputs.get("attention_mask")) is not None:
        return (mask != 0).sum()
    if pad_token_id is None:
        return ids.numel()
    padding = ids == pad_token_id
    if (positions := inputs.get("position_ids")) is not None:
        # A sample before it may end with the token that pads.
        at_the_end = (~padding).flip(-1).cumsum(-1).flip(-1) == 0
        padding = at_the_end & ((at_the_end & (positions == 0)).cumsum(-1) > 0)
    return ids.numel() - padding.sum()
