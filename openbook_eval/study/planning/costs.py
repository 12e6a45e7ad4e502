"""What the steps of a study are expected to need: time of cards, memory, disk. Estimates, with their formulas."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from openbook_eval.models.profiles import Size, profiles
from openbook_eval.study.cells import Mix
from openbook_eval.study.file.exams import QUESTIONS, Exam
from openbook_eval.study.file.recipes import Recipe
from openbook_eval.study.steps import Resources
from openbook_eval.training import recipes as training
from openbook_eval.training.recipes import Mix as TrainingMix
from openbook_eval.training.recipes import settings

# An A100 or H100 of 80 GB, of which an engine or a training can use so much.
CARD_BYTES, USABLE = 80e9, 0.9
# An A100: 312 TFLOP/s in bfloat16 and 2.0 TB/s of memory at most (NVIDIA's data sheet of the 80 GB part).
_PEAK, _BANDWIDTH = 312e12, 2.0e12
# Tokens of an answer, and answers that are written at once; seconds to load a model, and of a provider's reply.
_ANSWER, _TOGETHER, _LOADING, _REPLY = 32, 128, 180, 3
# Tokens of a prompt with Qwen's tokenizer, some 20 of a chat format with them: measured on 2,000 questions of CMB and
# their statements; shared books as the README's table has them.
_PROMPTS: Mapping[str, int] = {
    "openbook": 154,
    "closedbook": 120,
    "openbook_ranked": 154,
    "reading_open": 174,
    "reading_closed": 120,
    "reading_library_4k": 2_920,
    "reading_library_16k": 11_320,
    "reading_library_64k": 45_520,
    "reading_library_256k": 182_020,
    "reading_unanswerable": 2_920,
    "reading_counterfactual": 2_920,
}
# The longest books ask a sample (tasks/README.md).
_SAMPLED = {"reading_library_64k": 600, "reading_library_256k": 600}
# Bytes: a row of a mix; an item as samples keep it, beside its prompt of some 10 bytes a token, kept twice.
_ROW, _ITEM, _TOKEN = 1_000, 4_000, 20
# What is asked for is more than what is expected, so that nothing is stopped just before its end.
_HEADROOM = 1.5
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Need:
    """What a step is expected to need. `hours` are of all its cards or, without one, of the machine; None: unknown.

    Bytes: `memory` of the machine, `kept` on disk in the end, `scratch` there beside it while the step runs; unknown
    where None.
    """

    gpus: int
    hours: float | None
    memory: float | None
    kept: float | None
    scratch: float = 0.0

    def resources(self) -> Resources:
        """What to ask for: with head-room, and generous where nothing is known."""
        hours = 24.0 if self.hours is None and self.gpus else 2.0 if self.hours is None else self.hours
        disk = 100e9 if self.kept is None and self.gpus else (self.kept or 1e9) + self.scratch
        memory = 64e9 if self.memory is None and self.gpus else self.memory or 4e9
        return Resources(
            gpus=self.gpus,
            memory_mb=ceil(memory * _HEADROOM / _MB),
            minutes=ceil(hours / max(1, self.gpus) * _HEADROOM * 60) + 15,
            disk_mb=ceil(disk * _HEADROOM / _MB),
        )


def size_of(model: str) -> Size | None:
    """The figures of a model on the hub, where a profile has them."""
    return _sizes().get(model)


def _sizes() -> dict[str, Size]:
    sizes = [size for profile in profiles().values() for size in profile.sizes.values()]
    # What a base model is made of is what the model that was tuned from it is made of.
    return {size.base: size for size in sizes} | {size.hub: size for size in sizes}


def mix_need(mix: Mix, raw: float) -> Need:
    """Of a mix; `raw` are the bytes of its raw files, which what is left out, and the work, take again."""
    return Need(gpus=0, hours=None, memory=2e9 + 4 * raw, kept=_ROW * mix.rows + raw, scratch=2 * raw)


def base_need(size: float) -> Need:
    """Of putting the tiny model of so many bytes into place."""
    return Need(gpus=0, hours=0.0, memory=1e9, kept=size)


def training_need(recipe: Recipe, mix: Mix, weights: float | None) -> Need:
    """Of a training: by `training.costs` for recipes of the table, else its time is unknown.

    `weights` are the bytes of a model without figures. Checkpoints are those that a recipe keeps, and one more while it
    is written: 12 bytes a parameter of an adapter (weights and AdamW's two moments in float32), 6 of a whole model in
    bfloat16.
    """
    checkpoints = _whole(recipe.config.get("save_total_limit"), 2) + 1
    if recipe.cell is None or recipe.cell.size is None:
        # In float32, weights and two moments.
        scratch = 0.0 if weights is None else 3 * weights * checkpoints
        return Need(gpus=int(recipe.on_gpu), hours=None, memory=None, kept=weights, scratch=scratch)
    size, how = recipe.cell.size, settings(recipe.cell)
    medical = mix.medical / (mix.general + mix.medical)
    cost = training.costs(size, TrainingMix(mix.name, "", mix.rows, medical, ""), how)
    trained = training.lora_parameters(size, how) if recipe.is_adapter else size.parameters
    return Need(
        gpus=ceil(cost.memory * 1e9 / (CARD_BYTES * USABLE)),
        hours=cost.hours,
        memory=8e9 + 2 * size.parameters,
        kept=(4.0 if recipe.is_adapter else 2.0) * trained,
        scratch=(12.0 if recipe.is_adapter else 6.0) * trained * checkpoints,
    )


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and 0 <= value < 1000 else otherwise


def merge_need(size: Size | None, weights: float | None) -> Need:
    """Of putting an adapter into its base model: 2 bytes a parameter, or `weights` in all."""
    held = weights if size is None else 2.0 * size.parameters
    return Need(gpus=0, hours=None, memory=None if held is None else 4e9 + 2 * held, kept=held)


def exam_need(size: Size | None, exam: Exam, conditions: Iterable[str], gpus: int | None) -> Need:
    """Of an exam on a card; `gpus` where more or fewer are wanted than the weights need.

    A token of a prompt costs 2 FLOPs a parameter and 4 * layers * width * length of attention (Kaplan et al. 2020,
    table 1), half the prompt being seen on average. Answers are bound by memory: every step reads all weights, 2 bytes
    a parameter, for all that are written at once. What an engine reads once of books that are shared, and the longer
    answers of models that do not keep to the letters, are left out: the first makes it less, the second more.
    """
    conditions = list(conditions)
    kept = _samples(exam, conditions)
    if size is None:
        return Need(1 if gpus is None else gpus, None, None, kept)
    cards = ceil(2.0 * size.parameters / (CARD_BYTES * USABLE * 0.9)) if gpus is None else gpus
    seconds = _LOADING + sum(_seconds(size, _asked(exam, each), _PROMPTS[each], each) for each in conditions)
    return Need(cards, seconds * max(1, cards) / 3600 if cards else None, 8e9 + 2.0 * size.parameters, kept)


def answers_need(exam: Exam, conditions: Iterable[str], at_once: int) -> Need:
    """Of an exam by a model behind an endpoint, that is asked so many questions at once."""
    conditions = list(conditions)
    hours = sum(_asked(exam, each) for each in conditions) * _REPLY / max(1, at_once) / 3600
    return Need(gpus=0, hours=hours, memory=2e9, kept=_samples(exam, conditions))


def _samples(exam: Exam, conditions: Iterable[str]) -> float:
    """Bytes that an exam leaves."""
    return float(sum(_asked(exam, each) * (_ITEM + _TOKEN * _PROMPTS[each]) for each in conditions))


def _asked(exam: Exam, condition: str) -> int:
    return min(exam.questions, _SAMPLED.get(condition, QUESTIONS * 100))


def _seconds(size: Size, questions: int, prompt: int, condition: str) -> float:
    """Seconds of one condition on one card."""
    width = size.hidden // size.heads * size.heads
    flops = prompt * (2.0 * training.multiplied(size) + 4.0 * size.layers * width * prompt / 2)
    reading = questions * flops / (_PEAK * training.UTILISATION)
    steps = 0 if condition.endswith("ranked") else questions * _ANSWER / _TOGETHER
    return reading + steps * 2.0 * size.parameters / _BANDWIDTH


def cards_of(model_args: Mapping[str, Any]) -> int | None:
    """How many cards the engine is told to take; None where it is not told."""
    named = [model_args[key] for key in ("tensor_parallel_size", "data_parallel_size") if key in model_args]
    whole = [each for each in named if isinstance(each, int) and each > 0]
    return None if not whole else whole[0] * (whole[1] if len(whole) > 1 else 1)
