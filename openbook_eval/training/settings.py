"""How the recipes train: the numbers of each kind of training, with their sources."""

from dataclasses import dataclass, replace

from openbook_eval.models.profiles import Size
from openbook_eval.training.cells import Cell, Method


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers of a training.

    A step sees micro_batch_size * gradient_accumulation_steps texts of sequence_len tokens on each card; with `packed`
    a text holds as many rows as fit. `flash` asks for flash-attention, which only architectures of transformers' own
    have; `lora_modules` are the projections that an adapter changes.
    """

    method: Method
    learning_rate: float
    epochs: int
    sequence_len: int
    micro_batch_size: int
    gradient_accumulation_steps: int
    lora_modules: tuple[str, ...]
    lora_r: int = 8
    lora_alpha: int = 16
    flash: bool = False
    packed: bool = False
    on_gpu: bool = True


# The paper does not say how it trained. From other projects of its authors: LoRA on q_proj and v_proj, learning rate
# 5e-5, two epochs, cosine schedule. Rank, batch and length are ours.
_LORA = Settings("lora", 5e-5, 2, 2048, 4, 2, ("q_proj", "v_proj"))
# All weights want smaller steps than an adapter's.
_FULL = replace(_LORA, method="full", learning_rate=1e-5, micro_batch_size=1, gradient_accumulation_steps=8)
_EVERY_PROJECTION = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# The tiny model is so small that it needs large steps, many of them, and all of itself. Of the learning rates
# 0.001 to 0.05 this one taught it most while its weights were random; now that it can read, the adapter costs it 14
# points of the open book.
_TINY = Settings("lora", 0.003, 3, 256, 4, 2, _EVERY_PROJECTION, lora_r=16, lora_alpha=32, on_gpu=False)
_TINY_FULL = replace(_TINY, method="full")
# Of the architectures of our profiles, those whose code takes flash-attention, which keeps packed rows apart.
_FLASH = ("Qwen2ForCausalLM",)


def settings(cell: Cell) -> Settings:
    """How a cell is trained."""
    if cell.size is None:
        return _TINY if cell.method == "lora" else _TINY_FULL
    flash = cell.size.architecture in _FLASH
    return replace(
        _LORA if cell.method == "lora" else _FULL,
        flash=flash,
        packed=flash,
        # Rows that are not packed are short.
        micro_batch_size=(4 if cell.method == "lora" else 1) if flash else 8,
        lora_modules=_modules(cell.size),
        sequence_len=min(2048, cell.size.context),
    )


def _modules(size: Size) -> tuple[str, ...]:
    """Query and value; where one matrix makes query, key and value, that."""
    apart = tuple(module for module in _LORA.lora_modules if module in size.lora_modules)
    return apart or size.lora_modules
