"""What Axolotl itself says of a recipe: keys that it does not know, values that it refuses, keys that it gives up.

It is asked as if it stood on the machine that the recipe is for. Of the plugins that a recipe names only Axolotl's own
and ours are imported: the text of a recipe runs nothing.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError, ValidationInfo, model_validator

from openbook_eval.errors import did_you_mean
from openbook_eval.training.cells import PLUGIN
from openbook_eval.training.fields import fields, type_faults, unknown_keys, worded
from openbook_eval.training.offline_axolotl import axolotl, listening

_PLUGINS = (PLUGIN, "axolotl.integrations.")

# One node of eight H100s, and a machine without GPUs, both with the torch that the project trains with.
_GPU = {"bf16": True, "fp8": True, "tf32": True, "n_gpu": 8, "n_node": 1, "compute_capability": "sm_90"}
_CPU = {"bf16": False, "fp8": False, "tf32": False, "n_gpu": 0, "n_node": 1, "compute_capability": None}
_TORCH = {"torch_version": "2.13.0"}

# A key with what is refused of it, or only that.
_Refusal = tuple[str, str] | str

# Of what Axolotl only warns of, these are faults.
_GRAVE = re.compile(r"deprecated|decontamination")
_LINK = re.compile(r"\s*See:? https?://.*")


def on_cpu(config: Mapping[str, Any]) -> bool:
    """Whether a recipe is for a machine without GPUs: attention that runs there, and no half precision asked for."""
    halves = any(config.get(key) is True for key in ("bf16", "fp16", "bfloat16", "float16"))
    return config.get("attn_implementation") in ("sdpa", "eager") and not halves


def findings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Key and fault of all that Axolotl refuses of a recipe, warns of, or drops without a word.

    Raises OpenbookError where Axolotl is not installed.
    """
    api = axolotl()
    with listening() as heard:
        told = list(_plugin_faults(config.get("plugins"), api))
        model = api.merge_input_args()[1]
        known = fields(model)
        if not config.get("rl"):
            known |= dict.fromkeys(("datasets", "test_datasets"), api.supervised)
        wrong = list(type_faults(config, known))
        told += [*unknown_keys(config, known), *_deprecated(config, model), *wrong, *_no_such_choice(config, api)]
        wrong_keys = {_top(key) for key, _ in wrong}
        refused = _all_refusals(config, wrong_keys, api)
    found = [each if isinstance(each, tuple) else _with_key(each, config, known) for each in refused]
    warned = [_with_key(text, config, known) for text in heard if _GRAVE.search(text) and not _names(text, wrong_keys)]
    keys = {key for key, _ in told + found}
    return list(dict.fromkeys([*told, *found, *(each for each in warned if each[0] not in keys)]))


def _top(key: str) -> str:
    return key.split(".")[0]


def _names(text: str, keys: Iterable[str]) -> bool:
    return not set(re.findall(r"\w+", text)).isdisjoint(keys)


def _with_key(text: str, config: Iterable[str], known: Iterable[str]) -> tuple[str, str]:
    """A text of Axolotl, and the key that it is about: the first of the recipe's that it names, else of all keys."""
    said = _LINK.sub("", " ".join(text.split()))
    words = re.findall(r"\w+", said.replace("FSDP1", "fsdp_version"))
    rare = {key for key in known if "_" in key}
    return next((word for keys in (set(config), rare) for word in words if word in keys), ""), said


def _plugin_faults(names: Any, api: SimpleNamespace) -> Iterator[tuple[str, str]]:
    """Loads the plugins of a recipe, which add keys of their own, in place of those of the recipe before it."""
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


def _deprecated(config: Mapping[str, Any], model: Any) -> Iterator[tuple[str, str]]:
    for key in config:
        if key in model.model_fields and (advice := model.model_fields[key].deprecated):
            yield key, f"deprecated: {advice}"


def _no_such_choice(config: Mapping[str, Any], api: SimpleNamespace) -> Iterator[tuple[str, str]]:
    for key, known in api.choices.items():
        if isinstance(name := config.get(key), str) and name not in known:
            yield key, f"there is no {name!r}; {did_you_mean(name, known)}"


def _all_refusals(config: Mapping[str, Any], left_out: set[str], api: SimpleNamespace) -> list[_Refusal]:
    """What Axolotl refuses of a recipe without the keys of `left_out`, which are wrong by themselves.

    Every rule that looks at such a key would stumble over it, and some would let none after it speak. What is said of
    a key because it is left out is no fault.
    """
    found = _refusals({key: value for key, value in config.items() if key not in left_out}, api)
    refused = [each for each in found if not _names(each if isinstance(each, str) else " ".join(each), left_out)]
    more = {_top(each[0]) for each in refused if isinstance(each, tuple)} & config.keys()
    return [*refused, *(_all_refusals(config, left_out | more, api) if more else [])]


def _refusals(config: Mapping[str, Any], api: SimpleNamespace) -> Iterator[_Refusal]:
    """All that Axolotl's validate_config would refuse, one after the other: with its key, or the text alone."""
    capabilities = _CPU if on_cpu(config) else _GPU
    try:
        api.validate_config(api.DictDefault(copy.deepcopy(dict(config))), capabilities, _TORCH)
        return
    except Exception as error:
        first = error
    data = {**copy.deepcopy(dict(config)), "capabilities": capabilities, "env_capabilities": _TORCH}
    refused: list[Exception] = []
    found: list[tuple[str, str]] = []
    try:
        _patient(api.merge_input_args()[0]).model_validate(data, context=refused)
    except ValidationError as error:
        found = list(worded(error, config))
    except Exception as error:
        refused.append(error)
    yield from found
    # Files that a recipe names are looked for elsewhere.
    yield from (
        str(error) for error in refused or ([] if found else [first]) if not isinstance(error, FileNotFoundError)
    )


@cache
def _patient(model: Any) -> Any:
    """The same model, but its rules put what they refuse into the list in the context and let the next rule speak."""

    def before(name: str) -> Any:
        def tried(_cls: Any, data: Any, info: ValidationInfo) -> Any:
            return _tried(getattr(model, name), data, info)

        rule: Any = classmethod(tried)
        return model_validator(mode="before")(rule)

    def after(name: str) -> Any:
        def tried(self: Any, info: ValidationInfo) -> Any:
            return _tried(getattr(model, name), self, info)

        return model_validator(mode="after")(tried)

    rules = model.__pydantic_decorators__.model_validators
    wrapped = {name: before(name) if rule.info.mode == "before" else after(name) for name, rule in rules.items()}
    return type(model.__name__, (model,), wrapped)


def _tried(rule: Any, data: Any, info: ValidationInfo) -> Any:
    try:
        return rule(data)
    except Exception as error:
        assert isinstance(info.context, list)  # noqa: S101 (given by _refusals)
        info.context.append(error)
        return data
