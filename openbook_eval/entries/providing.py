"""One entry for every question: each takes that of the first provider that has one."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openbook_eval.entries.providers import parse_providers
from openbook_eval.errors import ExamError, some
from openbook_eval.types import Entry, Question


@dataclass(frozen=True, slots=True)
class Provided:
    """An entry for each question, by id; what providers made them of; `notices` are what they want known."""

    entries: Mapping[str, Entry]
    providers: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, Any]:
        """What results say of the entries: the providers, and the hash of all texts."""
        digest = hashlib.sha256()
        for key, entry in sorted(self.entries.items()):
            digest.update(f"{key}\0{entry.text}\0".encode("utf-8", "surrogatepass"))
        return {"providers": list(self.providers), "sha256": digest.hexdigest()}


def provide(questions: Sequence[Question], wanted: object = None) -> Provided:
    """The entries of an exam's questions by the setting `entries` (see `parse_providers`).

    Later providers are asked only for what earlier ones lack. Raises ExamError where a question is left without an
    entry: how many, and which.
    """
    entries: dict[str, Entry] = {}
    told = []
    for provider in parse_providers(wanted):
        lacking = [question for question in questions if question.id not in entries]
        if not lacking:
            break
        # An entry file is read for all questions: one that names others than those lacking is no other exam's file.
        offered, provenance = provider.offer(questions if provider.provider == "file" else lacking)
        taken = {question.id: offered[question.id] for question in lacking if question.id in offered}
        entries |= taken
        told.append({**provenance, "entries": len(taken)})
    if bare := [question.id for question in questions if question.id not in entries]:
        names = ", ".join(str(provider["path"] if "path" in provider else provider["provider"]) for provider in told)
        raise ExamError(
            f"entries ({names}): {len(bare)} of {len(questions)} questions have none (ids {some(bare)}); "
            'add them, or name who gives the rest: "entries": [..., "statement"]'
        )
    return Provided({q.id: entries[q.id] for q in questions}, tuple(told), tuple(_notices(entries.values())))


def _notices(entries: Sequence[Entry] | Any) -> Iterator[str]:
    relieved = [entry for entry in entries if entry.removed]
    if relieved:
        pieces = sum(len(entry.removed) for entry in relieved)
        shown = ", ".join(repr(entry.removed[0]) for entry in relieved[:3])
        yield f"verdicts were taken out of {len(relieved)} entries, {pieces} pieces such as {shown}"
