"""YAML as people write it: 9:1 is text, and a key that stands twice is a fault."""

import re
from typing import Any

import yaml

# YAML 1.1 reads 9:1 as 541, in base 60. YAML 1.2 and people do not.
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


def _mapping(loader: Any, node: Any) -> dict[object, object]:
    keys = [key.value for key, _ in node.value]
    for key, _ in node.value:
        # PyYAML takes the last one and says nothing.
        if isinstance(key.value, str) and keys.count(key.value) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
    mapping: dict[object, object] = loader.construct_mapping(node, deep=True)
    return mapping


_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(rf"(?!.*:)(?:{pattern.pattern})", re.VERBOSE) if tag in _NUMBERS else pattern)
        for tag, pattern in resolvers
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> object:
    """The value of a YAML text; raises ValueError of one line where it is none."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (safe: a SafeLoader with other numbers)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
