"""Cells: the points of a study, each one training and its exam, or the exam of a model as it is."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbook_eval.errors import OpenbookError

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
    """The cells of a study in the order of its file, seeds innermost.

    Raises OpenbookError where two have one name: they would be one point twice.
    """
    found = tuple(cell for cell, _ in sources(study))
    names = [cell.name for cell in found]
    if twice := list(dict.fromkeys(name for name in names if names.count(name) > 1)):
        raise OpenbookError(
            f"study {study.name}: {twice[0]} stands twice among its cells; leave it in one group or model"
        )
    return found


def sources(study: "Study") -> Iterator[tuple[Cell, "Examinee | Recipe"]]:
    """Every cell with what the study's file names for it: a model as it is, or the recipe."""
    for examinee in study.models:
        model = examinee.model or examinee.profile or examinee.endpoint or ""
        yield Cell(safe(model), examinee.table, model, None, None, None), examinee
    for group in study.groups:
        yield from _trained(study, group)


def _trained(study: "Study", group: "Group") -> Iterator[tuple[Cell, "Recipe"]]:
    for recipe, name in group.pairs():
        mix = study.mix(name)
        setting = safe(f"{recipe.name}_{name}" if group.mixes else recipe.name)
        for seed in study.seeds:
            yield Cell(f"{setting}-seed{seed}", group.table, recipe.base, recipe.name, mix, seed), recipe


def safe(name: str) -> str:
    """A name that a folder can have anywhere: letters of ASCII, digits, and _ . - between them."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
    if plain and len(plain) <= _LONGEST and plain == name.replace("/", "-"):
        return plain
    # What was left out may be all that tells two names apart.
    return f"{plain[:_LONGEST]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")
