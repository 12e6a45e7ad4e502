"""The spec that a user writes: sources, cleaning, deduplication, decontamination and mixes, in one YAML file."""

import glob
import math
import os
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.files import load_yaml

Domain = Literal["general", "tcm", "western"]
DOMAINS: tuple[Domain, ...] = ("general", "tcm", "western")
Format = Literal["json", "jsonl", "csv", "tsv", "xlsx", "parquet", "text"]
# How a row's fields are laid out. alpaca: instruction, input, output. qa: question, answer. chat: a list of turns.
Layout = Literal["alpaca", "qa", "chat"]
# Why cleaning drops a row; the first that applies is reported.
Reason = Literal[
    "empty",
    "too_short",
    "too_long",
    "not_chinese",
    "markup",
    "repeated",
    "broken_characters",
    "personal",
    "advertising",
]

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Where raw files lie, unless a command says it.
DATA_VARIABLE = "OPENBOOK_DATA"
# A mix is a folder of that name.
MixName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
_PAIR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:：]\s*(\d+(?:\.\d+)?)\s*")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fields(_Model):
    """Which keys of a row hold what, where they are not called as the layout calls them.

    Question and answer are a key or a list of keys, whose texts are joined by line breaks; of a list one must be there.
    A key may name a list of texts. A text may hold `{key}` for the value of another key. A key with dots goes into
    nested values: `case.age`, `notes.0.q`, `notes.*.q`. Of a chat, `turns` is the list, `role`, `content` and
    `reasoning` the keys of a turn; else `reasoning` is what was thought before the answer. `system` may be lacking.
    """

    question: str | list[str] | None = None
    answer: str | list[str] | None = None
    turns: str | None = None
    role: str | None = None
    content: str | None = None
    system: str | None = None
    reasoning: str | None = None


# How well-known sets are laid out: what a source may leave out that names one of these as its `preset`.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "alpaca": {"fields": {"system": "system"}},
    "sharegpt": {"layout": "chat", "fields": {"turns": "conversations", "system": "system"}},
    "messages": {"layout": "chat", "fields": {"turns": "messages"}},
    "pairs": {"layout": "chat", "fields": {"turns": "conversation"}},
    "moss": {"layout": "chat", "fields": {"turns": "chat", "system": "meta_instruction"}},
    "huatuo": {"layout": "chat", "fields": {"turns": "data"}},
    "huatuo_o1": {"layout": "qa", "fields": {"question": "Question", "answer": "Response", "reasoning": "Complex_CoT"}},
    "r1": {"layout": "qa", "fields": {"question": "input", "answer": "content", "reasoning": "reasoning_content"}},
    "query": {"layout": "qa", "fields": {"question": "query", "answer": "response", "turns": "history"}},
}


class Source(_Model):
    """Where rows come from: files by `path` (a glob, relative to the data folder) or a data set on the `hub`.

    Where both are named, the files are taken if there are any, else the data set. `rows` is the key of the list of rows
    in a file of JSON that is one object.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    domain: Domain
    licence: str = Field(min_length=1)
    path: str | None = None
    hub: str | None = None
    format: Format | None = None
    preset: str | None = None
    layout: Layout = "alpaca"
    fields: Fields = Fields()
    rows: str | None = None
    # The most that the source may be of its domain in a mix, in what the mix counts.
    max_share: float | None = Field(default=None, gt=0, le=1)
    # Of a question and its answer: the number in front of the question cut, a list in Python's notation joined.
    tidy: list[Literal["numbers", "lists"]] = Field(default_factory=list)
    # What is thought before an answer is trained on, or cut away.
    reasoning: Literal["keep", "drop"] = "keep"
    # What is done with a file that is broken in the middle: every whole row is kept and counted, or nothing is read.
    broken: Literal["salvage", "refuse"] = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, source: object) -> object:
        if not isinstance(source, dict) or not isinstance(name := source.get("preset"), str):
            return source
        if name not in PRESETS:
            raise ValueError(f"preset: {did_you_mean(name, PRESETS)}")
        fields = source.get("fields", {})
        merged = {**PRESETS[name]["fields"], **fields} if isinstance(fields, dict) else fields
        return {**PRESETS[name], **source, "fields": merged}

    @model_validator(mode="after")
    def _some_place(self) -> "Source":
        if self.path is None and self.hub is None:
            raise ValueError("needs a path or the name of a data set on the hub")
        return self

    def files(self, folder: Path) -> dict[str, Path]:
        """Return the files that the path names or matches, by their names in the folder, else in full."""
        path = self.path or ""
        # Unlike Path.glob, glob takes a path that starts at the root. A name with brackets may be that of a file.
        names = [path] if (folder / path).is_file() else glob.glob(path, root_dir=folder, recursive=True)  # noqa: PTH207
        found = sorted({folder / name for name in names if (folder / name).is_file()})
        return {(file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix(): file for file in found}


class Cleaning(_Model):
    """Bounds of the filters; lengths in characters of question or answer, `max_tokens` of the whole row."""

    min_question: Positive = 2
    min_answer: Positive = 1
    max_tokens: Positive = 2048
    min_chinese: float = Field(default=0.3, ge=0, le=1)
    keep: list[Reason] = Field(default_factory=list, description="reasons that drop nothing")


class Deduplication(_Model):
    """Exact duplicates always go; near ones where their character shingles are as alike as `near` (Jaccard)."""

    near: float | None = Field(default=0.8, gt=0, le=1)


class Decontamination(_Model):
    """The exams that the mix must not contain: names or paths, as `openbook-eval` takes them."""

    exams: list[str] = Field(min_length=1)


class Mix(_Model):
    """One training set: how many rows, of which domains in which ratio.

    `ratio` is over `general` and `medical`, or over single domains; as text it is general:medical, such as 9:1. What is
    medical is divided by `medical`. A domain that is not named gets nothing. `over` says whether `size` and ratio count
    rows or tokens. Within a domain every row has the same chance, whatever its source, but for a source's `max_share`.
    """

    size: Positive
    ratio: dict[Literal["general", "medical", "tcm", "western"], Share] = Field(min_length=1)
    medical: dict[Literal["tcm", "western"], Share] = {"tcm": 1.0, "western": 1.0}
    over: Literal["rows", "tokens"] = "rows"
    allow_repeat: bool = False

    @field_validator("ratio", mode="before")
    @classmethod
    def _pair(cls, ratio: object) -> object:
        if not isinstance(ratio, str):
            return ratio
        pair = _PAIR.fullmatch(ratio)
        general, medical = (float(pair[1]), float(pair[2])) if pair else (0, 0)
        if not (general and medical):
            raise ValueError(f"{ratio!r} is not a ratio; write two numbers above 0, general:medical, such as 9:1")
        return {"general": general, "medical": medical}

    @field_validator("ratio")
    @classmethod
    def _once(cls, ratio: dict[str, float]) -> dict[str, float]:
        if "medical" in ratio and {"tcm", "western"} & set(ratio):
            raise ValueError("names medical and a part of it; name one or the other")
        return ratio

    def weights(self) -> dict[Domain, Fraction]:
        """Return the part of the whole, of 1, that each domain gets, exactly as the numbers are written."""
        inside = {domain: Fraction(str(part)) for domain, part in self.medical.items()}
        whole: dict[str, Fraction] = {name: Fraction(str(part)) for name, part in self.ratio.items()}
        medical, total = sum(inside.values()), sum(whole.values())
        if "medical" in whole:
            whole |= {domain: whole["medical"] * part / medical for domain, part in inside.items()}
        return {domain: whole[domain] / total for domain in DOMAINS if domain in whole}


class Spec(_Model):
    """A whole declaration. `tokenizer` is a folder or hub name; without one, tokens are estimated from characters."""

    sources: list[Source] = Field(min_length=1)
    mixes: dict[MixName, Mix] = Field(min_length=1)
    clean: Cleaning = Cleaning()
    deduplicate: Deduplication = Deduplication()
    decontaminate: Decontamination | None = None
    tokenizer: str | None = None
    seed: int = 0

    @property
    def shares(self) -> dict[str, float]:
        """Return the `max_share` of the sources that have one."""
        return {source.name: source.max_share for source in self.sources if source.max_share}

    # Of single fields, not of the whole: those of the whole are not looked for where any field is wrong.
    @field_validator("sources")
    @classmethod
    def _named_once(cls, sources: list[Source]) -> list[Source]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is declared twice")
        for domain in DOMAINS:
            shares = [source.max_share or 1 for source in sources if source.domain == domain]
            if shares and math.fsum(shares) < 1:
                raise ValueError(f"the max_share of all {domain} sources add up to {math.fsum(shares):g}, less than 1")
        return sources

    @field_validator("mixes")
    @classmethod
    def _from_sources(cls, mixes: dict[str, Mix], info: ValidationInfo) -> dict[str, Mix]:
        domains = {source.domain for source in info.data.get("sources", ())} or set(DOMAINS)
        lacking = {name: sorted(set(mix.weights()) - domains) for name, mix in mixes.items()}
        if found := [f"{name} wants {', '.join(missing)}" for name, missing in lacking.items() if missing]:
            raise ValueError(f"{'; '.join(found)}; no source is of that domain")
        return mixes


def read_spec(path: Path) -> Spec:
    """Read the spec in a YAML file; raise OpenbookError with every error of it at once."""
    content = load_yaml(path)
    try:
        return Spec.model_validate(content)
    except ValidationError as error:
        found = list(_messages(error))
        head = f"{path}: {len(found)} errors:\n  " if len(found) > 1 else f"{path}: "
        raise OpenbookError(head + "\n  ".join(found)) from error


def _messages(error: ValidationError) -> Iterator[str]:
    models: Mapping[int | str, type[_Model]] = {
        "sources": Source, "fields": Fields, "mixes": Mix, "clean": Cleaning,
        "deduplicate": Deduplication, "decontaminate": Decontamination,
    }  # fmt: skip
    for found in error.errors():
        *outer, key = found["loc"] or ("the file",)
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            known = next((models[part] for part in reversed(outer) if part in models), Spec).model_fields
            message = f"unknown key; {did_you_mean(str(key), known)}"
        yield f"{'.'.join(map(str, [*outer, key]))}: {message}"


def shipped_specs() -> dict[str, Path]:
    """Return the specs that come with us, by name."""
    return {file.stem: file for file in sorted((Path(__file__).parent / "specs").glob("*.yml"))}


def find_spec(name: str, *folders: Path) -> Path:
    """Return the spec at a path in the first of the folders that has it, else the shipped one of this name."""
    shipped = shipped_specs()
    for path in (*(folder / name for folder in folders), shipped.get(name)):
        if path and path.is_file():
            return path
    raise OpenbookError(f"{name}: no such file and no shipped spec; {did_you_mean(name, shipped)}")


def data_folder() -> Path:
    """Return where raw files lie unless a command says it: the folder that OPENBOOK_DATA names, else `data`."""
    return Path(os.environ.get(DATA_VARIABLE) or "data")
