"""An exam made ready to be asked: its file, an entry for every question, and the material that books are made of."""

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from openbook_eval.books.providers import Provided, provide
from openbook_eval.books.shared_books import Material
from openbook_eval.errors import ExamError, parsed
from openbook_eval.exams import ExamFile, load_exam


class ExamSettings(BaseModel):
    """What `--metadata` says of the exam and its books.

    `exam` is a name or path, `entries` names the providers, `fill` another exam whose entries fill books. `full` asks
    all questions on the longest books too. `book_seed` orders questions in groups and entries in books. `undecided`
    says what becomes of responses that no rule decides. `options` "abcd" shows no others than A to D. `prompt`
    "authors" is the closed-book prompt of the paper's authors, who did so too.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    exam: str | None = None
    entries: Any = None
    fill: str | None = None
    full: bool = False
    book_seed: int = 0
    undecided: Literal["ask"] | None = None
    options: Literal["abcd"] | None = None
    prompt: Literal["authors"] | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "ExamSettings":
        """Take the settings out of lm-eval's metadata, which holds the model's arguments too.

        Raises ExamError for a value of the wrong kind, and for a key that is nearly one of ours.
        """
        ours = {key: value for key, value in metadata.items() if key in cls.model_fields}
        for key in metadata.keys() - ours.keys():
            if close := difflib.get_close_matches(key, cls.model_fields.keys() - ours.keys(), n=1, cutoff=0.75):
                raise ExamError(f"--metadata: unknown key {key!r}; did you mean {close[0]!r}?")
        settings = parsed(cls, ours)
        if isinstance(settings, str):
            raise ExamError(f"--metadata: {settings}")
        return settings


def variant(metadata: Mapping[str, object]) -> str:
    """Return how a run's prompts differ from those of its task, in words; "" where they do not."""
    if metadata.get("prompt"):
        return "the authors' prompt, options A to D"
    return "options A to D" if metadata.get("options") else ""


@dataclass(frozen=True, slots=True)
class PreparedExam:
    """An exam file, the entries of its questions, and the material for books."""

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
    provided = provide_for(file, json.loads(entries))
    other = load_exam(fill) if fill is not None else None
    # Two exams may use the same ids.
    spare = [replace(question, id=f"{other.name}:{question.id}") for question in other.questions] if other else []
    both = {**(provide_for(replace(other, questions=tuple(spare))).entries if other else {}), **provided.entries}
    return PreparedExam(file, provided, Material(file.name, file.questions, both, seed, spare), other)


def provide_for(exam: ExamFile, wanted: object = None) -> Provided:
    """Return the entries of an exam's questions by the setting `entries`.

    Raises ExamError like `provide`, and where the publisher's book is missing and nobody has said what stands for it.
    """
    if exam.lacks_book and wanted is None:
        raise ExamError(exam.lacks_book)
    return provide(exam.questions, wanted)
