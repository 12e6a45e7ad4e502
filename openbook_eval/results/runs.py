"""Runs: each a model under one condition, with the items that it was asked; which of them may be compared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.exams.exam_file import NOT_ASKED
from openbook_eval.files import sha256, sha256_file
from openbook_eval.models.context_window import Truncation
from openbook_eval.results.samples import ItemText, item_texts
from openbook_eval.types import ExamName

# In the order in which boards are shown.
ORDER = {name: place for place, name in enumerate(CONDITIONS)}
READING = tuple(name for name, condition in CONDITIONS.items() if condition.frame == "reading")

# Figures that no run can have would stop a whole board later.
_MOST = 2**53
Count = Annotated[int, Field(ge=0, le=_MOST)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, revalidate_instances="always")


class AskedExam(_Record):
    """The file that the questions came from, how many rows are not asked, by reason, and answers corrected."""

    name: str
    version: str
    sha256: str
    not_asked: Mapping[str, Count] = {}
    corrected: Count = 0

    @property
    def changes(self) -> str:
        """Say what differs from the file as it is published; "" where nothing does."""
        words = ", ".join(f"{count} {NOT_ASKED.get(reason, reason)}" for reason, count in self.not_asked.items())
        corrected = f"{self.corrected} answers corrected" if self.corrected else ""
        return "; ".join(filter(None, (corrected, f"not asked: {words}" if words else "")))


class SamplesFile(_Record):
    """The samples of one exam of a run, as lm-eval wrote them."""

    exam: ExamName
    path: str
    sha256: str
    items: Annotated[int, Field(gt=0)]


class TrainingRecord(_Record, extra="allow"):
    """What `trained_on.json` beside a model's weights says of its training; keys that are not named here are kept."""

    recipe: str
    started: str
    finished: bool


class Run(_Record, extra="forbid"):
    """A model under one condition, evaluated once.

    `id` is the first 16 digits of a sha256 over model, condition, date and the digests of the samples. `date` is that
    of lm-eval's file names, YYYY-MM-DDTHH-MM-SS. `items_sha256` is over the sorted ids and document hashes: what was
    asked. `asked` counts all items, those without a response as well; `gaps` tells of these, "" where there are none.
    `system_instruction` and `chat_template` are lm-eval's digests of them. `cost`, `truncation` and `trained_on` are
    parts of the results file's `openbook` block.
    """

    id: str
    model: str
    condition: str
    date: str
    exam: AskedExam
    entries_sha256: str | None
    task_version: str
    items_sha256: str
    asked: Count
    limited: bool
    shots: Count
    system_instruction: str | None
    chat_template: str | None
    task_hashes: Mapping[str, str]
    truncation: Truncation
    gaps: str
    cost: Mapping[str, Any] | None
    profile: str | None
    trained_on: TrainingRecord | None
    versions: Mapping[str, str]
    results: str
    samples: tuple[SamplesFile, ...]

    @model_validator(mode="after")
    def _refuse_impossible_truncation(self) -> Self:
        if not 0 <= self.truncation.cut <= self.truncation.prompts <= _MOST:
            raise ValueError("its truncation has figures that cannot be")
        return self

    @property
    def comparison(self) -> tuple[Any, ...]:
        """Return what two runs must have in common to be compared.

        The chat template is no part of it: each model has its own.
        """
        source = (self.exam.sha256, self.entries_sha256, self.items_sha256)
        return (self.condition, *source, self.task_version, self.shots, self.system_instruction)

    def caveats(self) -> dict[str, str]:
        """Return what keeps the figures from being those of the whole exam: a word each, and a sentence."""
        cut, missing = self.truncation, "prompts did not reach the model whole"
        found = {
            "limited": "taken with --limit: not all questions were asked" if self.limited else "",
            "gaps": self.gaps,
            "unchecked": "" if cut.checked else f"not checked for truncation ({cut.reason or 'no reason is given'})",
            "cut": f"TRUNCATED: {cut.cut:,} of {cut.prompts:,} {missing}" if cut.checked and cut.cut else "",
        }
        return {word: sentence for word, sentence in found.items() if sentence}

    @property
    def has_texts(self) -> bool:
        """Return whether the samples lie where they were read, unchanged."""
        return all(Path(own.path).is_file() and sha256_file(Path(own.path)) == own.sha256 for own in self.samples)

    def texts(self) -> Iterator[ItemText]:
        """Give the texts of the items in the order of the samples files. Raises OpenbookError where one is missing."""
        for file in self.samples:
            yield from item_texts(Path(file.path), CONDITIONS[self.condition])


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs with `items` of all of them, as `samples.ITEMS` has them; `refused` says of the rest why, a line each."""

    runs: tuple[Run, ...]
    items: pl.DataFrame
    refused: tuple[str, ...] = ()

    def items_of(self, run: Run) -> pl.DataFrame:
        """Return the items of one run."""
        return self.items.filter(pl.col("run") == run.id)


@dataclass(frozen=True, slots=True)
class ComparableGroup:
    """Runs that may be compared with each other; `key` is short and differs between groups, `title` names the exam."""

    key: str
    condition: str
    title: str
    runs: tuple[Run, ...]


def comparable(one: Run, other: Run) -> bool:
    """Return whether two runs asked the same, in the same words, of the same version."""
    return one.comparison == other.comparison


def comparable_groups(runs: Iterable[Run]) -> list[ComparableGroup]:
    """Return the runs by what they asked: conditions in their order, of one condition the largest group first."""
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(run.comparison, []).append(run)
    groups = []
    for asked, (first, *others) in found.items():
        title = f"{first.exam.name} {first.exam.version}"
        groups.append(ComparableGroup(sha256(repr(asked))[:12], first.condition, title, (first, *others)))
    return sorted(groups, key=lambda group: (ORDER[group.condition], -len(group.runs), group.key))


def why_not_comparable(one: Run, other: Run) -> list[str]:
    """Return why two runs may not be compared, in words; nothing where they may."""
    exam, theirs = (f"{run.exam.name} {run.exam.version} ({run.exam.sha256[:12]})" for run in (one, other))
    same_exam, same_entries = one.exam.sha256 == other.exam.sha256, one.entries_sha256 == other.entries_sha256
    differences = {
        f"{other.condition} instead of {one.condition}": one.condition != other.condition,
        f"asks another exam file: {theirs} instead of {exam}": not same_exam,
        "its books have other entries (see the setting `entries`)": same_exam and not same_entries,
        f"task version {other.task_version} instead of {one.task_version}": one.task_version != other.task_version,
        f"shows {other.shots} examples instead of {one.shots} (--num_fewshot)": one.shots != other.shots,
        "has another system instruction (--system_instruction)": one.system_instruction != other.system_instruction,
    }
    # Of another source all items differ.
    items = _other_items(one, other, same_source=same_exam and same_entries)
    return [*(reason for reason, differs in differences.items() if differs), *items]


def _other_items(one: Run, other: Run, *, same_source: bool) -> Iterator[str]:
    exams, theirs = ([file.exam for file in run.samples] for run in (one, other))
    if set(exams) != set(theirs):
        yield f"asks {', '.join(theirs)} instead of {', '.join(exams)}"
    elif other.asked < one.asked:
        yield f"asks {other.asked:,} of {one.asked:,} questions{' (--limit)' if other.limited else ''}"
    elif other.asked > one.asked:
        yield f"asks {other.asked:,} questions instead of {one.asked:,}{' (--limit)' if one.limited else ''}"
    elif same_source and one.items_sha256 != other.items_sha256:
        yield "asks other questions, or lays their books in another way"
