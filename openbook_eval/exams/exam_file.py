"""What a reader makes of an exam file, and the bytes it reads it from."""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from openbook_eval.errors import ExamError, some
from openbook_eval.files import decode
from openbook_eval.types import Question, sorted_letters


@dataclass(frozen=True, slots=True)
class ExamFile:
    """An exam as read: its questions, where they come from, and what the reader wants known.

    `sha256` is over the bytes of every file read. `unmarkable` are questions whose answer is not published: they are
    shown but not asked, since nothing could mark them. `notices` are oddities that the reader dealt with.
    """

    name: str
    version: str
    sha256: str
    questions: tuple[Question, ...]
    unmarkable: tuple[Question, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, str]:
        """Return what results and samples say of the exam they were taken on."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    def named(self, name: str, version: str) -> "ExamFile":
        """Return the same exam under the name and version of its publisher."""
        return replace(self, name=name, version=version)


class ExamSource:
    """The files of an exam, by name: one file, a folder or a zip; remembers what was read, for the hash."""

    def __init__(self, path: Path) -> None:
        """Open `path`; raises ExamError where there is nothing or the zip is broken."""
        if not path.exists():
            raise ExamError(f"{path}: no such file or folder; give the path of an exam, or OPENBOOK_EXAM=mini")
        self.path = path
        self._zip = _open_zip(path) if path.is_file() and path.suffix.lower() == ".zip" else None
        self._read: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return names of all files, in order; those of a folder or zip relative to it."""
        if self._zip:
            return sorted(name for name in self._zip.namelist() if not name.endswith("/"))
        if self.path.is_dir():
            files = (file for file in self.path.rglob("*") if file.is_file())
            return sorted(file.relative_to(self.path).as_posix() for file in files)
        return [self.path.name]

    def find(self, *patterns: str) -> str | None:
        """Return the one file whose base name matches the first pattern that any does; raises ExamError for two."""
        paths = [PurePosixPath(name) for name in self.names()]
        # __MACOSX and other hidden copies are not the file.
        paths = [path for path in paths if not any(part.startswith((".", "__")) for part in path.parts)]
        for pattern in patterns:
            found = [str(path) for path in paths if PurePosixPath(path.name).match(pattern)]
            if len(found) > 1:
                raise ExamError(f"{self.path}: {' and '.join(found[:3])} could both be meant; name one of them as PATH")
            if found:
                return found[0]
        return None

    def read(self, name: str) -> bytes:
        """Return the bytes of the file called `name` by `names`; raises ExamError where it cannot be read."""
        try:
            if self._zip:
                data = self._zip.read(name)
            else:
                data = (self.path / name if self.path.is_dir() else self.path).read_bytes()
        except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
            raise ExamError(f"{self.label(name)}: cannot be read ({error})") from error
        self._read[name] = hashlib.sha256(data).hexdigest()
        return data

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a JSON file; raises ExamError."""
        return parse_rows(self.read(name), self.label(name))

    def label(self, name: str) -> str:
        """Return how an error names the file."""
        return str(self.path) if self.path.name == name and not self.path.is_dir() else f"{self.path}/{name}"

    @property
    def sha256(self) -> str:
        """Return the hash of the one file read; of several the hash over their sorted hashes, wherever they lie."""
        hashes = sorted(self._read.values())
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ExamError(f"{path}: not a readable zip file ({error})") from error


def parse_rows(data: bytes, label: str) -> list[dict[str, Any]]:
    """Return rows of a file that holds one JSON array of objects; raises ExamError naming line or row."""
    text = decode(data, label)
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ExamError(f"{label}: line {error.lineno} is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ExamError(f"{label}: nested too deeply for an exam") from error
    if not isinstance(rows, list) or not rows:
        raise ExamError(f"{label}: wants a JSON array of questions that is not empty")
    if wrong := [f"row {n}: not a JSON object" for n, row in enumerate(rows, 1) if not isinstance(row, dict)]:
        raise ExamError.from_faults(label, wrong)
    return rows


def build(
    source: ExamSource,
    label: str,
    rows: Iterable[tuple[str, Question | str]],
    notices: Iterable[str] = (),
    *,
    may_lack_answers: bool = False,
) -> ExamFile:
    """Check all questions of a file and make the exam of them.

    `rows` are pairs of a place ("row 12") and either a question or what kept it from being one. Raises ExamError with
    every fault of the file at once; a missing answer is one unless `may_lack_answers`.
    """
    questions: list[Question] = []
    unmarkable: list[Question] = []
    found: list[str] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        if isinstance(row, str):
            found.append(f"{place}: {row}")
            continue
        faults = [f"id {row.id!r} is already that of {seen[row.id]}"] if row.id in seen else []
        faults += [] if row.answer or may_lack_answers else ["has no answer"]
        found += [f"{place}: {fault}" for fault in (*faults, *row.faults())]
        seen.setdefault(row.id, place)
        (questions if row.answer else unmarkable).append(row)
    if not found and not questions:
        found.append("no question with a published answer" if unmarkable else "holds no questions")
    if found:
        raise ExamError.from_faults(label, found)
    return ExamFile(
        name=source.path.name,
        version="unversioned",
        sha256=source.sha256,
        questions=tuple(questions),
        unmarkable=tuple(unmarkable),
        notices=(*notices, *_oddities(questions)),
    )


def _oddities(questions: Sequence[Question]) -> Iterator[str]:
    count = sum(question.exam == "other" for question in questions)
    if 0 < count < len(questions):
        yield f"{count} questions carry none of the six exam labels; cmed_openbook_other asks them"
    same = [question.id for question in questions if len(set(question.options.values())) < len(question.options)]
    if same:
        yield f"{len(same)} questions have two options with the same text (ids {some(same)})"


def as_published(text: str) -> str:
    """Return `text` where it is not the sorted set of its letters, else "": what `Question.published` holds."""
    return "" if text == sorted_letters(text) else text
