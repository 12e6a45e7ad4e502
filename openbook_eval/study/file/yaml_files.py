"""YAML files as people write them: a key stands once, no alias hides what is meant, and a fault is one line."""

from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError

# What PyYAML raises of a text: the last four where a value is not what an explicit tag says of it.
_BROKEN = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """Values as YAML 1.1 has them."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Aliases of aliases would take all memory once they are written out.
        if self.check_event(yaml.AliasEvent):
            raise _fault("an alias (*) is not read here; write its value out", self.peek_event().start_mark)
        return super().compose_node(parent, index)


class _Texts(_Plain):
    """Every value is text as it stands: YAML 1.1 reads the ratio 9:1 as 541, in base 60."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own name and type)


def _fault(text: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, text, mark)


def _mapping(loader: Any, node: Any) -> dict[object, object]:
    keys = [key.value for key, _ in node.value]
    for key, _ in node.value:
        # PyYAML takes the last one and says nothing.
        if isinstance(key.value, str) and keys.count(key.value) > 1:
            raise _fault(f"key {key.value!r} stands twice; leave one", key.start_mark)
    mapping: dict[object, object] = loader.construct_mapping(node, deep=True)
    return mapping


_Plain.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path, *, texts: bool = False) -> dict[str, Any]:
    """The mapping in a YAML file; with `texts` every value is the text that stands there, 9:1 with it.

    Raises OpenbookError of one line where the file cannot be read, is not YAML, or is no mapping.
    """
    try:
        content = path.read_text(encoding="utf-8")
        found = yaml.load(content, Loader=_Texts if texts else _Plain)  # noqa: S506 (both are SafeLoaders)
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); see that it is a file") from error
    except UnicodeDecodeError as error:
        raise OpenbookError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except RecursionError as error:
        raise OpenbookError(f"{path}: nested too deeply; mend it") from error
    except _BROKEN as error:
        raise OpenbookError(f"{path}: cannot be read ({_told(error)}); mend it") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise OpenbookError(f"{path}: is no mapping of keys to values; write KEY: VALUE lines")
    return found


def _told(error: Exception) -> str:
    if mark := getattr(error, "problem_mark", None):
        return f"line {mark.line + 1}: {getattr(error, 'problem', None)}"
    return " ".join(str(error).split())
