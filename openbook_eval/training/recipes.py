"""Write the training recipes: a cell of `cells.yml` in `recipe.yml.jinja`, with the memory and hours to expect."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jinja2

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.files import load_yaml, read_text, write_atomic
from openbook_eval.models.profiles import Profile, Size, named

Method = Literal["lora", "full"]

# The Axolotl plugin that every recipe names, and where the command in a recipe's header puts the tiny model.
PLUGIN = "openbook_eval.training.plugin.OpenbookPlugin"
TINY_MODEL = "models/tiny"
_HERE = Path(__file__).parent
_QUERY_AND_VALUE = ("q_proj", "v_proj")
_EVERY_PROJECTION = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Of our profiles' architectures, the one whose code takes flash-attention, which keeps packed rows apart.
_FLASH = "Qwen2ForCausalLM"
# Tokens of a row with Qwen's tokenizer, estimated over the mixes that the spec `paper` makes, and of the chat template.
_GENERAL_TOKENS, _MEDICAL_TOKENS, _TEMPLATE_TOKENS = 74, 124, 20
# Good training code reaches 40 % of a GPU's peak.
_GPU, _GPU_MEMORY, UTILISATION = "A100", 80, 0.4


@dataclass(frozen=True, slots=True)
class RecipeMix:
    """A mix that a spec of data_prep builds: parts of general to medical data (1:0, 9:1, 0:1), and its rows."""

    name: str
    general: int
    medical: int
    rows: int
    spec: str = "paper"
    about: str = ""

    @property
    def ratio(self) -> str:
        """General to medical data."""
        return f"{self.general}:{self.medical}"

    @property
    def medical_share(self) -> Fraction:
        """The part of the rows that is medical."""
        return Fraction(self.medical, self.general + self.medical)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """A step sees micro_batch_size * gradient_accumulation_steps texts of sequence_len tokens on each GPU."""

    method: Method
    learning_rate: float
    num_epochs: int
    sequence_len: int
    micro_batch_size: int
    gradient_accumulation_steps: int
    lora_modules: tuple[str, ...] = _EVERY_PROJECTION  # the projections that an adapter changes
    lora_r: int = 8
    lora_alpha: int = 16
    flash: bool = False  # flash-attention: a text holds as many rows as fit


@dataclass(frozen=True, slots=True)
class RecipeCell:
    """What a recipe trains on what."""

    name: str
    mix: RecipeMix
    model: str  # by its profile and size, such as disc-13b, or "tiny"
    is_base: bool = False  # the base model instead of the chat model that was tuned from it
    table: int | None = None  # of the paper
    method: Method = "lora"

    def with_all_weights(self) -> "RecipeCell":
        """Return the same cell with all weights trained, under a name that says so."""
        return self if self.method == "full" else replace(self, name=f"{self.name}_full", method="full")

    @property
    def profile(self) -> Profile | None:
        """The family of the model; the tiny model has none."""
        return None if self.model == "tiny" else named(self.model)[0]

    @property
    def size(self) -> Size | None:
        """Return the figures of the model; None of the tiny model."""
        return None if self.model == "tiny" else named(self.model)[1]

    @property
    def base_model(self) -> str:
        """Return the model that is trained: its name on the hub, or its folder."""
        if self.size is None:
            return TINY_MODEL
        return self.size.base if self.is_base else self.size.hub

    @property
    def title(self) -> str:
        """Return what people call the model."""
        if self.profile is None or self.is_base:
            return self.base_model.rpartition("/")[2] if self.is_base else "the tiny model"
        return f"{self.profile.title} {self.model.rpartition('-')[2].upper()}"


@cache
def _table() -> Mapping[str, Any]:
    return load_yaml(_HERE / "cells.yml")


@cache
def cells() -> Mapping[str, RecipeCell]:
    """Return all cells by name: those of the paper in the order of its tables, then the tiny ones."""
    mixes = {name: RecipeMix(name, **row) for name, row in _table()["mixes"].items()}
    rows = _table()["recipes"].items()
    return {name: RecipeCell(name, **{**row, "mix": mixes[row["mix"]]}) for name, row in rows}


def cells_named(names: Sequence[str], *, full: bool = False) -> list[RecipeCell]:
    """Return the cells of these names, of no names all; with `full` each with all weights trained."""
    if unknown := [name for name in names if name not in cells()]:
        raise OpenbookError(f"recipe {unknown[0]!r} is not in the table; {did_you_mean(unknown[0], cells())}")
    found = [cells()[name] for name in names or cells()]
    # The tiny model is trained in full by a recipe of its own.
    return list(dict.fromkeys(cell.with_all_weights() for cell in found)) if full else found


def settings(cell: RecipeCell) -> TrainingSettings:
    """Return how a cell is trained."""
    numbers = _table()["settings"]
    if cell.size is None:
        return TrainingSettings(cell.method, **numbers["tiny"])
    flash = cell.size.architecture == _FLASH
    numbers = numbers[cell.method] | (numbers["unpacked"] if not flash else {})
    how = TrainingSettings(cell.method, **numbers, flash=flash)
    # Some architectures make query, key and value by one matrix.
    modules = tuple(each for each in _QUERY_AND_VALUE if each in cell.size.lora_modules) or cell.size.lora_modules
    return replace(how, lora_modules=modules, sequence_len=min(how.sequence_len, cell.size.context))


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens that are trained, all epochs together; GB of one GPU; hours of one A100."""

    tokens: float
    memory: float
    hours: float


def costs(size: Size, mix: RecipeMix, how: TrainingSettings) -> Costs:
    """Estimate what a training on one GPU needs."""
    tokens = mix.rows * tokens_a_row(mix) * how.num_epochs
    trainable = size.parameters if how.method == "full" else lora_parameters(size, how)
    width, seen = size.hidden // size.heads * size.heads, how.sequence_len / 2
    flops = flops_per_token(multiplied(size), trainable, layers=size.layers, attention_width=width, length=seen)
    # Checkpointed activations are computed a second time: one forward pass more, 2 FLOPs a parameter.
    flops += 2.0 * multiplied(size)
    return Costs(tokens, _memory(size, trainable, how) / 1e9, tokens * flops / (_peak(_GPU) * UTILISATION) / 3600)


def tokens_a_row(mix: RecipeMix) -> float:
    """Return the tokens of a row, its template with it."""
    share = float(mix.medical_share)
    return _GENERAL_TOKENS * (1 - share) + _MEDICAL_TOKENS * share + _TEMPLATE_TOKENS


def multiplied(size: Size) -> int:
    """Return the parameters that a token is multiplied with: all but an embedding that is only looked up."""
    return size.parameters - (0 if size.tied_embeddings else size.vocabulary * size.hidden)


def lora_parameters(size: Size, how: TrainingSettings) -> int:
    """Return the parameters of the adapter: two matrices of its rank beside every projection."""
    key_values = size.kv_heads * (size.hidden // size.heads)
    widths = {"q_proj": size.hidden, "k_proj": key_values, "v_proj": key_values}
    fused = size.hidden + 2 * key_values
    return size.layers * sum(how.lora_r * (size.hidden + widths.get(each, fused)) for each in how.lora_modules)


def _memory(size: Size, trainable: int, how: TrainingSettings) -> float:
    """Return the bytes at the height of a step.

    Weights in bfloat16, 2 bytes a parameter; of those that are trained, gradient and AdamW's two moments, 2 + 4 bytes
    of the weights' own type (4 + 8 of an adapter, which is kept in float32). A checkpoint of the activations before
    every layer, 2 bytes a token and unit, and those inside the layer that is computed again, some 34 a token and unit
    (Korthikanti et al. 2022, section 4.1, with flash attention). The logits in bfloat16 and in float32, and the
    gradient of these: 2 + 4 + 4 bytes a token and word.
    """
    tokens = how.micro_batch_size * how.sequence_len
    trained = (6 if how.method == "full" else 12) * trainable
    return 2 * size.parameters + trained + tokens * size.hidden * (2 * size.layers + 34) + 10 * tokens * size.vocabulary


def flops_per_token(
    multiplied: int, trainable: int, *, layers: int = 0, attention_width: int = 0, length: float = 0.0
) -> float:
    """Return the FLOPs that training one token needs, forward and backward.

    The forward pass costs 2 FLOPs a parameter, the gradient of the activations 2, that of the weights 2 a trainable one
    (Kaplan et al. 2020, section 2.1). Attention adds 12 * layers * attention_width (heads * size of a head) * `length`,
    the tokens that a token can see (PaLM, Chowdhery et al. 2022, appendix B). As there, nothing is subtracted for the
    causal mask, and nothing added for what gradient checkpointing computes twice.
    """
    return 4.0 * multiplied + 2.0 * trainable + 12.0 * layers * attention_width * length


def utilisation(tokens_per_second: float, flops_of_token: float, device: str, count: int) -> float | None:
    """Return the model FLOP/s utilisation, 0 to 1, of `count` GPUs together; None where a GPU's peak is not known."""
    peak = _peak(device)
    return tokens_per_second * flops_of_token / (peak * count) if peak else None


def _peak(device: str) -> float:
    # Dense bfloat16 FLOP/s; 0 where they are not known.
    return next((1e12 * peak for pattern, peak in _table()["peaks"].items() if re.search(pattern, device)), 0.0)


def recipe_text(cell: RecipeCell, folder: str = "recipes") -> str:
    """Return the YAML of a recipe; `folder` is where its header says that it lies."""
    how = settings(cell)
    need = costs(cell.size, cell.mix, how) if cell.size else None
    return _template().render(
        cell=cell,
        mix=cell.mix,
        how=how,
        need=need,
        fits=need is None or need.memory <= _GPU_MEMORY,
        # As many texts a step on eight GPUs as on one.
        texts=max(1, how.micro_batch_size * how.gradient_accumulation_steps // 8),
        path=f"{folder}/{cell.name}.yml",
        plugin=PLUGIN,
    )


@cache
def _template() -> jinja2.Template:
    text, strict = read_text(_HERE / "recipe.yml.jinja"), jinja2.StrictUndefined
    template: jinja2.Template = jinja2.Template(
        text, undefined=strict, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return template


def write(written: Sequence[RecipeCell], folder: Path) -> list[Path]:
    """Write a recipe for each cell into `folder`, in place of those that are there; return their paths."""
    paths = [folder / f"{cell.name}.yml" for cell in written]
    for cell, path in zip(written, paths, strict=True):
        write_atomic(path, recipe_text(cell, folder.as_posix()))
    return paths
