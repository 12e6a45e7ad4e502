"""Fields of the study file: a name is looked up where it stands, and what is found takes its place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo
from pydantic_core import PydanticCustomError

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.study.file import engines, exams, models, recipes, specs
from openbook_eval.study.hashing import canonical

T = TypeVar("T")
# What says which model sits an exam.
_OF_THE_CELL = {"pretrained", "enable_lora", "lora_local_path", "max_lora_rank", "profile"}
_BATCH_SIZE = re.compile(r"auto(:[1-9]\d{0,5})?|[1-9]\d{0,5}")


def fault(text: str) -> PydanticCustomError:
    """A fault of a field, told as it stands."""
    return PydanticCustomError("reference", "{text}", {"text": text})


def _looked_up(find: Callable[[str, Path], object]) -> BeforeValidator:
    """Puts what `find` finds by a name, in the study's folder or elsewhere, in place of the name."""

    def found(name: object, info: ValidationInfo) -> object:
        if not isinstance(name, str) or not name.strip():
            raise fault("must be a name")
        context: Any = info.context
        try:
            return find(name, context["folder"])
        except OpenbookError as error:
            raise fault(" ".join(str(error).split())) from error
        except (OSError, ValueError) as error:  # a name that no file system takes
            reason = getattr(error, "strerror", None) or "no file has such a name"
            raise fault(f"{name[:40]!r} cannot be looked up ({reason}); give another name") from error

    return BeforeValidator(found)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise fault("is blank; write what it is called")
    return text


def _engine(name: str) -> str:
    if engines.known() and name not in engines.known():
        raise fault(f"lm-eval has no model {name!r}; {did_you_mean(name, engines.known())}")
    return name


def _condition(name: str) -> str:
    if name not in exams.conditions():
        raise fault(f"there is no condition {name!r}; {did_you_mean(name, exams.conditions())}")
    return name


def _profile(name: str) -> str:
    try:
        named(name)
    except OpenbookError as error:
        raise fault(str(error).removeprefix("--profile ")) from error
    return name


def _endpoint(name: str) -> str:
    if name not in endpoints():
        raise fault(f"there is no endpoint {name!r}; {did_you_mean(name, endpoints())}")
    return name


def _batch_size(size: object) -> str:
    if isinstance(size, bool) or not _BATCH_SIZE.fullmatch(str(size)):
        raise fault(f"{size!r} must be auto or a number")
    return str(size)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical(values)
    except ValueError as error:
        raise fault("holds .nan or .inf; write a number") from error
    if own := sorted(_OF_THE_CELL & values.keys()):
        raise fault(f"{', '.join(own)}: is each cell's own, or none of them would sit its exam; leave it out")
    return values


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise fault("is empty; name one at least")
    if twice := [value for value in values if values.count(value) > 1]:
        raise fault(f"{getattr(twice[0], 'name', twice[0])} stands twice; leave one")
    return values


# YAML has lists only, and pydantic's strictness wants a tuple.
SEVERAL = (Field(strict=False), AfterValidator(_each_once))
Text = Annotated[str, AfterValidator(_not_blank)]
Engine = Annotated[str, AfterValidator(_engine)]
Table = Annotated[int, Field(ge=1, le=5)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
BatchSize = Annotated[str, BeforeValidator(_batch_size)]
ModelArguments = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
Condition = Annotated[str, AfterValidator(_condition)]
Profile = Annotated[str, AfterValidator(_profile)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Model = Annotated[str, _looked_up(models.find)]
Exam = Annotated[exams.Exam, _looked_up(exams.find)]
Spec = Annotated[specs.Spec, _looked_up(specs.find)]
Recipe = Annotated[recipes.Recipe, _looked_up(recipes.find)]
DataFolder = Annotated[Path, _looked_up(specs.data_folder)]
