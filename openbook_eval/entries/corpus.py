"""A folder of texts to find entries in."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.files import decode

_SUFFIXES = {".txt", ".md"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Corpus:
    """The .txt and .md files of a folder and its sub-folders: bytes by relative name, in the order of the names."""

    folder: Path
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """Over the names and the contents: another name is another order of the passages."""
        digest = hashlib.sha256()
        for name, data in self.files.items():
            digest.update(hashlib.sha256(os.fsencode(name)).digest() + hashlib.sha256(data).digest())
        return digest.hexdigest()

    def texts(self) -> Iterator[str]:
        """The files as text; raises OpenbookError naming the file that is none."""
        for name, data in self.files.items():
            label = str(self.folder / name)
            if b"\0" in data and not data.startswith(_UTF_16):
                raise OpenbookError(f"{label}: a binary file, not a text; take it out of the folder")
            yield decode(data, label)


def read_corpus(folder: Path) -> Corpus:
    """The texts of `folder`, hidden files and folders left out; raises OpenbookError where there are none."""
    try:
        if folder.is_file():
            raise OpenbookError(f"{folder}: a file, not a folder; name the folder that holds the texts")
        if not folder.is_dir():
            raise OpenbookError(f"{folder}: no such folder; name one that holds .txt or .md files")
        files = {name: (folder / name).read_bytes() for name in sorted(_names(folder))}
    except OSError as error:
        place = error.filename or folder
        raise OpenbookError(
            f"{place}: cannot be read ({error.strerror}); mend it or take it out of the corpus"
        ) from error
    if not any(data.strip() for data in files.values()):
        what = "only empty .txt and .md files" if files else "no .txt or .md files"
        raise OpenbookError(f"{folder}: holds {what}; put the texts to search there")
    return Corpus(folder, files)


def _names(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.suffix.lower() in _SUFFIXES and file.is_file():
                yield file.relative_to(folder).as_posix()


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed is told: left out in silence, another corpus would be searched."""
    raise error
