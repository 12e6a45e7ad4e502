"""Fixtures: the training environment, the command that trains, and the shipped recipes of the tiny model, trained."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from openbook_eval.tiny_model import tiny_model_dir

_ROOT = Path(__file__).parents[2]

RECIPES = _ROOT / "recipes"


# These take a folder, a recipe in it, and options of the command, such as --seed=7. The first starts the training; the
# second trains to the end, or to where it fails.
Start = Callable[..., "subprocess.Popen[str]"]
Train = Callable[..., "subprocess.CompletedProcess[str]"]
# The output_dir of a shipped recipe, by its name, after it was trained as it stands.
Trained = Callable[[str], Path]


def training_environment() -> dict[str, str]:
    """What a process of the training environment is given: no network, no telemetry, one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBOOK", "HF_"))}
    return {**kept, "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


def printed_by(folder: Path, recipe: str) -> Path:
    """Where the training of a recipe prints to."""
    return folder / f"{recipe}.log"


@pytest.fixture(scope="session")
def train_python() -> Path:
    """The Python of the training environment."""
    python = Path(os.environ.get("TRAIN_PYTHON", _ROOT / ".venv-train" / "bin" / "python"))
    if not python.is_file():
        pytest.fail(f"{python}: there is no training environment; run make train-env, or name its Python: TRAIN_PYTHON")
    return python


@pytest.fixture(scope="session")
def start(train_python: Path) -> Start:
    """The command that a user gives, in a group of processes of its own.

    What it prints goes to a file beside the recipe: a pipe that is not read would hold it up.
    """

    def run(folder: Path, recipe: str, *changes: str) -> "subprocess.Popen[str]":
        with printed_by(folder, recipe).open("w") as printed:
            return subprocess.Popen(
                [train_python.parent / "accelerate", "launch", "-m", "axolotl.cli.train", recipe, *changes],
                cwd=folder,
                env=training_environment(),
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    return run


@pytest.fixture(scope="session")
def train(start: Start) -> Train:
    def run(folder: Path, recipe: str, *changes: str) -> "subprocess.CompletedProcess[str]":
        process = start(folder, recipe, *changes)
        process.wait()
        printed = printed_by(folder, recipe).read_text(encoding="utf-8", errors="replace")
        return subprocess.CompletedProcess(process.args, process.returncode, printed)

    return run


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
def train_folder(tmp_path_factory: pytest.TempPathFactory, tiny_mix: Path) -> Path:
    """A folder as the heads of the recipes want it: the shipped recipes, mixes/tiny and models/tiny in it."""
    folder = tmp_path_factory.mktemp("train_folder")
    shutil.copytree(RECIPES, folder / "recipes")
    shutil.copytree(tiny_mix, folder / "mixes" / "tiny")
    shutil.copytree(tiny_model_dir(), folder / "models" / "tiny")
    return folder


@pytest.fixture(scope="session")
def trained(train_folder: Path, train: Train) -> Trained:
    """Trains a shipped recipe as it stands, the first time that it is asked for."""

    @cache
    def output(name: str) -> Path:
        done = train(train_folder, f"recipes/{name}.yml")
        assert done.returncode == 0, done.stdout[-3000:]
        return train_folder / "checkpoints" / name

    return output
