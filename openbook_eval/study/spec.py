"""Read a study's file: which models are evaluated, which are trained on which mixes and with which seeds."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from openbook_eval.errors import OpenbookError, did_you_mean, validation_message
from openbook_eval.files import canonical_json, load_yaml
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.study import inputs
from openbook_eval.study.inputs import StudyData, StudyExam, StudyMix, StudyRecipe

T = TypeVar("T")
# The engines that take a base model and an adapter to it at once.
ADAPTER_ENGINES = ("vllm-openbook", "vllm")
# These say which model is evaluated, which each cell says itself.
_OF_THE_CELL = {"pretrained", "enable_lora", "lora_local_path", "max_lora_rank", "profile"}
_BATCH_SIZE = re.compile(r"auto(:[1-9]\d{0,5})?|[1-9]\d{0,5}")
# Folders and pages are called after the study.
_STUDY_NAME = re.compile(r"\w[\w.-]*")
# A folder's name may have 255 bytes.
_LONGEST_NAME = 80
# More GPUs than the largest machine has.
_MOST_GPUS = 1024


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("study", "{text}", {"text": text})


def _looked_up(find: Callable[[str, Path], object]) -> BeforeValidator:
    """Put what `find` finds by a name, beside the study or elsewhere, in place of the name."""

    def found(name: object, info: ValidationInfo) -> object:
        if not isinstance(name, str) or not name.strip():
            raise _fault("must be a name")
        context: Any = info.context
        try:
            return find(name, context["folder"])
        except OpenbookError as error:
            raise _fault(" ".join(str(error).split())) from error
        except (OSError, ValueError) as error:  # a name that no file system takes
            reason = getattr(error, "strerror", None) or "no file has such a name"
            raise _fault(f"{name[:40]!r} cannot be looked up ({reason}); give another name") from error

    return BeforeValidator(found)


def _one_of(what: str, known: Callable[[], Iterable[str]]) -> AfterValidator:
    def check(name: str) -> str:
        names = list(known())
        if names and name not in names:
            raise _fault(f"there is no {what} {name!r}; {did_you_mean(name, names)}")
        return name

    return AfterValidator(check)


def _profile(name: str) -> str:
    try:
        named(name)
    except OpenbookError as error:
        raise _fault(str(error).removeprefix("--profile ")) from error
    return name


def _not_blank(text: str) -> str:
    if not text.strip():
        raise _fault("is blank; write what it is called")
    return text


def _batch_size(size: object) -> str:
    if isinstance(size, bool) or not _BATCH_SIZE.fullmatch(str(size)):
        raise _fault(f"{size!r} must be auto or a number")
    return str(size)


def _model_arguments(values: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical_json(values)
    except ValueError as error:
        raise _fault("holds .nan or .inf; write a number") from error
    if own := sorted(_OF_THE_CELL & values.keys()):
        raise _fault(f"{', '.join(own)}: each cell names its own model; leave it out")
    return values


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise _fault("is empty; name at least one")
    if twice := [value for value in values if values.count(value) > 1]:
        raise _fault(f"{getattr(twice[0], 'name', twice[0])} stands twice; leave one")
    return values


# YAML has lists only, and pydantic's strictness wants a tuple.
_LIST = (Field(strict=False), AfterValidator(_each_once))
Text = Annotated[str, AfterValidator(_not_blank)]
Table = Annotated[int, Field(ge=1, le=5)]
Condition = Annotated[str, _one_of("condition", inputs.task_versions)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataSection(_Model):
    """The spec of the mixes and the folder of their raw files, by default that which data-prep takes."""

    spec: Annotated[StudyData, _looked_up(inputs.find_data)]
    folder: Annotated[Path, _looked_up(inputs.find_data_folder)] | None = Field(
        default_factory=inputs.usual_data_folder
    )


class EngineSection(_Model):
    """What lm-eval is given; `gpus` are those of one evaluation, by default as many as the model needs."""

    model: Annotated[str, _one_of("model of lm-eval", inputs.engines)] = "vllm-openbook"
    chat_template: bool = True
    batch_size: Annotated[str, BeforeValidator(_batch_size)] = "auto"
    model_args: Annotated[dict[str, JsonValue], AfterValidator(_model_arguments)] = {}
    gpus: Annotated[int, Field(ge=0, le=_MOST_GPUS)] | None = None


class StudyModel(_Model):
    """A model that is evaluated as it is: one of the hub or a folder, of a profile, or behind an endpoint."""

    model: Annotated[str, _looked_up(inputs.find_model)] | None = None
    profile: Annotated[str, AfterValidator(_profile)] | None = None
    endpoint: Annotated[str, _one_of("endpoint", endpoints)] | None = None
    table: Table | None = None

    @model_validator(mode="after")
    def _one(self) -> "StudyModel":
        if sum(each is not None for each in (self.model, self.profile, self.endpoint)) != 1:
            raise _fault("needs exactly one of model, profile and endpoint")
        return self

    @property
    def name(self) -> str:
        """The hub name, folder, profile or endpoint."""
        return self.model or self.profile or self.endpoint or ""


class ModelGroup(_Model):
    """Cells of a table: every recipe on each of `mixes`, or on the mix that it names itself."""

    table: Table | None = None
    recipes: Annotated[tuple[Annotated[StudyRecipe, _looked_up(inputs.find_recipe)], ...], *_LIST]
    mixes: Annotated[tuple[Text, ...], *_LIST] | None = None

    def pairs(self) -> Iterator[tuple[StudyRecipe, str]]:
        """Yield every recipe with the name of each mix that it trains on."""
        for recipe in self.recipes:
            yield from ((recipe, mix) for mix in self.mixes or (recipe.mix,))

    def cell_name(self, recipe: StudyRecipe, mix: str, seed: int) -> str:
        """Return what the cell of a recipe, a mix and a seed is called."""
        return f"{safe_name(f'{recipe.name}_{mix}' if self.mixes else recipe.name)}-seed{seed}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a study: a training and its evaluation, or the evaluation of a model as it is.

    `table` is the paper's. `model` is the base model: a hub name, folder, profile or endpoint. `source` is what the
    study's file names; recipe, mix and seed are None for a model that is evaluated as it is.
    """

    name: str
    table: int | None
    model: str
    recipe: str | None
    mix: StudyMix | None
    seed: int | None
    source: StudyModel | StudyRecipe = field(compare=False, repr=False)

    @property
    def arm(self) -> tuple[int | None, str, str | None, StudyMix | None, str]:
        """What all seeds of a setting share; a model as it is forms an arm alone."""
        return self.table, self.model, self.recipe, self.mix, "" if self.recipe else self.name


class Study(_Model):
    """A study as its file declares it, with every name looked up."""

    _name: str = PrivateAttr()
    title: Text
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], *_LIST] = (1, 2, 3)
    exam: Annotated[StudyExam, _looked_up(inputs.find_exam)]
    conditions: Annotated[tuple[Condition, ...], *_LIST] = ("openbook", "closedbook")
    data: DataSection | None = None
    engine: EngineSection = EngineSection()
    evaluate: Literal["merged", "adapter"] = "merged"
    models: Annotated[tuple[StudyModel, ...], Field(strict=False)] = ()
    groups: Annotated[tuple[ModelGroup, ...], Field(strict=False, validate_default=True)] = ()

    def model_post_init(self, context: Any, /) -> None:
        """Take the name from the file, which does not state it."""
        self._name = context["name"]

    @property
    def name(self) -> str:
        """The name of the file without its suffix."""
        return self._name

    def cells(self) -> Iterator[Cell]:
        """Yield the cells in the order of the file, seeds innermost; no two have one name."""
        for model in self.models:
            yield Cell(safe_name(model.name), model.table, model.name, None, None, None, model)
        for group in self.groups:
            for recipe, mix in group.pairs():
                assert self.data is not None  # noqa: S101 (a group without data is refused)
                shape = self.data.spec.mix(mix)
                for seed in self.seeds:
                    name = group.cell_name(recipe, mix, seed)
                    yield Cell(name, group.table, recipe.base, recipe.name, shape, seed, recipe)

    # Of single fields, not of the whole: the whole is not validated where any field is at fault.
    @field_validator("evaluate")
    @classmethod
    def _engine_takes_adapters(cls, evaluate: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine")
        if evaluate == "adapter" and engine and engine.model not in ADAPTER_ENGINES:
            raise _fault(f"adapter needs an engine of {' or '.join(ADAPTER_ENGINES)}; {engine.model} takes merged")
        return evaluate

    @field_validator("models")
    @classmethod
    def _endpoints_rank_nothing(cls, models: tuple[StudyModel, ...], info: ValidationInfo) -> tuple[StudyModel, ...]:
        ranked = [each for each in info.data.get("conditions", ()) if each.endswith("ranked")]
        if ranked and (asked := [each.endpoint for each in models if each.endpoint]):
            raise _fault(f"{', '.join(asked)}: an endpoint ranks no options; leave out {ranked[0]}, or it")
        return models

    @field_validator("groups")
    @classmethod
    def _consistent(cls, groups: tuple[ModelGroup, ...], info: ValidationInfo) -> tuple[ModelGroup, ...]:
        models = info.data.get("models", ())
        if not groups and not info.data.get("models", True):
            raise _fault("there are no models and no groups; name what is to be evaluated")
        seeds = info.data.get("seeds", (1,))
        names = [safe_name(model.name) for model in models]
        names += [group.cell_name(*pair, seed) for group in groups for pair in group.pairs() for seed in seeds]
        twice = [name for name, count in Counter(names).items() if count > 1]
        faults = [f"{name} stands twice among the cells; leave it in one group or model" for name in twice]
        if groups and "data" in info.data:
            faults += _unknown_mixes(groups, info.data["data"])
        if faults:
            raise _fault("; ".join(faults))
        return groups


def _unknown_mixes(groups: Iterable[ModelGroup], data: DataSection | None) -> Iterator[str]:
    if data is None:
        yield "train on mixes; say of which spec: data: {spec: paper}"
        return
    known = data.spec.spec.mixes
    for mix in dict.fromkeys(mix for group in groups for _, mix in group.pairs()):
        if mix not in known:
            yield f"mix {mix!r} is not in the spec, {did_you_mean(mix, known)}"


def safe_name(name: str) -> str:
    """Return a name that a folder can have anywhere, of letters, digits and _ . -; different ones stay so."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
    if plain and len(plain) <= _LONGEST_NAME and plain == name.replace("/", "-"):
        return plain
    # What was left out may be all that tells two names apart.
    return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip(
        "-"
    )


def read_study(path: Path) -> Study:
    """Read the study in a YAML file. Raises OpenbookError with every fault of it, each on a line."""
    content = load_yaml(path)
    faults = []
    if not _STUDY_NAME.fullmatch(path.stem):
        faults.append(f"name {path.stem!r}: name the file with letters, digits and _ . - alone")
    try:
        study = Study.model_validate(content, context={"folder": path.absolute().parent, "name": path.stem})
    except ValidationError as error:
        faults += map(_told, error.errors())
    if not faults:
        return study
    if len(faults) == 1:
        raise OpenbookError(f"{path}: {faults[0]}")
    raise OpenbookError("\n  ".join([f"{path}: {len(faults)} faults:", *faults]))


# What pydantic calls by the names of its own types.
_WANTED = {
    "tuple_type": "must be a list",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
}
_SECTIONS: Mapping[str, type[_Model]] = {
    "data": DataSection, "engine": EngineSection, "models": StudyModel, "groups": ModelGroup,
}  # fmt: skip


def _told(found: Mapping[str, Any]) -> str:
    place = [str(part) for part in found["loc"][:-1]]
    known = _SECTIONS.get(place[0], Study) if place else Study
    message = {**found, "msg": _WANTED.get(found["type"], found["msg"])}
    return validation_message(message, [".".join([*place, key]) for key in known.model_fields])
