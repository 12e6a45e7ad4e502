"""What format a file has: as declared, else by its name; json and jsonl by what it begins with."""

import re
from collections.abc import Sequence
from pathlib import Path

import orjson

from data_prep.sources.content import head
from data_prep.spec import Format
from openbook_eval.errors import OpenbookError

_SUFFIXES: dict[str, Format] = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx",
    ".parquet": "parquet", ".txt": "text",
}  # fmt: skip
_PACKED = (".gz", ".gzip", ".zst", ".zstd")
_JSON: tuple[Format, ...] = ("json", "jsonl")
_TEXTS: tuple[Format, ...] = ("json", "jsonl", "csv", "tsv", "text")
# What files of other formats begin with.
_BINARY = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx or another zip"}
_SPACE = re.compile(rb"\s*")


def patterns(declared: Format | None) -> list[str]:
    """Patterns of the names that files of a format have, of all formats where none is declared."""
    endings = [suffix for suffix, format_ in _SUFFIXES.items() if declared in (None, format_)]
    # Files that hold lines of JSON are called .json as often as not.
    endings += [".json"] if declared == "jsonl" else []
    return [f"*{ending}{packed}" for ending in endings for packed in ("", *_PACKED)]


def named(file: Path) -> Format | None:
    """The format that a file's name says, none where it says none."""
    name = file.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return _SUFFIXES.get(Path(name).suffix)


def one_format(files: Sequence[tuple[str, Path]], declared: Format | None) -> None:
    """Raises OpenbookError where files (label, path) of a source have names of two formats or of none.

    A declared format settles it.
    """
    if declared:
        return
    found: dict[Format, str] = {}
    for label, file in files:
        format_ = named(file)
        if format_ is None:
            known = ", ".join([*_SUFFIXES, *_PACKED[::2]])
            raise OpenbookError(
                f"{label}: its name tells no format ({known}); name it in the source, such as format: json"
            )
        found.setdefault("json" if format_ in _JSON else format_, label)
    if len(found) > 1:
        each = ", ".join(f"{label} is {format_}" for format_, label in found.items())
        raise OpenbookError(f"two formats in one source: {each}; make it two sources, or narrow the path")


def format_of(file: Path, label: str, declared: Format | None) -> Format:
    """The format of a file. Raises OpenbookError where it plainly has another than the one declared or named."""
    start = head(file)
    if not start:
        raise OpenbookError(f"{label}: is empty")
    format_ = declared or named(file)
    if format_ is None:
        raise OpenbookError(f"{label}: its name tells no format; name it in the source, such as format: json")
    other = next((name for magic, name in _BINARY.items() if start.startswith(magic)), None)
    if format_ in _TEXTS and other:
        raise OpenbookError(f"{label}: should be {format_}, but is {other}; name its format in the source")
    if format_ not in _JSON:
        return format_
    looks = _json_or_lines(start)
    if declared and looks and looks != declared:
        raise OpenbookError(f"{label}: is declared as {declared}, but is {looks}; mend the source's format")
    return looks or format_


def _json_or_lines(start: bytes) -> Format | None:
    """A JSON array, or an object a line; none where the first bytes do not tell."""
    begin = _SPACE.match(start)
    at = begin.end() if begin else 0
    if start[at : at + 1] == b"[":
        return "json"
    if start[at : at + 1] != b"{":
        return None
    line, end, _ = start[at:].partition(b"\n")
    if not end:
        return "jsonl"
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return "jsonl"
