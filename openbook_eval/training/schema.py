"""Ask Axolotl what it says of a recipe, with no GPU, no network and nothing on the terminal.

It is asked as if on the machine that the recipe is for: what it refuses, what it warns of, and the keys that it drops
in silence. The text of a recipe runs nothing: of its plugins only Axolotl's own and ours are imported.
"""

import copy
import difflib
import logging
import os
import re
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from types import SimpleNamespace
from typing import Annotated, Any, Union, get_args, get_origin

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
        with _silence():
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
def _silence() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect Axolotl's warnings in a list and show them nowhere else."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("axolotl")
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with _silence():
            yield heard
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
        found += _unknown_keys(config, known)
        for key in config.keys() & model.model_fields.keys():
            if advice := model.model_fields[key].deprecated:
                found.append((key, f"deprecated: {advice}"))
        wrong = [fault for key in config if key in known for fault in _type_faults(key, config[key], known[key])]
        for key, names in api.choices.items():
            if isinstance(name := config.get(key), str) and name not in names:
                found.append((key, f"there is no {name!r}; {did_you_mean(name, names)}"))
        refused = list(_refusals(config, {_top(key) for key, _ in wrong}, known, api))
    found += [*wrong, *refused]
    warned = [_with_key(text, config, known) for text in heard if _GRAVE.search(text)]
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
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        other = field.validation_alias
        aliases = other.choices if isinstance(other, AliasChoices) else [other, field.alias]
        found.update(dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], kind))
    return found


def _members(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, without their annotations."""
    if get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _members(member)
    elif get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    else:
        yield kind


def _unknown_keys(value: Config, known: Config, path: tuple[str, ...] = ()) -> Iterator[Fault]:
    """Yield every key, nested ones as well, that the model of its place does not know."""
    for key, inner in value.items():
        if key in known:
            yield from _unknown_within(inner, list(_members(known[key])), (*path, str(key)))
        else:
            close = difflib.get_close_matches(str(key), known, n=1, cutoff=_CLOSE)
            hint = did_you_mean(str(key), close) if close else "Axolotl would drop it in silence; take it out"
            yield ".".join((*path, str(key))), f"unknown key; {_ELSEWHERE.get(str(key), hint)}"


def _unknown_within(value: Any, members: list[Any], path: tuple[str, ...]) -> Iterator[Fault]:
    # What a model takes as a mapping of anything is not looked into.
    if isinstance(value, Mapping) and not any(each is Any or get_origin(each) is dict for each in members):
        models = [_fields(each) for each in members if isinstance(each, type) and issubclass(each, BaseModel)]
        if models:
            # Of several models that could be meant, the one that knows most of the keys.
            yield from _unknown_keys(value, max(models, key=lambda known: len(known.keys() & value.keys())), path)
    elif isinstance(value, list):
        for item in (get_args(each)[0] for each in members if get_origin(each) is list):
            for number, inner in enumerate(value):
                yield from _unknown_within(inner, list(_members(item)), (*path, str(number)))


def _type_faults(key: str, value: Any, kind: Any) -> Iterator[Fault]:
    members = set(map(str, _members(kind)))
    if isinstance(value, bool) and str(bool) not in members and members & {str(int), str(float)}:
        # Pydantic would take true for 1.
        yield key, f"should be a number, not {str(value).lower()}"
        return
    try:
        # A copy, as some rules of Axolotl write into what they look at.
        TypeAdapter(kind).validate_python(copy.deepcopy(value))
    except ValidationError as error:
        yield from _worded(error, value, key)
    except Exception as error:
        yield key, f"nothing that Axolotl can read ({type(error).__name__}: {error}); see its documentation"


def _worded(error: ValidationError, value: Any, *path: str) -> Iterator[Fault]:
    """Yield what pydantic found wrong with a value; all types that it tried for one key are one fault."""
    found: dict[str, list[Any]] = {}
    for fault in error.errors():
        found.setdefault(".".join([*path, *_place(fault["loc"], value)]), []).append(fault)
    for key, faults in found.items():
        kinds = dict.fromkeys(each["msg"].partition("Input should be ")[2] for each in faults)
        if any(kinds):
            yield key, f"should be {' or '.join(filter(None, kinds))}, not {faults[0]['input']!r:.60}"
        else:
            yield key, faults[0]["msg"].removeprefix("Value error, ")


def _place(location: tuple[Any, ...], value: Any) -> Iterator[str]:
    """Yield where in a value a fault is: its location without the members of unions that were tried."""
    for part in location:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            yield str(part)
            value = value[part]


def _refusals(config: Config, wrong: set[str], known: Config, api: SimpleNamespace) -> Iterator[Fault]:
    """Yield all that validate_config refuses: each time without the keys that are wrong, as it stops at the first.

    What it says of a key because it is left out is no fault.
    """
    left, removed = {key: value for key, value in config.items() if key not in wrong}, set(wrong)
    while True:
        try:
            api.validate(left, _CPU if on_cpu(config) else _GPU)
            return
        except ValidationError as error:
            if any(each["type"] == "missing" and each["loc"][:1] == ("base_model",) for each in error.errors()):
                if "base_model" not in removed:
                    yield "base_model", "missing, and Axolotl needs it; write it"
                left["base_model"] = "owner/model"
                removed.add("base_model")
                continue
            found = [each if each[0] else _with_key(each[1], left, known) for each in _worded(error, left)]
        except Exception as error:
            # Files that a recipe names are looked for by our own rules.
            missing = isinstance(error, FileNotFoundError)
            found = [("deepspeed", "")] if missing else [_with_key(str(error), left, known)]
        yield from (each for each in found if each[1] and not _names(" ".join(each), removed))
        words = set(re.findall(r"\w+", " ".join(text for _, text in found)))
        drop = {_top(key) for key, _ in found} & left.keys()
        # Where the key that is missing is not the recipe's, a key whose value asks for it.
        drop = drop or {key for key, value in left.items() if isinstance(value, str) and value in words}
        if not drop:
            return
        left, removed = {key: value for key, value in left.items() if key not in drop}, removed | drop


def _top(key: str) -> str:
    return key.split(".")[0]


def _names(text: str, keys: Iterable[str]) -> bool:
    return not set(re.findall(r"\w+", text)).isdisjoint(keys)


def _with_key(text: str, config: Iterable[str], known: Iterable[str]) -> Fault:
    """Return what Axolotl said, with the key that it is about: the first of the recipe's that it names, else any."""
    said = _LINK.sub("", " ".join(text.split()))
    words = re.findall(r"\w+", said.replace("FSDP1", "fsdp_version"))
    long = {key for key in known if "_" in key}
    return next((word for keys in (set(config), long) for word in words if word in keys), ""), said
