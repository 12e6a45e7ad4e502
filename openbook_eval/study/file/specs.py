"""Specs of training data as a study needs them: their mixes, and the raw files that these are made of.

A spec is data-prep's, which checks it in full when it builds a mix; here it is read as plain YAML.
"""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from math import gcd, lcm
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.study.cells import Mix
from openbook_eval.study.file.yaml_files import read_yaml
from openbook_eval.study.hashing import digest
from openbook_eval.training import recipes as costs
from openbook_eval.training.recipes import Mix as TrainingMix

# Where data-prep looks for raw files when it is not told.
DATA_VARIABLE = "OPENBOOK_DATA"
_USUAL = (Path("data"), Path("..") / "shared" / "data")
_PAIR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:：]\s*(\d+(?:\.\d+)?)\s*")
# These mean exams whatever lies here.
_EXAM_NAMES = ("mini", "cmb", "cmb-val")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")
# Rows or tokens; more than there are.
_MOST_ROWS = 10**12
# What a mix may be called: its folder.
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Source:
    """One source of rows: files by a glob relative to the folder of raw files, or a data set on the hub."""

    name: str
    path: str | None
    hub: str | None

    def files(self, data: Path | None) -> list[str]:
        """Paths of its files in the folder of raw files, relative to it, in order."""
        if self.path is None or data is None:
            return []
        # Unlike Path.glob it takes a path that starts at the root.
        found = [self.path] if (data / self.path).is_file() else glob.glob(self.path, root_dir=data, recursive=True)  # noqa: PTH207
        return sorted(name for name in found if (data / name).is_file())

    @property
    def lacking(self) -> str:
        """What is to be said where none of its files is there."""
        if self.hub:
            return f"source {self.name}: no file {self.path or 'is named'}; fetched from the hub: {self.hub}"
        return f"source {self.name}: no file {self.path}, and no data set on the hub is named; its rows are missing"


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec: what data-prep calls it (a path, or the name of one that comes with it), its mixes and sources."""

    name: str
    mixes: Mapping[str, Mix]
    sources: tuple[Source, ...]
    content: Mapping[str, Any]

    def digest(self, mix: str) -> str:
        """What names that part of the spec that can change this mix: all but the other mixes, and its name.

        Sources of other domains are part of it, for rows that repeat theirs are dropped.
        """
        return digest({**self.content, "mixes": self.content["mixes"][mix]})

    @property
    def other_files(self) -> list[Path]:
        """What else the mixes are made with: exams that they must not contain, and the tokenizer, where files here."""
        exams = (self.content.get("decontaminate") or {}).get("exams") or ()
        named = [*exams, self.content.get("tokenizer")]
        # An exam may be a part of a file: zh.json#cmb-single.
        whole = (each.partition("#")[0] for each in named if isinstance(each, str) and each not in _EXAM_NAMES)
        return [path for path in map(Path, whole) if path.name and os.path.exists(path)]  # noqa: PTH110 (long names)


def find(name: str, folder: Path) -> Spec:
    """The spec at a path in `folder`, or here, else the one of that name that comes with data-prep.

    Raises OpenbookError where there is none, or it cannot be read.
    """
    shipped = _shipped()
    for path in (folder / name, Path(name)):
        if path.is_file():
            return read(path, str(path.resolve()))
    if name in shipped:
        return read(shipped[name], name)
    raise OpenbookError(f"{name}: no such file, and no spec that comes with us; {did_you_mean(name, shipped)}")


def _shipped() -> dict[str, Path]:
    # Finds the package without running it.
    package = find_spec("data_prep")
    folders = list(package.submodule_search_locations or ()) if package else []
    return {file.stem: file for folder in folders for file in sorted((Path(folder) / "specs").glob("*.yml"))}


def read(path: Path, name: str) -> Spec:
    """The spec in a file; raises OpenbookError with its first fault."""
    content = read_yaml(path, texts=True)
    try:
        mixes = {str(mix): _mix(str(mix), entry) for mix, entry in content["mixes"].items()}
        sources = tuple(map(_source, content["sources"]))
        _check_exams(content)
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise OpenbookError(f"{path}: not a spec of data-prep ({_told(error)}); try: data-prep plan {path}") from error
    return Spec(name, mixes, sources, content)


def _source(entry: Mapping[str, Any]) -> Source:
    for key in ("name", "path", "hub"):
        if not isinstance(entry.get(key), str | None):
            raise ValueError(f"sources: {key} {entry[key]!r} is no text")
    return Source(entry["name"], entry.get("path"), entry.get("hub"))


def _check_exams(content: Mapping[str, Any]) -> None:
    asked = content.get("decontaminate")
    exams = asked.get("exams") if isinstance(asked, dict) else asked
    if exams is not None and not (isinstance(asked, dict) and isinstance(exams, list)):
        raise ValueError("decontaminate: is no list of exams; write {exams: [NAME, ...]}")


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())


def _mix(name: str, entry: Mapping[str, Any]) -> Mix:
    if not _NAME.fullmatch(name):
        raise ValueError(f"mix {name!r}: a name is small letters, digits and _ . -")
    parts = _parts(entry["ratio"])
    general, medical = (parts.get("general", Fraction(0)), sum(parts.values()) - parts.get("general", Fraction(0)))
    if general + medical <= 0 or min(general, medical) < 0 or (size := int(entry["size"])) < 1:
        raise ValueError(f"mix {name}: its parts and its size must be above 0")
    if size > _MOST_ROWS:
        raise ValueError(f"mix {name}: its size is above {_MOST_ROWS:,}")
    scale = lcm(Fraction(general).denominator, Fraction(medical).denominator)
    whole = (int(general * scale), int(medical * scale))
    shared = gcd(*whole)
    if entry.get("over", "rows") == "tokens":
        size = max(1, round(size / _tokens_a_row(float(medical / (general + medical)))))
    return Mix(name, whole[0] // shared, whole[1] // shared, size)


def _parts(ratio: object) -> dict[str, Fraction]:
    if isinstance(ratio, str):
        if not (pair := _PAIR.fullmatch(ratio)):
            raise ValueError(f"ratio {ratio!r} is no pair such as 9:1")
        return {"general": Fraction(pair[1]), "medical": Fraction(pair[2])}
    if not isinstance(ratio, dict):
        raise ValueError(f"ratio {ratio!r} is no pair such as 9:1")
    if odd := [part for part in ratio.values() if not (isinstance(part, str) and _NUMBER.fullmatch(part))]:
        raise ValueError(f"ratio: {odd[0]!r} is no number")
    return {str(domain): Fraction(part) for domain, part in ratio.items()}


def _tokens_a_row(medical: float) -> float:
    return costs.tokens_a_row(TrainingMix("", "", 0, medical, ""))


def data_folder(named: str, folder: Path) -> Path:
    """The folder of raw files that a study names, beside it or here; raises OpenbookError where there is none."""
    for path in (folder / named, Path(named)):
        if path.is_dir():
            return path.resolve()
    raise OpenbookError(f"{named}: no such folder of raw files, beside the study or here")


def usual_data_folder() -> Path | None:
    """Where data-prep looks for raw files when it is not told; None where nothing is there."""
    variable = os.environ.get(DATA_VARIABLE)
    usual = [Path(variable)] if variable else _USUAL
    return next((path.resolve() for path in usual if path.is_dir()), None)


def missing(spec: Spec, data: Path | None) -> Iterator[str]:
    """What is to be said of sources whose files are not there."""
    for source in spec.sources:
        if not source.files(data):
            yield source.lacking
