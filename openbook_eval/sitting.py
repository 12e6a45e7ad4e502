"""An exam made ready to be sat: its file, an entry for every question, and the material that books are laid of."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.conditions import Material, gather
from openbook_eval.entries import Provided, provide
from openbook_eval.errors import ExamError, validation_message
from openbook_eval.exams import ExamFile, load_exam


class Settings(BaseModel):
    """What `--metadata` says of the exam and its books.

    `exam`: a name or path, else the variable OPENBOOK_EXAM, else cmb. `entries`: who gives the entries. `fill`: another
    exam whose entries fill books where this one's do not suffice. `full`: ask all questions on the longest books too.
    `book_seed`: of the order in which questions are dealt and entries are laid.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    exam: str | None = None
    entries: Any = None
    fill: str | None = None
    full: bool = False
    book_seed: int = 0

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Settings":
        """The settings in lm-eval's metadata, where the model's arguments and the task's own keys stand as well.

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
class Sitting:
    """An exam file, the entries of its questions, and the material for shared books."""

    file: ExamFile
    provided: Provided
    material: Material
    fill: ExamFile | None

    @property
    def provenance(self) -> dict[str, Any]:
        """What results say of entries and books: who gave the texts, their hash, what fills up, the seed."""
        fill = self.fill.provenance if self.fill else None
        return {**self.provided.provenance, "fill": fill, "book_seed": self.material.seed}


def prepare(settings: Settings) -> Sitting:
    """Reads the exam, asks the providers for its entries and makes both ready for dealing; once a process.

    Raises ExamError, or OpenbookError from a provider.
    """
    return _prepare(settings.exam, json.dumps(settings.entries, sort_keys=True), settings.fill, settings.book_seed)


@cache
def _prepare(exam: str | None, entries: str, fill: str | None, seed: int) -> Sitting:
    file = load_exam(exam)
    provided = provide(file.questions, json.loads(entries))
    other = load_exam(fill) if fill is not None else None
    # Two exams may use the same ids.
    spare = [replace(question, id=f"{other.name}:{question.id}") for question in other.questions] if other else []
    spare_entries = provide(spare).entries if spare else {}
    material = gather(file.name, file.questions, {**spare_entries, **provided.entries}, seed, spare)
    return Sitting(file, provided, material, other)
