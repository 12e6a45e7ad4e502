"""What the plugin refuses ends the real command in one line of ours, before a model is read or a folder written."""

import shutil
import subprocess
from pathlib import Path

import pytest

from openbook_eval.training.mixes import TRAIN
from openbook_eval.training.record import RECORD, write_record
from tests.training.conftest import Train
from tests.training.records import record

pytestmark = pytest.mark.training

RECIPE = "recipes/tiny_lora.yml"


def told(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines that are ours, of a process that ended with an error and with nothing of Python's before them."""
    assert done.returncode != 0
    before, _, after = done.stdout.partition("openbook-eval: ")
    assert "Traceback" not in before
    # What comes after is of accelerate, which tells that its process ended so.
    assert after.count("Traceback") == after.count("returned non-zero exit status 2.") == 1
    return [line for line in done.stdout.splitlines() if line.startswith("openbook-eval: ")]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["--base_model=models/none"], "base_model models/none: cannot be loaded ("),
        (
            ["--attn_implementation=flash_attention_2", "--bf16=True"],
            "this recipe needs a GPU (flash_attention_2), and torch ",
        ),
    ],
    ids=["no model", "no gpu"],
)
def test_a_mistake_is_one_line_before_anything_is_read(
    train_folder: Path, train: Train, changes: list[str], line: str
) -> None:
    (fault,) = told(train(train_folder, RECIPE, *changes, "--output_dir=checkpoints/refused"))
    assert fault.startswith(f"openbook-eval: {line}")
    assert not (train_folder / "checkpoints" / "refused").exists()


def test_a_mix_that_is_not_there_is_told_with_the_command_that_builds_it(
    train_folder: Path, tmp_path: Path, train: Train
) -> None:
    shutil.copytree(train_folder / "recipes", tmp_path / "recipes")
    (fault,) = told(train(tmp_path, "recipes/qwen7b_mix41.yml"))
    build = "data-prep build paper --out mixes --mix mix41"
    assert fault == f"openbook-eval: mixes/mix41: there is no mix; build it with: {build}"
    assert [path.name for path in tmp_path.iterdir()] == ["recipes"]


def test_a_mix_that_was_changed_is_not_trained_on(train_folder: Path, tmp_path: Path, train: Train) -> None:
    for folder in ("mixes", "recipes"):
        shutil.copytree(train_folder / folder, tmp_path / folder)
    with (tmp_path / "mixes" / "tiny" / TRAIN).open("a") as file:
        file.write("{}\n")
    (fault,) = told(train(tmp_path, RECIPE))
    assert fault.startswith("openbook-eval: mixes/tiny/train.jsonl: was changed after the build; ")


def test_the_folder_of_another_mix_is_not_written_to(train_folder: Path, train: Train) -> None:
    output = train_folder / "checkpoints" / "other"
    write_record(output, record())
    (fault,) = told(train(train_folder, RECIPE, "--output_dir=checkpoints/other"))
    other = "another mix mixes/tiny-bbbbbbbbbbbbbbbb; remove it, or name another output_dir"
    assert fault == f"openbook-eval: checkpoints/other: holds the training of {other}"
    assert [path.name for path in output.iterdir()] == [RECORD]
