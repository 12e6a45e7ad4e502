"""What a mix says of itself, in manifest.json.

It tells nothing of when, where or by whom a mix was built: two builds of one spec are alike byte for byte.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from data_prep.mixing import Chosen
from data_prep.origins import Part, keys_digest, parts
from data_prep.spec import Spec
from openbook_eval import __version__
from openbook_eval.errors import OpenbookError

TRAIN, MANIFEST = "train.jsonl", "manifest.json"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class File(_Model):
    """A file by its content."""

    bytes: int
    sha256: str


class Input(File):
    """A file that was read: its source, and its name relative to the data folder or to the hub."""

    source: str
    file: str


class Flow(_Model):
    """What became of a source's rows. `read` are whole rows: dropped, duplicate, contaminated or kept; not `broken`.

    `exact` and `near` are duplicates of rows that were kept, of this source or another.
    """

    domain: str
    licence: str
    read: int
    broken: int
    dropped: dict[str, int]
    exact: int
    near: int
    contaminated: int
    kept: int


class Contamination(_Model):
    """The exams that rows were checked against (name, version, sha256), rows dropped, and the report's file.

    `report` is relative to the folder of the build.
    """

    exams: list[dict[str, str]]
    rows: int
    report: str


class Build(_Model):
    """What all mixes of a build share."""

    versions: dict[str, str]
    spec: dict[str, Any]
    spec_sha256: str
    scale: float
    seed: int
    tokens: Literal["counted", "estimated"]
    tokenizer: str | None
    inputs: list[Input]
    sources: dict[str, Flow]
    contamination: Contamination | None

    @classmethod
    def of(
        cls,
        spec: Spec,
        inputs: Iterable[Input],
        sources: Mapping[str, Flow],
        contamination: Contamination | None = None,
        scale: float = 1.0,
    ) -> "Build":
        """The shared part, ordered so that the order of sources and files makes no difference."""
        canonical = canonical_spec(spec)
        return cls(
            versions={"openbook-eval": __version__, "polars": pl.__version__, "rensa": version("rensa")},
            spec=canonical,
            spec_sha256=digest(canonical),
            scale=float(scale),
            seed=spec.seed,
            tokens="estimated" if spec.tokenizer is None else "counted",
            tokenizer=spec.tokenizer,
            inputs=sorted(inputs, key=lambda each: (each.source, each.file)),
            sources=dict(sorted(sources.items())),
            contamination=contamination,
        )


class Manifest(_Model):
    """All of manifest.json.

    `nested_in` names the mixes of the same build that hold all rows of this one in some domains, and those domains.
    `keys_sha256` is over the keys whatever the order of the lines, `checksum` over all the rest of the manifest.
    """

    mix: str
    size: int
    over: Literal["rows", "tokens"]
    rows: int
    domains: dict[str, Part]
    keys_sha256: str
    outputs: dict[str, File]
    nested_in: dict[str, list[str]]
    build: Build
    checksum: str = ""

    @classmethod
    def of(
        cls, build: Build, chosen: Chosen, outputs: Mapping[str, File], nested_in: Mapping[str, list[str]]
    ) -> "Manifest":
        """The manifest of a mix; `outputs` are its files by name, `nested_in` is what mixing.nesting says of it."""
        manifest = cls(
            mix=chosen.name,
            size=chosen.mix.size,
            over=chosen.mix.over,
            rows=chosen.rows.height,
            domains=parts(chosen.rows, chosen.wanted),
            keys_sha256=keys_digest(chosen.rows["key"].to_numpy()),
            outputs=dict(sorted(outputs.items())),
            nested_in=dict(sorted(nested_in.items())),
            build=build,
        )
        return manifest.model_copy(update={"checksum": manifest.own_checksum()})

    def own_checksum(self) -> str:
        """What `checksum` must be."""
        return digest(self.model_dump(mode="json", exclude={"checksum"}))


def canonical_spec(spec: Spec) -> dict[str, Any]:
    """A spec as read, with its defaults, in an order that does not hang on the order in which it was written."""
    content = spec.model_dump(mode="json")
    content["sources"].sort(key=lambda source: source["name"])
    content["clean"]["keep"].sort()
    if spec.decontaminate:
        content["decontaminate"]["exams"].sort()
    ordered: dict[str, Any] = json.loads(json.dumps(content, sort_keys=True))
    return ordered


def digest(content: object) -> str:
    """The sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_of(path: Path) -> File:
    """Size and hash of a file. Raises OpenbookError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return File(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=file.tell())
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error


def write(folder: Path, manifest: Manifest) -> None:
    """Writes manifest.json, whole or not at all."""
    beside = folder / f"{MANIFEST}.part"
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=2)
    beside.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    beside.replace(folder / MANIFEST)


def read(folder: Path) -> Manifest:
    """The manifest of a mix; raises OpenbookError where there is none, or something else."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise OpenbookError(f"{path}: not a manifest of data-prep ({place}: {fault['msg']})") from error
