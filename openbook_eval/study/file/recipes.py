"""Recipes as a study names them: of the project's table, or files beside the study."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.study.file import models
from openbook_eval.study.file.named_files import named_files, replaced
from openbook_eval.study.hashing import canonical
from openbook_eval.training.check import read_recipe
from openbook_eval.training.recipes import TINY_MODEL, Cell, cells, recipe_text
from openbook_eval.training.record import mix_folder

_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained. `cell` is the table's, where the recipe is one of it; `name` is that of its file.

    `config` are the keys that Axolotl reads, as the recipe has them.
    """

    name: str
    config: Mapping[str, Any]
    cell: Cell | None

    @property
    def mix(self) -> str:
        """The mix that the recipe trains on by itself."""
        return mix_folder(self.config).name

    @property
    def base(self) -> str:
        """The model that is trained: a name on the hub, or a folder."""
        return str(self.config["base_model"])

    @property
    def trains_examinee(self) -> bool:
        """Whether it is the tiny model."""
        return self.base == TINY_MODEL

    @property
    def is_adapter(self) -> bool:
        """Whether an adapter is trained, to be merged into the base model; else all weights are."""
        return bool(self.config.get("adapter"))

    @property
    def on_gpu(self) -> bool:
        """Whether the recipe asks for what only a card has: bfloat16 or flash-attention."""
        attention = str(self.config.get("attn_implementation", ""))
        return bool(self.config.get("bf16")) or bool(self.config.get("flash_attention")) or "flash" in attention


def find(name: str, folder: Path) -> Recipe:
    """The recipe of the table with this name, else that in a file beside the study or here.

    Raises OpenbookError where there is none, with every fault of a file, in one line.
    """
    known = _table()
    if name in known:
        return Recipe(name, yaml.safe_load(recipe_text(known[name])), known[name])
    for path in (folder / name, Path(name)):
        if path.is_file():
            return _read(path, folder)
    if Path(name).suffix in _SUFFIXES:
        raise OpenbookError(f"recipe {name}: no such file, beside the study or here")
    raise OpenbookError(f"recipe {name!r} is not in the table, and no file; {did_you_mean(name, known)}")


@cache
def _table() -> Mapping[str, Cell]:
    return {cell.name: cell for cell in cells()}


def _read(path: Path, folder: Path) -> Recipe:
    config, found = read_recipe(path)
    faults = [f"{key}: {text}" if key else text for key, text in found]
    faults += _faults(config, folder) if config else []
    if faults:
        raise OpenbookError(f"recipe {path}: {'; '.join(faults)}")
    placed = replaced(config, {text: str(file) for text, file in named_files(config, folder, Path()).items()})
    return Recipe(path.stem, {**placed, "base_model": models.find(config["base_model"], folder)}, None)


def _faults(config: Mapping[str, Any], folder: Path) -> list[str]:
    faults = []
    base = config.get("base_model")
    if not isinstance(base, str) or not base:
        faults.append("base_model: is missing; name the model that is trained")
    else:
        faults += _base_faults(base, folder)
    try:
        mix_folder(config)
        canonical(config)
    except OpenbookError as error:
        faults.append(str(error))
    except (TypeError, ValueError) as error:
        faults.append(f"holds what is no plain value ({error})")
    return faults


def _base_faults(base: str, folder: Path) -> list[str]:
    try:
        models.find(base, folder)
    except OpenbookError as error:
        return [f"base_model: {error}"]
    except (OSError, ValueError):
        return [f"base_model: {base[:40]!r} is no name that a model can have"]
    return []
