"""The commands `openbook-eval recipes ...` as a user meets them: what they print, and how a mistake ends them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_cli import assert_one_line_error, call
from tests.training.conftest import RECIPES, training_environment

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def there(train_python: Path, train_folder: Path) -> Program:
    """The program of the training environment, in a folder that has the recipes, mixes/tiny and models/tiny."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(train_python.parent / "openbook-eval"), "recipes", *arguments]
        return subprocess.run(command, cwd=train_folder, env=training_environment(), capture_output=True, text=True)

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_recipes_are_written_where_none_is_named(tmp_path: Path) -> None:
    assert call("recipes", "write", "--out", str(tmp_path)).stdout == f"{tmp_path}: 36 recipes written\n"
    assert names(tmp_path) == sorted(path.name for path in RECIPES.glob("*.yml"))


def test_only_the_recipes_that_are_named_are_written(tmp_path: Path) -> None:
    done = call("recipes", "write", "tiny_lora", "qwen7b_mix41", "--out", str(tmp_path))
    assert done.stdout == f"{tmp_path}: 2 recipes written\n"
    assert names(tmp_path) == ["qwen7b_mix41.yml", "tiny_lora.yml"]


def test_with_full_all_weights_are_trained_and_the_name_says_so(tmp_path: Path) -> None:
    done = call("recipes", "write", "--full", "qwen7b_mix41", "tiny_full", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path) == ["qwen7b_mix41_full.yml", "tiny_full.yml"]


def test_a_recipe_that_trains_all_weights_anyway_is_written_once(tmp_path: Path) -> None:
    done = call("recipes", "write", "--full", "tiny_full", "tiny_full", "--out", str(tmp_path))
    assert done.stdout == f"{tmp_path}: 1 recipe written\n"


def test_a_name_that_is_not_in_the_table_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    result = call("recipes", "write", "tiny_lora", "qwen7b_mix42", "--out", str(tmp_path / "out"))
    assert_one_line_error(result, "recipe 'qwen7b_mix42' is not in the table; did you mean 'qwen7b_mix41'?")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call("recipes", "write", "--out", str(tmp_path / "file" / "recipes"))
    assert_one_line_error(result, "file/recipes: cannot be written to (Not a directory); name another with --out")


def test_recipes_are_not_checked_where_axolotl_is_not_installed() -> None:
    assert_one_line_error(call("recipes", "check", str(RECIPES)), "recipes are checked by Axolotl, which cannot be")


@pytest.mark.training
def test_the_recipes_of_the_repository_have_no_faults(there: Program) -> None:
    done = there("check", "--no-mixes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "36 recipes: no faults\n", "")


@pytest.mark.training
def test_the_recipes_of_the_repository_lack_the_mixes_of_the_paper_and_nothing_else(there: Program) -> None:
    done = there("check")
    assert (done.returncode, done.stdout) == (2, "")
    first, *faults = done.stderr.splitlines()
    assert first == "openbook-eval: 34 faults in 34 of 36 recipes:"
    path = "recipes/qwen7b_mix41.yml: datasets.0.path"
    build = "data-prep build paper --out mixes --mix mix41"
    assert f"{path}: mixes/mix41: there is no mix; build it with: {build}" in faults
    assert (
        len(faults) == sum(": there is no mix; build it with: data-prep build paper " in line for line in faults) == 34
    )
    assert not any("tiny" in line for line in faults)


@pytest.mark.training
def test_what_cannot_be_merged_ends_in_one_line(there: Program) -> None:
    assert_one_line_error(there("merge", "checkpoints/none"), "none: no such folder; name the output_dir of a recipe")
    assert_one_line_error(there("merge", "models/tiny"), "it is a whole model already, and needs no merging")
