"""The training environment, the command that trains, and the shipped recipes of the tiny model, trained."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from openbook_eval.tiny_model import tiny_model_dir

_ROOT = Path(__file__).parents[2]
_PYTHON = Path(os.environ.get("TRAIN_PYTHON", _ROOT / ".venv-train" / "bin" / "python"))
RECIPES = _ROOT / "recipes"
# The output_dir of a shipped recipe, by its name, after it was trained as it stands.
Trained = Callable[[str], Path]


def training_environment() -> dict[str, str]:
    """What a process of the training environment is given: no network, no telemetry, one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBOOK", "HF_"))}
    return {**kept, "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def train_python() -> Path:
    """The Python of the training environment."""
    if not _PYTHON.is_file():
        pytest.fail(f"{_PYTHON}: no training environment; run make train-env, or name its Python: TRAIN_PYTHON")
    return _PYTHON


def printed(folder: Path, recipe: str) -> str:
    """What the training of a recipe has printed; a pipe that is not read would hold it up."""
    return (folder / f"{recipe}.log").read_text(encoding="utf-8", errors="replace")


def start(folder: Path, recipe: str, *changes: str) -> "subprocess.Popen[str]":
    """Start the command that a user gives, in a group of processes of its own; changes are such as --seed=7."""
    command = [str(_PYTHON.parent / "accelerate"), "launch", "-m", "axolotl.cli.train", recipe, *changes]
    with (folder / f"{recipe}.log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=training_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def train(folder: Path, recipe: str, *changes: str, fails: bool = False) -> str:
    """Train to the end, or to where it fails; return what is printed."""
    failed, said = start(folder, recipe, *changes).wait() != 0, printed(folder, recipe)
    assert failed == fails, said[-3000:]
    return said


@pytest.fixture(scope="session")
def tiny_mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `mixes/tiny`, of 192 rows, built by data-prep from rows that it made itself."""
    from data_prep.cli import app

    folder = tmp_path_factory.mktemp("tiny")
    data, mixes = str(folder / "data"), folder / "mixes"
    app(["invent", "--out", data], standalone_mode=False)
    order = ["--data", data, "--out", str(mixes), "--mix", "tiny", "--scale", "0.48"]
    app(["build", "tiny", *order], standalone_mode=False)
    return mixes / "tiny"


@pytest.fixture(scope="session")
def train_folder(tmp_path_factory: pytest.TempPathFactory, tiny_mix: Path, train_python: Path) -> Path:  # noqa: ARG001
    """A folder as the heads of the recipes want it: the shipped recipes, mixes/tiny and models/tiny in it."""
    folder = tmp_path_factory.mktemp("train_folder")
    shutil.copytree(RECIPES, folder / "recipes")
    shutil.copytree(tiny_mix, folder / "mixes" / "tiny")
    shutil.copytree(tiny_model_dir(), folder / "models" / "tiny")
    return folder


@pytest.fixture(scope="session")
def trained(train_folder: Path) -> Trained:
    """Trains a shipped recipe as it stands, the first time that it is asked for."""

    @cache
    def output(name: str) -> Path:
        train(train_folder, f"recipes/{name}.yml")
        return train_folder / "checkpoints" / name

    return output
