"""`recipes check`: all faults of all recipes at once, before a GPU is rented and with no model loaded."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.training import recipe_file
from openbook_eval.training.cells import PLUGIN
from openbook_eval.training.mixes import TrainingMix, mix_folder, training_mix
from openbook_eval.training.offline_axolotl import axolotl
from openbook_eval.training.recipe_file import Fault
from openbook_eval.training.rules import rule_faults
from openbook_eval.training.schema import findings

_ENDINGS = ("*.yml", "*.yaml")
_HASH = re.compile(r"-(?P<hash>[0-9a-f]{16})/*$")
# Where Axolotl puts a model of which a recipe does not say where.
_OUTPUT = "./model-out"

_MixOf = Callable[[Path], TrainingMix | str]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: the recipes that it looked at, by name, and their faults in that order."""

    recipes: tuple[str, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        """A line a fault under a line that counts them; one line where there is none."""
        count = f"{len(self.recipes)} recipe{'s' * (len(self.recipes) != 1)}"
        if not self.faults:
            return f"{count}: no faults"
        faulty = len({fault.recipe for fault in self.faults})
        head = f"{len(self.faults)} fault{'s' * (len(self.faults) != 1)} in {faulty} of {count}:"
        return "\n".join([head, *map(str, self.faults)])


def check(paths: Sequence[Path], *, mixes: bool = True) -> Report:
    """Holds recipes against Axolotl's schema, against what Axolotl should not take, and against their mixes.

    `paths` are recipes, and folders that are searched for them with all folders in them. Without `mixes`, no mix is
    looked for on the disk. Raises OpenbookError where there is no recipe, and where Axolotl is not installed.
    """
    recipes = recipes_in(paths)
    axolotl()
    # Some recipes share a mix, and to hash one takes a second.
    mix_of = cache(_mix) if mixes else None
    faults: list[Fault] = []
    configs: dict[str, Mapping[str, Any]] = {}
    for path in recipes:
        config, found = recipe_file.read(path)
        configs[str(path)] = config
        if config:
            found += [*findings(config), *rule_faults(config), *_training_data_faults(config, mix_of)]
        faults += [Fault(str(path), key, text) for key, text in dict.fromkeys(found)]
    names = tuple(configs)
    faults += _shared_outputs(configs)
    return Report(names, tuple(sorted(faults, key=lambda fault: names.index(fault.recipe))))


def recipes_in(paths: Sequence[Path]) -> list[Path]:
    """The recipes of files and folders, each once; raises OpenbookError where a path does not exist or has none."""
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for ending in _ENDINGS for file in path.rglob(ending) if file.is_file())
            if not files:
                raise OpenbookError(f"{path}: no recipe in it (*.yml, *.yaml); write them: openbook-eval recipes write")
        elif path.is_file():
            files = [path]
        else:
            raise OpenbookError(f"{path}: no such recipe; give a recipe, or a folder of them")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _mix(folder: Path) -> TrainingMix | str:
    try:
        return training_mix(folder)
    except OpenbookError as error:
        return str(error)


def _training_data_faults(config: Mapping[str, Any], mix_of: _MixOf | None) -> Iterator[tuple[str, str]]:
    plugins, prepared, datasets = (config.get(key) for key in ("plugins", "dataset_prepared_path", "datasets"))
    if not isinstance(plugins, list) or PLUGIN not in plugins:
        yield "plugins", f"without ours an old cache of the mix may be trained on, and LoRA starts anew; add {PLUGIN}"
    if prepared is None:
        yield "dataset_prepared_path", "missing; write prepared/NAME, to which the plugin adds the hash of the mix"
    if datasets is not None and not isinstance(datasets, list):
        return  # which Axolotl's schema tells
    try:
        folder = mix_folder(config)
    except OpenbookError as error:
        yield "datasets", str(error).removeprefix("datasets: ")
        return
    if (kind := config["datasets"][0].get("type")) != "chat_template":
        yield "datasets.0.type", f"a mix is made of messages, which {kind!r} does not read; write type: chat_template"
    if mix_of:
        yield from _mix_faults(folder, mix_of(folder), prepared)


def _mix_faults(folder: Path, mix: TrainingMix | str, prepared: Any) -> Iterator[tuple[str, str]]:
    if isinstance(mix, str):
        yield "datasets.0.path", mix
    elif isinstance(prepared, str) and (named := _HASH.search(prepared)) and named["hash"] != mix.hash:
        yield (
            "dataset_prepared_path",
            f"{named['hash']} is not the hash of {folder} ({mix.hash}): the mix has changed since; "
            f"write {prepared[: named.start()]}, to which the plugin adds it",
        )


def _shared_outputs(configs: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for recipe, config in configs.items():
        output = config.get("output_dir", _OUTPUT)
        if not config or not isinstance(output, str):
            continue
        if (other := first.setdefault(os.path.normpath(output), recipe)) != recipe:
            yield Fault(recipe, "output_dir", f"{output} is that of {other} as well; give each recipe its own")
