"""`trained_on.json`: what a model was trained on, with what, and how far; it lies beside the weights."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError

RECORD = "trained_on.json"

# What a recipe says of where it lies and of where to go on, not of what it trains.
_NOT_OF_THE_RECIPE = {"axolotl_config_path", "resume_from_checkpoint"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MixTrainedOn(_Model):
    """The mix: see openbook_eval.training.mixes.TrainingMix."""

    folder: str
    sha256: str
    manifest_sha256: str
    rows: int
    tokens: int


class Device(_Model):
    """What it ran on: the card's name or "cpu", and how many of them."""

    name: str
    count: int


class TrainedOn(_Model):
    """All of trained_on.json.

    `recipe_sha256` is `recipe_digest` of the recipe. `tokens` went through the model, padding apart, each as often as
    it did; `wall_seconds` are those of training, evaluation and saving. Both leave out work that was lost when a run
    was cut off. `sessions` counts all starts. `mfu` is as in openbook_eval.training.utilisation.
    """

    version: Literal[1] = 1
    recipe: str
    recipe_sha256: str
    base_model: str
    adapter: str | None
    mix: MixTrainedOn
    versions: dict[str, str]
    device: Device
    seed: int
    started: str
    wall_seconds: float
    tokens: int
    steps: int
    tokens_per_second: float
    parameters: int
    trainable_parameters: int
    mfu: float | None
    loss_first: float | None
    loss_last: float | None
    finished: bool
    sessions: int


def recipe_digest(config: Mapping[str, Any]) -> str:
    """The sha256 of a recipe's keys and values, whatever their order; a key without a value is none.

    `config` is the recipe as it was read, with what the command line changed: what Axolotl makes of it also tells of
    the machine.
    """
    said = {key: value for key, value in config.items() if value is not None and key not in _NOT_OF_THE_RECIPE}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def write_record(folder: Path, record: TrainedOn) -> None:
    """Writes trained_on.json, whole or not at all; makes the folder where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{RECORD}.part"
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=2)
    beside.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    beside.replace(folder / RECORD)


def read_record(folder: Path) -> TrainedOn | None:
    """The record of a model's folder, None where there is none; raises OpenbookError where it is something else."""
    path = folder / RECORD
    try:
        return TrainedOn.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise OpenbookError(
            f"{path}: not a record of a training ({place}: {fault['msg']}); remove it, or name another folder"
        ) from error
