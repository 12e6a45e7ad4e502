"""Cells: the points of a study, each one training and its exam, or the exam of a model as it is."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openbook_eval.study.file.recipes import Recipe
    from openbook_eval.study.file.study_file import Examinee, Group, Study

# A folder's name may have 255 bytes, and a key and other endings come after it.
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Mix:
    """A training mix as its spec says it: parts of general to medical data (1:0, 9:1, 0:1), and rows wanted."""

    name: str
    general: int
    medical: int
    rows: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a study; `name` is its own, `table` the paper's.

    `model` is the base model: a name on the hub, a folder, a profile or an endpoint. Recipe, mix and seed are None of a
    model that is examined as it is.
    """

    name: str
    table: int | None
    model: str
    recipe: str | None
    mix: Mix | None
    seed: int | None


def cells_of(study: "Study") -> tuple[Cell, ...]:
    """The cells of a study in the order of its file, seeds innermost; no two have one name."""
    return tuple(cell for cell, _ in sources(study))


def names_of(models: "Iterable[Examinee]", groups: "Iterable[Group]", seeds: Iterable[int]) -> Iterator[str]:
    """What the cells of these models and groups are called, in the order of `cells_of`; what stands twice, twice."""
    yield from (safe(examinee.named) for examinee in models)
    for group in groups:
        for recipe, mix in group.pairs():
            yield from (_name(group, recipe, mix, seed) for seed in seeds)


def sources(study: "Study") -> Iterator[tuple[Cell, "Examinee | Recipe"]]:
    """Every cell with what the study's file names for it: a model as it is, or the recipe."""
    for examinee in study.models:
        model = examinee.named
        yield Cell(safe(model), examinee.table, model, None, None, None), examinee
    for group in study.groups:
        yield from _trained(study, group)


def _trained(study: "Study", group: "Group") -> Iterator[tuple[Cell, "Recipe"]]:
    for recipe, name in group.pairs():
        mix = study.mix(name)
        for seed in study.seeds:
            yield Cell(_name(group, recipe, name, seed), group.table, recipe.base, recipe.name, mix, seed), recipe


def _name(group: "Group", recipe: "Recipe", mix: str, seed: int) -> str:
    setting = f"{recipe.name}_{mix}" if group.mixes else recipe.name
    return f"{safe(setting)}-seed{seed}"


def safe(name: str) -> str:
    """A name that a folder can have anywhere: letters of ASCII, digits, and _ . - between them."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
    if plain and len(plain) <= _LONGEST and plain == name.replace("/", "-"):
        return plain
    # What was left out may be all that tells two names apart.
    return f"{plain[:_LONGEST]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")
