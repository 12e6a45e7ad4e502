"""The command that does a step, by its kind. All paths are seen from the folder that the steps work in.

So a model is called by the same name in whatever folder its study runs: train/NAME-KEY/model.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.study.steps import Kind, Step

TRAINING_ENV = "OPENBOOK_TRAINING_ENV"
MODEL = "model"
_BIN = Path(sys.executable).parent
# Too little to do for several threads; and one process, so that nothing is left behind.
_ON_CPU = {"OMP_NUM_THREADS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
# The ranks that vLLM takes for --max-lora-rank.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and what is set in its environment."""

    line: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def command(step: Step, needs: Mapping[Kind, Step], work: Path) -> Command:
    """The command of a step, after the files it wants were written; `needs` are the steps before it by their kind.

    Raises OpenbookError where the environment of training is not to be found.
    """
    makers: dict[Kind, Callable[[Step, Mapping[Kind, Step], Path], Command]] = {
        "mix": _mix,
        "base": _base,
        "train": _train,
        "merge": _merge,
        "exam": _exam,
    }
    return makers[step.kind](step, needs, work)


def accelerate() -> Path:
    """The program that starts a training: of the folder that OPENBOOK_TRAINING_ENV names, else of what lies near.

    Near is .venv-train beside the running environment, else the running environment itself. Raises OpenbookError where
    there is none.
    """
    named = os.environ.get(TRAINING_ENV)
    folders = [Path(named)] if named else [Path(sys.prefix).parent / ".venv-train", Path(sys.prefix)]
    for folder in folders:
        # Ours has accelerate too, for the engine; what trains is axolotl.
        if (folder / "bin" / "axolotl").is_file():
            return folder / "bin" / "accelerate"
    where = f"{folders[0]}: has no bin/axolotl" if named else "no environment with Axolotl is near"
    raise OpenbookError(f"{where}; make one (make train-env) and name its folder: --training-env DIR")


def _mix(step: Step, _: Mapping[Kind, Step], __: Path) -> Command:
    what = step.what
    data = ["--data", str(what["data"])] if what["data"] else []
    line = ["build", str(what["spec"]), "--out", step.id, "--mix", str(what["mix"]), *data]
    return Command((str(_BIN / "data-prep"), *line))


def _base(step: Step, _: Mapping[Kind, Step], __: Path) -> Command:
    return Command((str(_BIN / "openbook-eval"), "examinee", "--out", f"{step.id}/{MODEL}"))


def _train(step: Step, needs: Mapping[Kind, Step], work: Path) -> Command:
    recipe = work / step.id / f"{step.name}.yml"
    _write_recipe(recipe, _recipe(step, needs))
    cards = step.resources.gpus
    several = ["--multi_gpu", "--num_processes", str(cards)] if cards > 1 else []
    line = ["launch", "--quiet", *several, "-m", "axolotl.cli.train", str(recipe.relative_to(work))]
    threads = {} if cards else {"OMP_NUM_THREADS": "1"}
    return Command((str(accelerate()), *line), {"AXOLOTL_DO_NOT_TRACK": "1", **threads})


def _recipe(step: Step, needs: Mapping[Kind, Step]) -> dict[str, Any]:
    """The recipe with its folders put in."""
    recipe: dict[str, Any] = json.loads(json.dumps(step.what["recipe"]))
    mix = needs["mix"]
    (dataset,) = recipe["datasets"]
    dataset["path"] = dataset["path"].replace("{mix}", f"{mix.id}/{mix.what['mix']}")
    if "base" in needs:
        recipe["base_model"] = recipe["base_model"].replace("{base}", f"{needs['base'].id}/{MODEL}")
    here = {"dataset_prepared_path": f"{step.id}/prepared", "output_dir": f"{step.id}/{MODEL}"}
    return {**recipe, **here, "auto_resume_from_checkpoints": True}


def _write_recipe(path: Path, recipe: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True), encoding="utf-8")
    beside.replace(path)


def _merge(step: Step, needs: Mapping[Kind, Step], work: Path) -> Command:
    train = needs["train"]
    recipe = yaml.safe_load((work / train.id / f"{train.name}.yml").read_text(encoding="utf-8"))
    trust = ["--trust-remote-code"] if recipe.get("trust_remote_code") else []
    line = ["recipes", "merge", f"{train.id}/{MODEL}", "--out", f"{step.id}/{MODEL}"]
    return Command((str(_BIN / "openbook-eval"), *line, "--base", recipe["base_model"], *trust))


def _exam(step: Step, needs: Mapping[Kind, Step], work: Path) -> Command:
    what = step.what
    line = ["run", "--tasks", ",".join(what["tasks"]), "--batch_size", str(what["batch_size"])]
    line += ["--output_path", f"{step.id}/results", "--log_samples"]
    arguments = {**what["model_args"], **_subject(step, needs, work)}
    if what["subject"] == "profile":
        line += ["--profile", what["name"]]
    else:
        line += ["--model", what["model"], *(["--apply_chat_template"] if what["chat_template"] else [])]
    if arguments:
        line += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
    environment = {"OPENBOOK_EXAM": str(what["exam"]), **({} if step.resources.gpus else _ON_CPU)}
    return Command((str(_BIN / "openbook-eval"), *line), environment)


def _subject(step: Step, needs: Mapping[Kind, Step], work: Path) -> dict[str, Any]:
    """What lm-eval is told of the model that sits the exam."""
    subject, name = step.what["subject"], step.what["name"]
    if subject in ("profile", "endpoint"):
        return {}
    if subject == "adapter":
        train = needs["train"]
        recipe = yaml.safe_load((work / train.id / f"{train.name}.yml").read_text(encoding="utf-8"))
        rank = next((rank for rank in _RANKS if rank >= int(recipe.get("lora_r") or 0)), _RANKS[-1])
        adapter = {"enable_lora": True, "max_lora_rank": rank, "lora_local_path": f"{train.id}/{MODEL}"}
        return {"pretrained": recipe["base_model"], **adapter}
    before = next((needs[kind] for kind in ("merge", "train", "base") if kind in needs), None)
    return {"pretrained": f"{before.id}/{MODEL}" if before else name}
