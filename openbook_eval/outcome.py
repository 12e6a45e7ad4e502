"""Completes what lm-eval has written: our findings about a run, added to its results file under the key `openbook`."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from openbook_eval import measures, provenance
from openbook_eval.models import context_window

Part = Callable[[Mapping[str, Any], Mapping[str, Path]], object]

KEY = "openbook"
# What is found about a run: a name and the function that finds it in the results and the samples file of each task,
# or finds nothing to say. A part that says `"checked": false` is tried again every time.
PARTS: tuple[tuple[str, Part], ...] = (
    ("truncation", context_window.find),
    ("reading", measures.find),
    ("trained_on", provenance.trained_on),
)

# lm-eval ends the names of a run's files in the time it was written, with dashes for colons.
DATED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)$")

_log = logging.getLogger(__name__)


def complete(path: Path) -> list[Path]:
    """Adds what is missing to each results file at or under `path` that has samples beside it; returns those changed.

    All else in a file stays as it is. A file that cannot be read as lm-eval's results is left to its readers, one
    that cannot be written is warned of.
    """
    return [file for file in results_files(path) if _complete(file)]


def record(file: Path, name: str, part: object) -> bool:
    """Writes one part that was found elsewhere, unless the file has it; False where it has, or is no results file."""
    results = _read(file)
    return results is not None and _lacks(results, name) and _write(file, results, {name: part})


def results_files(path: Path) -> list[Path]:
    """The file `path`, or the results files of any run in a folder."""
    return [path] if path.is_file() else _dated(path.rglob("*.json"))


def written_to(output: Path) -> list[Path]:
    """The results files of runs with `output` for --output_path: a folder, or the beginning of a file's name."""
    if output.suffix != ".json":
        return results_files(output)
    return [file for file in _dated(output.parent.glob("*.json")) if DATED.sub("", file.stem) == output.stem]


def samples_files(file: Path) -> dict[str, Path]:
    """The samples that a results file has beside it, by task."""
    dated = DATED.search(file.stem)
    if not dated:
        return {}
    beside = sorted(file.parent.glob(f"samples_*_{dated[1]}.jsonl"))
    return {path.name.removeprefix("samples_").removesuffix(f"_{dated[1]}.jsonl"): path for path in beside}


def _dated(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if DATED.search(file.stem))


def _complete(file: Path) -> bool:
    samples, results = samples_files(file), _read(file)
    if not samples or results is None:
        return False
    found = {name: part(results, samples) for name, part in PARTS if _lacks(results, name)}
    return _write(file, results, {name: part for name, part in found.items() if part is not None})


def _read(file: Path) -> dict[str, Any] | None:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        return results if context_window.our_tasks(results) and isinstance(results.get(KEY, {}), dict) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _lacks(results: Mapping[str, Any], name: str) -> bool:
    part = results.get(KEY, {}).get(name)
    return part is None or (isinstance(part, dict) and part.get("checked") is False)


def _write(file: Path, results: dict[str, Any], parts: Mapping[str, object]) -> bool:
    """Written aside and moved into place; False where nothing changes or nothing can be written."""
    completed = {**results, KEY: {**results.get(KEY, {}), **parts}}
    if not parts or completed == results:
        return False
    target = file.resolve()
    # Killed on the way it leaves a name that nobody takes for results.
    aside = target.with_name(f".openbook-{os.getpid()}")
    try:
        # As lm-eval writes it.
        aside.write_text(json.dumps(completed, indent=2, ensure_ascii=False), encoding="utf-8")
        shutil.copymode(target, aside)
        aside.replace(target)
    except (OSError, ValueError) as error:
        with suppress(OSError):
            aside.unlink()
        _log.warning("%s: %s cannot be added (%s)", file, ", ".join(parts), error)
        return False
    return True
