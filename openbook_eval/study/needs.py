"""Estimate what the steps of a study need, each by a formula: GPU time, memory and disk."""

from dataclasses import dataclass
from math import ceil

from openbook_eval.models.profiles import Size, profiles
from openbook_eval.study.inputs import HUB_EXAMS, StudyMix, StudyRecipe
from openbook_eval.study.spec import Study
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training import recipes
from openbook_eval.training.recipes import TINY_MODEL

# An A100 or H100 of 80 GB, of which an engine or a training can use so much; an A100's 312 TFLOP/s in bfloat16 and
# 2.0 TB/s of memory at most (NVIDIA's data sheet of the 80 GB part).
_GPU_BYTES, _PEAK, _BANDWIDTH = 80e9 * 0.9, 312e12, 2.0e12
# Tokens of a response, and responses that are written at once; seconds to load a model, and of a provider's reply.
_RESPONSE, _TOGETHER, _LOADING, _REPLY = 32, 128, 180, 3
# Tokens of a prompt with Qwen's tokenizer, measured on 2,000 questions of CMB; other conditions share books of 4k.
_PROMPTS = {
    "openbook": 154, "closedbook": 120, "openbook_ranked": 154, "reading_open": 174, "reading_closed": 120,
    "reading_library_16k": 11_320, "reading_library_64k": 45_520, "reading_library_256k": 182_020,
}  # fmt: skip
_PROMPT = 2_920
# The longest books ask a sample (tasks/README.md).
_SAMPLED = {"reading_library_64k": 600, "reading_library_256k": 600}
# Bytes: a row of a mix; an item as samples keep it, beside its prompt of some 10 bytes a token, kept twice.
_ROW, _ITEM, _TOKEN = 1_000, 4_000, 20
# More is asked of a scheduler than is expected, so that nothing is stopped just before its end.
_HEADROOM = 1.5


@dataclass(frozen=True, slots=True)
class Need:
    """What a step is expected to need. `hours` are of all its GPUs, else of the machine; None where unknown.

    Bytes: `memory` of the machine, `kept` on disk in the end, `scratch` beside it while the step runs.
    """

    gpus: int
    hours: float | None
    memory: float | None
    kept: float | None
    scratch: float = 0.0

    @property
    def memory_mb(self) -> int:
        """Memory to ask for."""
        return ceil((self.memory or (64e9 if self.gpus else 4e9)) * _HEADROOM / 1e6)

    @property
    def minutes(self) -> int:
        """Time to ask for."""
        hours = self.hours if self.hours is not None else 24.0 if self.gpus else 2.0
        return ceil(hours / max(1, self.gpus) * _HEADROOM * 60) + 15


def size_of(model: str) -> Size | None:
    """Return the figures of a model on the hub where a profile has them; a tuned model has those of its base."""
    sizes = [size for profile in profiles().values() for size in profile.sizes.values()]
    return next((size for size in sizes if model in (size.hub, size.base)), None)


def _bytes_of(model: str) -> float | None:
    """Return the bytes of the tiny model; None of any other without figures."""
    if model != TINY_MODEL:
        return None
    return float(sum(path.stat().st_size for path in tiny_model_dir().iterdir() if path.is_file()))


def mix(shape: StudyMix, raw: float) -> Need:
    """Estimate building a mix from `raw` bytes, which dropped rows and the work take again."""
    return Need(gpus=0, hours=None, memory=2e9 + 4 * raw, kept=_ROW * shape.rows + raw, scratch=2 * raw)


def training(recipe: StudyRecipe, shape: StudyMix) -> Need:
    """Estimate a training; its time is known for recipes of our table.

    A checkpoint takes 12 bytes a parameter of an adapter (weights and AdamW's two moments in float32), 6 of a whole
    model in bfloat16; one more than the recipe keeps is there while it is written.
    """
    limit = recipe.config.get("save_total_limit")
    checkpoints = (limit if isinstance(limit, int) and 0 <= limit < 1000 else 2) + 1
    size = recipe.row.size if recipe.row else None
    if recipe.row is None or size is None:
        weights = _bytes_of(recipe.base)
        scratch = 3 * (weights or 0) * checkpoints
        return Need(int(recipe.needs_gpu), None, None, weights, scratch)
    how = recipes.settings(recipe.row)
    share = shape.medical / (shape.general + shape.medical)
    cost = recipes.costs(size, recipes.RecipeMix(shape.name, "", shape.rows, share, ""), how)
    trained = recipes.lora_parameters(size, how) if recipe.is_adapter else size.parameters
    kept, checkpoint = (4.0, 12.0) if recipe.is_adapter else (2.0, 6.0)
    gpus = ceil(cost.memory * 1e9 / _GPU_BYTES)
    return Need(gpus, cost.hours, 8e9 + 2 * size.parameters, kept * trained, checkpoint * trained * checkpoints)


def merge(base: str) -> Need:
    """Estimate merging an adapter: 2 bytes a parameter of the base model."""
    size = size_of(base)
    kept = 2.0 * size.parameters if size else _bytes_of(base)
    return Need(gpus=0, hours=None, memory=None if kept is None else 4e9 + 2 * kept, kept=kept)


def evaluation(size: Size | None, study: Study, gpus: int | None) -> Need:
    """Estimate an evaluation on `gpus`, else on as many as the weights need.

    A token of a prompt costs 2 FLOPs a parameter and 4 * layers * width * length of attention (Kaplan et al. 2020,
    table 1), half the prompt being seen on average. Writing is bound by memory: every step reads all weights, 2 bytes
    a parameter, for all responses that are written at once. What an engine reads once of shared books, and the longer
    responses of models that do not keep to the letters, are left out.
    """
    if size is None:
        return Need(1 if gpus is None else gpus, None, None, _samples(study))
    count = ceil(2.0 * size.parameters / (_GPU_BYTES * 0.9)) if gpus is None else gpus
    seconds = _LOADING + sum(_seconds(size, study, condition) for condition in study.conditions)
    hours = seconds * count / 3600 if count else None
    return Need(count, hours, 8e9 + 2.0 * size.parameters, _samples(study))


def answers(study: Study, at_once: int) -> Need:
    """Estimate the evaluation of a model behind an endpoint that is asked so many questions at once."""
    hours = sum(_asked(study, each) for each in study.conditions) * _REPLY / max(1, at_once) / 3600
    return Need(gpus=0, hours=hours, memory=2e9, kept=_samples(study))


def _samples(study: Study) -> float:
    prompts = ((_asked(study, each), _PROMPTS.get(each, _PROMPT)) for each in study.conditions)
    return float(sum(questions * (_ITEM + _TOKEN * tokens) for questions, tokens in prompts))


def _asked(study: Study, condition: str) -> int:
    return min(study.exam.questions, _SAMPLED.get(condition, HUB_EXAMS["cmb"] * 100))


def _seconds(size: Size, study: Study, condition: str) -> float:
    prompt, questions = _PROMPTS.get(condition, _PROMPT), _asked(study, condition)
    width = size.hidden // size.heads * size.heads
    flops = prompt * (2.0 * recipes.multiplied(size) + 4.0 * size.layers * width * prompt / 2)
    reading = questions * flops / (_PEAK * recipes.UTILISATION)
    steps = 0 if condition.endswith("ranked") else questions * _RESPONSE / _TOGETHER
    return reading + steps * 2.0 * size.parameters / _BANDWIDTH
