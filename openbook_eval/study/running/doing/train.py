"""The step `train`: Axolotl, in the training environment, trains a recipe; what was cut off goes on."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running.doing.base import MODEL
from openbook_eval.study.running.doing.mix import folder_of
from openbook_eval.study.running.doing.place import Place

# Names the folder of the training environment; Axolotl pins libraries that the engine cannot take.
VARIABLE = "OPENBOOK_TRAINING_ENV"
_RECIPE, _OUTPUT, _PREPARED = "recipe.yml", "output", "prepared"
_QUIET = {"AXOLOTL_DO_NOT_TRACK": "1"}


def do(place: Place) -> Iterable[Path]:
    """Trains the step's recipe; returns the weights: of the adapter, or of the whole model."""
    recipe = _recipe(place)
    text = yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False, width=120)
    (place.folder / _RECIPE).write_text(text, encoding="utf-8")
    several = ["--multi_gpu"] if place.gpus > 1 else []
    options = ["--quiet", *several, "--num_processes", str(max(1, place.gpus))]
    # A model that trains on a CPU is too small to gain from more threads.
    threads = {} if place.gpus else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    place.call([accelerate(), "launch", *options, "-m", "axolotl.cli.train", _RECIPE], {**_QUIET, **threads})
    return weights(place.folder / _OUTPUT)


def tidy(place: Place) -> None:
    """Takes away what only a training that goes on needs: checkpoints, and the rows as tokens."""
    for folder in [place.folder / _PREPARED, *(place.folder / _OUTPUT).glob("checkpoint-*")]:
        shutil.rmtree(folder, ignore_errors=True)


def _recipe(place: Place) -> dict[str, Any]:
    """The recipe with its paths, seen from the step's folder: a study may be moved, and its trainings still go on."""
    recipe = {**recipe_of(place), "base_model": base_of(place, beside=True)}
    mix = place.before("mix")
    if mix is None:
        raise OpenbookError(f"{place.step.id}: has no mix; have the study planned again")
    rows = folder_of(mix.what["mix"], Path("..", "..", mix.id))
    path = recipe["datasets"][0]["path"].replace("{mix}", rows.as_posix())
    recipe["datasets"] = [{**recipe["datasets"][0], "path": path}, *recipe["datasets"][1:]]
    return recipe | {"dataset_prepared_path": _PREPARED, "output_dir": _OUTPUT} | _shared_out(recipe, place.gpus)


def _shared_out(recipe: Mapping[str, Any], gpus: int) -> dict[str, Any]:
    """What several cards change: as many texts a step as on one; the model is shared out by DeepSpeed's ZeRO-3.

    Raises OpenbookError where the texts of a step cannot be dealt out evenly.
    """
    if gpus < 2:
        return {}
    texts = int(recipe.get("micro_batch_size", 1)) * int(recipe.get("gradient_accumulation_steps", 1))
    if texts % gpus:
        raise OpenbookError(f"a step of the recipe has {texts} texts, which {gpus} cards cannot share evenly")
    most = min(int(recipe.get("micro_batch_size", 1)), texts // gpus)
    micro = next(size for size in range(most, 0, -1) if texts // gpus % size == 0)
    batch = {"micro_batch_size": micro, "gradient_accumulation_steps": texts // gpus // micro}
    if any(recipe.get(key) for key in ("deepspeed", "fsdp", "fsdp_config")):
        return batch
    from openbook_eval.install import data_dir

    return {**batch, "deepspeed": str(data_dir("recipes") / "sharding" / "zero3.json")}


def recipe_of(place: Place) -> dict[str, Any]:
    """The recipe of this step, or of the training that it rests on."""
    step = place.step if place.step.kind == "train" else place.before("train")
    return dict(step.what["recipe"]) if step else {}


def base_of(place: Place, *, beside: bool = False) -> str:
    """The base model of a training: a folder, or a name on the hub; `beside` gives a folder of a step from this one's.

    Raises OpenbookError where a step was to make it and none did.
    """
    name = str(recipe_of(place)["base_model"])
    if name != "{base}":
        return name
    folder = place.folder_of("base")
    return (Path("..", "..", folder.relative_to(place.work)) / MODEL).as_posix() if beside else str(folder / MODEL)


def trained_in(folder: Path) -> Path:
    """Where a step that trained in `folder` has the adapter or the model."""
    return folder / _OUTPUT


def weights(folder: Path) -> list[Path]:
    """The files of weights in a model's folder; raises OpenbookError where there are none."""
    if found := sorted(folder.glob("*.safetensors")):
        return found
    raise OpenbookError(f"{folder.name}: no weights were left, though no fault was told; see the log")


def accelerate(named: Path | None = None) -> Path:
    """The launcher of the training environment: `named`, else OPENBOOK_TRAINING_ENV, else where one usually is.

    Raises OpenbookError where there is none.
    """
    told = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    beside = Path(sys.prefix).parent / ".venv-train"
    launcher = (told or beside).absolute() / "bin" / "accelerate"
    if launcher.is_file():
        return launcher
    on_path = shutil.which("accelerate")
    if told is None and on_path:
        return Path(on_path)
    raise OpenbookError(
        f"{launcher}: no training environment; make it with `make train-env`, or name its folder: --training-env DIR"
    )
