"""The study file: names become what they mean, all faults are told at once, and every cell has a name of its own."""

import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.files import sha256_json
from openbook_eval.leaderboard import published
from openbook_eval.study.spec import Cell, read_study, safe_name
from openbook_eval.training.recipes import RecipeMix
from tests.study.folders import PAPER, write, write_recipe


def fault(path: Path) -> str:
    with pytest.raises(OpenbookError) as caught:
        read_study(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("named", [True, False])
def test_names_become_what_they_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    # Raw files are looked for where data-prep looks, unless the study says.
    monkeypatch.setenv("OPENBOOK_DATA", str(tmp_path / ("elsewhere" if named else "raw")))
    study = read_study(write(tmp_path, data={"spec": "spec.yml", **({"folder": "raw"} if named else {})}))
    assert (study.name, study.conditions) == ("mine", ["openbook", "closedbook"])
    assert (study.exam.name, study.exam.questions) == ("mini", 258)
    assert study.data is not None
    assert study.data.folder == tmp_path / "raw"
    (recipe,) = study.groups[0].recipes
    assert (recipe.name, recipe.base, recipe.needs_gpu) == ("own", "models/tiny", False)


TINY = ("models-tiny", None, "models/tiny", None, None, None)
MIX91, MIX11 = RecipeMix("mix91", 9, 1, 40), RecipeMix("mix11", 1, 1, 40)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Every recipe on every mix with every seed, which are one arm.
        ({}, [TINY, *((f"own_{mix.name}-seed{seed}", 4, "models/tiny", "own", mix, seed)
                      for mix in (MIX91, MIX11) for seed in (1, 2))]),
        # Without mixes a recipe is trained on its own, and called by its name alone.
        ({"seeds": [7], "models": [], "data": {"spec": "paper"}, "groups": [{"recipes": ["qwen7b_mix41"]}]},
         [("qwen7b_mix41-seed7", None, "Qwen/Qwen1.5-7B", "qwen7b", RecipeMix("mix41", 4, 1, 100_000), 7)]),
        # Models as they are have no seed, and form an arm each.
        ({"models": [{"model": "a/B-1.5"}, {"profile": "pulse-7b", "table": 2}, {"endpoint": "glm-4", "table": 1}],
          "groups": []},
         [(name, table, base, None, None, None) for name, table, base in (
             ("a-B-1.5", None, "a/B-1.5"), ("pulse-7b", 2, "OpenMEDLab/PULSE-7bv5"), ("glm-4", 1, "glm-4"))]),
    ],
)  # fmt: skip
def test_every_setting_is_an_arm_of_a_cell_a_seed(
    tmp_path: Path, changes: dict[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    found = list(read_study(write(tmp_path, **changes)).cells())
    assert [
        (each.name, each.table, each.base, each.recipe and each.recipe[:-8], each.mix, each.seed) for each in found
    ] == expected
    assert len({cell.arm for cell in found}) == len({(base, mix) for _, _, base, _, mix, _ in expected})


def test_recipes_that_differ_in_mix_and_seed_alone_are_one(tmp_path: Path) -> None:
    path = write(
        tmp_path, seeds=[1], models=[], groups=[{"recipes": ["own.yml", "fast.yml"], "mixes": ["mix91", "mix11"]}]
    )
    write_recipe(tmp_path / "fast.yml", learning_rate=0.1)
    study = read_study(path)
    one, other = study.groups[0].recipes
    assert len({cell.recipe for cell in study.cells()}) == 2
    write_recipe(tmp_path / "fast.yml", seed=7, output_dir="elsewhere")
    assert {cell.recipe for cell in read_study(path).cells()} == {f"own, {sha256_json(one.trained)[:6]}"}
    assert one.trained != other.trained


def test_every_row_of_the_paper_stands_in_its_study() -> None:
    found = [cell for cell in read_study(PAPER).cells() if cell.seed in (None, 1)]
    rows = {table.number: table.rows for table in published.tables()}
    assert Counter(cell.table for cell in found if cell.table) == {number: len(rows[number]) for number in rows}

    def of(table: int) -> list[tuple[Cell, RecipeMix]]:
        return [(cell, cell.mix) for cell in found if cell.table == table and cell.mix]

    by_ratio = [(cell.base.rpartition("/")[2], mix.general, mix.medical) for cell, mix in of(4)]
    assert by_ratio == [(row.model, row.general_ratio, row.medical_ratio) for row in rows[4]]
    assert [mix.rows for _, mix in of(5)] == [row.medical_pairs for row in rows[5]]
    assert {(mix.general, mix.medical) for _, mix in (*of(3), *of(5))} == {(1, 0), (0, 1)}
    # The base models of table 4 are evaluated before any training.
    assert {cell.base for cell, _ in of(4)} == {cell.base for cell in found if cell.table is None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zzz": 1}, "unknown key 'zzz'; known are name, title, seeds, exam, conditions, data, engine, evaluate"),
        ({"title": None}, "key 'title' is missing"),
        ({"seeds": []}, "seeds: list should have at least 1 item"),
        ({"seeds": [1, 1]}, "own_mix91-seed1 stands twice among the cells"),
        ({"seeds": 3}, "seeds: input should be a valid list"),
        ({"conditions": ["openbok"]}, "conditions.0: there is no condition 'openbok'; did you mean 'openbook'?"),
        ({"data": {"spec": "papre"}}, "data.spec: papre: no such file and no shipped spec; did you mean 'paper'?"),
        ({"data": {"spec": "spec.yml", "folder": "rwa"}}, "data.folder: rwa: no such folder of raw files"),
        ({"data": None}, "groups: train on mixes; say of which spec: data: {spec: paper}"),
        ({"data": {"spec": "spec.yml", "fodler": "raw"}}, "unknown key 'data.fodler'; did you mean 'data.folder'?"),
        ({"engine": {"model": "vllm-openbok"}}, "engine.model: input should be 'vllm-openbook', 'vllm' or 'hf'"),
        ({"engine": {"model_args": {"x": float("nan")}}}, "input should be a finite number"),
        ({"engine": {"model": "hf"}, "evaluate": "adapter"}, "evaluate: adapter needs an engine that takes adapters"),
        ({"models": [{"profile": "pulse-7"}]}, "models.0.profile: pulse-7: there is none; did you mean 'pulse-7b'?"),
        ({"models": [{"endpoint": "glm"}]}, "models.0.endpoint: there is no endpoint 'glm'; did you mean 'glm-4'?"),
        ({"models": [{"model": "./mine"}]}, "models.0.model: ./mine: is no folder of a model"),
        ({"models": [{"model": "raw"}]}, "models.0.model: raw: is no folder of a model (with config.json)"),
        ({"models": [{"model": "a/b", "profile": "pulse"}]}, "models.0: needs exactly one of model, profile and"),
        ({"models": [{"endpoint": "glm-4"}], "conditions": ["openbook_ranked"]}, "models: glm-4: an endpoint ranks no"),
        ({"models": [], "groups": []}, "groups: there are no models and no groups; name what is to be evaluated"),
        ({"groups": [{"recipes": ["qwen7b_mix42"]}]}, "recipe 'qwen7b_mix42' is not in the table and no file"),
        ({"groups": [{"recipes": ["on.yml"]}]}, "groups.0.recipes.0: recipe 'on.yml' is not in the table and no file"),
        ({"groups": [{"recipes": ["own.yml"]}]}, "groups: mix 'tiny' is not in the spec, known are mix91, mix11"),
        ({"groups": [{"recipe": "own.yml"}]}, "unknown key 'groups.0.recipe'; did you mean 'groups.0.recipes'?"),
        ({"models": [{"model": "a/b"}] * 2, "groups": None}, "a-b stands twice among the cells; leave it in one"),
        ({"groups": [{"recipes": ["own.yml"], "mixes": ["mix91"]}] * 2}, "own_mix91-seed1 stands twice among the"),
        ({"exam": "nothing.jsonl"}, "exam: exam 'nothing.jsonl': no such file, folder or known exam"),
        ({"exam": "m" * 5000}, "m: File name too long"),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is_and_what_to_do(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert told in fault(write(tmp_path, **changes))


def test_all_faults_are_told_at_once_each_on_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, seeds=[-1], exam="nothing", engin={}, groups=[{"recipes": ["no.yml", "nor.yml"]}])
    lines = fault(path).split("\n  ")
    assert lines[0] == "5 faults:"
    assert [line.partition(" ")[0] for line in lines[1:]] == [
        "seeds.0:", "exam:", "groups.0.recipes.0:", "groups.0.recipes.1:", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_model": "./nope"}, "./nope: is no folder of a model"),
        ({"base_model": None}, "base_model: is missing"),
        ({"datasets": []}, "datasets: a recipe trains on the train.jsonl of one mix"),
        ({"started": date(2024, 1, 1)}, "Object of type date is not JSON serializable"),
    ],
)
def test_the_fault_of_a_recipe_is_told_with_its_path(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = write(tmp_path)
    write_recipe(tmp_path / "own.yml", **changes)
    assert f"groups.0.recipes.0: recipe {tmp_path / 'own.yml'}: {told}" in fault(path)


def test_a_name_that_no_folder_can_have_is_told(tmp_path: Path) -> None:
    assert "name: '..' is no name of a folder" in fault(write(tmp_path).rename(tmp_path / "...yml"))


@pytest.mark.parametrize(
    ("entry", "shape"),
    [
        ("{size: 100_000, ratio: 9:1}", (9, 1, 100_000)),
        ("{size: 8, ratio: 1：4}", (1, 4, 8)),
        ("{size: 8, ratio: 20:80}", (1, 4, 8)),
        ("{size: 8, ratio: 4.5:0.5}", (9, 1, 8)),
        ("{size: 8, ratio: {general: 1}}", (1, 0, 8)),
        ("{size: 8, ratio: {medical: 1}, medical: {tcm: 1, western: 1}}", (0, 1, 8)),
        ("{size: 8, ratio: {general: 2, tcm: 1, western: 1}}", (1, 1, 8)),
        # 94 tokens a general row, its chat format with it (training.costs).
        ("{size: 9400, ratio: {general: 1}, over: tokens}", (1, 0, 100)),
    ],
)
def test_the_ratio_and_the_rows_of_a_mix_are_as_its_spec_says(
    tmp_path: Path, entry: str, shape: tuple[int, int, int]
) -> None:
    path = write(tmp_path, groups=[{"recipes": ["own.yml"], "mixes": ["m"]}])
    spec = (tmp_path / "spec.yml").read_text("utf-8").partition("mixes:")[0]
    (tmp_path / "spec.yml").write_text(f"{spec}mixes:\n  m: {entry}\n", encoding="utf-8")
    assert list(read_study(path).cells())[-1].mix == RecipeMix("m", *shape)


@pytest.mark.parametrize("name", ["mini", "cmb"])
def test_the_name_of_an_exam_goes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert read_study(write(tmp_path, exam=name)).exam.name == name


@given(st.text(max_size=300))
@example("a" * 200)
def test_every_name_becomes_one_that_a_folder_can_have_anywhere(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}", safe_name(name))


@given(st.text(max_size=100), st.text(max_size=100))
@example("a b", "a-b")
@example("甲", "乙")
@example("a" * 99, "a" * 98)
@example("a?", "a!")
@example("a/b", "a-b")
def test_different_names_stay_different(first: str, second: str) -> None:
    # A slash becomes a dash, as in names of the hub, which have one at most.
    same = first.replace("/", "-") == second.replace("/", "-")
    assert (safe_name(first) == safe_name(second)) <= same
