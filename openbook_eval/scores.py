"""Reads what an lm-eval run has written and lays it out: the six exams and their average."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.models.context_window import Truncation
from openbook_eval.models.replies import reasons
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, ExamName

_FILTER = "choice"
MARKS = ("correct", "correct_strict", "format_followed", "answered", "partial_credit")
_NO_SAMPLES = "no samples were found beside the results; lm-eval writes them with --log_samples"
_UNCHECKED = Truncation.unchecked(_NO_SAMPLES)
_RANKED = "cmed_openbook_ranked"
_CONDITIONS = {
    "cmed_openbook": "open book",
    "cmed_closedbook": "closed book",
    _RANKED: "open book, letters ranked",
}
# Where nothing is written, no format is followed.
_MARKS_OF_RANKS = ("correct", "partial_credit")


@dataclass(frozen=True, slots=True)
class ExamScore:
    """One exam's marks as shares of 1.

    `partial_credit` is None where the exam has no multiple choice; all but it and `correct` where letters were ranked.
    """

    exam: ExamName
    questions: int
    correct: float
    correct_strict: float | None
    format_followed: float | None
    answered: float | None
    partial_credit: float | None


@dataclass(frozen=True, slots=True)
class RunScores:
    """The scores of one run under one condition, and what it was taken on; `gaps` tells of questions without answer."""

    model: str
    date: str
    condition: str
    exam_file: str
    limited: bool
    exams: tuple[ExamScore, ...]
    truncation: Truncation = _UNCHECKED
    gaps: str = ""

    @property
    def six(self) -> tuple[ExamScore, ...]:
        """The exams that the average is over."""
        return tuple(score for score in self.exams if score.exam in SIX_EXAMS)

    @property
    def average(self) -> float | None:
        """Plain mean of the six exams, the paper's "Avg.(All exams)"; None where one of them is missing."""
        return math.fsum(score.correct for score in self.six) / 6 if len(self.six) == 6 else None

    @property
    def weighted_average(self) -> float | None:
        """Share of right answers over all questions of the six exams; None where one of them is missing."""
        if len(self.six) < 6:
            return None
        right = math.fsum(score.correct * score.questions for score in self.six)
        asked = sum(score.questions for score in self.six)
        return right / asked if asked else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run of the reading exam says of a model: the measures that `measures.measures` describes.

    Where they could not be taken, they are empty and `reason` says why.
    """

    model: str
    date: str
    exam_file: str
    limited: bool
    measures: Mapping[str, Any]
    reason: str
    truncation: Truncation
    gaps: str = ""


def read_runs(path: Path) -> tuple[list[RunScores], list[Reading]]:
    """The scores in an lm-eval results file, or in a folder the newest of each model and condition; likewise readings.

    Raises OpenbookError where there is no results file, it is broken, or it holds none of our tasks.
    """
    scores: dict[tuple[str, str], RunScores] = {}
    readings: dict[str, Reading] = {}
    for file in sorted([path] if path.is_file() else path.rglob("results_*.json"), key=_date):
        with _as_results_file(file) as results:
            scores |= {(run.model, run.condition): run for run in _scores(results, _date(file))}
            readings |= {run.model: run for run in _readings(results, _date(file))}
    if not scores and not readings:
        raise OpenbookError(f"{path}: no results of cmed tasks; run openbook-eval run ... --output_path {path} first")
    return list(scores.values()), list(readings.values())


def _date(file: Path) -> str:
    """The file's name ends in the time of the run, with dashes for colons."""
    return file.stem.removeprefix("results_")[:19]


@contextmanager
def _as_results_file(file: Path) -> Iterator[dict[str, Any]]:
    try:
        yield json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OpenbookError(f"{file}: not an lm-eval results file ({type(error).__name__}: {error})") from error


def _readings(results: dict[str, Any], date: str) -> Iterator[Reading]:
    tasks = [task for task in results["results"] if task.startswith("cmed_reading_") and task in results["configs"]]
    if not tasks:
        return
    part = results.get("openbook", {}).get("reading") or {"checked": False, "reason": _NO_SAMPLES}
    taken = part.get("checked", True)
    yield Reading(
        model=model_name(results),
        date=date,
        exam_file=_exam_file(results, tasks[0]),
        limited=_limited(results),
        measures=part if taken else {},
        reason="" if taken else str(part["reason"]),
        truncation=truncation_of(results, tasks),
        gaps=gaps_of(results),
    )


def gaps_of(results: dict[str, Any]) -> str:
    """What the results of an API examinee say of questions that got no answer, which are marked neither way."""
    part = results.get("openbook", {}).get("api")
    if not part or not part["failures"]:
        return ""
    missing = f"{part['questions'] - part['answered']} of {part['questions']} questions of the run not answered"
    return f"{missing} ({reasons(part['failures'])}) and not marked: run again"


def _limited(results: dict[str, Any]) -> bool:
    return results["config"].get("limit") is not None


def _scores(results: dict[str, Any], date: str) -> Iterator[RunScores]:
    for prefix, condition in _CONDITIONS.items():
        exams = tuple(_exams(results, prefix))
        if exams:
            yield RunScores(
                model=model_name(results),
                date=date,
                condition=condition,
                exam_file=_exam_file(results, f"{prefix}_{exams[0].exam}"),
                limited=_limited(results),
                exams=exams,
                truncation=truncation_of(results, [f"{prefix}_{score.exam}" for score in exams]),
                gaps=gaps_of(results),
            )


def model_name(results: dict[str, Any]) -> str:
    """lm-eval's name of a model is its base; an adapter is told in its arguments only."""
    arguments = results["config"].get("model_args") or {}
    adapter = arguments.get("lora_local_path") if isinstance(arguments, dict) else None
    name = str(results.get("model_name", "unknown"))
    return f"{name} + {adapter}" if adapter else name


def truncation_of(results: dict[str, Any], tasks: list[str]) -> Truncation:
    """What `outcome.complete` has found about the prompts of these tasks."""
    part = results.get("openbook", {}).get("truncation")
    return Truncation.from_json(part).only(tasks) if part else _UNCHECKED


def _exams(results: dict[str, Any], prefix: str) -> Iterator[ExamScore]:
    told = _MARKS_OF_RANKS if prefix == _RANKED else MARKS
    for exam in EXAM_NAMES:
        task = f"{prefix}_{exam}"
        row = results["results"].get(task)
        # An exam of which no question was answered has no marks; that there are gaps is told.
        if row is not None and not (gaps_of(results) and f"correct,{_FILTER}" not in row):
            yield ExamScore(
                exam=exam,
                questions=int(results["n-samples"][task]["effective"]),
                **dict(_marks(row, told)),
            )


def _marks(row: dict[str, Any], told: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for mark in MARKS:
        yield mark, _share(row[f"{mark},{_FILTER}"]) if mark in told else None


def _share(value: object) -> Any:
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"a mark is {value!r}, not a number")
    return value


def _exam_file(results: dict[str, Any], task: str) -> str:
    source = results["configs"][task]["metadata"]["exam_file"]
    return f"{source['name']}, version {source['version']}, sha256 {source['sha256'][:12]}"
