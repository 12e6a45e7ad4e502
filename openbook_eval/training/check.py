"""Check recipes before a GPU is rented and with no model loaded: all faults of all recipes at once.

They are held against Axolotl as on a node of GPUs, against rules of our own for what it accepts and should not, and
against their mixes. The text of a recipe runs nothing: of its plugins only Axolotl's own and ours are imported.
"""

import copy
import difflib
import importlib
import json
import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, TypeAdapter, ValidationError

from openbook_eval.errors import OpenbookError, did_you_mean, models_in, visible
from openbook_eval.files import load_yaml
from openbook_eval.training.recipes import PLUGIN, TINY_MODEL
from openbook_eval.training.record import OUTPUT, mix_folder, training_mix

# A key of a recipe, nested ones with dots, and what is wrong with it and what to do.
Fault = tuple[str, str]
Config = Mapping[str, Any]

# One node of eight H100s, with the torch that the project trains with.
_MACHINE = {"bf16": True, "fp8": True, "tf32": True, "n_gpu": 8, "n_node": 1, "compute_capability": "sm_90"}
_TORCH = {"torch_version": "2.13.0"}
_PLUGINS = (PLUGIN, "axolotl.integrations.")
# What Axolotl adds to the schedulers of transformers (0.19, core/builders/base.py).
_MORE_SCHEDULERS = ("one_cycle", "rex")
# Of what Axolotl only warns of, these are faults.
_GRAVE = re.compile(r"deprecated|decontamination")
_LINK = re.compile(r"\s*See:? https?://.*")
_WORD = re.compile(r"\w+")


def check(paths: Sequence[Path], *, mixes: bool = True) -> dict[str, list[str]]:
    """Return the faults of recipes and of those in folders, a line each; without `mixes` none is looked for on disk."""
    recipes = recipes_in(paths)
    _load_axolotl()
    _mix_fault.cache_clear()
    outputs: dict[str, Path] = {}
    faults: dict[str, list[str]] = {}
    for path in recipes:
        try:
            config = load_yaml(path)
        except OpenbookError as error:
            faults[str(path)] = [str(error).removeprefix(f"{path}: ")]
            continue
        found = [fault for rule in _RULES for fault in rule(config)]
        found += _mix_faults(config, mixes)
        output = config.get("output_dir", OUTPUT)
        if isinstance(output, str) and (other := outputs.setdefault(os.path.normpath(output), path)) != path:
            found.append(("output_dir", f"{output} is that of {other} as well; give each recipe its own"))
        lines = dict.fromkeys(": ".join(filter(None, fault)) for fault in found)
        # A recipe may hold what a terminal obeys.
        faults[str(path)] = [visible(" ".join(line.split())) for line in lines]
    return faults


def recipes_in(paths: Sequence[Path]) -> list[Path]:
    """Return the recipes of files and of folders at any depth, each once."""
    found: dict[Path, Path] = {}
    for path in paths:
        files = sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]
        files = [file for file in files if file.is_file()]
        if not path.exists():
            raise OpenbookError(f"{path}: no such recipe; give a recipe, or a folder of them")
        if not files:
            raise OpenbookError(f"{path}: no recipe (*.yml, *.yaml); write ours: openbook-eval recipes write")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _load_axolotl() -> None:
    # For the rest of its life the process sees no GPU and no hub.
    os.environ.update({"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"})
    logging.disable(logging.CRITICAL)
    try:
        with _listening():
            importlib.import_module("axolotl.utils.config")
    except ImportError as error:
        raise OpenbookError(
            f"recipes are checked by Axolotl, which cannot be imported here ({error}); make its environment with "
            "`make train-env`, then run .venv-train/bin/openbook-eval recipes check"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """Collect Axolotl's warnings, and show nothing of what it says."""
    handler, logger = BufferingHandler(10**6), logging.getLogger("axolotl")
    handler.setLevel(logging.WARNING)
    logger.handlers, logger.propagate = [handler], False
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield handler.buffer


def _axolotl_faults(config: Config) -> list[Fault]:
    from axolotl.integrations.config import merge_input_args
    from axolotl.utils.schemas.datasets import SFTDataset

    with _listening() as heard:
        found = list(_plugin_faults(config.get("plugins")))
        model = merge_input_args()[1]
        known = _types(model)
        if not config.get("rl"):
            known |= dict.fromkeys(("datasets", "test_datasets"), list[SFTDataset] | None)
        found += [fault for key, value in config.items() for fault in _key_faults(key, value, known)]
        found += _refusals(config, {_top(key) for key, _ in found}, known)
        fields = {key: field for key, field in model.model_fields.items() if field.deprecated and key in config}
        found += [(key, f"deprecated: {field.deprecated}") for key, field in fields.items()]
    warned = [_with_key(said, config, known) for each in heard if _GRAVE.search(said := each.getMessage())]
    keys = {_top(key) for key, _ in found}
    return [*found, *(each for each in warned if each[0] not in keys)]


def _plugin_faults(names: Any) -> Iterator[Fault]:
    """Load the plugins of a recipe, which add keys of their own, in place of those of the recipe before it."""
    from axolotl.integrations.base import PluginManager, load_plugin

    plugins = PluginManager.get_instance().plugins
    plugins.clear()
    for name in names if isinstance(names, list) else ():
        try:
            if not str(name).startswith(_PLUGINS):
                raise ImportError("neither Axolotl's nor ours, and a check runs no other code")
            plugins[name] = load_plugin(name)
        except Exception as error:
            yield "plugins", f"{name!r} cannot be loaded ({error}); mend the name, or take it out"


def _types(model: type[BaseModel]) -> dict[str, Any]:
    """Return the type of every key that a model knows, by names and aliases."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        other = field.validation_alias
        aliases = other.choices if isinstance(other, AliasChoices) else [other, field.alias]
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        found.update(dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], kind))
    return found


def _unknown(key: str, known: Iterable[str]) -> str:
    # Among hundreds of keys there is one somewhat similar to any.
    close = difflib.get_close_matches(key, set(known) - {key}, n=1, cutoff=0.75)
    return f"unknown key; {did_you_mean(key, close) if close else 'Axolotl would drop it in silence; take it out'}"


def _key_faults(key: str, value: Any, known: Config) -> Iterator[Fault]:
    """Yield what is wrong with a key and its value, whatever the other keys say."""
    if key not in known:
        yield key, _unknown(key, known)
        return
    try:
        # A copy, as some rules of Axolotl write into what they look at.
        TypeAdapter(known[key]).validate_python(copy.deepcopy(value), extra="forbid")
    except ValidationError as error:
        yield from ((".".join([key, *place]), said) for place, said in _worded(error, value, known[key]))
    except Exception as error:
        yield key, f"nothing that Axolotl can read ({type(error).__name__}: {error}); see its documentation"


def _choice_faults(config: Config) -> Iterator[Fault]:
    # Axolotl takes any text for these.
    from axolotl.utils.schemas.enums import CustomSupportedOptimizers
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    choices = {
        "optimizer": [each.value for names in (OptimizerNames, CustomSupportedOptimizers) for each in names],
        "lr_scheduler": [*(each.value for each in SchedulerType), *_MORE_SCHEDULERS],
    }
    for key, names in choices.items():
        if isinstance(name := config.get(key), str) and name not in names:
            yield key, f"there is no {name!r}; {did_you_mean(name, names)}"


def _worded(error: ValidationError, value: Any, kind: Any = None) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what pydantic found wrong in a value, with its place; all types that it tried there are one fault."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for fault in error.errors():
        found.setdefault(tuple(_place(fault["loc"], value)), []).append(fault)
    for place, faults in found.items():
        kinds = dict.fromkeys(each["msg"].partition("Input should be ")[2] for each in faults)
        if any(kinds):
            yield place, f"should be {' or '.join(filter(None, kinds))}, not {faults[0]['input']!r:.60}"
        elif faults[0]["type"] == "extra_forbidden":
            yield place, _unknown(place[-1], [key for model in models_in(kind) for key in model.model_fields])
        else:
            yield place, faults[0]["msg"].removeprefix("Value error, ")


def _place(location: tuple[Any, ...], value: Any) -> Iterator[str]:
    """Yield where in a value a fault is: its location without the members of unions that were tried."""
    for part in location:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            yield str(part)
            value = value[part]


def _refusals(config: Config, removed: set[str], known: Config) -> Iterator[Fault]:
    """Yield all that validate_config refuses: each time without the keys that are wrong, as it stops at the first.

    What it says of a key because it is left out is no fault.
    """
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    if "base_model" not in config:
        yield "base_model", "missing, and Axolotl needs it; write it"
        removed = {*removed, "base_model"}
    while True:
        left = {"base_model": "owner/model", **{key: value for key, value in config.items() if key not in removed}}
        try:
            validate_config(DictDefault(copy.deepcopy(left)), _MACHINE, _TORCH)
            return
        except ValidationError as error:
            placed = [(".".join(place), said) for place, said in _worded(error, left)]
            found = [(key, said) if key else _with_key(said, left, known) for key, said in placed]
        except FileNotFoundError:
            # Files that a recipe names are looked for by our own rules.
            found = [("deepspeed", "")]
        except Exception as error:
            found = [_with_key(str(error), left, known)]
        yield from (each for each in found if each[1] and removed.isdisjoint(_WORD.findall(" ".join(each))))
        words = {word for _, text in found for word in _WORD.findall(text)}
        drop = {_top(key) for key, _ in found} & left.keys() - removed
        # Where the key that is missing is not the recipe's, a key whose value asks for it.
        drop = drop or {key for key, value in left.items() if isinstance(value, str) and value in words} - removed
        if not drop:
            return
        removed = removed | drop


def _top(key: str) -> str:
    return key.split(".")[0]


def _with_key(text: str, config: Iterable[str], known: Iterable[str]) -> Fault:
    """Return what Axolotl said, with the key that it is about: the first of the recipe's that it names, else any."""
    said = _LINK.sub("", " ".join(text.split()))
    words = _WORD.findall(said.replace("FSDP1", "fsdp_version"))
    long = {key for key in known if "_" in key}
    return next((word for keys in (set(config), long) for word in words if word in keys), ""), said


# What Axolotl accepts and should not.

_POSITIVE = (
    *("sequence_len", "micro_batch_size", "gradient_accumulation_steps", "batch_size", "eval_batch_size"),
    *("num_epochs", "max_steps", "learning_rate", "lora_r", "lora_alpha"),
    *("save_steps", "saves_per_epoch", "eval_steps", "evals_per_epoch", "logging_steps"),
)
_OF_LORA = ("lora_r", "lora_alpha", "lora_target_modules")
_LOCAL = ("/", "./", "../", "~", "models/", "checkpoints/")
_HUB_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)


def _number(value: Any) -> float | None:
    # As pydantic reads one.
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _value_faults(config: Config) -> Iterator[Fault]:
    for key in _POSITIVE:
        if (value := _number(config.get(key))) is not None and not 0 < value < math.inf:
            yield key, f"must be more than 0, not {config[key]}"
    for key in ("lora_dropout", "warmup_ratio"):
        if (value := _number(config.get(key))) is not None and not 0 <= value < 1:
            yield key, f"must be 0 or more, and less than 1, not {config[key]}"
    if config.get("bf16") is True and config.get("fp16") is True:
        yield "fp16", "stands beside bf16, and only one can be; leave bf16: true, or fp16: true on a GPU without bf16"
    evaluates = config.get("evals_per_epoch") or config.get("eval_steps")
    if not evaluates and config.get("eval_strategy") in (None, "no") and (_number(config.get("val_set_size")) or 0) > 0:
        yield "val_set_size", "rows are held back and never looked at; write evals_per_epoch: 1, or val_set_size: 0"


def _adapter_faults(config: Config) -> Iterator[Fault]:
    adapter = config.get("adapter")
    if not adapter and (key := next((key for key in _OF_LORA if config.get(key)), None)):
        yield "adapter", f"missing beside {key}, so all weights would be trained; write adapter: lora, or drop {key}"
    for key in _OF_LORA if adapter in ("lora", "qlora") else ():
        if config.get(key) is None and not (key == _OF_LORA[2] and config.get("lora_target_linear")):
            yield key, "missing; an adapter needs it"


def _sharding_faults(config: Config) -> Iterator[Fault]:
    deepspeed = config.get("deepspeed")
    # Axolotl says so itself of the key `fsdp`.
    if deepspeed and not config.get("fsdp") and (config.get("fsdp_config") or config.get("fsdp_version")):
        yield "deepspeed", "stands beside fsdp_config or fsdp_version, and only one can shard a model; leave one"
    try:
        json.loads(Path(deepspeed).read_bytes() if isinstance(deepspeed, str) else "{}")
    except (ValueError, OSError) as error:
        yield "deepspeed", f"{deepspeed} cannot be read as JSON ({error}); see: axolotl fetch deepspeed_configs"


def _model_faults(config: Config) -> Iterator[Fault]:
    name = config.get("base_model")
    if not isinstance(name, str):
        return
    try:
        is_folder, is_model = Path(name).is_dir(), (Path(name) / "config.json").is_file()
    except (OSError, ValueError):
        is_folder, is_model = False, False
    if not is_model and (is_folder or name.startswith(_LOCAL) or not _HUB_NAME.fullmatch(name)):
        make = f"; make it: openbook-eval tiny-model --out {TINY_MODEL}" if name == TINY_MODEL else ""
        yield "base_model", f"{name!r} is neither a folder with config.json nor OWNER/MODEL on the hub{make}"


def _mix_faults(config: Config, mixes: bool) -> Iterator[Fault]:
    plugins = config.get("plugins")
    if not isinstance(plugins, list) or PLUGIN not in plugins:
        yield "plugins", f"without ours an old cache of the mix may be trained on, and LoRA starts anew; add {PLUGIN}"
    try:
        folder = mix_folder(config)
    except OpenbookError as error:
        yield "datasets", str(error).removeprefix("datasets: ")
        return
    if (kind := config["datasets"][0].get("type")) != "chat_template":
        yield "datasets.0.type", f"a mix is made of messages, which {kind!r} does not read; write type: chat_template"
    if mixes and (fault := _mix_fault(folder)):
        yield "datasets.0.path", fault


@cache
def _mix_fault(folder: Path) -> str:
    # Some recipes share one, and hashing one takes a second.
    try:
        training_mix(folder)
    except OpenbookError as error:
        return str(error)
    return ""


# Of those that need nothing but the recipe.
_RULES = (_axolotl_faults, _choice_faults, _value_faults, _adapter_faults, _sharding_faults, _model_faults)
