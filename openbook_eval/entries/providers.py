"""Providers by name, with their settings: what `--metadata '{"entries": ...}'` takes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from openbook_eval.entries.entry_file import read_entry_file
from openbook_eval.entries.relieved import passage, without_verdicts
from openbook_eval.errors import ExamError, did_you_mean, validation_message
from openbook_eval.types import Entry, Question

Offer = tuple[dict[str, Entry], dict[str, Any]]
"""Entries by question id, and what they were made of: for the results file."""


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of those questions for which this provider has one. Raises ExamError or OpenbookError."""
        raise NotImplementedError


class Given(_Provider):
    """The knowledge that the exam's file gives."""

    provider: Literal["given"] = "given"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of the questions that come with knowledge."""
        return _known({q.id: Entry(q.id, q.knowledge, "given") if q.knowledge else None for q in questions}), {
            "provider": self.provider
        }


class Statement(_Provider):
    """The statement that the authors' rule makes of question and right answer."""

    provider: Literal["statement"] = "statement"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """An entry for every question."""
        return {q.id: Entry(q.id, q.statement(), "statement") for q in questions}, {"provider": self.provider}


class Passage(_Provider):
    """The item's own knowledge or explanation, without verdicts."""

    provider: Literal["passage"] = "passage"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of the questions that come with knowledge or an explanation."""
        entries = _known({question.id: passage(question) for question in questions})
        return entries, {"provider": self.provider, "verdicts_taken_out": _relieved(entries)}


class Retrieved(_Provider):
    """Passages of a folder of texts that BM25 finds for stem and options."""

    provider: Literal["retrieved"] = "retrieved"
    corpus: str
    budget: int = Field(default=600, ge=20, description="characters of an entry at most")
    top: int = Field(default=5, ge=1, description="passages of an entry at most")

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of the questions for which anything is found."""
        from openbook_eval.entries.retrieval import retrieve

        found = retrieve(questions, Path(self.corpus), budget=self.budget, top=self.top)
        entries = {key: Entry(key, text, self.provider) for key, text in found.texts.items()}
        return entries, {**self.model_dump(), "corpus": Path(self.corpus).name, "sha256": found.sha256}


class Generated(_Provider):
    """Knowledge that a model behind an OpenAI-compatible endpoint writes, not told the answer."""

    provider: Literal["generated"] = "generated"
    endpoint: str
    model: str
    parallel: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=512, ge=1)

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of the questions for which the model writes anything but verdicts."""
        from openbook_eval.entries.generation import generate

        settings = self.model_dump(exclude={"provider"})
        texts = generate(questions, **settings)
        entries = _known({q.id: without_verdicts(q, texts[q.id], self.provider) for q in questions if q.id in texts})
        # The endpoint's address is the user's own affair; how many ran at once changes nothing.
        told = self.model_dump(exclude={"endpoint", "parallel"})
        return entries, {**told, "verdicts_taken_out": _relieved(entries)}


class EntryFile(_Provider):
    """A JSONL file of entries."""

    provider: Literal["file"] = "file"
    path: str

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Entries of the questions that the file names; an id that is no question's is an error."""
        name = Path(self.path).name
        rows, sha256 = read_entry_file(Path(self.path))
        known = {question.id for question in questions}
        if strays := [key for key in rows if key not in known]:
            raise ExamError(
                f"entry file {self.path}: {len(strays)} of {len(rows)} ids are no question's of this exam "
                f"({', '.join(strays[:5])}); is it another exam's file?"
            )
        entries = {key: Entry(key, row.text, row.provider or name) for key, row in rows.items()}
        return entries, {"provider": self.provider, "path": name, "sha256": sha256}


Provider = Given | Statement | Passage | Retrieved | Generated | EntryFile
_BY_NAME: Mapping[str, type[_Provider]] = {
    kind.model_fields["provider"].default: kind for kind in (Given, Statement, Passage, Retrieved, Generated, EntryFile)
}
_ADAPTER: TypeAdapter[Provider] = TypeAdapter(Annotated[Provider, Field(discriminator="provider")])
_WANTED = (
    "given, statement, passage, the path of an entry file, "
    '{"provider": "retrieved", "corpus": FOLDER} or {"provider": "generated", "endpoint": URL, "model": NAME}'
)


def parse_providers(wanted: object) -> list[Provider]:
    """The providers of a setting: one or a list, each a name, the path of an entry file, or an object of settings.

    Nothing means the exam's own: what its file gives, else the statement. Raises ExamError with every fault at once.
    """
    if wanted is None:
        return [Given(), Statement()]
    parts = wanted if isinstance(wanted, list) else [wanted]
    if not parts:
        raise ExamError(f"entries: the list is empty; wanted {_WANTED}")
    return [_parse(part) for part in parts]


def _parse(part: object) -> Provider:
    if isinstance(part, str):
        if part in ("given", "statement", "passage"):
            return _ADAPTER.validate_python({"provider": part})
        if Path(part).suffix == ".jsonl":
            return EntryFile(path=part)
        raise ExamError(f"entries: no provider {part!r}; {did_you_mean(part, _BY_NAME)}; wanted {_WANTED}")
    # A list or an object in place of the name could not be looked up.
    name = part.get("provider") if isinstance(part, dict) else None
    if not isinstance(name, str) or name not in _BY_NAME:
        raise ExamError(f"entries: {part!r} names no provider; wanted {_WANTED}")
    keys = _BY_NAME[name].model_fields
    try:
        return _ADAPTER.validate_python(part)
    except ValidationError as error:
        # The first place is the discriminator's value, which the user did not write as a key.
        found = [validation_message({**fault, "loc": fault["loc"][1:]}, keys) for fault in error.errors()]
        raise ExamError(f"entries, {name}: {'; '.join(found)}") from error


def _known(entries: Mapping[str, Entry | None]) -> dict[str, Entry]:
    return {key: entry for key, entry in entries.items() if entry is not None}


def _relieved(entries: Mapping[str, Entry]) -> int:
    return sum(bool(entry.removed) for entry in entries.values())
