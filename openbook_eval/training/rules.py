"""What Axolotl takes, and no recipe should have: numbers that train nothing, keys at odds, files that are not there."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openbook_eval.training.cells import TINY_MODEL
from openbook_eval.training.schema import on_cpu

Findings = Iterator[tuple[str, str]]
_Config = Mapping[str, Any]

_POSITIVE = (
    *("sequence_len", "micro_batch_size", "gradient_accumulation_steps", "batch_size", "eval_batch_size"),
    *("num_epochs", "max_steps", "learning_rate", "lora_r", "lora_alpha"),
    *("save_steps", "saves_per_epoch", "eval_steps", "evals_per_epoch", "logging_steps"),
)
_SHARES = ("lora_dropout", "warmup_ratio", "val_set_size")
_KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
_TARGETS = ("lora_target_modules", "lora_target_linear", "lora_target_parameters")
_OF_LORA = ("lora_r", "lora_alpha", *_TARGETS)
_LOCAL = ("/", "./", "../", "~", "models/", "checkpoints/")
# Of a name on the Hugging Face Hub: owner, and model.
_HUB_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)


def rule_faults(config: _Config) -> Findings:
    """Key and fault of what Axolotl takes and should not; looks at the disk for the files that a recipe names."""
    for rule in (_numbers, _precision, _adapter, _kernels, _sharding, _evaluation, _base_model):
        yield from rule(config)


def _number(value: Any) -> float | None:
    """As pydantic reads one; None where it is no number, which Axolotl's schema tells."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _numbers(config: _Config) -> Findings:
    for key in _POSITIVE:
        if (value := _number(config.get(key))) is not None and not 0 < value < math.inf:
            yield key, f"must be more than 0, not {config[key]}"
    for key in _SHARES:
        # A val_set_size from 1 is a number of rows.
        value = _number(config.get(key))
        if value is not None and not (0 <= value < 1 or (key == "val_set_size" and 1 <= value < math.inf)):
            yield key, f"must be 0 or more, and less than 1, not {config[key]}"


def _precision(config: _Config) -> Findings:
    if config.get("bf16") is True and config.get("fp16") is True:
        yield "fp16", "stands beside bf16, and only one can be; leave bf16: true, or fp16: true on a GPU without bf16"
    if on_cpu(config) and config.get("bf16", "auto") == "auto":
        yield "bf16", "auto, the default, becomes a slow fp16 on a CPU; write bf16: false, or bf16: true for a GPU"


def _adapter(config: _Config) -> Findings:
    adapter = config.get("adapter")
    if not adapter and (key := next((key for key in _OF_LORA if config.get(key)), None)):
        yield (
            "adapter",
            f"missing beside {key}, so all weights would be trained; write adapter: lora, or drop {key}",
        )
    if adapter not in ("lora", "qlora"):
        return
    if not any(config.get(key) for key in _TARGETS):
        yield "lora_target_modules", "missing; name the modules that get an adapter, as the architecture calls them"
    for key in ("lora_r", "lora_alpha"):
        if config.get(key) is None:
            yield key, f"missing; an adapter needs one, such as {key}: 8"


def _kernels(config: _Config) -> Findings:
    """Axolotl switches its kernels for LoRA on by itself, unless one of them is set or the model's code is remote."""
    if not on_cpu(config) or config.get("adapter") not in ("lora", "qlora"):
        return
    on = [key for key in _KERNELS if config.get(key)]
    unset = all(config.get(key) is None for key in _KERNELS) and not config.get("trust_remote_code")
    for key in on or _KERNELS[:1] * unset:
        yield key, f"Axolotl's LoRA kernels crash on a CPU; write false for {', '.join(_KERNELS)}"


def _sharding(config: _Config) -> Findings:
    deepspeed = config.get("deepspeed")
    # Of the key `fsdp` Axolotl says so itself.
    if deepspeed and not config.get("fsdp") and (config.get("fsdp_config") or config.get("fsdp_version")):
        yield "deepspeed", "stands beside fsdp_config or fsdp_version, and only one can shard a model; leave one"
    if not isinstance(deepspeed, str):
        return
    try:
        if not Path(deepspeed).is_file():
            yield "deepspeed", f"there is no file {deepspeed}; see: axolotl fetch deepspeed_configs"
        elif not isinstance(json.loads(Path(deepspeed).read_text("utf-8")), dict):
            yield "deepspeed", f"{deepspeed} is no JSON object; see: axolotl fetch deepspeed_configs"
    except (ValueError, OSError) as error:
        yield "deepspeed", f"{deepspeed} cannot be read as JSON ({error}); mend it"


def _evaluation(config: _Config) -> Findings:
    evaluates = config.get("evals_per_epoch") or config.get("eval_steps")
    if not evaluates and config.get("eval_strategy") in (None, "no") and (_number(config.get("val_set_size")) or 0) > 0:
        yield "val_set_size", "rows are held back and never looked at; write evals_per_epoch: 1, or val_set_size: 0"


def _base_model(config: _Config) -> Findings:
    name = config.get("base_model")
    if not isinstance(name, str):
        return
    try:
        is_folder, is_model = Path(name).is_dir(), (Path(name) / "config.json").is_file()
    except OSError:
        is_folder, is_model = False, False
    if is_folder and not is_model:
        yield "base_model", f"{name} has no config.json, so it is no model; name a folder that save_pretrained wrote"
    elif not is_folder and name.startswith(_LOCAL):
        make = " (the tiny model: openbook-eval tiny-model --out models/tiny)" if name == TINY_MODEL else ""
        yield "base_model", f"there is no folder {name}; put the model there{make}, or name OWNER/MODEL on the hub"
    elif not is_folder and not _HUB_NAME.fullmatch(name):
        yield "base_model", f"{name!r} is neither a folder nor OWNER/MODEL on the hub; mend the name"
