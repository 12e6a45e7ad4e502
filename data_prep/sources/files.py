"""Which files a source has, and in what parts they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from data_prep.sources.content import is_packed, is_utf16
from data_prep.sources.formats import format_of, one_format
from data_prep.sources.hub import fetch
from data_prep.spec import Source
from openbook_eval.errors import OpenbookError

# A larger file of lines is read in parts of about this many bytes, by several processes.
SIZE = 64 << 20
_BLOCK = 256 << 10
_LINE_END = ord("\n")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file, which are whole lines; `first_row` is the number (from 1) of the first.

    `label` is the file's name relative to the data folder, or its data set's name and its name in that.
    """

    source: Source
    label: str
    file: Path
    start: int
    end: int
    first_row: int


def parts(source: Source, data: Path) -> list[Part]:
    """The parts of all files of a source, by label; paths are relative to the folder `data`.

    Raises OpenbookError where no file is there or matches, where one cannot be read, is empty or of unknown format,
    and where files are of two formats.
    """
    try:
        files = _local(source, source.path, data) if source.path is not None else []
        if not files and source.hub:
            files = fetch(source.hub, source.format)
        one_format(files, source.format)
        return [part for label, file in files for part in _parts_of(source, label, file)]
    except OSError as error:
        raise OpenbookError(f"source {source.name}: {error.filename}: cannot be read ({error.strerror})") from error
    except OpenbookError as error:
        raise OpenbookError(f"source {source.name}: {error}") from error


def _local(source: Source, pattern: str, data: Path) -> list[tuple[str, Path]]:
    """Label and path of every file that is there; none is an error unless the hub has them."""
    named = data / pattern
    if named.is_dir():
        raise OpenbookError(f"{named} is a folder; name its files, such as path: {pattern}/*.json")
    found = [named] if named.is_file() else _matching(pattern, data)
    files = sorted((file.relative_to(data) if file.is_relative_to(data) else file, file) for file in found)
    if files or source.hub:
        return [(label.as_posix(), file) for label, file in files]
    what = "no file matches" if any(sign in pattern for sign in "*?[") else "no such file:"
    raise OpenbookError(f"{what} {named}; mend its path, or name the folder of the data by --data")


def _matching(pattern: str, data: Path) -> list[Path]:
    anchor = Path(pattern).anchor
    try:
        found = Path(anchor).glob(pattern.removeprefix(anchor)) if anchor else data.glob(pattern)
        return [file for file in found if file.is_file()]
    except ValueError as error:
        raise OpenbookError(f"path {pattern}: matches no file ({error})") from error


def _parts_of(source: Source, label: str, file: Path) -> Iterator[Part]:
    format_ = format_of(file, label, source.format)
    size = file.stat().st_size
    if format_ != "jsonl" or size <= SIZE * 3 // 2 or not _can_be_cut(file):
        yield Part(source, label, file, 0, size, 1)
        return
    for start, end, first_row in line_ranges(file, SIZE):
        yield Part(source, label, file, start, end, first_row)


def _can_be_cut(file: Path) -> bool:
    with file.open("rb") as opened:
        return not is_packed(file) and not is_utf16(opened.read(2))


def line_ranges(file: Path, size: int) -> Iterator[tuple[int, int, int]]:
    """Ranges that are whole lines of `size` bytes or little more: start, end, and number (from 1) of the first line."""
    start, row = 0, 1
    with file.open("rb") as opened:
        while lines := _skip(opened, size):
            yield start, opened.tell(), row
            start, row = opened.tell(), row + lines


def _skip(opened: BufferedReader, size: int) -> int:
    """Goes on by `size` bytes and to the end of that line; the number of lines passed, 0 at the end of the file."""
    # numpy counts in a third of the time that bytes.count takes.
    block = bytearray(_BLOCK)
    values = np.frombuffer(block, dtype=np.uint8)
    lines, last = 0, _LINE_END
    while size > 0 and (read := opened.readinto(memoryview(block)[:size])):
        lines += int(np.count_nonzero(values[:read] == _LINE_END))
        last, size = block[read - 1], size - read
    if last != _LINE_END:
        opened.readline()
        lines += 1
    return lines
