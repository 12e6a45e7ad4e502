"""Cells: which points a study has, and what they are called."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.study.cells import Cell, Mix, cells_of, safe
from openbook_eval.study.file.study_file import read_study
from tests.study.folders import write

MIX91, MIX11 = Mix("mix91", 9, 1, 40), Mix("mix11", 1, 1, 40)


def test_every_recipe_is_trained_on_every_mix_with_every_seed_and_models_stand_before(tmp_path: Path) -> None:
    assert cells_of(read_study(write(tmp_path))) == (
        Cell("models-tiny", None, "models/tiny", None, None, None),
        Cell("own_mix91-seed1", 4, "models/tiny", "own", MIX91, 1),
        Cell("own_mix91-seed2", 4, "models/tiny", "own", MIX91, 2),
        Cell("own_mix11-seed1", 4, "models/tiny", "own", MIX11, 1),
        Cell("own_mix11-seed2", 4, "models/tiny", "own", MIX11, 2),
    )


def test_without_mixes_a_recipe_is_trained_on_its_own_and_called_by_its_name_alone(tmp_path: Path) -> None:
    path = write(tmp_path, seeds=[7], models=[], data={"spec": "paper"}, groups=[{"recipes": ["qwen7b_mix41"]}])
    (cell,) = cells_of(read_study(path))
    assert cell == Cell("qwen7b_mix41-seed7", None, "Qwen/Qwen1.5-7B", "qwen7b_mix41", Mix("mix41", 4, 1, 100_000), 7)


def test_models_as_they_are_have_no_seed(tmp_path: Path) -> None:
    models = [{"model": "a/B-1.5"}, {"profile": "pulse-7b", "table": 2}, {"endpoint": "glm-4", "table": 1}]
    assert cells_of(read_study(write(tmp_path, models=models, groups=[]))) == (
        Cell("a-B-1.5", None, "a/B-1.5", None, None, None),
        Cell("pulse-7b", 2, "pulse-7b", None, None, None),
        Cell("glm-4", 1, "glm-4", None, None, None),
    )


def test_a_cell_that_stands_twice_is_refused(tmp_path: Path) -> None:
    group = {"recipes": ["own.yml"], "mixes": ["mix91"]}
    with pytest.raises(OpenbookError, match="own_mix91-seed1 stands twice among its cells; leave it in one group"):
        read_study(write(tmp_path, groups=[{"table": 4, **group}, {"table": 5, **group}]))


@given(st.text(max_size=300))
def test_every_name_becomes_one_that_a_folder_can_have_anywhere(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}", safe(name))


@given(st.text(st.characters(exclude_characters="/-"), max_size=100), st.text(st.characters(exclude_characters="/-")))
def test_different_names_stay_different(first: str, second: str) -> None:
    assert (safe(first) == safe(second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"), [("a b", "a-b"), ("甲", "乙"), ("a" * 99, "a" * 98), ("-a", "a"), ("a?", "a!")]
)
def test_names_that_differ_by_what_no_folder_can_have_stay_different(first: str, second: str) -> None:
    assert safe(first) != safe(second)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,60}[A-Za-z0-9_])?", fullmatch=True))
def test_a_name_that_a_folder_can_have_is_left_as_it_is(name: str) -> None:
    assert safe(name) == name
