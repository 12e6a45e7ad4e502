"""A recipe as its file has it: the YAML that Axolotl will read, and where it reads otherwise than people do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
# YAML 1.1, which PyYAML reads, takes these for numbers of base 60 or 8; YAML 1.2 and people do not.
_ODD_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?|0[0-7_]+)")
# And it takes 1e-6, without a point, for text. Axolotl makes a number of it at the top of a recipe, not further in.
_NOT_A_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+")
# What PyYAML raises of a text: the last five where a value is not what an explicit tag says of it.
_BROKEN = (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError, LookupError)
_DEEPEST = 20
_FATAL = ("an alias (*) is not read here; write its value out", "nested too deeply for a recipe; mend it")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a recipe, and what to do; `key` is empty where it is no key of the recipe in particular."""

    recipe: str
    key: str
    text: str

    def __str__(self) -> str:
        """One line: recipe, key, what is wrong and what to do."""
        line = " ".join(": ".join(filter(None, (self.recipe, self.key, self.text))).split())
        # A recipe may hold what a terminal obeys.
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def read(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The keys of a recipe, and the faults of its YAML by key; no keys where it is not YAML or no mapping."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        return {}, [("", f"cannot be read ({error.strerror}); see that it is a file that you may read")]
    except UnicodeDecodeError as error:
        return {}, [("", f"not UTF-8 (byte {error.start}); save it as UTF-8")]
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        faults = list(_faults(node, (), set()))
        # Before it becomes values: aliases of aliases would take all memory.
        if any(text in _FATAL for _, text in faults):
            return {}, faults
        config = yaml.safe_load(text)
    except _BROKEN as error:
        return {}, [("", f"not YAML ({_told(error)}); mend it")]
    if not isinstance(config, dict):
        return {}, [("", "not a mapping of keys to values; see: openbook-eval recipes write")]
    faults += [(str(key), "a key must be text; quote it") for key in config if not isinstance(key, str)]
    return {key: value for key, value in config.items() if isinstance(key, str)}, faults


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if mark := getattr(error, "problem_mark", None):
        return f"line {mark.line + 1}: {getattr(error, 'problem', None)}"
    return " ".join(str(error).split())


def _faults(node: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, str]]:
    """Faults of a node and of those under it; `seen` are the nodes that were met before."""
    if id(node) in seen or len(path) > _DEEPEST:
        yield ".".join(path), _FATAL[id(node) not in seen]
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield ".".join((*path, name)), f"stands {names.count(name)} times, and the last one wins; leave one"
        for key, value in node.value:
            yield from _faults(value, (*path, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _faults(value, (*path, str(number)), seen)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and (fault := _surprise(node, len(path) > 1)):
        yield ".".join(path), fault


def _surprise(node: Any, nested: bool) -> str | None:
    """Where an unquoted value is read as something else than it looks."""
    kind = node.tag.removeprefix(_TAG)
    if kind in ("int", "float") and _ODD_NUMBER.fullmatch(node.value):
        return f"{node.value} is read as {yaml.safe_load(node.value)}; write that, or quote it"
    if kind == "timestamp":
        return f"{node.value} is read as a date; quote it"
    if kind == "str" and nested and _NOT_A_NUMBER.fullmatch(node.value):
        return f"{node.value} is read as text; write the number with a point: {_with_point(node.value)}"
    return None


def _with_point(number: str) -> str:
    """The number as YAML 1.1 reads one: a point before the exponent, and the exponent's sign."""
    mantissa, exponent = re.split("[eE]", number)
    point = "" if "." in mantissa else ".0"
    return f"{mantissa}{point}e{exponent if exponent[0] in '-+' else '+' + exponent}"
