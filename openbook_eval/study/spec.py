"""Read a study's file: which models are evaluated, which are trained on which mixes and with which seeds.

What it names - models, exams, mixes, recipes - is looked for beside the study, here, or among what is shipped.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

from data_prep.manifest import TRAIN
from data_prep.spec import Source, Spec, data_folder, find_spec, read_spec, shipped_specs
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.exams import is_on_hub, load_exam
from openbook_eval.files import canonical_json, load_model, load_yaml, sha256, sha256_json
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.training import recipes
from openbook_eval.training.recipes import TINY_MODEL, RecipeMix
from openbook_eval.training.record import mix_folder
from openbook_eval.types import SIX_EXAMS

# Exams that `load_exam` fetches from the hub, which is not asked before the evaluation: their questions.
HUB_EXAMS = {"cmb": 11_200, "cmb-val": 280}
# Where a training works and goes on from, which its step says.
_OF_THE_STEP = ("dataset_prepared_path", "output_dir", "resume_from_checkpoint")
# A folder's name may have 255 bytes.
_LONGEST_NAME = 80


class StudyExam(NamedTuple):
    """An exam as OPENBOOK_EXAM takes it, its digest unless it lies on the hub, and the questions of the six exams."""

    name: str
    digest: str | None
    questions: int


class NamedSpec(NamedTuple):
    """A spec of mixes, and its path or shipped name."""

    name: str
    declared: Spec


@dataclass(frozen=True, slots=True)
class StudyRecipe:
    """How a model is trained."""

    name: str
    config: Mapping[str, Any]  # what Axolotl reads
    row: recipes.RecipeCell | None  # of our table

    @property
    def base(self) -> str:
        """The model that is trained: a name on the hub, a folder or the tiny model."""
        return str(self.config["base_model"])

    @property
    def trained(self) -> dict[str, Any]:
        """What is trained, wherever its mix lies, and with whatever seed."""
        kept = {name: each for name, each in self.config.items() if name not in _OF_THE_STEP}
        return kept | {"seed": None, "datasets": [{**row, "path": TRAIN} for row in self.config["datasets"]]}

    @property
    def needs_gpu(self) -> bool:
        """Whether the recipe asks for half precision or flash attention."""
        return any(self.config.get(key) for key in ("bf16", "fp16", "flash_attention"))


def _beside(name: str, folder: Path) -> Path | None:
    # Beside the study, else in the current folder.
    return next((path.resolve() for path in (folder / name, Path(name)) if path.exists()), None)


def _find_model(name: str, folder: Path) -> str:
    # The hub is not asked.
    if name.rstrip("/").removeprefix("./") == TINY_MODEL:
        return TINY_MODEL
    path = _beside(name, folder)
    if path and (path / "config.json").is_file():
        return str(path)
    if path or name.startswith((".", "/", "~")):
        raise OpenbookError(f"{name}: is no folder of a model (with config.json), beside the study or here")
    return name


def _find_exam(name: str, folder: Path) -> StudyExam:
    file, mark, part = name.partition("#")
    known = name.partition("@")[0]
    if name != "mini" and known not in HUB_EXAMS and (path := _beside(file, folder)):
        name = f"{path}{mark}{part}"
    elif is_on_hub(name):
        return StudyExam(name, None, HUB_EXAMS.get(known, HUB_EXAMS["cmb"]))
    exam = load_exam(name)
    return StudyExam(name, exam.sha256, sum(question.exam in SIX_EXAMS for question in exam.questions))


def _find_spec(name: str, folder: Path) -> NamedSpec:
    path = find_spec(name, folder, Path())
    return NamedSpec(name if path in shipped_specs().values() else str(path.resolve()), read_spec(path))


def _find_data_folder(name: str, folder: Path) -> Path:
    if (path := _beside(name, folder)) and path.is_dir():
        return path
    raise OpenbookError(f"{name}: no such folder of raw files, beside the study or here")


def _find_recipe(name: str, folder: Path) -> StudyRecipe:
    if row := recipes.cells().get(name):
        return StudyRecipe(name, yaml.safe_load(recipes.recipe_text(row)), row)
    path = _beside(name, folder)
    if path is None or not path.is_file():
        raise OpenbookError(f"recipe {name!r} is not in the table and no file; {did_you_mean(name, recipes.cells())}")
    config = load_yaml(path)
    try:
        if not isinstance(config.get("base_model"), str):
            raise OpenbookError("base_model: is missing; name the model that is trained")
        mix_folder(config)
        canonical_json(config)
        config["base_model"] = _find_model(config["base_model"], folder)
    except (OpenbookError, OSError, ValueError, TypeError) as error:
        raise OpenbookError(f"recipe {path}: {error}") from error
    return StudyRecipe(path.stem, with_texts(config, lambda text: _in_full(text, folder)), None)


def _in_full(text: str, folder: Path) -> str:
    # `adapter: lora` names no file, whatever lies here.
    if "/" not in text and not Path(text).suffix:
        return text
    # Path.exists raises for long texts.
    return next((str(path.absolute()) for path in (folder / text, Path(text)) if os.path.exists(path)), text)  # noqa: PTH110


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a plain value with every text in it changed, but for keys."""
    if isinstance(value, Mapping):
        return {key: with_texts(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [with_texts(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def _looked_up(find: Callable[[str, Path], object]) -> BeforeValidator:
    # What is found by a name takes the name's place.
    def found(name: object, info: ValidationInfo) -> object:
        if not isinstance(name, str) or not name.strip():
            raise ValueError("must be a name")
        folder: Any = info.context
        try:
            return find(name, folder)
        except OpenbookError as error:
            raise ValueError(" ".join(str(error).removeprefix("--profile ").split())) from error
        except OSError as error:
            raise ValueError(f"{name[:40]}: {error.strerror}") from error

    return BeforeValidator(found)


def _one_of(what: str, known: Callable[[], Iterable[str]]) -> BeforeValidator:
    def check(name: str, _: Path) -> str:
        if name in (names := list(known())):
            return name
        raise OpenbookError(f"there is no {what} {name!r}; {did_you_mean(name, names)}")

    return _looked_up(check)


Text = Annotated[str, Field(min_length=1)]
Table = Annotated[int, Field(ge=1, le=5)]
_Condition = Annotated[str, _one_of("condition", lambda: CONDITIONS)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataSection(_Model):
    """The spec of the mixes and the folder of their raw files, by default that which data-prep takes."""

    spec: Annotated[NamedSpec, _looked_up(_find_spec)]
    folder: Annotated[Path, _looked_up(_find_data_folder)] | None = Field(
        default_factory=lambda: data_folder().resolve() if data_folder().is_dir() else None
    )

    def mix(self, name: str) -> RecipeMix:
        """Return the shape of one mix; the rows of one that counts tokens are estimated."""
        declared = self.spec.declared.mixes[name]
        general, whole = Fraction(declared.weights().get("general", 0)).as_integer_ratio()
        mix = RecipeMix(name, general, whole - general, declared.size)
        if declared.over == "tokens":
            return replace(mix, rows=max(1, round(declared.size / recipes.tokens_a_row(mix))))
        return mix

    def raw_files(self, source: Source) -> dict[str, Path]:
        """Return a source's files by their names in the folder of raw files."""
        return source.files(self.folder) if self.folder else {}

    @property
    def exams(self) -> list[str]:
        """The exams that the mixes must not contain, as load_exam takes them."""
        return self.spec.declared.decontaminate.exams if self.spec.declared.decontaminate else []

    def other_files(self) -> list[Path]:
        """Return the files beside the raw ones that the mixes depend on: decontaminated exams and a tokenizer."""
        exams = [each.partition("#")[0] for each in self.exams if each != "mini" and not is_on_hub(each)]
        # Path.exists raises for a name that is too long.
        return [Path(each) for each in (*exams, self.spec.declared.tokenizer) if each and os.path.exists(each)]  # noqa: PTH110


class EngineSection(_Model):
    """What lm-eval is given; `gpus` are those of one evaluation, by default as many as the model needs."""

    model: Literal["vllm-openbook", "vllm", "hf"] = "vllm-openbook"
    chat_template: bool = True
    batch_size: Annotated[str, Field(strict=False, coerce_numbers_to_str=True)] = "auto"
    model_args: dict[str, JsonValue] = {}
    gpus: Annotated[int, Field(ge=0, le=1024)] | None = None


class StudyModel(_Model):
    """A model that is evaluated as it is: one of the hub or a folder, of a profile, or behind an endpoint."""

    model: Annotated[str, _looked_up(_find_model)] | None = None
    profile: Annotated[str, _looked_up(lambda name, _: named(name) and name)] | None = None
    endpoint: Annotated[str, _one_of("endpoint", endpoints)] | None = None
    table: Table | None = None

    @model_validator(mode="after")
    def _one(self) -> "StudyModel":
        if sum(each is not None for each in (self.model, self.profile, self.endpoint)) != 1:
            raise ValueError("needs exactly one of model, profile and endpoint")
        return self

    @property
    def name(self) -> str:
        """The hub name, folder, profile or endpoint."""
        return self.model or self.profile or self.endpoint or ""

    @property
    def base(self) -> str:
        """What trainings call it: a profile's model by its name on the hub."""
        return named(self.profile)[1].hub if self.profile else self.name


class ModelGroup(_Model):
    """Cells of a table: every recipe on each of `mixes`, or on the mix that it names itself."""

    table: Table | None = None
    recipes: Annotated[list[Annotated[StudyRecipe, _looked_up(_find_recipe)]], Field(min_length=1)]
    mixes: Annotated[list[Text], Field(min_length=1)] | None = None

    def trainings(self) -> Iterator[tuple[int | None, StudyRecipe, str, str]]:
        """Yield the table, every recipe with the name of each mix that it trains on, and what that is called."""
        for recipe in self.recipes:
            for mix in self.mixes or (mix_folder(recipe.config).name,):
                yield self.table, recipe, mix, f"{recipe.name}_{mix}" if self.mixes else recipe.name


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a study: a training and its evaluation, or the evaluation of a model as it is."""

    name: str
    table: int | None  # of the paper
    source: StudyModel | StudyRecipe = field(compare=False, repr=False)
    recipe: str | None = None  # the same for recipes that differ in mix and seed alone
    mix: RecipeMix | None = None
    seed: int | None = None

    @property
    def base(self) -> str:
        """The model before any training."""
        return self.source.base

    @property
    def title(self) -> str:
        """What people call the base model; the owner of one on the hub would fill a column."""
        return "the tiny model" if self.base == TINY_MODEL else self.base.rstrip("/").rpartition("/")[2] or self.base

    @property
    def arm(self) -> tuple[int | None, str, str | None, RecipeMix | None, str]:
        """What all seeds of a setting share; a model as it is forms an arm alone."""
        return self.table, self.base, self.recipe, self.mix, "" if self.mix else self.name


class Study(_Model):
    """A study as its file declares it, with every name looked up; it is called after the file, unless it says how."""

    name: Text
    title: Text
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)] = [1, 2, 3]
    exam: Annotated[StudyExam, _looked_up(_find_exam)]
    conditions: Annotated[list[_Condition], Field(min_length=1)] = ["openbook", "closedbook"]
    data: DataSection | None = None
    engine: EngineSection = EngineSection()
    evaluate: Literal["merged", "adapter"] = "merged"
    models: list[StudyModel] = []
    groups: list[ModelGroup] = []

    def cells(self) -> Iterator[Cell]:
        """Yield the cells in the order of the file, seeds innermost; no two have one name."""
        for model in self.models:
            yield Cell(safe_name(model.name), model.table, model)
        names = dict[str, str]()
        for table, recipe, mix, name in (each for group in self.groups for each in group.trainings()):
            assert self.data is not None  # noqa: S101 (a group without data is refused)
            digest, shape = sha256_json(recipe.trained)[:6], self.data.mix(mix)
            own = names.setdefault(digest, f"{recipe.name.removesuffix(f'_{mix}')}, {digest}")
            for seed in self.seeds:
                yield Cell(f"{safe_name(name)}-seed{seed}", table, recipe, own, shape, seed)

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        if faults := [*self._at_odds(), *self._of_cells()]:
            raise ValueError("; ".join(faults))
        return self

    def _at_odds(self) -> Iterator[str]:
        if self.name in (".", "..") or "/" in self.name:
            yield f"name: {self.name!r} is no name of a folder; name the study's file otherwise"
        if not (self.models or self.groups):
            yield "groups: there are no models and no groups; name what is to be evaluated"
        if self.evaluate == "adapter" and self.engine.model == "hf":
            yield "evaluate: adapter needs an engine that takes adapters, such as vllm-openbook; hf takes merged"
        ranked = next((each for each in self.conditions if CONDITIONS[each].ranked), None)
        if ranked and (asked := [each.endpoint for each in self.models if each.endpoint]):
            yield f"models: {', '.join(asked)}: an endpoint ranks no options; leave out {ranked}, or it"

    def _of_cells(self) -> Iterator[str]:
        known = self.data.spec.declared.mixes if self.data else {}
        unknown = sorted({mix for group in self.groups for _, _, mix, _ in group.trainings()} - known.keys())
        if self.groups and self.data is None:
            yield "groups: train on mixes; say of which spec: data: {spec: paper}"
        elif unknown:
            yield from (f"groups: mix {mix!r} is not in the spec, {did_you_mean(mix, known)}" for mix in unknown)
        else:
            count = Counter(cell.name for cell in self.cells())
            twice = (name for name in count if count[name] > 1)
            yield from (f"{name} stands twice among the cells; leave it in one group or model" for name in twice)


def safe_name(name: str) -> str:
    """Return a name that a folder can have anywhere, of letters, digits and _ . -; different ones stay so."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
    if plain and len(plain) <= _LONGEST_NAME and plain == name.replace("/", "-"):
        return plain
    # What was left out may be all that tells two names apart.
    return f"{plain[:_LONGEST_NAME]}-{sha256(name)[:8]}".lstrip("-")


def read_study(path: Path) -> Study:
    """Read the study in a YAML file. Raises OpenbookError with every fault of it, each on a line."""
    return load_model(path, Study, path.absolute().parent, name=path.stem)
