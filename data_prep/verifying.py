"""Whether a mix is still what was built: its files against manifest.json, and manifest.json against itself."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import polars as pl

from data_prep.manifest import MANIFEST, TRAIN, Manifest, canonical_spec, digest, file_of, read
from data_prep.mixing import nesting, scaled, wanted
from data_prep.origins import ROWS, keys_digest, parts, read_rows
from data_prep.spec import Mix, Spec
from openbook_eval.errors import OpenbookError

_FILES = (MANIFEST, TRAIN)
_BLOCK = 1 << 20


def mixes_in(folder: Path) -> list[Path]:
    """The folder itself where it is a mix, else the mixes in it; raises OpenbookError where there is none."""
    if not folder.is_dir():
        raise OpenbookError(f"{folder}: no such folder; give a mix, or the folder that data-prep build wrote to")
    found = [each for each in (folder, *sorted(folder.iterdir())) if any((each / name).is_file() for name in _FILES)]
    if not found:
        raise OpenbookError(f"{folder}: holds no mix; a mix is a folder with {TRAIN} and {MANIFEST}")
    return found[:1] if found[0] == folder else found


def verify(folder: Path) -> list[str]:
    """The faults of a mix, or of all mixes in a folder, a line each; raises OpenbookError where there is no mix."""
    mixes = mixes_in(folder)
    found: list[str] = []
    sound: dict[str, tuple[Manifest, pl.DataFrame]] = {}
    for mix in mixes:
        try:
            manifest = read(mix)
            # The first only: others follow from it, and what such a manifest says of the files is worth nothing.
            faults = list(islice(_manifest_faults(manifest), 1)) or list(_file_faults(mix, manifest))
            if not faults:
                sound[manifest.mix] = manifest, read_rows(mix)
            found += [f"{mix.name}: {fault}" for fault in faults]
        except OpenbookError as error:
            found.append(str(error))
    return found + list(_nesting_faults(sound))


def _manifest_faults(manifest: Manifest) -> Iterator[str]:
    """Where a manifest is at odds with itself."""
    if manifest.checksum != manifest.own_checksum():
        yield f"{MANIFEST} was changed after the build; its files were not checked against it"
    try:
        spec = Spec.model_validate(manifest.build.spec)
        mix = scaled({manifest.mix: spec.mixes[manifest.mix]}, manifest.build.scale)[manifest.mix]
    except (ValueError, KeyError, OpenbookError):
        yield f"{MANIFEST}: the spec in it is none, or has no mix {manifest.mix!r}"
        return
    if manifest.build.spec_sha256 != digest(manifest.build.spec) or canonical_spec(spec) != manifest.build.spec:
        yield f"{MANIFEST}: the spec is not that of spec_sha256"
    yield from chain(_share_faults(manifest, mix), _flow_faults(manifest))


def _share_faults(manifest: Manifest, mix: Mix) -> Iterator[str]:
    if (manifest.size, manifest.over) != (mix.size, mix.over):
        yield f"{MANIFEST}: says {manifest.size} {manifest.over}, and its spec {mix.size} {mix.over}"
    shares = {str(domain): share for domain, share in wanted(mix).items()}
    if {name: part.wanted for name, part in manifest.domains.items()} != shares:
        yield f"{MANIFEST}: the shares that it wants are not those of the ratio in its spec"
    for name, part in manifest.domains.items():
        if part.rows != part.wanted if mix.over == "rows" else part.tokens > part.wanted:
            yield f"{MANIFEST}: {name} has {getattr(part, mix.over)} {mix.over}, and the ratio wants {part.wanted}"
    if manifest.rows != sum(part.rows for part in manifest.domains.values()):
        yield f"{MANIFEST}: the rows of its domains do not add up to {manifest.rows}"


def _flow_faults(manifest: Manifest) -> Iterator[str]:
    for name, flow in manifest.build.sources.items():
        gone = sum(flow.dropped.values()) + flow.exact + flow.near + flow.contaminated
        if flow.read != gone + flow.kept:
            yield f"{MANIFEST}: of {flow.read} rows of source {name!r}, {gone} were left out and {flow.kept} kept"


def _file_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    lines = _lines(folder / TRAIN)
    if lines != manifest.rows:
        yield f"{TRAIN}: {lines} lines, and {manifest.rows} were written"
    elif file_of(folder / TRAIN) != manifest.outputs.get(TRAIN):
        yield f"{TRAIN} was changed after the build: as many lines, but not the same"
    if file_of(folder / ROWS) != manifest.outputs.get(ROWS):
        yield f"{ROWS} was changed after the build"
        return
    rows = read_rows(folder)
    if parts(rows, {name: part.wanted for name, part in manifest.domains.items()}) != manifest.domains:
        yield f"{ROWS}: rows by domain and source are not those of {MANIFEST}"
    if keys_digest(rows["key"].to_numpy()) != manifest.keys_sha256:
        yield f"{ROWS}: the keys are not those of {MANIFEST}"


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error


def _nesting_faults(sound: dict[str, tuple[Manifest, pl.DataFrame]]) -> Iterator[str]:
    """Where a mix is not nested in another that lies there, and says that it is."""
    found = nesting({name: rows for name, (_, rows) in sound.items()})
    for name, (manifest, _) in sound.items():
        for other, domains in manifest.nested_in.items():
            if other in sound and (untrue := set(domains).difference(found[name].get(other, ()))):
                yield f"{name}: {MANIFEST} says that {other} holds its rows of {sorted(untrue)}; it does not"
