"""Which runs may stand in one comparison: those that asked the same, in the same words, of the same version."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openbook_eval.leaderboard.runs import CONDITIONS, Run

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that may be compared with each other; `key` is short and differs between groups, `title` names the exam."""

    key: str
    condition: str
    title: str
    runs: tuple[Run, ...]


def key(run: Run) -> Key:
    """What two runs must have in common.

    The chat template is no part of it: each model has its own. Nor is its model, its date or what took it.
    """
    return (
        run.condition,
        run.exam.sha256,
        run.entries_sha256,
        run.items_sha256,
        run.task_version,
        run.shots,
        run.system_instruction,
    )


def group(runs: Sequence[Run]) -> list[Group]:
    """The runs by likeness: conditions in their order, of one condition the largest group first."""
    found: dict[Key, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    groups = [
        Group(_short(own[0]), own[0].condition, f"{own[0].exam.name} {own[0].exam.version}", tuple(own))
        for own in found.values()
    ]
    return sorted(groups, key=lambda each: (CONDITIONS.index(each.condition), -len(each.runs), each.key))


def unlike(one: Run, other: Run) -> list[str]:
    """Why two runs may not be compared, in words; nothing where they may."""
    return [] if key(one) == key(other) else list(_reasons(one, other))


def _short(run: Run) -> str:
    return hashlib.sha256(repr(key(run)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _reasons(one: Run, other: Run) -> Iterator[str]:
    if one.condition != other.condition:
        yield f"{other.condition} instead of {one.condition}"
    if one.exam.sha256 != other.exam.sha256:
        yield (
            f"asks another exam file: {other.exam.name} {other.exam.version} ({other.exam.sha256[:12]}) "
            f"instead of {one.exam.name} {one.exam.version} ({one.exam.sha256[:12]})"
        )
    elif one.entries_sha256 != other.entries_sha256:
        yield "its books have other entries (see the setting `entries`)"
    if one.task_version != other.task_version:
        yield f"task version {other.task_version} instead of {one.task_version}"
    if one.shots != other.shots:
        yield f"shows {other.shots} examples instead of {one.shots} (--num_fewshot)"
    if one.system_instruction != other.system_instruction:
        yield "has another system instruction (--system_instruction)"
    yield from _other_items(one, other)


def _other_items(one: Run, other: Run) -> Iterator[str]:
    """Where exam file or entries differ all items do, and nothing is to be said of them but their number."""
    exams, theirs = ([file.exam for file in run.samples] for run in (one, other))
    if set(exams) != set(theirs):
        yield f"asks {', '.join(theirs)} instead of {', '.join(exams)}"
    elif one.asked != other.asked:
        fewer = other if other.asked < one.asked else one
        whole = max(one.asked, other.asked)
        limit = " (--limit)" if fewer.limited else ""
        yield (
            f"asks {fewer.asked:,} of {whole:,} questions{limit}"
            if fewer is other
            else (f"asks {whole:,} questions instead of {fewer.asked:,}{limit}")
        )
    elif _same_source(one, other) and one.items_sha256 != other.items_sha256:
        yield "asks other questions, or lays their books in another way"


def _same_source(one: Run, other: Run) -> bool:
    return (one.exam.sha256, one.entries_sha256) == (other.exam.sha256, other.entries_sha256)
