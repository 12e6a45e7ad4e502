"""What a reader makes of an exam file, and the bytes it reads it from."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from openbook_eval.errors import ExamError, some
from openbook_eval.files import decode, sha256
from openbook_eval.types import Question


@dataclass(frozen=True, slots=True)
class ExamFile:
    """An exam as read: its questions, where they come from, and what the reader wants known.

    `sha256` is over the bytes of every file read. `unmarkable` are questions whose answer is not published: they are
    shown but not asked, since no score could be given. `notices` are oddities that the reader dealt with. `lacks_book`
    says what to do where the publisher's book is missing, which must not be replaced unasked.
    """

    name: str
    version: str
    sha256: str
    questions: tuple[Question, ...]
    unmarkable: tuple[Question, ...] = ()
    notices: tuple[str, ...] = ()
    lacks_book: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """Return what results and samples say of the exam they were taken on."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    def named(self, name: str, version: str) -> "ExamFile":
        """Return the same exam under the name and version of its publisher."""
        return replace(self, name=name, version=version)


class ExamSource:
    """The files of an exam: one, called "", or by name those of a folder or zip; remembers what was read, for the hash.

    Where a `part` is named, `build` takes the questions of that class only.
    """

    def __init__(self, path: Path, part: str | None = None) -> None:
        """Open `path`; raises ExamError where there is nothing or the zip is broken."""
        if not path.exists():
            raise ExamError(f"{path}: no such file or folder; give the path of an exam, or OPENBOOK_EXAM=mini")
        self.path, self.part = path, part
        self._read: dict[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(path) if path.is_file() and path.suffix.lower() == ".zip" else None
        except (OSError, zipfile.BadZipFile) as error:
            raise ExamError(f"{path}: not a readable zip file ({error})") from error

    @property
    def is_one_file(self) -> bool:
        """Return whether this is a file and no zip."""
        return self._zip is None and not self.path.is_dir()

    def names(self) -> list[str]:
        """Return the names of the files in a folder or zip, in order."""
        if self._zip:
            return sorted(name for name in self._zip.namelist() if not name.endswith("/"))
        return sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())

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

    def read(self, name: str = "") -> bytes:
        """Return the bytes of a file; raises ExamError where it cannot be read."""
        try:
            data = self._zip.read(name) if self._zip else (self.path / name).read_bytes()
        except Exception as error:  # beside OSError, each decompressor of a zip has its own
            raise ExamError(f"{self.label(name)}: cannot be read ({error})") from error
        self._read[name] = sha256(data)
        return data

    def text(self, name: str = "") -> str:
        """Return the text of a file in any usual encoding; raises ExamError."""
        return decode(self.read(name), self.label(name))

    def rows(self, name: str = "") -> list[dict[str, Any]]:
        """Return the rows of a file that holds one JSON array of objects; raises ExamError naming line or row."""
        text, label = self.text(name), self.label(name)
        try:
            rows = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ExamError(f"{label}: line {error.lineno} is not JSON ({error.msg})") from error
        if not isinstance(rows, list) or not rows:
            raise ExamError(f"{label}: wants a JSON array of questions that is not empty")
        if wrong := [f"row {n}: not a JSON object" for n, row in enumerate(rows, 1) if not isinstance(row, dict)]:
            raise ExamError.from_faults(label, wrong)
        return rows

    def label(self, name: str = "") -> str:
        """Return how an error names a file."""
        return str(self.path / name)

    @property
    def sha256(self) -> str:
        """Return the hash of the one file read; of several the hash over their sorted hashes, wherever they lie."""
        hashes = sorted(self._read.values())
        return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes))


def build(
    source: ExamSource, rows: Iterable[tuple[str, Question | str]], notices: Iterable[str] = (), name: str = ""
) -> ExamFile:
    """Check all questions of the file called `name` and make the exam of them.

    `rows` are pairs of a place ("row 12") and either a question or what kept it from being one. Raises ExamError with
    every fault of the file at once. Questions without an answer are kept apart.
    """
    questions: list[Question] = []
    faults: list[str] = []
    places: dict[str, str] = {}
    for place, row in rows:
        if isinstance(row, str):
            faults.append(f"{place}: {row}")
            continue
        twice = [f"id {row.id!r} is already that of {places[row.id]}"] if row.id in places else []
        faults += [f"{place}: {fault}" for fault in (*twice, *row.faults())]
        places.setdefault(row.id, place)
        questions.append(row)
    classes = dict.fromkeys(question.exam_class for question in questions)
    if source.part is not None:
        questions = [question for question in questions if question.exam_class == source.part]
    asked = tuple(question for question in questions if question.answer)
    if not faults and not asked:
        where = "answers in a file of their own want its folder as PATH"
        where = where if source.part is None else f"none of class {source.part!r}; it has {', '.join(sorted(classes))}"
        faults = [f"no question with a published answer; {where}"]
    if faults:
        raise ExamError.from_faults(source.label(name), faults)
    unmarkable = tuple(question for question in questions if not question.answer)
    return ExamFile(
        name=source.path.name if source.part is None else f"{source.path.name}#{source.part}",
        version="unversioned",
        sha256=source.sha256,
        questions=asked,
        unmarkable=unmarkable,
        notices=(*notices, *_oddities(asked, unmarkable)),
    )


def _oddities(questions: Sequence[Question], unmarkable: Sequence[Question]) -> Iterator[str]:
    if unmarkable:
        ids = some([question.id for question in unmarkable])
        yield f"{len(unmarkable)} questions without a published answer (ids {ids}): read, but not asked"
    count = sum(question.exam == "other" for question in questions)
    if 0 < count < len(questions):
        yield f"{count} questions carry none of the six exam labels; cmed_openbook_other asks them"
    same = [question.id for question in questions if len(set(question.options.values())) < len(question.options)]
    if same:
        yield f"{len(same)} questions have two options with the same text (ids {some(same)})"
