"""Keys of steps: what makes a result counts, and where it lies does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from openbook_eval.study.file.named_files import replaced
from openbook_eval.study.hashing import digest
from openbook_eval.study.steps import Kind

# Paths, whose contents are told by a digest beside them, and what a mix is called.
_PATHS: Mapping[Kind, frozenset[str]] = {"mix": frozenset({"spec", "data", "mix"})}
# Where a recipe has one of these, the best of what is written on the way is taken in the end.
_TAKEN = ("load_best_model_at_end", "early_stopping_patience")
# Keys that say what is written on the way, not what comes of it.
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
        told["recipe"] = _recipe(what)
        del told["files"]
    return digest([kind, told, sorted(needs)])


def _recipe(what: Mapping[str, Any]) -> Any:
    """What of a training's recipe counts, with the contents of files in place of their paths."""
    recipe = what["recipe"]
    left_out = set() if any(recipe.get(name) for name in _TAKEN) else set(_ON_THE_WAY)
    if what["base_digest"] is not None:
        left_out.add("base_model")
    return replaced({name: value for name, value in recipe.items() if name not in left_out}, what["files"])
