"""Hashes: what a step's result is known by, and those of files, kept so that nothing is read twice."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError

_DIGITS = 12
_FILE = "hashes.json"
# A file that was written just now may be written again without a change of size or time stamp.
_SETTLED_NS = 2_000_000_000


def canonical(value: Any) -> bytes:
    """JSON of a value, the same bytes for equal values; raises ValueError or TypeError for what JSON cannot hold."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def digest(value: Any) -> str:
    """What names a value of plain JSON and no other: 12 hex digits of the sha256 of its canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()[:_DIGITS]


def folder_digest(files: Iterable[tuple[str, str]]) -> str:
    """What names a folder by its files: pairs of relative path and sha256, in any order."""
    return digest(sorted(files))


class Hashes:
    """The sha256 of files; kept in `folder`, if one is given, by path and all that a change of content changes.

    That is size, time of the last write, and what no program sets: the file's number, and the time of its last change.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Reads what was kept before; a file of it that is broken counts for nothing."""
        self._path = folder / _FILE if folder else None
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        with suppress(OSError, ValueError, RecursionError):
            kept = json.loads(self._path.read_bytes()) if self._path else {}
            if isinstance(kept, dict):
                self._known = {name: entry for name, entry in kept.items() if _is_entry(entry)}

    def of(self, path: Path) -> str:
        """The sha256 of a file's bytes, in hex. Raises OpenbookError where it cannot be read."""
        place = str(path.absolute())
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            if self._known.get(place, [])[:-1] == stamp:
                return str(self._known[place][-1])
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OpenbookError(f"{path}: cannot be read ({error.strerror}); see that you may read it") from error
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NS:
            self._known[place] = [*stamp, found]
            self._changed = True
        return found

    def of_folder(self, folder: Path) -> str:
        """What names a folder by the names and contents of all its files, hidden ones left out."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        return folder_digest((path.relative_to(folder).as_posix(), self.of(path)) for path in files)

    def save(self) -> None:
        """Keeps what was hashed; where that cannot be written, it is hashed again another time."""
        if self._path is None or not self._changed:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, canonical(self._known))


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, int, int, int, str]


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that others see the old one or the new one. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        beside.chmod(0o644)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
