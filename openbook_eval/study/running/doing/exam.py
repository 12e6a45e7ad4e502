"""The step `exam`: a model sits the exam; answers that it has given are not asked again."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running.doing.base import MODEL
from openbook_eval.study.running.doing.place import Place, ours
from openbook_eval.study.running.doing.train import base_of, recipe_of, trained_in

_RESULTS, _ANSWERS = "results", "answers"
# Ranks that vLLM has room for.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# One process and one thread: what is examined without a card is too small to gain from more.
_ON_CPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}


def do(place: Place) -> Iterable[Path]:
    """Has the exam sat; returns the results and the samples."""
    results = place.folder / _RESULTS
    for path in _written(results):
        # Of a start that was cut off before its receipt: two results would count as two runs.
        path.unlink()
    what = place.step.what
    on_cpu = {} if place.gpus else {name: os.environ.get(name, value) for name, value in _ON_CPU.items()}
    place.call(
        [ours("openbook-eval"), "run", *_model(place), *_flags(place), "--output_path", results, "--log_samples"],
        {"OPENBOOK_EXAM": what["exam"], "OPENBOOK_CACHE": str(place.folder / _ANSWERS), **on_cpu},
        # A relative path of an exam or a model begins where the study was started.
        cwd=place.origin,
    )
    written = _written(results)
    if not any(path.name.startswith("results_") for path in written):
        raise OpenbookError("the exam left no results, though no fault was told; see the log")
    return written


def _written(results: Path) -> list[Path]:
    return [path for name in ("results_*.json", "samples_*.jsonl") for path in results.rglob(name)]


def _flags(place: Place) -> list[str]:
    what = place.step.what
    # A profile brings its chat format itself.
    chat = ["--apply_chat_template"] if what["chat_template"] and what["subject"] != "profile" else []
    return ["--tasks", ",".join(what["tasks"]), "--batch_size", str(what["batch_size"]), *chat]


def _model(place: Place) -> list[str]:
    """Which model sits, as JSON: a path may hold signs that `key=value` would break at."""
    what = place.step.what
    arguments = ["--model_args", json.dumps(_arguments(place), ensure_ascii=False)]
    if what["subject"] == "profile":
        return ["--profile", what["name"], *(arguments if _arguments(place) else [])]
    return ["--model", what["model"], *arguments]


def _arguments(place: Place) -> dict[str, Any]:
    what = place.step.what
    given = dict(what["model_args"])
    match what["subject"]:
        case "profile" | "endpoint":
            return given
        case "hub":
            return {"pretrained": what["name"], **given}
        case "base":
            return {"pretrained": str(place.folder_of("base") / MODEL), **given}
        case "adapter":
            return {**_adapter(place), **_code(place), **given}
        case "merged":
            merged = place.before("merge")
            trained = place.work / merged.id / MODEL if merged else trained_in(place.folder_of("train"))
            return {"pretrained": str(trained), **_code(place), **given}
        case other:
            raise OpenbookError(f"{place.step.id}: {other!r} is nothing that can be examined; have it planned again")


def _adapter(place: Place) -> dict[str, Any]:
    rank = int(recipe_of(place).get("lora_r") or 0)
    return {
        "pretrained": base_of(place),
        "enable_lora": True,
        "lora_local_path": str(trained_in(place.folder_of("train"))),
        "max_lora_rank": next((size for size in _RANKS if size >= rank), rank),
    }


def _code(place: Place) -> dict[str, bool]:
    """Who lets a recipe run the code of a model's authors lets the exam run it too."""
    return {"trust_remote_code": True} if recipe_of(place).get("trust_remote_code") else {}
