"""What a recipe needs to know of the mix that it trains on: where it lies, and that it is still what was built."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError

TRAIN, MANIFEST = "train.jsonl", "manifest.json"
_HASH_DIGITS = 16


# What data-prep writes into manifest.json, as far as it matters here.


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _File(_Model):
    bytes: int
    sha256: str


class _Domain(_Model):
    tokens: int


class _Manifest(_Model):
    rows: int
    domains: dict[str, _Domain]
    outputs: dict[str, _File]


@dataclass(frozen=True, slots=True)
class TrainingMix:
    """A mix as its manifest tells it. `tokens` are those that data-prep counted, with no chat template around them."""

    folder: Path
    rows: int
    tokens: int
    sha256: str
    manifest_sha256: str

    @property
    def hash(self) -> str:
        """What names this content of a mix, and no other: the first 16 hex digits of the sha256 of train.jsonl."""
        return self.sha256[:_HASH_DIGITS]


def training_mix(folder: Path) -> TrainingMix:
    """The mix in a folder, its train.jsonl held against its manifest.

    Raises OpenbookError where there is none, where it cannot be read, or where it was changed after the build.
    """
    again = _command(folder)
    content = _content(folder, again)
    manifest = _manifest(folder, content)
    declared = manifest.outputs.get(TRAIN)
    if declared is None:
        raise OpenbookError(f"{folder / MANIFEST}: tells nothing of {TRAIN}; build it again with: {again}")
    if _file(folder / TRAIN, declared.bytes, again) != declared:
        raise OpenbookError(f"{folder / TRAIN}: was changed after the build; build it again with: {again}")
    return TrainingMix(
        folder=folder,
        rows=manifest.rows,
        tokens=sum(domain.tokens for domain in manifest.domains.values()),
        sha256=declared.sha256,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
    )


def mix_folder(config: Mapping[str, Any]) -> Path:
    """The folder of the one mix that a recipe trains on; raises OpenbookError where it names none, or several."""
    datasets = config.get("datasets") or []
    if not isinstance(datasets, list):
        raise OpenbookError("datasets: is no list; a recipe trains on one mix: - {path: mixes/NAME/train.jsonl, ...}")
    if len(datasets) != 1:
        raise OpenbookError(f"datasets: names {len(datasets)}, and a recipe trains on one mix; mix before training")
    path = datasets[0].get("path") if isinstance(datasets[0], Mapping) else None
    if not isinstance(path, str) or Path(path).name != TRAIN:
        raise OpenbookError(f"datasets: path is {path!r}; a recipe trains on the {TRAIN} of a mix, mixes/NAME/{TRAIN}")
    return Path(path).parent


def prepared_path(path: str, mix: TrainingMix) -> str:
    """Where Axolotl keeps the tokenised rows of this very mix.

    Axolotl's own key of that cache leaves out the content of the file, so a mix that was built anew would be met by the
    rows of the old one.
    """
    ending = f"-{mix.hash}"
    return path if path.endswith(ending) else path.rstrip("/") + ending


def _command(folder: Path) -> str:
    """What builds a mix of this name again: a mix that is not there says nothing of its spec, but ours are two."""
    if folder.name.startswith("tiny"):
        build = "data-prep invent --out data && data-prep build tiny --data data"
    else:
        build = "data-prep build paper"
    return f"{build} --out {folder.parent} --mix {folder.name}"


def _content(folder: Path, again: str) -> bytes:
    if not folder.is_dir():
        raise OpenbookError(f"{folder}: there is no mix; build it with: {again}")
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise OpenbookError(
            f"{folder / MANIFEST}: cannot be read ({error.strerror}); build it with: {again}"
        ) from error


def _manifest(folder: Path, content: bytes) -> _Manifest:
    try:
        return _Manifest.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise OpenbookError(
            f"{folder / MANIFEST}: not a manifest of data-prep ({place}: {fault['msg']}); build the mix again"
        ) from error


def _file(path: Path, size: int, again: str) -> _File:
    """Size and hash of a file; of one that is not of the size that it should be, only the size."""
    try:
        with path.open("rb") as file:
            if (found := path.stat().st_size) != size:
                return _File(bytes=found, sha256="")
            return _File(bytes=found, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); build it again with: {again}") from error
