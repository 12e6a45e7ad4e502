"""Where lm-eval puts a run's results and samples: today's layout and those of older versions.

0.4.9 on        OUT/MODEL/results_DATE.json and samples_TASK_DATE.jsonl; with --output_path NAME.json
                NAME_DATE.json with its samples beside
0.4.3 to 0.4.8  OUT/MODEL/results_DATE.json and samples_TASK_DATE.jsonl
0.4.0 to 0.4.2  OUT/results.json, or the file that --output_path names, and MODEL_ARGS_TASK.jsonl, each one JSON
                array in spite of its name
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook_eval import outcome
from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import store


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """A results file and the samples beside it by task; `date` is that of their names, "" where they have none."""

    path: Path
    date: str
    samples: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Found:
    """Results files, folders of single runs of a store, and what stands there but is no run, a line each."""

    results: tuple[ResultsFile, ...]
    stored: tuple[Path, ...]
    refused: tuple[str, ...]


def find(paths: Sequence[Path]) -> Found:
    """All runs at or under `paths`, each once. Raises OpenbookError for a path that is not there."""
    results: dict[Path, ResultsFile] = {}
    stored: dict[Path, None] = {}
    refused: dict[str, None] = {}
    for path in paths:
        if not path.exists():
            raise OpenbookError(f"{path}: no such file or folder; name a results file of lm-eval or a folder of runs")
        files = [path] if path.is_file() else [*outcome.results_files(path), *_undated(path)]
        results |= {file.resolve(): _results_file(file) for file in files}
        stored |= dict.fromkeys(store.folders(path))
        refused |= dict.fromkeys(_orphans(path))
    return Found(tuple(results.values()), tuple(stored), tuple(refused))


def samples_of(file: ResultsFile, model_args: str, tasks: Iterable[str]) -> dict[str, Path]:
    """The samples of some tasks, found by the model's arguments as they were typed where names have no date."""
    if file.date:
        return {task: file.samples[task] for task in tasks if task in file.samples}
    typed = re.sub("/|=", "__", model_args)
    named = {task: file.path.with_name(f"{typed}_{task}.jsonl") for task in tasks}
    return {task: path for task, path in named.items() if path.is_file()}


def _results_file(path: Path) -> ResultsFile:
    dated = outcome.DATED.search(path.stem)
    return ResultsFile(path, dated[1][:19] if dated else "", outcome.samples_files(path))


def _undated(folder: Path) -> list[Path]:
    """Results files of old versions: no other JSON lies beside samples of our tasks that have no date."""
    homes = {file.parent for file in folder.rglob("*_cmed_*.jsonl") if not _is_dated(file)}
    return sorted(file for home in homes for file in home.glob("*.json") if not _is_dated(file))


def _orphans(folder: Path) -> Iterator[str]:
    """Samples of our tasks whose results file is missing."""
    dates: Counter[tuple[Path, str]] = Counter()
    for file in folder.rglob("samples_cmed_*.jsonl"):
        if dated := outcome.DATED.search(file.stem):
            dates[file.parent, dated[1]] += 1
    for (home, date), count in sorted(dates.items()):
        if not any(home.glob(f"*_{date}.json")):
            yield (
                f"{home}: samples of {date[:19]} ({count} tasks) without a results file; "
                "the run was cut off, or the file lies elsewhere: run again, or put it beside them"
            )


def _is_dated(file: Path) -> bool:
    return outcome.DATED.search(file.stem) is not None
