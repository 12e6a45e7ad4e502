"""Read runs from the results and samples files that lm-eval writes: the one reader of the project.

The layout is that of lm-eval 0.4.9 and later: OUT/MODEL/results_DATE.json, or NAME_DATE.json where --output_path is
NAME.json, with samples_TASK_DATE.jsonl beside it (--log_samples).
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from openbook_eval.errors import OpenbookError, some
from openbook_eval.files import sha256
from openbook_eval.models.context_window import Truncation
from openbook_eval.prompt import VERSIONS
from openbook_eval.results.runs import ORDER, AskedExam, Run, Runs, SamplesFile
from openbook_eval.results.samples import BROKEN, ITEMS, Samples, read_samples
from openbook_eval.types import EXAM_NAMES

# Is told how many runs are read, and of how many.
Progress = Callable[[int, int], None]

# lm-eval ends the names of a run's files in the time it was written, with dashes for colons.
_DATED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)((?:\.\d+)?)$")
_SHOWN = 3


def read_runs(paths: Sequence[Path] | Path | str, progress: Progress | None = None) -> Runs:
    """Read all runs in `paths`: results files of lm-eval, and folders of them.

    A run with any fault is left out whole and named. Of comparable runs of one model the newest stands. Raises
    OpenbookError for a path that is not there, and where no run is left.
    """
    paths = [Path(paths)] if isinstance(paths, Path | str) else paths
    announced, refused = _announced(paths)
    read: dict[str, tuple[Run, pl.DataFrame]] = {}
    # polars and hashing let other threads work.
    with ThreadPoolExecutor(2) as pool:
        for done, found in enumerate(pool.map(_read, announced), 1):
            if isinstance(found, str):
                refused.append(found)
            else:
                read.setdefault(found[0].id, found)
            if progress:
                progress(done, len(announced))
    if not read:
        raise OpenbookError(_nothing(paths, refused))
    runs, older = _newest([run for run, _ in read.values()])
    items = pl.concat([pl.DataFrame(schema=ITEMS), *(read[run.id][1] for run in runs)])
    return Runs(tuple(runs), items, (*refused, *older))


def read_conditions(file: Path, conditions: Collection[str]) -> dict[str, pl.DataFrame]:
    """Return the items of some conditions of one results file, by condition. Raises OpenbookError for any fault."""
    items = {}
    for announced in _announced_by(file)[0]:
        if announced.condition in conditions:
            found = _read(announced)
            if isinstance(found, str):
                raise OpenbookError(found)
            items[announced.condition] = found[1]
    return items


def _nothing(paths: Sequence[Path], refused: Sequence[str]) -> str:
    where = ", ".join(map(str, paths))
    if not refused:
        return f"{where}: no results of cmed tasks; run openbook-eval run ... --log_samples --output_path FOLDER first"
    more = [f"and {len(refused) - _SHOWN} more"] if len(refused) > _SHOWN else []
    return f"{where}: no run that can be shown: {'; '.join([*refused[:_SHOWN], *more])}"


def _newest(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Return the runs that stand, by condition, model and date, and a line for each older one."""
    newest: dict[tuple[object, ...], Run] = {}
    older: list[Run] = []
    for run in sorted(runs, key=attrgetter("date", "id")):
        place = (run.model, run.comparison)
        older += [newest[place]] if place in newest else []
        newest[place] = run
    lines = [
        f"{run.results}: {run.model}, {run.condition}, of {run.date}: an older run of one name; the newest stands "
        f"({newest[run.model, run.comparison].date}); give models names of their own to compare them"
        for run in older
    ]
    order = sorted(newest.values(), key=lambda run: (ORDER[run.condition], run.model, run.date, run.id))
    return order, lines


def results_files(path: Path) -> list[Path]:
    """Return the file `path`, the results files of all runs in a folder, or those of --output_path NAME.json."""
    if path.is_file():
        return [path]
    if path.suffix == ".json":
        return sorted(file for file in path.parent.glob("*.json") if _DATED.sub("", file.stem) == path.stem)
    return sorted(file for file in path.rglob("*.json") if _DATED.search(file.stem))


def samples_files(file: Path) -> dict[str, Path]:
    """Return the samples that a results file has beside it, by task."""
    dated = _DATED.search(file.stem)
    return {task_of(path): path for path in sorted(file.parent.glob(f"samples_*{dated[0]}.jsonl"))} if dated else {}


def task_of(samples: Path) -> str:
    """Return the task of a samples file."""
    return _DATED.sub("", samples.stem).removeprefix("samples_")


def _orphans(folder: Path) -> Iterator[str]:
    """Name samples whose results file is missing."""
    dates = Counter(
        (file.parent, dated[0]) for file in folder.rglob("samples_cmed_*.jsonl") if (dated := _DATED.search(file.stem))
    )
    for (home, date), count in sorted(dates.items()):
        if not any(home.glob(f"*{date}.json")):
            yield (
                f"{home}: samples of {date[1:20]} ({count} tasks) without a results file; "
                "the run was cut off, or the file lies elsewhere: run again, or put it beside them"
            )


@dataclass(frozen=True, slots=True)
class _Announced:
    """A run as its results file tells of it: its tasks with what our task files say of them, exams in their order."""

    file: Path
    results: Mapping[str, Any]
    condition: str
    tasks: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, Path]


def _announced(paths: Sequence[Path]) -> tuple[list[_Announced], list[str]]:
    """Return the runs at or under `paths`, each once, and what is no run."""
    announced: list[_Announced] = []
    refused: dict[str, None] = {}
    files: dict[Path, Path] = {}
    others = 0
    for path in paths:
        if not path.exists():
            raise OpenbookError(f"{path}: no such file or folder; name a results file of lm-eval or a folder of runs")
        files |= {file.resolve(): file for file in results_files(path)}
        refused |= dict.fromkeys(_orphans(path) if path.is_dir() else ())
    for file in files.values():
        try:
            own, unknown, foreign = _announced_by(file)
        except OpenbookError as error:
            refused[str(error)] = None
            continue
        announced += own
        others += foreign
        if unknown:
            refused[f"{file}: {len(unknown)} tasks that are not known here ({some(unknown)})"] = None
    return announced, [*refused, *([f"{others} tasks of other exams than ours"] if others else [])]


def _announced_by(file: Path) -> tuple[list[_Announced], list[str], int]:
    """Return the runs of a results file, its tasks of unknown conditions, and the number of tasks that are not ours."""
    ours: dict[str, dict[str, Any]] = {name: {} for name in ORDER}
    try:
        results = json.loads(file.read_bytes())
        parts = {task: config.get("metadata") for task, config in results["configs"].items()}
        named = {task: part for task, part in parts.items() if isinstance(part, dict) and "exam_file" in part}
        for task in sorted(named, key=lambda task: EXAM_NAMES.index(named[task]["exam_label"])):
            ours.setdefault(named[task]["condition"], {})[task] = named[task]
    except (OSError, *BROKEN) as error:
        reason = f"half-written, or not a results file of lm-eval ({_short(error)})"
        raise OpenbookError(f"{file}: {reason}; run again or remove it") from error
    samples = samples_files(file)
    runs = [_Announced(file, results, name, ours[name], samples) for name in ORDER if ours[name]]
    unknown = [task for name, tasks in ours.items() if name not in ORDER for task in tasks]
    return runs, unknown, len(parts) - len(named)


def _read(announced: _Announced) -> tuple[Run, pl.DataFrame] | str:
    """Read a run with its items, or say why there is none."""
    where = f"{announced.file}: {announced.condition}"
    try:
        return _run(announced, _samples(announced))
    except OpenbookError as error:
        return f"{where}: {error}"
    except BROKEN as error:
        return f"{where}: not as lm-eval and we write it ({_short(error)}); run again"


def _samples(announced: _Announced) -> dict[str, Samples]:
    if missing := [task for task in announced.tasks if task not in announced.samples]:
        if len(missing) < len(announced.tasks):
            raise OpenbookError(f"no samples of {some(missing)}: run again")
        raise OpenbookError(
            "no samples beside the results, so that no item can be compared; run again with --log_samples"
        )
    found = {}
    for task, metadata in announced.tasks.items():
        path, items = announced.samples[task], announced.results["n-samples"][task]["effective"]
        found[task] = read_samples(path, metadata["exam_label"])
        count, answered = found[task].items.height, found[task].items["state"].count()
        # lm-eval leaves items without a response, which have no metrics, out of its number.
        if not answered <= items <= count:
            raise OpenbookError(
                f"{path.name}: {count} items, but the results are of {items}; the file was cut off, run again"
            )
    return found


def _run(announced: _Announced, samples: Mapping[str, Samples]) -> tuple[Run, pl.DataFrame]:
    results, tasks, block = announced.results, announced.tasks, announced.results.get("openbook", {})
    arguments = results["config"].get("model_args") or {}
    if isinstance(arguments, str):  # as lm-eval's Python functions may be given them
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    model, dated = model_name(results.get("model_name", "unknown"), arguments), _DATED.search(announced.file.stem)
    date = dated[1] if dated else ""
    exams = {task: metadata["exam_label"] for task, metadata in tasks.items()}
    files = tuple(
        SamplesFile(exam=exams[task], path=str(announced.samples[task]), sha256=own.sha256, items=own.items.height)
        for task, own in samples.items()
    )
    counts = [results["n-samples"][task] for task in tasks]
    run = Run(
        id=sha256("\n".join([model, announced.condition, date, *(file.sha256 for file in files)]))[:16],
        model=model,
        condition=announced.condition,
        date=date,
        exam=_one("exam file", (AskedExam.model_validate(each["exam_file"]) for each in tasks.values())),
        entries_sha256=_one("set of entries", (each.get("entries_used", {}).get("sha256") for each in tasks.values())),
        task_version=_known_version(str(_one("task version", (results["versions"].get(task) for task in tasks)))),
        items_sha256=sha256("\n".join(sorted(f"{exams[task]} {own.items_sha256}" for task, own in samples.items()))),
        asked=sum(file.items for file in files),
        limited=any(count["effective"] < count["original"] for count in counts),
        shots=_one("number of examples", (results.get("n-shot", {}).get(task, 0) for task in tasks)),
        system_instruction=results.get("system_instruction_sha"),
        chat_template=results.get("chat_template_sha"),
        task_hashes={task: value for task, value in results.get("task_hashes", {}).items() if task in tasks},
        truncation=_truncation(block.get("truncation"), list(tasks)),
        gaps=_gaps(block.get("api")),
        cost=block.get("api") or block.get("cost"),
        profile=arguments.get("profile"),
        trained_on=block.get("trained_on"),
        versions=_versions(results) | block.get("versions", {}),
        results=str(announced.file),
        samples=files,
    )
    items = pl.concat([own.items for own in samples.values()])
    return run, items.select(pl.lit(run.id).alias("run"), pl.all())


def model_name(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the name of a model: lm-eval's is that of its base, an adapter stands in its arguments only."""
    adapter = arguments.get("lora_local_path")
    return f"{name} + {adapter}" if adapter else name


def _one(what: str, values: Iterable[Any]) -> Any:
    """Return the value that all tasks of a run share."""
    first, *others = list(values)
    if any(other != first for other in others):
        raise OpenbookError(f"its tasks have more than one {what}; run them again together")
    return first


def _known_version(version: str) -> str:
    if version not in VERSIONS.values():
        raise OpenbookError(
            f"task version {version} is not known here, known is {' or '.join(sorted(set(VERSIONS.values())))}; "
            "compare it with the openbook-eval that took it, or run again"
        )
    return version


def _truncation(part: Mapping[str, Any] | None, tasks: list[str]) -> Truncation:
    if part is None:
        return Truncation.unchecked("openbook-eval scores FOLDER checks it")
    return Truncation.from_json(part).only(tasks)


def _gaps(api: Mapping[str, Any] | None) -> str:
    """Say what the results of a model behind an API tell of questions without an answer."""
    if not api or not api["failures"]:
        return ""
    failures = sorted(api["failures"].items(), key=lambda failure: (-failure[1], failure[0]))
    reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in failures)
    missing = f"{api['questions'] - api['answered']} of {api['questions']} questions of the run not answered"
    return f"{missing} ({reasons}) and not scored: run again"


def _versions(results: Mapping[str, Any]) -> dict[str, str]:
    told = {name: results.get(f"{name.replace('-', '_')}_version") for name in ("lm-eval", "transformers")}
    return {name: version for name, version in told.items() if version}


def _short(error: Exception) -> str:
    """Return an error in one line, of pydantic's the first fault."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(map(str, fault['loc'])) or 'the run'}: {fault['msg']}"[:160]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
