"""Where entries come from: PROVIDERS is the registry, a class a provider, named by `--metadata '{"entries": ...}'`.

Each question takes its entry from the first provider that has one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from openbook_eval.books.leaks import remove_leaks
from openbook_eval.errors import ExamError, did_you_mean, parsed, some
from openbook_eval.files import read_text, sha256, sha256_file, write_atomic
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


class _Given(_Provider):
    """The knowledge that the exam's file gives."""

    provider: Literal["given"] = "given"

    def offer(self, questions: Sequence[Question]) -> Offer:
        return {q.id: Entry(q.id, q.knowledge, "given") for q in questions if q.knowledge}, self.model_dump()


class _Statement(_Provider):
    """The statement that the authors' rule makes of question and right answer."""

    provider: Literal["statement"] = "statement"

    def offer(self, questions: Sequence[Question]) -> Offer:
        return {q.id: Entry(q.id, q.statement(), "statement") for q in questions}, self.model_dump()


class _Passage(_Provider):
    """The item's own knowledge or explanation, without leaked answers."""

    provider: Literal["passage"] = "passage"

    def offer(self, questions: Sequence[Question]) -> Offer:
        texts = {q.id: text for q in questions if (text := q.knowledge or q.explanation)}
        return _without_leaks(questions, texts, self.model_dump())


class _Retrieved(_Provider):
    """Passages of a folder of texts that BM25 finds for stem and options."""

    provider: Literal["retrieved"] = "retrieved"
    corpus: str
    budget: int = Field(default=600, ge=250, description="characters of an entry at most; a passage has up to 250")
    top: int = Field(default=5, ge=1, description="passages of an entry at most")

    def offer(self, questions: Sequence[Question]) -> Offer:
        from openbook_eval.books.retrieval import retrieve

        texts, digest = retrieve(questions, Path(self.corpus), budget=self.budget, top=self.top)
        entries = {key: Entry(key, text, self.provider) for key, text in texts.items()}
        return entries, {**self.model_dump(), "corpus": Path(self.corpus).name, "sha256": digest}


class _Generated(_Provider):
    """Knowledge that a model behind an OpenAI-compatible endpoint writes without seeing the answer."""

    provider: Literal["generated"] = "generated"
    endpoint: str
    model: str = Field(min_length=1)
    parallel: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=512, ge=1)

    def offer(self, questions: Sequence[Question]) -> Offer:
        from openbook_eval.books.generation import generate

        texts = generate(questions, **self.model_dump(exclude={"provider"}))
        # The endpoint's address is the user's own affair; how many ran at once changes nothing.
        return _without_leaks(questions, texts, self.model_dump(exclude={"endpoint", "parallel"}))


class _EntryFile(_Provider):
    """A JSONL file of entries; an id in it that is no question's is an error."""

    provider: Literal["file"] = "file"
    path: str

    def offer(self, questions: Sequence[Question]) -> Offer:
        name = Path(self.path).name
        rows = read_entry_file(Path(self.path))
        known = {question.id for question in questions}
        if strays := [key for key in rows if key not in known]:
            raise ExamError(
                f"entry file {self.path}: {len(strays)} of {len(rows)} ids are no question's of this exam "
                f"({some(strays)}); is it another exam's file?"
            )
        entries = {key: Entry(key, row.text, row.provider or name) for key, row in rows.items()}
        return entries, {"provider": self.provider, "path": name, "sha256": sha256_file(Path(self.path))}


PROVIDERS: Mapping[str, type[_Provider]] = {
    "given": _Given,
    "statement": _Statement,
    "passage": _Passage,
    "retrieved": _Retrieved,
    "generated": _Generated,
    "file": _EntryFile,
}


def _parse(part: object) -> _Provider:
    """Return the provider of a name, of the path of an entry file, or of an object."""
    if isinstance(part, str):
        part = {"provider": "file", "path": part} if part.endswith(".jsonl") else {"provider": part}
    name = part.get("provider") if isinstance(part, dict) else None
    # A list or an object in place of the name could not be looked up.
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ExamError(f"entries: no provider {name!r}; {did_you_mean(str(name), PROVIDERS)} (see tasks/README.md)")
    provider = parsed(PROVIDERS[name], part)
    if isinstance(provider, str):
        raise ExamError(f"entries, {name}: {provider} (see tasks/README.md)")
    return provider


@dataclass(frozen=True, slots=True)
class Provided:
    """An entry for each question, by id, what each provider says of those it gave, and notices for the user."""

    entries: Mapping[str, Entry]
    providers: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what results say of the entries: the providers, and the hash of all texts."""
        texts = "".join(f"{key}\0{entry.text}\0" for key, entry in sorted(self.entries.items()))
        return {"providers": list(self.providers), "sha256": sha256(texts)}


def provide(questions: Sequence[Question], wanted: object = None) -> Provided:
    """Return the entries of an exam's questions by the setting `entries`: a provider or a list of them.

    None means what the exam's file gives, else the statement. Later providers are asked only for what earlier ones
    lack. Raises ExamError where a provider is none, or questions are left without an entry.
    """
    wanted = ["given", "statement"] if wanted is None else wanted
    parts = wanted if isinstance(wanted, list) and wanted else [wanted]
    entries: dict[str, Entry] = {}
    providers: list[dict[str, Any]] = []
    for provider in [_parse(part) for part in parts]:
        lacking = [question for question in questions if question.id not in entries]
        if not lacking:
            break
        # An entry file is read for all questions: one that names others than those lacking is no other exam's file.
        offered, provenance = provider.offer(questions if isinstance(provider, _EntryFile) else lacking)
        used = {question.id: offered[question.id] for question in lacking if question.id in offered}
        entries |= used
        providers.append({**provenance, "entries": len(used)})
    if bare := [question.id for question in questions if question.id not in entries]:
        names = ", ".join(str(provider.get("path", provider["provider"])) for provider in providers)
        raise ExamError(
            f"entries ({names}): {len(bare)} of {len(questions)} questions have none (ids {some(bare)}); "
            'add them, or name who gives the rest: "entries": [..., "statement"]'
        )
    leaks = [entry.removed for entry in entries.values() if entry.removed]
    shown = ", ".join(repr(removed[0]) for removed in leaks[:3])
    notice = f"leaked answers were removed from {len(leaks)} entries, {sum(map(len, leaks))} pieces such as {shown}"
    return Provided({q.id: entries[q.id] for q in questions}, tuple(providers), (notice,) if leaks else ())


class EntryRow(BaseModel):
    """One line of an entry file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    text: str
    # `openbook-eval exam entries` writes it; where it is missing, the file's name stands for it.
    provider: str = ""


def read_entry_file(path: Path) -> dict[str, EntryRow]:
    """Return the rows by question id. Raises OpenbookError, ExamError with every faulty line at once."""
    rows: dict[str, EntryRow] = {}
    faults = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        row = parsed(EntryRow, line) if line.strip() else None
        if isinstance(row, str):
            faults.append(f"line {number}: {row}")
        elif row and (row.id in rows or not row.text.strip()):
            faults.append(f"line {number}: the entry of {row.id!r} stands twice or has no text; leave the line out")
        elif row:
            rows[row.id] = row
    if faults:
        raise ExamError.from_faults(f"entry file {path}", faults)
    return rows


def write_entry_file(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries as `read_entry_file` reads them, whole or not at all. Raises OpenbookError."""
    rows = (orjson.dumps({"id": e.question_id, "text": e.text, "provider": e.provider}) + b"\n" for e in entries)
    write_atomic(path, b"".join(rows))
