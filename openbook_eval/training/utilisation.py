"""Model FLOP/s utilisation (MFU): how much of what a card can do at most went into the model."""

import re

# Dense bfloat16 FLOP/s from NVIDIA's data sheets; where a sheet gives the figure with sparsity, half of it. The first
# pattern that is found in the card's name counts: parts of a kind that are slower stand before it.
_PEAKS = (
    (r"\b(GB|B)200\b", 2250e12),
    (r"\bH[18]00.*(NVL)", 835e12),
    (r"\bH[18]00.*PCIe", 756e12),
    (r"\b(H100|H800|H200|GH200)\b", 989e12),
    (r"\bH20\b", 148e12),
    (r"\bA[18]00\b", 312e12),
    (r"\bA40\b", 150e12),
    (r"\bA30\b", 165e12),
    (r"\bA10\b", 125e12),
    (r"\bL40S\b", 362e12),
    (r"\bL40\b", 181e12),
    (r"\bL4\b", 121e12),
)


def peak_flops(device: str) -> float | None:
    """What a card does at most, in dense bfloat16 FLOP/s; None for one that the table does not hold.

    `device` is the name as torch.cuda.get_device_name gives it.
    """
    return next((peak for pattern, peak in _PEAKS if re.search(pattern, device)), None)


def flops_per_token(
    multiplied: int, trainable: int, *, layers: int = 0, attention_width: int = 0, length: float = 0.0
) -> float:
    """FLOPs that training one token needs, forward and backward.

    `multiplied` are the parameters that a token is multiplied with: all but a table of embeddings that is only looked
    up; `trainable` those of them that learn. The forward pass costs 2 FLOPs a parameter, the gradient of the
    activations 2, that of the weights 2 a trainable one: 6 N for a full fine-tune (Kaplan et al. 2020, section 2.1),
    4 N + 2 N_trainable with LoRA, where the frozen weights need no gradient.
    Attention adds 12 * layers * attention_width * length, with attention_width = heads * size of a head and `length`
    the tokens that a token can see (PaLM, Chowdhery et al. 2022, appendix B): it has no weights, so it costs LoRA the
    same. As there, nothing is taken off for the causal mask, and nothing added for what gradient checkpointing computes
    twice.
    """
    return 4.0 * multiplied + 2.0 * trainable + 12.0 * layers * attention_width * length


def utilisation(tokens_per_second: float, flops_of_token: float, device: str, count: int) -> float | None:
    """MFU, 0 to 1: tokens a second, of all cards together, by what `count` cards of this name do at most.

    None where the card is not known.
    """
    peak = peak_flops(device)
    return None if peak is None else tokens_per_second * flops_of_token / (peak * count)
