"""What a user declares: sources, cleaning, deduplication, decontamination and mixes, in one YAML file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openbook_eval.errors import OpenbookError, did_you_mean

Domain = Literal["general", "tcm", "western"]
DOMAINS: tuple[Domain, ...] = ("general", "tcm", "western")
Format = Literal["json", "jsonl", "csv", "tsv", "xlsx", "parquet", "text"]
# How a row's fields are laid out. alpaca: instruction, input, output. qa: question, answer. chat: a list of turns.
Layout = Literal["alpaca", "qa", "chat"]

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fields(_Model):
    """Which keys of a row hold what, where they are not called as the layout calls them.

    Each is a key or a list of keys, whose texts are joined by line breaks; a key may name a list of texts. A text may
    hold `{key}` for the value of another key. Of a chat, `turns` is the list, `role` and `content` the keys of a turn.
    """

    question: str | list[str] | None = None
    answer: str | list[str] | None = None
    turns: str | None = None
    role: str | None = None
    content: str | None = None


class Source(_Model):
    """Where rows come from: files by `path` (a glob, relative to the data folder) or a data set on the `hub`.

    Where both are named, the files are taken if there are any, else the data set.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    domain: Domain
    licence: str = Field(min_length=1)
    path: str | None = None
    hub: str | None = None
    format: Format | None = None
    layout: Layout = "alpaca"
    fields: Fields = Fields()
    # What is done with a file that is broken in the middle: every whole row is kept and counted, or nothing is read.
    broken: Literal["salvage", "refuse"] = "refuse"

    @model_validator(mode="after")
    def _some_place(self) -> "Source":
        if self.path is None and self.hub is None:
            raise ValueError("needs a path or the name of a data set on the hub")
        return self


class Cleaning(_Model):
    """Bounds of the filters; lengths in characters of question or answer, `max_tokens` of the whole row."""

    min_question: Positive = 2
    min_answer: Positive = 2
    max_tokens: Positive = 2048
    min_chinese: float = Field(default=0.3, ge=0, le=1)
    keep: list[str] = Field(default_factory=list, description="reasons that drop nothing")


class Deduplication(_Model):
    """Exact duplicates always go; near ones where their character shingles are as alike as `near` (Jaccard)."""

    near: float | None = Field(default=0.8, gt=0, le=1)


class Decontamination(_Model):
    """The exams that the mix must not contain: names or paths, as `openbook-eval` takes them."""

    exams: list[str] = Field(min_length=1)


class Mix(_Model):
    """One training set: how many rows, of which domains in which ratio.

    `ratio` is over `general` and `medical`, or over single domains; `medical` is divided by `medical`. A domain that is
    not named gets nothing. `over` says whether rows or tokens are counted.
    """

    size: Positive
    ratio: dict[Literal["general", "medical", "tcm", "western"], Share] = Field(min_length=1)
    medical: dict[Literal["tcm", "western"], Share] = {"tcm": 1, "western": 1}
    over: Literal["rows", "tokens"] = "rows"
    allow_repeat: bool = False

    @model_validator(mode="after")
    def _once(self) -> "Mix":
        if "medical" in self.ratio and {"tcm", "western"} & set(self.ratio):
            raise ValueError("ratio names medical and a part of it; name one or the other")
        return self

    def shares(self) -> dict[Domain, float]:
        """The part of the whole, of 1, that each domain gets."""
        parts: dict[Domain, float] = {}
        for name, weight in self.ratio.items():
            if name == "medical":
                whole = sum(self.medical.values())
                parts |= {domain: weight * part / whole for domain, part in self.medical.items()}
            else:
                parts[name] = weight
        total = sum(parts.values())
        return {domain: parts[domain] / total for domain in DOMAINS if domain in parts}


class Spec(_Model):
    """A whole declaration. `tokenizer` is a folder or hub name; without one, tokens are estimated from characters."""

    sources: list[Source] = Field(min_length=1)
    mixes: dict[str, Mix] = Field(min_length=1)
    clean: Cleaning = Cleaning()
    deduplicate: Deduplication = Deduplication()
    decontaminate: Decontamination | None = None
    tokenizer: str | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _sound(self) -> "Spec":
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"source {', '.join(twice)} is declared twice")
        domains = {source.domain for source in self.sources}
        for name, mix in self.mixes.items():
            if lacking := sorted(set(mix.shares()) - domains):
                raise ValueError(f"mix {name} wants {', '.join(lacking)}, and no source is of that domain")
        return self


def read_spec(path: Path) -> Spec:
    """The declaration in a YAML file. Raises OpenbookError with every fault of it at once."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OpenbookError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise OpenbookError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise OpenbookError(f"{path}: wants a mapping of sources and mixes, as in the specs that come with data_prep")
    try:
        return Spec.model_validate(content)
    except ValidationError as error:
        found = list(_faults(error))
        if len(found) == 1:
            raise OpenbookError(f"{path}: {found[0]}") from error
        raise OpenbookError("\n  ".join([f"{path}: {len(found)} faults:", *found])) from error


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        if fault["type"] == "extra_forbidden":
            yield f"{place}: unknown key; {did_you_mean(str(fault['loc'][-1]), _keys_at(fault['loc'][:-1]))}"
        else:
            yield f"{place}: {fault['msg'].removeprefix('Value error, ')}"


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where a fault was found."""
    model: Mapping[str, type[_Model]] = {
        "sources": Source, "fields": Fields, "mixes": Mix, "clean": Cleaning,
        "deduplicate": Deduplication, "decontaminate": Decontamination,
    }  # fmt: skip
    named: Any = next((model[part] for part in reversed(place) if isinstance(part, str) and part in model), Spec)
    return list(named.model_fields)
