"""Check recipes before a GPU is rented and with no model loaded: all faults of all recipes at once.

A recipe is held against its YAML, against Axolotl (openbook_eval.training.schema), against rules of our own for what
Axolotl accepts and should not, and against its mix.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import load_yaml, read_text
from openbook_eval.training.recipes import PLUGIN, TINY_MODEL
from openbook_eval.training.record import OUTPUT, MixTrainedOn, mix_folder, training_mix
from openbook_eval.training.schema import Config, Fault, axolotl, axolotl_faults, on_cpu

# Where YAML 1.1, which PyYAML reads, takes a value for something else than people do.
_TAG = "tag:yaml.org,2002:"
_ODD_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?|0o?[0-7_]+)")
# Axolotl makes a number of such a text at the top of a recipe, but not further in.
_NO_NUMBER = re.compile(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)")


def read_recipe(path: Path) -> tuple[dict[str, Any], list[Fault]]:
    """Return the keys of a recipe, and the faults of its YAML; no keys where it cannot be read."""
    try:
        config = load_yaml(path, ratios=False)
        node = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except OpenbookError as error:
        return {}, [("", str(error).removeprefix(f"{path}: "))]
    return config, list(_surprises(node, ()))


def _surprises(node: Any, path: tuple[str, ...]) -> Iterator[Fault]:
    if isinstance(node, yaml.ScalarNode):
        if node.style is None and (said := _surprise(node.tag.removeprefix(_TAG), node.value, len(path) > 1)):
            yield ".".join(path), f"{node.value} is read as {said}"
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _surprises(value, (*path, str(key.value)))
    else:
        for number, value in enumerate(node.value):
            yield from _surprises(value, (*path, str(number)))


def _surprise(kind: str, text: str, nested: bool) -> str | None:
    if _ODD_NUMBER.fullmatch(text) and kind in ("int", "float"):
        return f"{yaml.safe_load(text)}; write that, or quote it"
    if _ODD_NUMBER.fullmatch(text) and text.lstrip("+-").startswith("0o"):
        return "text; write the number in base 10, or quote it"
    if kind == "timestamp":
        return "a date; quote it"
    if kind == "str" and nested and (parts := _NO_NUMBER.fullmatch(text)):
        return f"text; write the number with a point: {parts[1]}{parts[2] or '.0'}e{parts[3] or '+'}{parts[4]}"
    return None


_POSITIVE = (
    *("sequence_len", "micro_batch_size", "gradient_accumulation_steps", "batch_size", "eval_batch_size"),
    *("num_epochs", "max_steps", "learning_rate", "lora_r", "lora_alpha"),
    *("save_steps", "saves_per_epoch", "eval_steps", "evals_per_epoch", "logging_steps"),
)
_SHARES = ("lora_dropout", "warmup_ratio", "val_set_size")
_KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
_TARGETS = ("lora_target_modules", "lora_target_linear", "lora_target_parameters")
_LOCAL = ("/", "./", "../", "~", "models/", "checkpoints/")
_HUB_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_HASH = re.compile(r"-(?P<hash>[0-9a-f]{16})/*$")


def _number(value: Any) -> float | None:
    """Return a number as pydantic reads one; None where it is none, which Axolotl's schema says."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _values(config: Config) -> Iterator[Fault]:
    for key in _POSITIVE:
        if (value := _number(config.get(key))) is not None and not 0 < value < math.inf:
            yield key, f"must be more than 0, not {config[key]}"
    for key in _SHARES:
        # A val_set_size from 1 is a number of rows.
        value = _number(config.get(key))
        if value is not None and not (0 <= value < 1 or (key == "val_set_size" and 1 <= value < math.inf)):
            yield key, f"must be 0 or more, and less than 1, not {config[key]}"
    if config.get("bf16") is True and config.get("fp16") is True:
        yield "fp16", "stands beside bf16, and only one can be; leave bf16: true, or fp16: true on a GPU without bf16"
    if on_cpu(config) and config.get("bf16", "auto") == "auto":
        yield "bf16", "auto, the default, becomes a slow fp16 on a CPU; write bf16: false, or bf16: true for a GPU"
    evaluates = config.get("evals_per_epoch") or config.get("eval_steps")
    if not evaluates and config.get("eval_strategy") in (None, "no") and (_number(config.get("val_set_size")) or 0) > 0:
        yield "val_set_size", "rows are held back and never looked at; write evals_per_epoch: 1, or val_set_size: 0"


def _adapter(config: Config) -> Iterator[Fault]:
    adapter, of_lora = config.get("adapter"), ("lora_r", "lora_alpha", *_TARGETS)
    if not adapter and (key := next((key for key in of_lora if config.get(key)), None)):
        yield "adapter", f"missing beside {key}, so all weights would be trained; write adapter: lora, or drop {key}"
    if adapter not in ("lora", "qlora"):
        return
    if not any(config.get(key) for key in _TARGETS):
        yield "lora_target_modules", "missing; name the modules that get an adapter, as the architecture calls them"
    for key in ("lora_r", "lora_alpha"):
        if config.get(key) is None:
            yield key, f"missing; an adapter needs one, such as {key}: 8"
    # Axolotl turns its kernels on by itself, unless one of them is set or the model's code is remote.
    unset = all(config.get(key) is None for key in _KERNELS) and not config.get("trust_remote_code")
    for key in [key for key in _KERNELS if config.get(key)] or _KERNELS[:1] * unset:
        if on_cpu(config):
            yield key, f"Axolotl's LoRA kernels crash on a CPU; write false for {', '.join(_KERNELS)}"


def _sharding(config: Config) -> Iterator[Fault]:
    deepspeed = config.get("deepspeed")
    # Axolotl says so itself of the key `fsdp`.
    if deepspeed and not config.get("fsdp") and (config.get("fsdp_config") or config.get("fsdp_version")):
        yield "deepspeed", "stands beside fsdp_config or fsdp_version, and only one can shard a model; leave one"
    if not isinstance(deepspeed, str):
        return
    try:
        if not Path(deepspeed).is_file():
            yield "deepspeed", f"there is no file {deepspeed}; see: axolotl fetch deepspeed_configs"
        elif not isinstance(json.loads(Path(deepspeed).read_bytes()), dict):
            yield "deepspeed", f"{deepspeed} is no JSON object; see: axolotl fetch deepspeed_configs"
    except (ValueError, OSError) as error:
        yield "deepspeed", f"{deepspeed} cannot be read as JSON ({error}); mend it"


def _base_model(config: Config) -> Iterator[Fault]:
    name = config.get("base_model")
    if not isinstance(name, str):
        return
    try:
        is_folder, is_model = Path(name).is_dir(), (Path(name) / "config.json").is_file()
    except (OSError, ValueError):
        is_folder, is_model = False, False
    if is_folder and not is_model:
        yield "base_model", f"{name} has no config.json, so it is no model; name a folder that save_pretrained wrote"
    elif not is_folder and name.startswith(_LOCAL):
        make = f" (openbook-eval tiny-model --out {TINY_MODEL})" if name == TINY_MODEL else ""
        yield "base_model", f"there is no folder {name}; put the model there{make}, or name OWNER/MODEL on the hub"
    elif not is_folder and not _HUB_NAME.fullmatch(name):
        yield "base_model", f"{name!r} is neither a folder nor OWNER/MODEL on the hub; mend the name"


def _training_data(config: Config, mixes: bool) -> Iterator[Fault]:
    plugins, prepared, datasets = (config.get(key) for key in ("plugins", "dataset_prepared_path", "datasets"))
    if not isinstance(plugins, list) or PLUGIN not in plugins:
        yield "plugins", f"without ours an old cache of the mix may be trained on, and LoRA starts anew; add {PLUGIN}"
    if prepared is None:
        yield "dataset_prepared_path", "missing; write prepared/NAME, to which the plugin adds the hash of the mix"
    if datasets is not None and not isinstance(datasets, list):
        return  # which Axolotl's schema says
    try:
        folder = mix_folder(config)
    except OpenbookError as error:
        yield "datasets", str(error).removeprefix("datasets: ")
        return
    if (kind := config["datasets"][0].get("type")) != "chat_template":
        yield "datasets.0.type", f"a mix is made of messages, which {kind!r} does not read; write type: chat_template"
    mix = _mix(folder) if mixes else None
    if isinstance(mix, str):
        yield "datasets.0.path", mix
    elif mix and isinstance(prepared, str) and (named := _HASH.search(prepared)) and named["hash"] != mix.hash:
        told = f"{named['hash']} is not the hash of {folder} ({mix.hash}): the mix has changed since"
        yield "dataset_prepared_path", f"{told}; write {prepared[: named.start()]}, to which the plugin adds it"


@cache
def _mix(folder: Path) -> MixTrainedOn | str:
    """Return a mix, or what is wrong with it; some recipes share one, and hashing one takes a second."""
    try:
        return training_mix(folder)
    except OpenbookError as error:
        return str(error)


def report(found: Mapping[str, Sequence[str]]) -> str:
    """Return a line per fault of these recipes under a line that counts them; one line where there is none."""
    count = f"{len(found)} recipe{'s' * (len(found) != 1)}"
    if not (lines := [f"{recipe}: {fault}" for recipe, faults in found.items() for fault in faults]):
        return f"{count}: no faults"
    faulty = sum(map(bool, found.values()))
    return "\n".join([f"{len(lines)} fault{'s' * (len(lines) != 1)} in {faulty} of {count}:", *lines])


def check(paths: Sequence[Path], *, mixes: bool = True) -> dict[str, list[str]]:
    """Return the faults, one line each, of recipes and of those in folders at any depth.

    Without `mixes` no mix is looked for on the disk. Raises OpenbookError where there is no recipe, and where Axolotl
    is not installed.
    """
    recipes = recipes_in(paths)
    axolotl()
    _mix.cache_clear()
    outputs: dict[str, Path] = {}
    faults: dict[str, list[str]] = {}
    for path in recipes:
        config, found = read_recipe(path)
        if config:
            found += axolotl_faults(config)
            for rule in (_values, _adapter, _sharding, _base_model):
                found += rule(config)
            found += _training_data(config, mixes)
            output = config.get("output_dir", OUTPUT)
            if isinstance(output, str) and (other := outputs.setdefault(os.path.normpath(output), path)) != path:
                found.append(("output_dir", f"{output} is that of {other} as well; give each recipe its own"))
        lines = dict.fromkeys(": ".join(filter(None, fault)) for fault in found)
        # A recipe may hold what a terminal obeys.
        faults[str(path)] = [visible(" ".join(line.split())) for line in lines]
    return faults


def recipes_in(paths: Sequence[Path]) -> list[Path]:
    """Return the recipes of files and folders, each once; raises OpenbookError where a path has none."""
    found: dict[Path, Path] = {}
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.y*ml")) if path.is_dir() else []
        files = [file for file in files if file.is_file()]
        if not files and path.is_dir():
            raise OpenbookError(f"{path}: no recipe in it (*.yml, *.yaml); write them: openbook-eval recipes write")
        if not files:
            raise OpenbookError(f"{path}: no such recipe; give a recipe, or a folder of them")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())
