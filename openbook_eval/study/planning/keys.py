"""Keys of steps: what makes a result counts, and where it lies does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from openbook_eval.study.hashing import digest
from openbook_eval.study.steps import Kind

# Paths, whose contents are told by a digest beside them, and what a mix is called.
_PATHS: Mapping[Kind, frozenset[str]] = {"mix": frozenset({"spec", "data", "mix"})}
# Keys of a recipe that say what is written on the way, not what comes of it.
_ON_THE_WAY = ("logging_steps", "save_total_limit", "saves_per_epoch", "save_steps", "save_strategy")


def key(kind: Kind, what: Mapping[str, Any], needs: Sequence[str]) -> str:
    """12 hex digits of the sha256 over a step's kind, all that makes its result, and the keys of those it needs.

    Two files of the same content count as one, wherever they lie; so do two folders of a model.
    """
    told = {name: value for name, value in what.items() if name not in _PATHS.get(kind, ())}
    if kind == "exam" and what["exam_digest"] is not None:
        told.pop("exam")
    if what.get("model_digest") is not None:
        told.pop("name")
    if kind == "train":
        left_out = {*_ON_THE_WAY, *(["base_model"] if what.get("base_digest") is not None else [])}
        told["recipe"] = {name: value for name, value in what["recipe"].items() if name not in left_out}
    return digest([kind, told, sorted(needs)])
