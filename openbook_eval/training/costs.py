"""What a recipe is expected to need: memory of the card, and hours of it. Estimates, with their formulas."""

from dataclasses import dataclass

from openbook_eval.models.profiles import Size
from openbook_eval.training.cells import Mix
from openbook_eval.training.settings import Settings
from openbook_eval.training.utilisation import flops_per_token

# Tokens of Qwen's tokenizer a row, as estimated over the mixes that the spec `paper` makes of its sources, and some for
# the chat template.
_TOKENS_A_ROW = {"general": 74, "medical": 124}
_TEMPLATE = 20
# An A100 does 312 TFLOP/s in bfloat16 at most; 40 % of a card's most is what good training code reaches.
CARD, _PEAK, UTILISATION = "A100", 312e12, 0.4
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens that are trained, all epochs together; GB of one card; hours of one card."""

    tokens: float
    memory: float
    hours: float


def costs(size: Size, mix: Mix, settings: Settings) -> Costs:
    """What a training on one card needs."""
    tokens = mix.rows * tokens_a_row(mix) * settings.epochs
    trainable = size.parameters if settings.method == "full" else lora_parameters(size, settings)
    width = size.hidden // size.heads * size.heads
    flops = flops_per_token(
        multiplied(size), trainable, layers=size.layers, attention_width=width, length=settings.sequence_len / 2
    )
    # Checkpointed activations are computed a second time: one forward pass more, 2 FLOPs a parameter.
    flops += 2.0 * multiplied(size)
    return Costs(tokens, memory(size, trainable, settings) / _GB, tokens * flops / (_PEAK * UTILISATION) / 3600)


def tokens_a_row(mix: Mix) -> float:
    """Tokens of a row, its template with it."""
    general, medical = _TOKENS_A_ROW["general"], _TOKENS_A_ROW["medical"]
    return general * (1 - mix.medical) + medical * mix.medical + _TEMPLATE


def multiplied(size: Size) -> int:
    """Parameters that a token is multiplied with: all but a table of embeddings that is only looked up."""
    return size.parameters - (0 if size.tied_embeddings else size.vocabulary * size.hidden)


def lora_parameters(size: Size, settings: Settings) -> int:
    """Parameters of the adapter: two matrices of its rank beside every projection."""
    head = size.hidden // size.heads
    key_values = size.kv_heads * head
    widths = {"q_proj": size.hidden, "k_proj": key_values, "v_proj": key_values}
    # One matrix makes query, key and value where they are not apart.
    fused = size.hidden + 2 * key_values
    return size.layers * sum(settings.lora_r * (size.hidden + widths.get(m, fused)) for m in settings.lora_modules)


def memory(size: Size, trainable: int, settings: Settings) -> float:
    """Bytes at the height of a step.

    Weights in bfloat16, 2 bytes a parameter; of those that are trained, gradient and AdamW's two moments, 2 + 4 bytes
    of the weights' own type (4 + 8 of an adapter, which is kept in float32). A checkpoint of the activations before
    every layer, 2 bytes a token and unit, and those inside the layer that is computed again, some 34 a token and unit
    (Korthikanti et al. 2022, section 4.1, with flash attention). The logits in bfloat16 and in float32, and the
    gradient of these: 2 + 4 + 4 bytes a token and word.
    """
    tokens = settings.micro_batch_size * settings.sequence_len
    trained = (6 if settings.method == "full" else 12) * trainable
    activations = tokens * size.hidden * (2 * size.layers + 34)
    return 2 * size.parameters + trained + activations + 10 * tokens * size.vocabulary
