"""Keys of steps: what makes a result counts, and where it lies does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from openbook_eval.study.hashing import digest
from openbook_eval.study.steps import Kind

# Paths, whose contents are told by a digest beside them.
_PATHS: Mapping[Kind, frozenset[str]] = {"mix": frozenset({"spec", "data"})}


def key(kind: Kind, what: Mapping[str, Any], needs: Sequence[str]) -> str:
    """12 hex digits of the sha256 over a step's kind, all that makes its result, and the keys of those it needs.

    Two files of the same content count as one, wherever they lie; so do two folders of a model.
    """
    told = {name: value for name, value in what.items() if name not in _PATHS.get(kind, ())}
    if kind == "exam" and what["exam_digest"] is not None:
        told.pop("exam")
    if what.get("model_digest") is not None:
        told.pop("name")
    if what.get("base_digest") is not None:
        told["recipe"] = {name: value for name, value in what["recipe"].items() if name != "base_model"}
    return digest([kind, told, sorted(needs)])
