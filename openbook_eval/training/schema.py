"""Ask Axolotl what it says of a recipe, with no GPU, no network and nothing on the terminal.

It is asked as if on the machine that the recipe is for: what it refuses, what it warns of, and the keys that it drops
in silence. The text of a recipe runs nothing: of its plugins only Axolotl's own and ours are imported.
"""

import copy
import difflib
import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from logging.handlers import BufferingHandler
from types import SimpleNamespace
from typing import Annotated, Any, get_args

from pydantic import AliasChoices, BaseModel, TypeAdapter, ValidationError

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.training.recipes import PLUGIN

# A key of a recipe, nested ones with dots, and what is wrong with it and what to do.
Fault = tuple[str, str]
Config = Mapping[str, Any]

_PLUGINS = (PLUGIN, "axolotl.integrations.")
# One node of eight H100s, and a machine without GPUs, both with the torch that the project trains with.
_GPU = {"bf16": True, "fp8": True, "tf32": True, "n_gpu": 8, "n_node": 1, "compute_capability": "sm_90"}
_CPU = {"bf16": False, "fp8": False, "tf32": False, "n_gpu": 0, "n_node": 1, "compute_capability": None}
_TORCH = {"torch_version": "2.13.0"}
# What Axolotl adds to the schedulers of transformers (0.19, core/builders/base.py).
_MORE_SCHEDULERS = ("one_cycle", "rex")
# Of what Axolotl only warns of, these are faults.
_GRAVE = re.compile(r"deprecated|decontamination")
_LINK = re.compile(r"\s*See:? https?://.*")
# Among hundreds of keys there is one somewhat similar to any.
_CLOSE = 0.75
_UNKNOWN = "unknown key"
# What people look for in Axolotl and do not find.
_ELSEWHERE = {"weight": "Axolotl has no ratio of datasets: data-prep build makes a mix of the ratio; take it out"}


@cache
def axolotl() -> SimpleNamespace:
    """Return the parts of Axolotl that a check asks; for the rest of its life the process sees no GPU and no hub.

    Raises OpenbookError where Axolotl is not installed.
    """
    os.environ.update({"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"})
    logging.disable(logging.CRITICAL)
    try:
        with _listening():
            from axolotl.integrations.base import PluginManager, load_plugin
            from axolotl.integrations.config import merge_input_args
            from axolotl.utils.config import validate_config
            from axolotl.utils.dict import DictDefault
            from axolotl.utils.schemas.datasets import SFTDataset
            from axolotl.utils.schemas.enums import CustomSupportedOptimizers
            from transformers.trainer_utils import SchedulerType
            from transformers.training_args import OptimizerNames
    except ImportError as error:
        raise OpenbookError(
            f"recipes are checked by Axolotl, which cannot be imported here ({error}); make its environment with "
            "`make train-env`, then run .venv-train/bin/openbook-eval recipes check"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    return SimpleNamespace(
        PluginManager=PluginManager,
        load_plugin=load_plugin,
        merge_input_args=merge_input_args,
        validate=lambda config, machine: validate_config(DictDefault(copy.deepcopy(config)), machine, _TORCH),
        # Of a recipe that does no reinforcement learning.
        datasets=list[SFTDataset] | None,
        # The names that it knows for keys that take any text.
        choices={
            "optimizer": [each.value for names in (OptimizerNames, CustomSupportedOptimizers) for each in names],
            "lr_scheduler": [*(each.value for each in SchedulerType), *_MORE_SCHEDULERS],
        },
    )


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """Collect Axolotl's warnings in a list, and show nothing of what it says."""
    handler, logger = BufferingHandler(10**6), logging.getLogger("axolotl")
    handler.setLevel(logging.WARNING)
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield handler.buffer
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def on_cpu(config: Config) -> bool:
    """Return whether a recipe is for a machine without GPUs: attention that runs there, and no half precision."""
    halves = any(config.get(key) is True for key in ("bf16", "fp16", "bfloat16", "float16"))
    return config.get("attn_implementation") in ("sdpa", "eager") and not halves


def axolotl_faults(config: Config) -> list[Fault]:
    """Return all that Axolotl refuses of a recipe, warns of, or drops in silence."""
    api = axolotl()
    with _listening() as heard:
        found = list(_plugin_faults(config.get("plugins"), api))
        model = api.merge_input_args()[1]
        known = _fields(model)
        if not config.get("rl"):
            known |= dict.fromkeys(("datasets", "test_datasets"), api.datasets)
        wrong = [fault for key, value in config.items() for fault in _key_faults(key, value, known)]
        for key in config.keys() & model.model_fields.keys():
            if advice := model.model_fields[key].deprecated:
                found.append((key, f"deprecated: {advice}"))
        for key, names in api.choices.items():
            if isinstance(name := config.get(key), str) and name not in names:
                found.append((key, f"there is no {name!r}; {did_you_mean(name, names)}"))
        unfit = {_top(key) for key, said in wrong if not said.startswith(_UNKNOWN)}
        found += [*wrong, *_refusals(config, unfit, known, api)]
    warned = [_with_key(said, config, known) for each in heard if _GRAVE.search(said := each.getMessage())]
    keys = {_top(key) for key, _ in found}
    return [*found, *(each for each in warned if each[0] not in keys)]


def _plugin_faults(names: Any, api: SimpleNamespace) -> Iterator[Fault]:
    """Load the plugins of a recipe, which add keys of their own, in place of those of the recipe before it."""
    manager = api.PluginManager.get_instance()
    manager.plugins.clear()
    for name in names if isinstance(names, list) else ():
        if not isinstance(name, str) or not name.startswith(_PLUGINS):
            yield "plugins", f"{name!r} is neither Axolotl's nor ours, and a check runs no other code; take it out"
            continue
        try:
            manager.plugins[name] = api.load_plugin(name)
        except Exception as error:
            yield "plugins", f"{name!r} cannot be loaded ({type(error).__name__}: {error}); mend the name"


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the type of every key that a model knows, by its name and by its aliases."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        other = field.validation_alias
        aliases = other.choices if isinstance(other, AliasChoices) else [other, field.alias]
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        found.update(dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], kind))
    return found


def _keys_within(kind: Any) -> Iterator[str]:
    """Yield the keys that a value of a type may have, at any depth."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, inner in _fields(kind).items():
            yield from (name, *_keys_within(inner))
    for part in get_args(kind):
        yield from _keys_within(part)


def _unknown(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, set(known) - {key}, n=1, cutoff=_CLOSE)
    hint = did_you_mean(key, close) if close else "Axolotl would drop it in silence; take it out"
    return f"{_UNKNOWN}; {_ELSEWHERE.get(key, hint)}"


def _key_faults(key: str, value: Any, known: Config) -> Iterator[Fault]:
    """Yield what is wrong with a key and its value, of whatever the other keys say."""
    if key not in known:
        yield key, _unknown(key, known)
        return
    try:
        # A copy, as some rules of Axolotl write into what they look at.
        read = TypeAdapter(known[key]).validate_python(copy.deepcopy(value), extra="forbid")
        if isinstance(value, bool) and type(read) in (int, float):
            yield key, f"should be a number, not {str(value).lower()}"
    except ValidationError as error:
        for place, said in _worded(error, value, known[key]):
            yield ".".join([key, *place]), said
    except Exception as error:
        yield key, f"nothing that Axolotl can read ({type(error).__name__}: {error}); see its documentation"


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
            yield place, _unknown(place[-1], _keys_within(kind))
        else:
            yield place, faults[0]["msg"].removeprefix("Value error, ")


def _place(location: tuple[Any, ...], value: Any) -> Iterator[str]:
    """Yield where in a value a fault is: its location without the members of unions that were tried."""
    for part in location:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            yield str(part)
            value = value[part]


def _refusals(config: Config, removed: set[str], known: Config, api: SimpleNamespace) -> Iterator[Fault]:
    """Yield all that validate_config refuses: each time without the keys that are wrong, as it stops at the first.

    What it says of a key because it is left out is no fault.
    """
    if "base_model" not in config:
        yield "base_model", "missing, and Axolotl needs it; write it"
        removed = {*removed, "base_model"}
    while True:
        left = {"base_model": "owner/model", **{key: value for key, value in config.items() if key not in removed}}
        try:
            api.validate(left, _CPU if on_cpu(config) else _GPU)
            return
        except ValidationError as error:
            placed = [(".".join(place), said) for place, said in _worded(error, left)]
            found = [(key, said) if key else _with_key(said, left, known) for key, said in placed]
        except Exception as error:
            # Files that a recipe names are looked for by our own rules.
            missing = isinstance(error, FileNotFoundError)
            found = [("deepspeed", "")] if missing else [_with_key(str(error), left, known)]
        yield from (each for each in found if each[1] and removed.isdisjoint(re.findall(r"\w+", " ".join(each))))
        words = set(re.findall(r"\w+", " ".join(text for _, text in found)))
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
    words = re.findall(r"\w+", said.replace("FSDP1", "fsdp_version"))
    long = {key for key in known if "_" in key}
    return next((word for keys in (set(config), long) for word in words if word in keys), ""), said
