"""An exam made ready to be asked: its file, an entry for every question, and the material that books are made of."""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.grouping import Material, gather
from openbook_eval.books.providers import Provided, provide
from openbook_eval.errors import ExamError, validation_message
from openbook_eval.exams import ExamFile, load_exam
from openbook_eval.prompt import build_prompt


class ExamSettings(BaseModel):
    """What `--metadata` says of the exam and its books.

    `exam` is a name or path, `entries` names the providers, `fill` another exam whose entries fill books. `full` asks
    all questions on the longest books too. `book_seed` orders questions in groups and entries in books.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    exam: str | None = None
    entries: Any = None
    fill: str | None = None
    full: bool = False
    book_seed: int = 0

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "ExamSettings":
        """Take the settings out of lm-eval's metadata, which holds the model's arguments too.

        Raises ExamError for a value of the wrong kind, and for a key that is nearly one of ours.
        """
        ours = {key: value for key, value in metadata.items() if key in cls.model_fields}
        for key in metadata.keys() - ours.keys():
            if close := difflib.get_close_matches(key, cls.model_fields.keys() - ours.keys(), n=1, cutoff=0.75):
                raise ExamError(f"--metadata: unknown key {key!r}; did you mean {close[0]!r}?")
        try:
            return cls.model_validate(ours)
        except ValidationError as error:
            found = [validation_message(dict(fault), cls.model_fields) for fault in error.errors()]
            raise ExamError(f"--metadata: {'; '.join(found)}") from error


@dataclass(frozen=True, slots=True)
class PreparedExam:
    """An exam file, the entries of its questions, and the material for shared books."""

    file: ExamFile
    provided: Provided
    material: Material
    fill: ExamFile | None

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what results say of entries and books."""
        fill = self.fill.provenance if self.fill else None
        return {**self.provided.provenance, "fill": fill, "book_seed": self.material.seed}


def prepare(settings: ExamSettings) -> PreparedExam:
    """Read the exam and its entries, once a process. Raises ExamError, or OpenbookError from a provider."""
    name = settings.exam or os.environ.get("OPENBOOK_EXAM")
    return _prepare(name, json.dumps(settings.entries, sort_keys=True), settings.fill, settings.book_seed)


@cache
def _prepare(exam: str | None, entries: str, fill: str | None, seed: int) -> PreparedExam:
    file = load_exam(exam)
    provided = provide(file.questions, json.loads(entries))
    other = load_exam(fill) if fill is not None else None
    # Two exams may use the same ids.
    spare = [replace(question, id=f"{other.name}:{question.id}") for question in other.questions] if other else []
    spare_entries = provide(spare).entries if spare else {}
    material = gather(file.name, file.questions, {**spare_entries, **provided.entries}, seed, spare)
    return PreparedExam(file, provided, material, other)


@dataclass(frozen=True, slots=True)
class Overview:
    """What a condition comes to on an exam; lengths are in characters.

    `unique` counts a book once however many prompts begin with it. `refusal` says why the exam cannot be asked so.
    """

    condition: str
    items: int = 0
    books: int = 0
    shortest: int = 0
    longest: int = 0
    characters: int = 0
    unique: int = 0
    refusal: str = ""


def overviews(prepared: PreparedExam, *, full: bool = False) -> Iterator[Overview]:
    """Return an overview of each condition of the reading exam, over all exams of the file."""
    for condition in CONDITIONS.values():
        if condition.frame != "reading":
            continue
        try:
            exams = prepared.material.clusters
            items = [item for exam in exams for item in condition.ask(prepared.material, exam, full)]
        except ExamError as error:
            yield Overview(condition.title, refusal=str(error))
            continue
        books = {item.book.sha256: len(item.book.text) for item in items}
        characters = sum(len(build_prompt(item.question, item.book, condition.frame)) for item in items)
        unique = characters - sum(len(item.book.text) for item in items) + sum(books.values())
        lengths = len(books), min(books.values()), max(books.values())
        yield Overview(condition.title, len(items), *lengths, characters, unique)
