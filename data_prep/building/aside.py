"""Files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from data_prep.manifest import File


class Written:
    """A file being written under a temporary name, with the hash of what went into it."""

    def __init__(self, file: BinaryIO) -> None:
        """Of an open file."""
        self._file = file
        self._hash = sha256()
        self._bytes = 0

    def write(self, block: bytes) -> None:
        """Appends a block."""
        self._file.write(block)
        self._hash.update(block)
        self._bytes += len(block)

    def content(self) -> File:
        """Size and hash of what was written so far, all of it handed to the system."""
        self._file.flush()
        return File(bytes=self._bytes, sha256=self._hash.hexdigest())


@contextmanager
def aside(path: Path) -> Iterator[Written]:
    """Writes to a name beside `path` and renames it at the end; where anything fails the file beside is removed."""
    beside = path.with_name(f"{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield Written(file)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
