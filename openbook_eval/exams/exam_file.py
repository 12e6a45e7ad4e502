"""What a reader makes of an exam file, and the rows and bytes it reads it from."""

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
import polars as pl

from openbook_eval.errors import ExamError, first_line, some
from openbook_eval.exams.texts import cleaned, lacks
from openbook_eval.files import decode, sha256
from openbook_eval.types import Question

# Why a row of an exam file is not asked.
NOT_ASKED: Mapping[str, str] = {
    "faulty": "with a fault",
    "no_answer": "without a published answer",
    "no_picture": "about a picture that is not there",
    "no_table": "about a table that is not there",
}
# Tables are read as text throughout: type guessing would turn a column of bare numbers into floats.
_TABLES: Mapping[str, Callable[[io.BytesIO], pl.DataFrame]] = {
    ".csv": partial(pl.read_csv, infer_schema=False),
    ".xlsx": partial(pl.read_excel, infer_schema_length=0),
    ".parquet": pl.read_parquet,
}
# What spreadsheets and pandas leave for an empty cell.
_EMPTY = {"", "nan", "None"}

Row = tuple[str, dict[str, Any] | str]
"""A row's place in its file ("row 12") and the row, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that is not asked: its question's id, else its place, and why, a key of NOT_ASKED.

    `fault` says what is wrong with a faulty row; of the others `question` is what was read.
    """

    name: str
    reason: str
    fault: str = ""
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ExamFile:
    """An exam as read: the questions to be asked, where they come from, and what the reader wants known.

    `sha256` is over the bytes of every file read. `dropped` are the rows that are not asked, for no score could be
    given. `corrected` is the number of answers that are put right. `notices` are oddities that the reader dealt with.
    `lacks_book` says what to do where the publisher's book is missing, which must not be replaced unasked.
    """

    name: str
    version: str
    sha256: str
    questions: tuple[Question, ...]
    dropped: tuple[Dropped, ...] = ()
    corrected: int = 0
    notices: tuple[str, ...] = ()
    lacks_book: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """Return what names this exam among others."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    @property
    def record(self) -> dict[str, Any]:
        """Return what results say of the exam they were taken on: also how many rows are not asked, by reason."""
        reasons = Counter(each.reason for each in self.dropped)
        counts = {reason: reasons[reason] for reason in NOT_ASKED if reasons[reason]}
        return {**self.provenance, "not_asked": counts, "corrected": self.corrected}

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

    def rows(self, name: str = "") -> list[Row]:
        """Return the rows of a JSON array, of JSON lines (whatever the suffix says) or of a table.

        Raises ExamError where the file as a whole is broken, or no row is one.
        """
        suffix, label = PurePosixPath(name or self.path.name).suffix.lower(), self.label(name)
        rows = list(self._table(name, suffix) if suffix in _TABLES else self._json(name))
        if not any(isinstance(row, dict) for _, row in rows):
            wanted = "a JSON array of objects that is not empty, or one object a line"
            raise ExamError(f"{label}: no row can be read; wants {wanted}")
        return rows

    def _json(self, name: str) -> Iterator[Row]:
        text = self.text(name)
        if text.lstrip().startswith("["):
            try:
                rows = enumerate(orjson.loads(text), 1)
            except orjson.JSONDecodeError as error:
                raise ExamError(f"{self.label(name)}: line {error.lineno} is not JSON ({error.msg})") from error
            yield from ((f"row {n}", row if isinstance(row, dict) else "not a JSON object") for n, row in rows)
            return
        # Not splitlines: it also breaks at characters such as U+2028 that JSON allows inside a string.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    row = orjson.loads(line)
                    yield f"line {number}", row if isinstance(row, dict) else "not a JSON object"
                except orjson.JSONDecodeError as error:
                    yield f"line {number}", f"not JSON ({error.msg})"

    def _table(self, name: str, suffix: str) -> Iterator[Row]:
        """Yield the rows that are not empty, as spreadsheets leave them behind; row 1 is the header."""
        data = self.text(name).encode() if suffix == ".csv" else self.read(name)
        try:
            table = _TABLES[suffix](io.BytesIO(data))
        except Exception as error:  # polars, fastexcel and calamine each raise their own kinds
            raise ExamError(f"{self.label(name)}: not a readable table ({first_line(error)})") from error
        for number, row in enumerate(table.iter_rows(named=True), 2):
            texts = {column: cell.strip() if isinstance(cell, str) else cell for column, cell in row.items()}
            cells = {column: "" if cell is None or str(cell) in _EMPTY else cell for column, cell in texts.items()}
            if any(cell != "" for cell in cells.values()):
                yield f"row {number}", cells

    def label(self, name: str = "") -> str:
        """Return how an error names a file."""
        return str(self.path / name)

    @property
    def sha256(self) -> str:
        """Return the hash of the one file read; of several the hash over their sorted hashes, wherever they lie."""
        hashes = sorted(self._read.values())
        return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes))


def read_rows(source: ExamSource, read: Callable[[Mapping[str, Any], str], Question | str]) -> ExamFile:
    """Make an exam of one file: `read` turns a row at a place into a question, or says what keeps it from being one."""
    rows = source.rows()
    return build(source, ((place, row if isinstance(row, str) else read(row, place)) for place, row in rows))


def build(source: ExamSource, rows: Iterable[tuple[str, Question | str]], name: str = "") -> ExamFile:
    """Check all questions of the file called `name` and make the exam of them.

    `rows` are pairs of a place ("row 12") and either a question or what kept it from being one. A row with a fault is
    dropped, and so is a question without an answer or without what it is about. Raises ExamError, with every fault,
    where nothing is left to be asked.
    """
    questions: list[Question] = []
    dropped: list[Dropped] = []
    places: dict[str, str] = {}
    classes: dict[str, None] = {}
    marked = []
    for place, row in rows:
        if isinstance(row, str):
            dropped.append(Dropped(place, "faulty", row))
            continue
        first = places.setdefault(row.id, place)
        classes[row.exam_class] = None
        if source.part not in (None, row.exam_class):
            continue
        question = cleaned(row)
        faults = [*([f"id {row.id!r} is already that of {first}"] if first != place else []), *question.faults()]
        reason = "faulty" if faults else lacks(question) if question.answer else "no_answer"
        if faults:
            dropped.append(Dropped(place, reason, "; ".join(faults)))
        elif reason:
            dropped.append(Dropped(row.id, reason, question=question))
        else:
            questions.append(question)
            marked += [row.id] * (question is not row)
    if not questions:
        raise _nothing_to_ask(source, name, dropped, classes)
    return ExamFile(
        name=source.path.name if source.part is None else f"{source.path.name}#{source.part}",
        version="unversioned",
        sha256=source.sha256,
        questions=tuple(questions),
        dropped=tuple(dropped),
        notices=tuple(_oddities(questions, dropped, marked)),
    )


def _nothing_to_ask(
    source: ExamSource, name: str, dropped: Sequence[Dropped], classes: Mapping[str, None]
) -> ExamError:
    where = "answers in a file of their own want its folder as PATH"
    if source.part is not None:
        where = f"none of class {source.part!r}; it has {', '.join(sorted(classes))}"
    faults = [f"{each.name}: {each.fault}" for each in dropped if each.fault and source.part in (None, *classes)]
    return ExamError.from_faults(source.label(name), faults or [f"no question with a published answer; {where}"])


def _oddities(questions: Sequence[Question], dropped: Sequence[Dropped], marked: Sequence[str]) -> Iterator[str]:
    faulty = [f"{each.name}: {each.fault}" for each in dropped if each.fault]
    if faulty:
        most = "; most rows have one: is this file what it is taken for?" if len(faulty) > len(questions) else ""
        yield f"{len(faulty)} rows with a fault are not asked ({some(faulty)}){most}"
    for reason in [each for each in NOT_ASKED if each != "faulty"]:
        if ids := [each.name for each in dropped if each.reason == reason]:
            yield f"{len(ids)} questions {NOT_ASKED[reason]} (ids {some(ids)}): read, but not asked"
    if marked:
        yield f"{len(marked)} questions had markup, which is taken out (ids {some(marked)})"
    count = sum(question.exam == "other" for question in questions)
    if 0 < count < len(questions):
        yield f"{count} questions carry none of the six exam labels; cmed_openbook_other asks them"
    same = [question.id for question in questions if len(set(question.options.values())) < len(question.options)]
    if same:
        yield f"{len(same)} questions have two options with the same text (ids {some(same)})"
