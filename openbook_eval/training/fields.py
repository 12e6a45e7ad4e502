"""The fields of nested pydantic models against a mapping: which keys they do not know, and which values do not fit."""

import copy
import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from openbook_eval.errors import did_you_mean

_Path = tuple[str, ...]
# Among hundreds of keys there is one somewhat alike to any.
_CLOSE = 0.75
_SHOULD = "Input should be "
# What people look for in Axolotl and do not find.
_ELSEWHERE = {"weight": "Axolotl has no ratio of datasets: data-prep build makes a mix of the ratio; take it out"}


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The type of every key that a model knows, by its name and by its aliases."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        other = field.validation_alias
        aliases = other.choices if isinstance(other, AliasChoices) else [other, field.alias]
        found.update(dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], kind))
    return found


def unknown_keys(value: Mapping[Any, Any], known: Mapping[str, Any], path: _Path = ()) -> Iterator[tuple[str, str]]:
    """Key and fault of every key, nested ones as well, that the model of its place does not know.

    What a model takes as a mapping of anything (`dict[str, Any]`) is not looked into.
    """
    for key, inner in value.items():
        place = (*path, str(key))
        if key in known:
            yield from _unknown_within(inner, known[key], place)
        else:
            close = difflib.get_close_matches(str(key), known, n=1, cutoff=_CLOSE)
            hint = did_you_mean(str(key), close) if close else "Axolotl would drop it in silence; take it out"
            yield ".".join(place), f"unknown key; {_ELSEWHERE.get(str(key), hint)}"


def _unknown_within(value: Any, kind: Any, path: _Path) -> Iterator[tuple[str, str]]:
    arms = list(_arms(kind))
    if isinstance(value, Mapping) and not any(arm is Any or get_origin(arm) is dict for arm in arms):
        models = [fields(arm) for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel)]
        if models:
            # Of several models that could be meant, the one that knows most of the keys.
            yield from unknown_keys(value, max(models, key=lambda known: len(known.keys() & value.keys())), path)
    elif isinstance(value, list):
        for item in (get_args(arm)[0] for arm in arms if get_origin(arm) is list):
            for number, inner in enumerate(value):
                yield from _unknown_within(inner, item, (*path, str(number)))


def _arms(kind: Any) -> Iterator[Any]:
    """The members of a union, with what is annotated of them taken off."""
    if get_origin(kind) in (Union, types.UnionType):
        for arm in get_args(kind):
            yield from _arms(arm)
    elif get_origin(kind) is Annotated:
        yield from _arms(get_args(kind)[0])
    else:
        yield kind


def type_faults(config: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and fault of every value that is not of the type of its key."""
    for key, value in config.items():
        if key in known:
            yield from _type_faults(key, value, known[key])


def _type_faults(key: str, value: Any, kind: Any) -> Iterator[tuple[str, str]]:
    arms = list(_arms(kind))
    if isinstance(value, bool) and not {bool, Any}.intersection(arms) and {str, int, float}.intersection(arms):
        # Pydantic would take true for 1.
        yield key, f"should be {'text (quote it)' if str in arms else 'a number'}, not {str(value).lower()}"
        return
    items = [get_args(arm)[0] for arm in arms if get_origin(arm) is list]
    if isinstance(value, list) and items and all(map(_is_model, items)):
        # The rules of a model stumble over what is no mapping.
        strays = [f"{key}.{number}" for number, item in enumerate(value) if not isinstance(item, Mapping)]
        if strays:
            yield from ((stray, "should be a mapping of keys to values") for stray in strays)
            return
    try:
        # A copy, as some rules of Axolotl write into what they look at.
        TypeAdapter(kind).validate_python(copy.deepcopy(value))
    except ValidationError as error:
        yield from worded(error, value, key)
    except Exception as error:
        yield key, f"nothing that Axolotl can read ({type(error).__name__}: {error}); see its documentation"


def _is_model(kind: Any) -> bool:
    return all(isinstance(arm, type) and issubclass(arm, BaseModel) for arm in _arms(kind))


def worded(error: ValidationError, value: Any, *path: str) -> Iterator[tuple[str, str]]:
    """Key and fault of what pydantic found wrong with a value; what it tries in turn for one key is one fault."""
    found: dict[str, list[ErrorDetails]] = {}
    for fault in error.errors():
        found.setdefault(".".join([*path, *_place(fault, value)]), []).append(fault)
    for key, faults in found.items():
        kinds = dict.fromkeys(_kind(fault) for fault in faults if fault["msg"].startswith(_SHOULD))
        if kinds:
            yield key, f"should be {' or '.join(kinds)}, not {faults[0]['input']!r:.60}"
        elif faults[0]["type"] == "missing":
            yield key, "missing, and Axolotl asks for it; write it"
        else:
            yield key, faults[0]["msg"].removeprefix("Value error, ")


def _place(fault: ErrorDetails, value: Any) -> Iterator[str]:
    """Where in a value a fault is: its location without the members of unions that were tried."""
    last = len(fault["loc"]) - 1
    for number, part in enumerate(fault["loc"]):
        if isinstance(value, Mapping) and (part in value or (number == last and fault["type"] == "missing")):
            yield str(part)
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            yield str(part)
            value = value[part]


def _kind(fault: ErrorDetails) -> str:
    text = fault["msg"].removeprefix(_SHOULD)
    return "a mapping of keys to values" if text.startswith("a valid dictionary or instance of") else text
