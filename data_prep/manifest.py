"""What a mix says of itself: manifest.json, rows.parquet with the origin of every line, and whether both still hold.

A manifest says nothing of when, where or by whom a mix was built: two builds of one spec are the same byte for byte.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.clean import exam_style
from data_prep.mix import nesting, wanted
from data_prep.outputs import FORMATS
from data_prep.spec import Mix, Spec
from openbook_eval import __version__
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import canonical_json, sha256, sha256_file, sha256_json

TRAIN, MANIFEST, ROWS = "train.jsonl", "manifest.json", "rows.parquet"
# What LLaMA-Factory wants beside train.jsonl; other trainers need no more.
DATASET_INFO = "dataset_info.json"
FILES = (TRAIN, ROWS, DATASET_INFO, MANIFEST)
# Columns of rows.parquet, in the order of the lines of train.jsonl. `file` and `row` are as in data_prep.read; `repeat`
# is 0 where a row stands for the first time.
ROWS_SCHEMA: Mapping[str, pl.DataType] = {
    "key": pl.UInt64(), "domain": pl.String(), "source": pl.String(), "tokens": pl.UInt32(), "file": pl.String(),
    "row": pl.UInt32(), "repeat": pl.UInt32(),
}  # fmt: skip


class _ManifestPart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FileContent(_ManifestPart):
    """A file by its content."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileContent":
        """Measure and hash a file. Raises OpenbookError where it cannot be read."""
        return cls(sha256=sha256_file(path), bytes=path.stat().st_size)


class InputFile(FileContent):
    """A file that was read: its source, and its name relative to the data folder or to the hub.

    `foreign_lines` are lines of gb18030 in a text of UTF-8, and `first_foreign` is the number of the first.
    """

    source: str
    file: str
    foreign_lines: int = 0
    first_foreign: int | None = None


class Flow(_ManifestPart):
    """What became of a source's rows. `read` are whole rows: dropped, duplicate, contaminated or kept; not `broken`.

    `repaired` are those whose text clean.repair changed, whatever became of them. `exact` and `near` are duplicates of
    rows that were kept, of this source or another.
    """

    domain: str
    licence: str
    read: int
    broken: int
    repaired: int
    dropped: dict[str, int]
    exact: int
    near: int
    contaminated: int
    kept: int


class Contamination(_ManifestPart):
    """The exams of the spec (name, version, sha256; or name and not_checked), rows dropped, and the report's file.

    `report` is relative to the folder of the build, and none where no exam could be checked.
    """

    exams: list[dict[str, str]]
    rows: int
    report: str | None

    def names(self, *, checked: bool) -> list[str]:
        """Return the exams that rows were checked against, or those that could not be fetched."""
        return [exam["name"] for exam in self.exams if ("not_checked" in exam) != checked]


class RowCount(_ManifestPart):
    """Rows, their tokens, and how many of them are like exam questions."""

    rows: int
    tokens: int
    exam_style: int


class DomainCount(RowCount):
    """A domain in a mix. `wanted` is its share in what the mix counts, `repeats` are rows taken more than once."""

    wanted: int
    repeats: int
    sources: dict[str, RowCount]


class BuildFacts(_ManifestPart):
    """What all mixes of a build share; `mixes` are their names, `format` is that of train.jsonl."""

    mixes: list[str]
    versions: dict[str, str]
    spec: dict[str, Any]
    spec_sha256: str
    scale: float
    format: Annotated[str, Field(pattern=f"^(?:{'|'.join(FORMATS)})$")]
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
        inputs: Sequence[InputFile],
        sources: Mapping[str, Flow],
        contamination: Contamination | None = None,
        scale: float = 1.0,
        mixes: Iterable[str] = (),
        form: str = "axolotl",
    ) -> "BuildFacts":
        """Put the facts in an order in which that of sources and files makes no difference."""
        content = spec.model_dump(mode="json")
        content["sources"].sort(key=lambda source: source["name"])
        content["clean"]["keep"].sort()
        if spec.decontaminate:
            content["decontaminate"]["exams"].sort()
        content = json.loads(canonical_json(content))
        return cls(
            mixes=sorted(mixes),
            versions={
                "openbook-eval": __version__,
                **{library: version(library) for library in ("opencc", "polars", "rensa")},
            },
            spec=content,
            spec_sha256=sha256_json(content),
            scale=float(scale),
            format=form,
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

    @property
    def tokens(self) -> int:
        """Return the tokens of all rows, with no chat template around them."""
        return sum(domain.tokens for domain in self.domains.values())

    def own_checksum(self) -> str:
        """Return what `checksum` must be."""
        return sha256_json(self.model_dump(mode="json", exclude={"checksum"}))


def write_manifest(
    folder: Path, build: BuildFacts, name: str, mix: Mix, rows: pl.DataFrame, nested_in: dict[str, list[str]]
) -> Manifest:
    """Write rows.parquet, dataset_info.json and manifest.json beside train.jsonl.

    `rows` have at least the columns of ROWS_SCHEMA, in the order of train.jsonl; `nested_in` is what mix.nesting says.
    """
    # The bytes of a parquet file follow the chunks of the frame; in one chunk they are the same every time.
    whole = rows.select(pl.col(name).cast(kind) for name, kind in ROWS_SCHEMA.items()).rechunk()
    # Into an open file: polars would take signs such as * and [ in a path for a pattern.
    with (folder / ROWS).open("wb") as file:
        whole.write_parquet(file)
    info = FORMATS[build.format].dataset_info(name, TRAIN)
    (folder / DATASET_INFO).write_text(info, encoding="utf-8", newline="\n")
    manifest = Manifest(
        mix=name,
        size=mix.size,
        over=mix.over,
        rows=rows.height,
        domains=_count_domains(rows, wanted(mix)),
        keys_sha256=sha256(np.sort(rows["key"].to_numpy()).astype("<u8").tobytes()),
        outputs={file: FileContent.of(folder / file) for file in (DATASET_INFO, ROWS, TRAIN)},
        nested_in=nested_in,
        build=build,
    )
    manifest = manifest.model_copy(update={"checksum": manifest.own_checksum()})
    (folder / MANIFEST).write_text(f"{manifest.model_dump_json(indent=2)}\n", encoding="utf-8", newline="\n")
    return manifest


def _count_domains(rows: pl.DataFrame, wanted: Mapping[Any, int]) -> dict[str, DomainCount]:
    """Count rows and tokens by domain and source, in alphabetical order."""
    counted = rows.group_by("domain", "source").agg(
        pl.col("tokens").cast(pl.Int64).sum(),
        rows=pl.len(),
        exam_style=exam_style().sum(),
        repeats=(pl.col("repeat") > 0).sum(),
    )
    found, counts = dict[str, DomainCount](), tuple(RowCount.model_fields)
    for domain in sorted(wanted):
        groups = counted.filter(pl.col("domain") == domain).sort("source").to_dicts()
        found[domain] = DomainCount(
            wanted=wanted[domain],
            sources={group["source"]: RowCount(**{name: group[name] for name in counts}) for group in groups},
            **{name: sum(group[name] for group in groups) for name in (*counts, "repeats")},
        )
    return found


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a mix; raises OpenbookError where there is none, or something else."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(_content(path))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise OpenbookError(f"{path}: not a manifest of data-prep ({place}: {fault['msg']}); build it again") from error


def read_rows(folder: Path) -> pl.DataFrame:
    """Read the frame of rows.parquet; raises OpenbookError where it cannot be read as one."""
    path = folder / ROWS
    try:
        return pl.read_parquet(_content(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OpenbookError(f"{path}: not a parquet file ({first_line(error)}); build the mix again") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); build the mix again") from error


def mixes_in(folder: Path) -> list[Path]:
    """Return the folder itself where it is a mix, else the mixes in it; raises OpenbookError where there is none."""
    if not folder.is_dir():
        raise OpenbookError(f"{folder}: no such folder; give a mix, or the folder that data-prep build wrote to")
    for some in ([folder], sorted(folder.iterdir())):
        if found := [each for each in some if any((each / name).is_file() for name in (MANIFEST, TRAIN))]:
            return found
    raise OpenbookError(f"{folder}: holds no mix; a mix is a folder with {TRAIN} and {MANIFEST}")


def verify(folder: Path, *, unchecked: bool = False) -> list[str]:
    """Return the faults of a mix, or of all mixes in a folder, a line each. Raises OpenbookError where no mix is.

    That an exam of the spec was not checked is a fault, unless `unchecked` allows it.
    """
    faults: list[str] = []
    sound: dict[str, Manifest] = {}
    rows: dict[str, pl.DataFrame] = {}
    for mix in mixes_in(folder):
        try:
            manifest = read_manifest(mix)
            if changed := _changed_files(mix, manifest):
                faults += [f"{mix.name}: {fault}" for fault in changed]
            else:
                sound[manifest.mix], rows[manifest.mix] = manifest, read_rows(mix)
        except OpenbookError as error:
            faults.append(str(error))
    faults += [] if unchecked else _unchecked_exams(sound)
    if folder not in mixes_in(folder):
        asked = {name for manifest in sound.values() for name in manifest.build.mixes}
        gone = sorted(name for name in asked if not (folder / name).is_dir())
        faults += [f"{name}: is missing; the build that was to make it did not end: run it again" for name in gone]
    return [*faults, *_not_nested(sound, nesting(rows))]


def _unchecked_exams(mixes: Mapping[str, Manifest]) -> Iterator[str]:
    for name, manifest in mixes.items():
        exams = manifest.build.contamination
        if exams and (lacking := exams.names(checked=False)):
            fault = f"not checked against {', '.join(lacking)}, which could not be fetched"
            yield f"{name}: {fault}; build it again, or allow that by --allow-unchecked"


def _not_nested(mixes: Mapping[str, Manifest], nested: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    for name, manifest in mixes.items():
        for other, domains in manifest.nested_in.items():
            if other in mixes and (untrue := set(domains).difference(nested[name].get(other, ()))):
                yield f"{name}: {MANIFEST} says that {other} holds its rows of {sorted(untrue)}; it does not"


def _changed_files(folder: Path, manifest: Manifest) -> list[str]:
    if manifest.checksum != manifest.own_checksum():
        return [f"{MANIFEST} was changed after the build; its files were not checked against it"]
    now = {name: FileContent.of(folder / name) for name in (TRAIN, ROWS, DATASET_INFO)}
    return [
        f"{name} was changed after the build; it has {content.bytes:,} bytes"
        for name, content in now.items()
        if content != manifest.outputs.get(name)
    ]
