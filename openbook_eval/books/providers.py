"""Where entries come from: PROVIDERS is the registry, a class a provider, named by `--metadata '{"entries": ...}'`.

Each question takes its entry from the first provider that has one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval import files
from openbook_eval.books.leaks import remove_leaks
from openbook_eval.errors import ExamError, did_you_mean, some, validation_message
from openbook_eval.types import Entry, Question

Offer = tuple[dict[str, Entry], dict[str, Any]]
"""Entries by question id, and what results say of them."""


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of those questions for which this provider has one. Raises ExamError or OpenbookError."""
        raise NotImplementedError


_LINE_BREAK = re.compile(r"\s*\n\s*")


def _without_leaks(questions: Sequence[Question], texts: Mapping[str, str], settings: dict[str, Any]) -> Offer:
    """Make entries of texts: each one line, without leaks; none where nothing is left."""
    entries = {}
    for question in questions:
        if question.id in texts:
            kept, removed = remove_leaks(_LINE_BREAK.sub(" ", texts[question.id].strip()), question.options)
            if kept.strip():
                entries[question.id] = Entry(question.id, kept, settings["provider"], removed)
    return entries, {**settings, "leaks_removed": sum(bool(entry.removed) for entry in entries.values())}


class Given(_Provider):
    """The knowledge that the exam's file gives."""

    provider: Literal["given"] = "given"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of the questions that come with knowledge."""
        entries = {q.id: Entry(q.id, q.knowledge, self.provider) for q in questions if q.knowledge}
        return entries, {"provider": self.provider}


class Statement(_Provider):
    """The statement that the authors' rule makes of question and right answer."""

    provider: Literal["statement"] = "statement"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return an entry for every question."""
        return {q.id: Entry(q.id, q.statement(), "statement") for q in questions}, {"provider": self.provider}


class Passage(_Provider):
    """The item's own knowledge or explanation, without leaked answers."""

    provider: Literal["passage"] = "passage"

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of the questions that come with knowledge or an explanation."""
        texts = {q.id: text for q in questions if (text := q.knowledge or q.explanation)}
        return _without_leaks(questions, texts, {"provider": self.provider})


class Retrieved(_Provider):
    """Passages of a folder of texts that BM25 finds for stem and options."""

    provider: Literal["retrieved"] = "retrieved"
    corpus: str
    budget: int = Field(default=600, ge=20, description="characters of an entry at most")
    top: int = Field(default=5, ge=1, description="passages of an entry at most")

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of the questions for which anything is found."""
        from openbook_eval.books.retrieval import retrieve

        found = retrieve(questions, Path(self.corpus), budget=self.budget, top=self.top)
        entries = {key: Entry(key, text, self.provider) for key, text in found.texts.items()}
        return entries, {**self.model_dump(), "corpus": Path(self.corpus).name, "sha256": found.sha256}


class Generated(_Provider):
    """Knowledge that a model behind an OpenAI-compatible endpoint writes without seeing the answer."""

    provider: Literal["generated"] = "generated"
    endpoint: str
    model: str
    parallel: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=512, ge=1)

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of the questions for which the model writes anything but leaks."""
        from openbook_eval.books.generation import generate

        texts = generate(questions, **self.model_dump(exclude={"provider"}))
        # The endpoint's address is the user's own affair; how many ran at once changes nothing.
        return _without_leaks(questions, texts, self.model_dump(exclude={"endpoint", "parallel"}))


class EntryFile(_Provider):
    """A JSONL file of entries."""

    provider: Literal["file"] = "file"
    path: str

    def offer(self, questions: Sequence[Question]) -> Offer:
        """Return entries of the questions that the file names; an id that is no question's is an error."""
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


PROVIDERS: Mapping[str, type[_Provider]] = {
    "given": Given,
    "statement": Statement,
    "passage": Passage,
    "retrieved": Retrieved,
    "generated": Generated,
    "file": EntryFile,
}
_WANTED = (
    "given, statement, passage, the path of an entry file, "
    '{"provider": "retrieved", "corpus": FOLDER} or {"provider": "generated", "endpoint": URL, "model": NAME}'
)


def parse_providers(wanted: object) -> list[_Provider]:
    """Return the providers of a setting: one or a list, each a name, the path of an entry file, or an object.

    None means what the exam's file gives, else the statement. Raises ExamError.
    """
    if wanted is None:
        return [Given(), Statement()]
    parts = wanted if isinstance(wanted, list) else [wanted]
    if not parts:
        raise ExamError(f"entries: the list is empty; wanted {_WANTED}")
    return [_parse(part) for part in parts]


def _parse(part: object) -> _Provider:
    if isinstance(part, str):
        if Path(part).suffix == ".jsonl":
            return EntryFile(path=part)
        kind = PROVIDERS.get(part)
        # One that needs settings is no provider by its name alone.
        if not kind or any(field.is_required() for field in kind.model_fields.values()):
            raise ExamError(f"entries: no provider {part!r}; {did_you_mean(part, PROVIDERS)}; wanted {_WANTED}")
        return kind()
    # A list or an object in place of the name could not be looked up.
    name = part.get("provider") if isinstance(part, dict) else None
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ExamError(f"entries: {part!r} names no provider; wanted {_WANTED}")
    try:
        return PROVIDERS[name].model_validate(part)
    except ValidationError as error:
        found = [validation_message(dict(fault), PROVIDERS[name].model_fields) for fault in error.errors()]
        raise ExamError(f"entries, {name}: {'; '.join(found)}") from error


@dataclass(frozen=True, slots=True)
class Provided:
    """An entry for each question, by id, what each provider says of those it gave, and notices for the user."""

    entries: Mapping[str, Entry]
    providers: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what results say of the entries: the providers, and the hash of all texts."""
        digest = sha256()
        for key, entry in sorted(self.entries.items()):
            digest.update(f"{key}\0{entry.text}\0".encode("utf-8", "surrogatepass"))
        return {"providers": list(self.providers), "sha256": digest.hexdigest()}


def provide(questions: Sequence[Question], wanted: object = None) -> Provided:
    """Return the entries of an exam's questions by the setting `entries` (see `parse_providers`).

    Later providers are asked only for what earlier ones lack. Raises ExamError where questions are left without one.
    """
    entries: dict[str, Entry] = {}
    providers: list[dict[str, Any]] = []
    for provider in parse_providers(wanted):
        lacking = [question for question in questions if question.id not in entries]
        if not lacking:
            break
        # An entry file is read for all questions: one that names others than those lacking is no other exam's file.
        offered, provenance = provider.offer(questions if isinstance(provider, EntryFile) else lacking)
        used = {question.id: offered[question.id] for question in lacking if question.id in offered}
        entries |= used
        providers.append({**provenance, "entries": len(used)})
    if bare := [question.id for question in questions if question.id not in entries]:
        names = ", ".join(
            str(provider["path"] if "path" in provider else provider["provider"]) for provider in providers
        )
        raise ExamError(
            f"entries ({names}): {len(bare)} of {len(questions)} questions have none (ids {some(bare)}); "
            'add them, or name who gives the rest: "entries": [..., "statement"]'
        )
    notices = []
    if leaky := [entry.removed for entry in entries.values() if entry.removed]:
        shown = ", ".join(repr(removed[0]) for removed in leaky[:3])
        pieces = sum(map(len, leaky))
        notices.append(f"leaked answers were removed from {len(leaky)} entries, {pieces} pieces such as {shown}")
    return Provided({q.id: entries[q.id] for q in questions}, tuple(providers), tuple(notices))


class EntryRow(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    text: str
    # `openbook-eval exam entries` writes it; where it is missing, the file's name stands for it.
    provider: str = ""


def read_entry_file(path: Path) -> tuple[dict[str, EntryRow], str]:
    """Return the rows by question id, and the file's sha256. Raises ExamError with every faulty line at once."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExamError(f"entry file {path}: cannot be read ({error}); it must be JSONL in UTF-8") from error
    rows: dict[str, EntryRow] = {}
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = EntryRow.model_validate_json(line)
        except ValidationError as error:
            found += [
                f"line {number}: {validation_message(dict(fault), EntryRow.model_fields)}" for fault in error.errors()
            ]
            continue
        if row.id in rows:
            found.append(f"line {number}: id {row.id!r} is there twice")
        if not row.text.strip():
            found.append(f"line {number}: the entry of {row.id!r} has no text; leave the line out")
        rows[row.id] = row
    if found:
        raise ExamError.from_faults(f"entry file {path}", found)
    return rows, sha256(data).hexdigest()


def write_entry_file(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries as `read_entry_file` reads them, whole or not at all. Raises OpenbookError."""
    rows = (orjson.dumps({"id": e.question_id, "text": e.text, "provider": e.provider}) + b"\n" for e in entries)
    files.write_atomic(path, b"".join(rows))
