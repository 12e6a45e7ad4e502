"""A results file of lm-eval, checked: the runs that it tells of, one a condition, before their samples are read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from openbook_eval import provenance, scores
from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.layouts import ResultsFile, samples_of
from openbook_eval.leaderboard.runs import CONDITIONS, ExamSource
from openbook_eval.prompt import VERSIONS
from openbook_eval.training.record import TrainedOn
from openbook_eval.types import EXAM_NAMES, ExamName

# What our leaf tasks ask, by their names.
_TASKS: Mapping[str, tuple[str, ExamName]] = {
    f"cmed_{condition}_{exam}": (condition, exam) for condition in CONDITIONS for exam in EXAM_NAMES
}
_NO_SAMPLES = "no samples beside the results, so that no item can be compared; run again with --log_samples"


class _Source(msgspec.Struct):
    name: str
    version: str
    sha256: str


class _Entries(msgspec.Struct):
    sha256: str | None = None


class _Metadata(msgspec.Struct):
    exam_file: _Source
    entries_used: _Entries = msgspec.field(default_factory=_Entries)
    version: float | str | None = None


class _Config(msgspec.Struct):
    metadata: _Metadata


class _Settings(msgspec.Struct):
    model_args: dict[str, Any] | str | None = None
    limit: Any = None


class _Count(msgspec.Struct):
    original: int
    effective: int


class _Results(msgspec.Struct):
    """What is read of a results file; versions before 0.4.3 count no samples, those before 0.4.2 tell no date."""

    configs: dict[str, Any]
    versions: dict[str, Any]
    config: _Settings
    shots: dict[str, Any] = msgspec.field(name="n-shot", default_factory=dict)
    samples: dict[str, _Count] = msgspec.field(name="n-samples", default_factory=dict)
    date: float | None = None
    system_instruction_sha: str | None = None
    chat_template_sha: str | None = None
    task_hashes: dict[str, str] = {}
    lm_eval_version: str | None = None
    transformers_version: str | None = None
    openbook: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class SamplesToRead:
    """The samples file of a task, and how many items the results say that it has; None where they do not say."""

    task: str
    exam: ExamName
    path: Path
    items: int | None


@dataclass(frozen=True, slots=True)
class Announced:
    """A run as its results file tells of it; `told` are the fields of `runs.Run` that come from there."""

    told: Mapping[str, Any]
    samples: tuple[SamplesToRead, ...]


@dataclass(frozen=True, slots=True)
class Announcements:
    """The runs of a results file, what of it is refused and why, and the number of tasks that are not ours."""

    runs: tuple[Announced, ...]
    refused: tuple[str, ...]
    others: int


def read_results(file: ResultsFile) -> Announcements:
    """The runs of a results file. Raises OpenbookError where it is half-written or no results file."""
    try:
        content = json.loads(file.path.read_text(encoding="utf-8"))
        results = msgspec.convert(content, _Results, strict=True)
        content["config"]["model_args"] = _arguments(results.config.model_args)
        content.setdefault("model_name", content["config"]["model_args"].get("pretrained", "unknown"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OpenbookError(
            f"{file.path}: half-written, or not a results file of lm-eval ({_short(error)}); run again or remove it"
        ) from error
    ours = [task for task in results.configs if task.startswith("cmed_")]
    unknown = [task for task in ours if task not in _TASKS]
    refused = (
        [f"{file.path}: {len(unknown)} tasks that are not known here ({', '.join(unknown[:3])})"] if unknown else []
    )
    runs = []
    for condition in CONDITIONS:
        tasks = {task: _TASKS[task][1] for task in ours if task in _TASKS and _TASKS[task][0] == condition}
        try:
            runs += [_announced(file, content, results, condition, tasks)] if tasks else []
        except OpenbookError as error:
            refused.append(f"{file.path}: {condition}: {error}")
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as error:
            refused.append(f"{file.path}: {condition}: not as lm-eval and we write it ({_short(error)}); run again")
    return Announcements(tuple(runs), tuple(refused), len(results.configs) - len(ours))


def _announced(
    file: ResultsFile, content: dict[str, Any], results: _Results, condition: str, tasks: Mapping[str, ExamName]
) -> Announced:
    typed = results.config.model_args if isinstance(results.config.model_args, str) else ""
    samples = samples_of(file, typed, tasks)
    if missing := [task for task in tasks if task not in samples]:
        raise OpenbookError(f"no samples of {', '.join(missing[:3])}: run again" if samples else _NO_SAMPLES)
    metadata = {task: msgspec.convert(results.configs[task], _Config, strict=True).metadata for task in tasks}
    source = _one("exam file", (each.exam_file for each in metadata.values()))
    entries = _one("set of entries", (each.entries_used.sha256 for each in metadata.values()))
    told = {
        "model": scores.model_name(content),
        "condition": condition,
        "date": file.date or _date(results.date),
        "exam": ExamSource(name=source.name, version=source.version, sha256=source.sha256),
        "entries_sha256": entries,
        "task_version": _version(condition, (results.versions.get(task) for task in tasks)),
        "limited": _limited(results, tasks),
        "shots": _one("number of examples", (results.shots.get(task, 0) for task in tasks)),
        "system_instruction": results.system_instruction_sha,
        "chat_template": results.chat_template_sha,
        "task_hashes": {task: results.task_hashes[task] for task in tasks if task in results.task_hashes},
        "truncation": scores.truncation_of(content, list(tasks)),
        "gaps": scores.gaps_of(content),
        "cost": results.openbook.get("api") or results.openbook.get("cost"),
        "profile": content["config"]["model_args"].get("profile"),
        "trained_on": _trained_on(content),
        "versions": _versions(results),
        "results": str(file.path),
    }
    counts = {task: results.samples[task].effective if results.samples else None for task in tasks}
    return Announced(told, tuple(SamplesToRead(task, tasks[task], samples[task], counts[task]) for task in tasks))


def _one(what: str, values: Iterator[Any]) -> Any:
    """The value that all tasks of a run share."""
    first, *others = list(values)
    if any(other != first for other in others):
        raise OpenbookError(f"its tasks have more than one {what}; run them again together")
    return first


def _version(condition: str, versions: Iterator[object]) -> str:
    known = VERSIONS["reading" if condition.startswith("reading_") else "paper"]
    version = str(_one("task version", versions))
    if version != known:
        raise OpenbookError(
            f"task version {version} is not known here, known is {known}; "
            "compare it with the openbook-eval that took it, or run again"
        )
    return version


def _limited(results: _Results, tasks: Mapping[str, ExamName]) -> bool:
    if not results.samples:
        return results.config.limit is not None
    return any(results.samples[task].effective < results.samples[task].original for task in tasks)


def _trained_on(content: Mapping[str, Any]) -> TrainedOn | None:
    """As the results have it, else as the model's folder has it now."""
    part = content.get("openbook", {}).get("trained_on") or provenance.trained_on(content, {})
    return TrainedOn.model_validate_json(json.dumps(part)) if part else None


def _versions(results: _Results) -> dict[str, str]:
    told = {"lm-eval": results.lm_eval_version, "transformers": results.transformers_version}
    return {**{name: version for name, version in told.items() if version}, **results.openbook.get("versions", {})}


def _arguments(arguments: dict[str, Any] | str | None) -> dict[str, Any]:
    """Older versions wrote them as they were typed."""
    if isinstance(arguments, str):
        return {name: value for name, _, value in (part.partition("=") for part in arguments.split(",")) if value}
    return arguments or {}


def _date(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H-%M-%S") if seconds else ""


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
