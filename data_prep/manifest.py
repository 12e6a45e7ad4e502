"""What a mix says of itself: manifest.json, rows.parquet with the origin of every line, and whether both still hold.

A manifest says nothing of when, where or by whom a mix was built: two builds of one spec are the same byte for byte.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from data_prep.mix import nesting, scaled, wanted
from data_prep.spec import Spec
from openbook_eval import __version__
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import canonical_json, sha256, sha256_file, sha256_json

TRAIN, MANIFEST, ROWS = "train.jsonl", "manifest.json", "rows.parquet"
# Columns of rows.parquet, in the order of the lines of train.jsonl. `file` and `row` are as in data_prep.read; `repeat`
# is 0 where a row stands for the first time.
ROWS_SCHEMA: Mapping[str, pl.DataType] = {
    "key": pl.UInt64(),
    "domain": pl.String(),
    "source": pl.String(),
    "tokens": pl.UInt32(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "repeat": pl.UInt32(),
}
_BLOCK = 1 << 20


class _ManifestPart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FileContent(_ManifestPart):
    """A file by its content."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileContent":
        """Measure and hash a file. Raises OpenbookError where it cannot be read."""
        content = sha256_file(path)
        return cls(bytes=path.stat().st_size, sha256=content)


def outputs_in(folder: Path) -> dict[str, "FileContent"]:
    """Measure and hash the files of a mix. Raises OpenbookError where one cannot be read."""
    return {name: FileContent.of(folder / name) for name in (ROWS, TRAIN)}


class InputFile(FileContent):
    """A file that was read: its source, and its name relative to the data folder or to the hub."""

    source: str
    file: str


class Flow(_ManifestPart):
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


class Contamination(_ManifestPart):
    """The exams that rows were checked against (name, version, sha256), rows dropped, and the report's file.

    `report` is relative to the folder of the build.
    """

    exams: list[dict[str, str]]
    rows: int
    report: str


class RowCount(_ManifestPart):
    """Rows and their tokens."""

    rows: int
    tokens: int


class DomainCount(RowCount):
    """A domain in a mix. `wanted` is its share in what the mix counts, `repeats` are rows taken more than once."""

    wanted: int
    repeats: int
    sources: dict[str, RowCount]


class BuildFacts(_ManifestPart):
    """What all mixes of a build share."""

    versions: dict[str, str]
    spec: dict[str, Any]
    spec_sha256: str
    scale: float
    seed: int
    tokens: Literal["counted", "estimated"]
    tokenizer: str | None
    inputs: list[InputFile]
    sources: dict[str, Flow]
    contamination: Contamination | None

    @classmethod
    def of(
        cls,
        spec: Spec,
        inputs: Iterable[InputFile],
        sources: Mapping[str, Flow],
        contamination: Contamination | None = None,
        scale: float = 1.0,
    ) -> "BuildFacts":
        """Put the facts in an order in which that of sources and files makes no difference."""
        canonical = _canonical_spec(spec)
        return cls(
            versions={"openbook-eval": __version__, "polars": pl.__version__, "rensa": version("rensa")},
            spec=canonical,
            spec_sha256=sha256_json(canonical),
            scale=float(scale),
            seed=spec.seed,
            tokens="estimated" if spec.tokenizer is None else "counted",
            tokenizer=spec.tokenizer,
            inputs=sorted(inputs, key=lambda each: (each.source, each.file)),
            sources=dict(sorted(sources.items())),
            contamination=contamination,
        )


class Manifest(_ManifestPart):
    """All of manifest.json.

    `nested_in` names the mixes of the same build that hold all rows of this one in some domains, and those domains.
    `keys_sha256` is over the keys whatever the order of the lines, `checksum` over all the rest of the manifest.
    """

    mix: str
    size: int
    over: Literal["rows", "tokens"]
    rows: int
    domains: dict[str, DomainCount]
    keys_sha256: str
    outputs: dict[str, FileContent]
    nested_in: dict[str, list[str]]
    build: BuildFacts
    checksum: str = ""

    @classmethod
    def of(
        cls,
        build: BuildFacts,
        name: str,
        rows: pl.DataFrame,
        outputs: dict[str, FileContent],
        nested_in: Mapping[str, list[str]],
    ) -> "Manifest":
        """Describe the mix of this name by its rows and files; `nested_in` is what mix.nesting says of it.

        Raises KeyError where the spec of the build has no such mix.
        """
        spec = Spec.model_validate(build.spec)
        mix = scaled({name: spec.mixes[name]}, build.scale)[name]
        keys = np.sort(rows["key"].to_numpy()).astype("<u8").tobytes()
        manifest = cls(
            mix=name,
            size=mix.size,
            over=mix.over,
            rows=rows.height,
            domains=_count_domains(rows, wanted(mix)),
            keys_sha256=sha256(keys),
            outputs=outputs,
            nested_in=dict(sorted(nested_in.items())),
            build=build,
        )
        return manifest.model_copy(update={"checksum": manifest.own_checksum()})

    @property
    def tokens(self) -> int:
        """Return the tokens of all rows, with no chat template around them."""
        return sum(domain.tokens for domain in self.domains.values())

    def own_checksum(self) -> str:
        """Return what `checksum` must be."""
        return sha256_json(self.model_dump(mode="json", exclude={"checksum"}))

    def write(self, folder: Path) -> None:
        """Write manifest.json."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2)
        (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a mix; raises OpenbookError where there is none, or something else."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(_content(path))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise OpenbookError(f"{path}: not a manifest of data-prep ({place}: {fault['msg']}); build it again") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); build the mix again") from error


def _canonical_spec(spec: Spec) -> dict[str, Any]:
    """A spec as read, with its defaults, in an order that does not hang on the order in which it was written."""
    content = spec.model_dump(mode="json")
    content["sources"].sort(key=lambda source: source["name"])
    content["clean"]["keep"].sort()
    if spec.decontaminate:
        content["decontaminate"]["exams"].sort()
    ordered: dict[str, Any] = json.loads(canonical_json(content))
    return ordered


def _count_domains(rows: pl.DataFrame, wanted: Mapping[Any, int]) -> dict[str, DomainCount]:
    """Rows and tokens by domain and source, of a frame with the columns of ROWS_SCHEMA, in alphabetical order."""
    counted = rows.group_by("domain", "source").agg(
        pl.len().alias("rows"), pl.col("tokens").cast(pl.Int64).sum(), (pl.col("repeat") > 0).sum().alias("repeats")
    )
    found: dict[str, DomainCount] = {}
    for domain in sorted({*wanted, *counted["domain"]}):
        groups = counted.filter(pl.col("domain") == domain).sort("source").to_dicts()
        found[domain] = DomainCount(
            wanted=wanted.get(domain, 0),
            sources={group["source"]: RowCount(rows=group["rows"], tokens=group["tokens"]) for group in groups},
            **{name: sum(group[name] for group in groups) for name in ("rows", "tokens", "repeats")},
        )
    return found


def write_rows(folder: Path, rows: pl.DataFrame) -> None:
    """Write rows.parquet from a frame with at least the columns of ROWS_SCHEMA in the order of train.jsonl."""
    # The bytes of a parquet file follow the chunks of the frame; in one chunk they are the same every time.
    whole = rows.select(pl.col(name).cast(kind) for name, kind in ROWS_SCHEMA.items()).rechunk()
    # Into an open file: polars would take signs such as * and [ in a path for a pattern.
    with (folder / ROWS).open("wb") as file:
        whole.write_parquet(file)


def read_rows(folder: Path) -> pl.DataFrame:
    """Read the frame that write_rows wrote; raises OpenbookError where it cannot be read as one."""
    path = folder / ROWS
    try:
        rows = pl.read_parquet(_content(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OpenbookError(f"{path}: not a parquet file ({first_line(error)}); build the mix again") from error
    if dict(rows.schema) != dict(ROWS_SCHEMA):
        raise OpenbookError(f"{path}: wants the columns {', '.join(ROWS_SCHEMA)}; build the mix again")
    return rows


def mixes_in(folder: Path) -> list[Path]:
    """Return the folder itself where it is a mix, else the mixes in it; raises OpenbookError where there is none."""
    if not folder.is_dir():
        raise OpenbookError(f"{folder}: no such folder; give a mix, or the folder that data-prep build wrote to")
    for some in ([folder], sorted(folder.iterdir())):
        if found := [each for each in some if any((each / name).is_file() for name in (MANIFEST, TRAIN))]:
            return found
    raise OpenbookError(f"{folder}: holds no mix; a mix is a folder with {TRAIN} and {MANIFEST}")


def verify(folder: Path) -> list[str]:
    """Return the faults of a mix, or of all mixes in a folder, a line each. Raises OpenbookError where no mix is."""
    found: list[str] = []
    sound: dict[str, Manifest] = {}
    rows: dict[str, pl.DataFrame] = {}
    for mix in mixes_in(folder):
        try:
            manifest = read_manifest(mix)
            faults = list(_file_faults(mix, manifest)) or list(_faults(mix, manifest))
            if not faults:
                sound[manifest.mix], rows[manifest.mix] = manifest, read_rows(mix)
            found += [f"{mix.name}: {fault}" for fault in faults]
        except OpenbookError as error:
            found.append(str(error))
    nested = nesting(rows)
    for name, manifest in sound.items():
        for other, domains in manifest.nested_in.items():
            if other in sound and (untrue := set(domains).difference(nested[name].get(other, ()))):
                found.append(f"{name}: {MANIFEST} says that {other} holds its rows of {sorted(untrue)}; it does not")
    return found


def _file_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Where a file is not the one that was written."""
    if manifest.checksum != manifest.own_checksum():
        yield f"{MANIFEST} was changed after the build; its files were not checked against it"
        return
    outputs = outputs_in(folder)
    with (folder / TRAIN).open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
    if lines != manifest.rows:
        yield f"{TRAIN}: {lines} lines, and {manifest.rows} were written"
    elif outputs[TRAIN] != manifest.outputs.get(TRAIN):
        yield f"{TRAIN} was changed after the build: as many lines, but not the same"
    if outputs[ROWS] != manifest.outputs.get(ROWS):
        yield f"{ROWS} was changed after the build"


def _faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Where a manifest is not what a build writes of this spec and these rows: its checksum may have been made anew."""
    rows, build = read_rows(folder), manifest.build
    try:
        spec = Spec.model_validate(build.spec)
        facts = BuildFacts.of(spec, build.inputs, build.sources, build.contamination, build.scale)
        facts = facts.model_copy(update={"versions": build.versions})
        again = Manifest.of(facts, manifest.mix, rows, manifest.outputs, manifest.nested_in)
    except (ValueError, KeyError, OpenbookError):
        yield f"{MANIFEST}: the spec in it is none, or has no mix {manifest.mix!r}"
        return
    names = set(Manifest.model_fields) - {"checksum"}
    if others := sorted(name for name in names if getattr(manifest, name) != getattr(again, name)):
        yield f"{MANIFEST}: {', '.join(others)} not as its spec and {ROWS} have it"
    for name, part in again.domains.items():
        if part.rows != part.wanted if again.over == "rows" else part.tokens > part.wanted:
            yield f"{ROWS}: {name} has {getattr(part, again.over)} {again.over}, and the ratio wants {part.wanted}"
    for name, flow in build.sources.items():
        gone = sum(flow.dropped.values()) + flow.exact + flow.near + flow.contaminated
        if flow.read != gone + flow.kept:
            yield f"{MANIFEST}: of {flow.read} rows of source {name!r}, {gone} were left out and {flow.kept} kept"
