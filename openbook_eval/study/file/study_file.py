"""The study file: what is examined, what is trained on what, with which seeds; every name in it is looked up."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from openbook_eval.errors import OpenbookError, did_you_mean, validation_message
from openbook_eval.study.cells import Mix, names_of
from openbook_eval.study.file.engines import WITH_ADAPTERS
from openbook_eval.study.file.fields import (
    SEVERAL,
    BatchSize,
    Condition,
    DataFolder,
    Endpoint,
    Exam,
    Model,
    ModelArguments,
    Profile,
    Recipe,
    Seed,
    Spec,
    Table,
    Text,
    fault,
)
from openbook_eval.study.file.fields import Engine as EngineName
from openbook_eval.study.file.specs import usual_data_folder
from openbook_eval.study.file.yaml_files import read_yaml

# Folders, rules of the runner and pages are called after the study.
_NAME = re.compile(r"\w[\w.-]*")
# Cards of the largest machine that there is, and more.
_MOST_CARDS = 1024
# What pydantic calls by the names of its own types.
_WANTED = {
    "tuple_type": "must be a list",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(_Model):
    """Which mixes there are, and the folder of their raw files; where none is named, that which data-prep takes."""

    spec: Spec
    folder: DataFolder | None = Field(default_factory=usual_data_folder)


class Engine(_Model):
    """What lm-eval is told: --model, --model_args and so on; `gpus` are those of an exam, else as the model needs."""

    model: EngineName = "vllm-openbook"
    chat_template: bool = True
    batch_size: BatchSize = "auto"
    model_args: ModelArguments = {}
    gpus: Annotated[int, Field(ge=0, le=_MOST_CARDS)] | None = None


class Examinee(_Model):
    """A model that is examined as it is: one of a hub or a folder, of a profile, or behind an endpoint."""

    model: Model | None = None
    profile: Profile | None = None
    endpoint: Endpoint | None = None
    table: Table | None = None

    @model_validator(mode="after")
    def _one(self) -> "Examinee":
        if sum(each is not None for each in (self.model, self.profile, self.endpoint)) != 1:
            raise fault("needs one of model, profile and endpoint, and no more")
        return self

    @property
    def named(self) -> str:
        """What it is called: a name on the hub, a folder, a profile or an endpoint."""
        return self.model or self.profile or self.endpoint or ""


class Group(_Model):
    """A table of cells: every recipe on every one of `mixes`, or each on the mix that it names itself."""

    table: Table | None = None
    recipes: Annotated[tuple[Recipe, ...], *SEVERAL]
    mixes: Annotated[tuple[Text, ...], *SEVERAL] | None = None

    def pairs(self) -> Iterator[tuple[Recipe, str]]:
        """Every recipe with the name of every mix that it trains on."""
        for recipe in self.recipes:
            for mix in self.mixes or (recipe.mix,):
                yield recipe, mix


class Study(_Model):
    """A study as its file says it, names replaced by what they mean. `name` is that of the file."""

    _name: str = PrivateAttr()
    title: Text
    seeds: Annotated[tuple[Seed, ...], *SEVERAL] = (1, 2, 3)
    exam: Exam
    conditions: Annotated[tuple[Condition, ...], *SEVERAL] = (
        "openbook",
        "closedbook",
    )
    data: Data | None = None
    engine: Engine = Engine()
    examine: Literal["merged", "adapter"] = "merged"
    models: Annotated[tuple[Examinee, ...], Field(strict=False)] = ()
    groups: Annotated[tuple[Group, ...], Field(strict=False, validate_default=True)] = ()

    def model_post_init(self, context: Any, /) -> None:
        """Takes the name from the file, which cannot say it itself."""
        self._name = context["name"]

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return self._name

    def mix(self, name: str) -> Mix:
        """A mix of the spec, of which the file was checked to name none but those that are there."""
        if self.data is None:
            raise OpenbookError(f"study {self.name}: names no spec of data, and {name} is a mix")
        return self.data.spec.mixes[name]

    # Of single fields, not of the whole: those of the whole are not looked for where any field is at fault.
    @field_validator("examine")
    @classmethod
    def _can_adapt(cls, examine: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine")
        if examine == "adapter" and engine and engine.model not in WITH_ADAPTERS:
            raise fault(f"adapter wants an engine of {' or '.join(WITH_ADAPTERS)}; {engine.model} examines merged")
        return examine

    @field_validator("models")
    @classmethod
    def _can_rank(cls, models: tuple[Examinee, ...], info: ValidationInfo) -> tuple[Examinee, ...]:
        ranked = [each for each in info.data.get("conditions", ()) if each.endswith("ranked")]
        if ranked and (asked := [each.endpoint for each in models if each.endpoint]):
            raise fault(f"{', '.join(asked)}: an endpoint ranks no options; leave out the condition {ranked[0]}, or it")
        return models

    @field_validator("groups")
    @classmethod
    def _sensible(cls, groups: tuple[Group, ...], info: ValidationInfo) -> tuple[Group, ...]:
        models = info.data.get("models", ())
        if not groups and not info.data.get("models", True):
            raise fault("there are no models and no groups; name what is to be examined")
        names = names_of(models, groups, info.data.get("seeds", (1,)))
        faults = [f"{name} stands twice among its cells; leave it in one group or model" for name in _twice(names)]
        if groups and "data" in info.data:
            faults += _unknown_mixes(groups, info.data["data"])
        if faults:
            raise fault("; ".join(faults))
        return groups


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _unknown_mixes(groups: Iterable[Group], data: Data | None) -> Iterator[str]:
    if data is None:
        yield "train on mixes; say of which spec: data: {spec: paper}"
        return
    known = data.spec.mixes
    for mix in dict.fromkeys(mix for group in groups for _, mix in group.pairs()):
        if mix not in known:
            yield f"mix {mix!r} is not in the spec, {did_you_mean(mix, known)}"


def read_study(path: Path) -> Study:
    """The study in a YAML file. Raises OpenbookError with every fault of it, each on a line."""
    content = read_yaml(path)
    named = [f"name {path.stem!r}: call the file by letters, digits and _ . - alone"] * (not _NAME.fullmatch(path.stem))
    try:
        study = Study.model_validate(content, context={"folder": path.absolute().parent, "name": path.stem})
        found = named
    except ValidationError as error:
        found = [*named, *map(_told, error.errors())]
    if not found:
        return study
    if len(found) == 1:
        raise OpenbookError(f"{path}: {found[0]}")
    raise OpenbookError("\n  ".join([f"{path}: {len(found)} faults:", *found]))


def _told(found: Mapping[str, Any]) -> str:
    place = [str(part) for part in found["loc"][:-1]]
    told = {**found, "msg": _WANTED.get(found["type"], found["msg"])}
    return validation_message(told, [".".join([*place, key]) for key in _keys_at(place)])


def _keys_at(place: list[str]) -> list[str]:
    """The keys that are known where a fault was found."""
    models: Mapping[str, type[_Model]] = {"data": Data, "engine": Engine, "models": Examinee, "groups": Group}
    found = models.get(place[0], Study) if place else Study
    return list(found.model_fields)
