"""The table of the recipes: one cell a recipe, 34 of the paper's and those that train the tiny model here."""

from dataclasses import dataclass, replace
from typing import Literal

from openbook_eval.models.profiles import Profile, Size, profile

Method = Literal["lora", "full"]

# The Axolotl plugin that every recipe names.
PLUGIN = "openbook_eval.training.plugin.OpenbookPlugin"

# Section 4.4, table 4: general to medical.
_RATIOS = {"mix91": "9:1", "mix41": "4:1", "mix11": "1:1", "mix14": "1:4", "mix19": "1:9"}
# Section 4.5, table 5: medical pairs, Chinese to Western medicine 1:1.
_SIZES = (10_000, 20_000, 50_000, 70_000, 80_000, 90_000, 100_000, 200_000)
# The paper names no size for its ratios, nor for the general data of table 3: as data_prep's spec `paper` has them.
_ROWS = 100_000
_QWEN = "qwen1.5-chat"
# Where the paper's name of a medical model means several models, that of the size nearest to 7B.
_MEDICAL = {
    "pulse": ("pulse", "7b"),
    "disc": ("disc", "13b"),
    "wingpt2": ("wingpt2", "7b"),
    "ivygpt": ("ivygpt", "13b"),
    "huatuo": ("huatuo", "7b"),
    "huatuo2": ("huatuo2", "7b"),
}


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix that a spec of data_prep builds: its rows, and the share of them that is medical."""

    name: str
    spec: str
    rows: int
    medical: float
    about: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What one recipe trains on what. `model` is a model of a profile by its size, none for the tiny model.

    `is_base` says that the base model is trained, not the one that was tuned to chat from it; `table` is the paper's.
    """

    name: str
    mix: Mix
    model: tuple[str, str] | None
    is_base: bool
    table: int | None
    method: Method = "lora"

    def with_all_weights(self) -> "Cell":
        """The same with all weights trained, under a name that says so."""
        return self if self.method == "full" else replace(self, name=f"{self.name}_full", method="full")

    @property
    def profile(self) -> Profile | None:
        """The family of the model."""
        return profile(self.model[0]) if self.model else None

    @property
    def size(self) -> Size | None:
        """The model's figures."""
        return profile(self.model[0]).sizes[self.model[1]] if self.model else None

    @property
    def base_model(self) -> str:
        """The model that is trained: its name on the hub, or its folder."""
        if self.size is None:
            return TINY_MODEL
        return self.size.base if self.is_base else self.size.hub

    @property
    def title(self) -> str:
        """What people call the model."""
        if self.profile is None or self.model is None:
            return "the tiny model"
        return self.base_model.rpartition("/")[2] if self.is_base else f"{self.profile.title} {self.model[1].upper()}"


# Where the command of the recipe's header puts it.
TINY_MODEL = "models/tiny"
_TINY = Mix("tiny", "tiny", 400, 0.5, "400 rows that the project makes itself, general and medical, 1:1")


def cells() -> tuple[Cell, ...]:
    """All recipes in the order of the paper's tables, the tiny ones last."""
    return (*_table_3(), *_table_4(), *_table_5(), *_tiny())


def _table_3() -> list[Cell]:
    general = Mix("general", "paper", _ROWS, 0.0, f"{_ROWS:,} rows of general questions and answers")
    return [Cell(f"{name}_general", general, model, False, 3) for name, model in _MEDICAL.items()]


def _table_4() -> list[Cell]:
    return [
        Cell(f"qwen{short}_{mix.name}", mix, (_QWEN, size), True, 4)
        for short, size in (("1b8", "1.8b"), ("4b", "4b"), ("7b", "7b"), ("14b", "14b"))
        for mix in map(_ratio_mix, _RATIOS)
    ]


def _ratio_mix(name: str) -> Mix:
    general, medical = map(int, _RATIOS[name].split(":"))
    about = f"{_ROWS:,} rows of general and medical questions and answers, {_RATIOS[name]}"
    return Mix(name, "paper", _ROWS, medical / (general + medical), about)


def _table_5() -> list[Cell]:
    return [Cell(f"qwen7b_{mix.name}", mix, (_QWEN, "7b"), True, 5) for mix in map(_medical_mix, _SIZES)]


def _medical_mix(rows: int) -> Mix:
    about = f"{rows:,} rows of medical data, Chinese to Western medicine 1:1"
    return Mix(f"med{rows // 1000}k", "paper", rows, 1.0, about)


def _tiny() -> list[Cell]:
    return [Cell("tiny_lora", _TINY, None, False, None), Cell("tiny_full", _TINY, None, False, None, "full")]
