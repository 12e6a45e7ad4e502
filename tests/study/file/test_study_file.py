"""The study file: names become what they mean, and what is wrong with it is told all at once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import published
from openbook_eval.study.cells import Mix, cells_of
from openbook_eval.study.file import engines, exams, specs
from openbook_eval.study.file.study_file import read_study
from openbook_eval.study.file.yaml_files import read_yaml
from tests.study.folders import write, write_recipe

PAPER = Path(__file__).parents[3] / "studies" / "paper.yml"


def fault(path: Path) -> str:
    with pytest.raises(OpenbookError) as caught:
        read_study(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_names_become_what_they_mean(tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    assert (study.name, study.title, study.seeds) == ("mine", "In miniature", (1, 2))
    assert study.conditions == ("openbook", "closedbook")
    assert (study.exam.name, study.exam.questions) == ("mini", 258)
    assert study.mix("mix91") == Mix("mix91", 9, 1, 40)
    assert study.data is not None
    assert study.data.folder == tmp_path / "raw"
    (recipe,) = study.groups[0].recipes
    assert (recipe.name, recipe.base, recipe.mix, recipe.is_adapter) == ("own", "models/tiny", "tiny", True)


def test_every_row_of_the_paper_stands_in_its_study() -> None:
    cells = [cell for cell in cells_of(read_study(PAPER)) if cell.seed in (None, 1)]
    rows = {table.number: table.rows for table in published.tables()}
    assert Counter(cell.table for cell in cells if cell.table) == {number: len(rows[number]) for number in rows}
    by_ratio = [
        (cell.model.rpartition("/")[2], cell.mix.general, cell.mix.medical)
        for cell in cells
        if cell.table == 4 and cell.mix
    ]
    assert by_ratio == [(row.model, row.general_ratio, row.medical_ratio) for row in rows[4]]
    assert [cell.mix.rows for cell in cells if cell.table == 5 and cell.mix] == [row.medical_pairs for row in rows[5]]
    assert {(cell.mix.general, cell.mix.medical) for cell in cells if cell.table in (3, 5) and cell.mix} == {
        (1, 0),
        (0, 1),
    }


def test_the_bases_of_the_papers_table_4_are_examined_before_any_training() -> None:
    cells = cells_of(read_study(PAPER))
    bases = {cell.model for cell in cells if cell.table == 4}
    assert bases == {cell.model for cell in cells if cell.table is None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zzz": 1}, "unknown key 'zzz'; known are title, seeds, exam, conditions, data, engine, examine, models"),
        ({"seed": 1}, "unknown key 'seed'; did you mean 'seeds'?"),
        ({"title": None}, "key 'title' is missing"),
        ({"seeds": []}, "seeds: is empty; name one at least"),
        ({"seeds": [1, 1]}, "seeds: 1 stands twice; leave one"),
        ({"seeds": 3}, "seeds: must be a list"),
        ({"seeds": [-1]}, "seeds.0: input should be greater than or equal to 0"),
        ({"conditions": ["openbok"]}, "conditions.0: there is no condition 'openbok'; did you mean 'openbook'?"),
        ({"conditions": ["reading"]}, "there is no condition 'reading'; did you mean 'reading_open'?"),
        ({"data": {"spec": "papre"}}, "data.spec: papre: no such file, and no spec that comes with us; did you"),
        ({"data": {"spec": "spec.yml", "folder": "rwa"}}, "data.folder: rwa: no such folder of raw files"),
        ({"data": None}, "groups: train on mixes; say of which spec: data: {spec: paper}"),
        ({"data": {"spec": "spec.yml", "fodler": "raw"}}, "unknown key 'data.fodler'; did you mean 'data.folder'?"),
        ({"engine": {"batch_size": 0}}, "engine.batch_size: 0 must be auto or a number"),
        ({"engine": {"model_args": {"x": float("nan")}}}, "engine.model_args: holds .nan or .inf; write a number"),
        ({"examine": "merge"}, "examine: input should be 'merged' or 'adapter'"),
        ({"models": [{"profile": "pulse-7"}]}, "models.0.profile: pulse-7: there is none; did you mean 'pulse-7b'?"),
        ({"models": [{"endpoint": "glm"}]}, "models.0.endpoint: there is no endpoint 'glm'; did you mean 'glm-4'?"),
        ({"models": [{"model": "./mine"}]}, "models.0.model: ./mine: no such folder of a model"),
        ({"models": [{"model": "a/b", "profile": "pulse"}]}, "models.0: needs one of model, profile and endpoint"),
        ({"models": [{"table": 1}]}, "models.0: needs one of model, profile and endpoint"),
        ({"models": [{"model": "a/b", "table": 6}]}, "models.0.table: input should be less than or equal to 5"),
        ({"models": [], "groups": []}, "groups: there are no models and no groups; name what is to be examined"),
        ({"groups": [{"recipes": ["qwen7b_mix42"]}]}, "recipe 'qwen7b_mix42' is not in the table, and no file"),
        ({"groups": [{"recipes": ["on.yml"]}]}, "groups.0.recipes.0: recipe on.yml: no such file, beside the study"),
        ({"groups": [{"recipes": ["own.yml"]}]}, "groups: mix 'tiny' is not in the spec, known are mix91, mix11"),
        ({"groups": [{"recipes": ["own.yml"], "mixes": ["mix19"]}]}, "mix 'mix19' is not in the spec, did you mean"),
        ({"groups": [{"recipe": "own.yml"}]}, "unknown key 'groups.0.recipe'; did you mean 'groups.0.recipes'?"),
        ({"groups": [{"recipes": ["own.yml", "own.yml"]}]}, "groups.0.recipes: own stands twice; leave one"),
        ({"exam": "nothing.jsonl"}, "exam: exam 'nothing.jsonl': no such file, folder or known exam"),
        ({"title": "  "}, "title: is blank; write what it is called"),
        ({"engine": {"gpus": 10**30}}, "engine.gpus: input should be less than or equal to 1024"),
        ({"engine": {"batch_size": "auto:" + "9" * 400}}, "must be auto or a number"),
        ({"engine": {"model": "vllm-openbok"}}, "engine.model: lm-eval has no model 'vllm-openbok'; did you mean"),
        ({"engine": {"model": "hf"}, "examine": "adapter"}, "examine: adapter wants an engine of vllm-openbook or"),
        ({"models": [{"model": "raw"}]}, "models.0.model: raw: holds no config.json, and is no folder of a model"),
        ({"models": [{"model": "own.yml"}]}, "models.0.model: own.yml: is a file; name the folder of a model"),
        ({"models": [{"endpoint": "glm-4"}], "conditions": ["openbook_ranked"]}, "models: glm-4: an endpoint ranks no"),
        ({"exam": "m" * 5000}, "cannot be looked up (File name too long); give another name"),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is_and_what_to_do(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    assert told in fault(write(tmp_path, **changes))


def test_all_faults_are_told_at_once_each_on_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, seeds=[1, 1], exam="nothing", engin={}, groups=[{"recipes": ["no.yml", "nor.yml"]}])
    lines = fault(path).split("\n  ")
    assert lines[0] == "5 faults:"
    assert [line.partition(" ")[0] for line in lines[1:]] == [
        "seeds:", "exam:", "groups.0.recipes.0:", "groups.0.recipes.1:", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x [1]\nb: *x\n", "cannot be read (line 2: an alias (*) is not read here; write its value out); mend it"),
        ("title: a\ntitle: b\n", "cannot be read (line 1: key 'title' stands twice; leave one); mend it"),
        ("title: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("[" * 5000, "nested too deeply; mend it"),
        ("- a\n", "is no mapping of keys to values"),
        ("title: [\n", "cannot be read (line 2"),
        ("", "is no mapping of keys to values"),
    ],
)
def test_what_is_no_yaml_of_a_study_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text, encoding="utf-8")
    found = fault(path)
    assert told in found
    assert "\n" not in found


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert fault(tmp_path / "no.yml") == "cannot be read (No such file or directory); see that it is a file"


def test_a_name_that_no_folder_can_have_is_told(tmp_path: Path) -> None:
    path = write(tmp_path).rename(tmp_path / "my study.yml")
    assert fault(path) == "name 'my study': call the file by letters, digits and _ . - alone"


def test_a_cell_that_stands_twice_is_told_among_other_faults(tmp_path: Path) -> None:
    group = {"recipes": ["own.yml"], "mixes": ["mix91"]}
    found = fault(write(tmp_path, title="", seeds=[1], groups=[group, group]))
    assert "title: is blank" in found
    assert "groups: own_mix91-seed1 stands twice among its cells" in found


def test_the_base_of_a_recipe_is_told_with_the_recipe_and_beside_the_faults_of_its_yaml(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_recipe(tmp_path / "own.yml", base_model="./nope")
    recipe = tmp_path / "own.yml"
    recipe.write_text(f"{recipe.read_text('utf-8')}\nnot_a_date: 2024-01-01\n", encoding="utf-8")
    found = fault(path)
    assert f"recipe {recipe}: not_a_date: 2024-01-01 is read as a date; quote it; base_model: ./nope: no such" in found


def test_a_mix_of_more_rows_than_there_are_is_told(tmp_path: Path) -> None:
    path = write(tmp_path)
    spec = (tmp_path / "spec.yml").read_text("utf-8").replace("mix91: {size: 40", f"mix91: {{size: {10**30}")
    (tmp_path / "spec.yml").write_text(spec, encoding="utf-8")
    assert "mix mix91: its size is above 1,000,000,000,000" in fault(path)


@pytest.mark.parametrize("name", ["..yml", "-a.yml"])
def test_a_file_without_a_name_is_told(tmp_path: Path, name: str) -> None:
    assert "call the file by letters" in fault(write(tmp_path).rename(tmp_path / name))


@pytest.mark.parametrize("name", ["vllm-openbook", "vllm", "hf", "local-completions", "dummy"])
def test_engines_that_lm_eval_knows_are_taken(tmp_path: Path, name: str) -> None:
    assert read_study(write(tmp_path, engine={"model": name})).engine.model == name


def test_the_list_of_engines_is_that_which_lm_eval_has_when_it_runs() -> None:
    from lm_eval.models import MODEL_MAPPING

    assert set(MODEL_MAPPING) < set(engines.known())


def test_the_faults_of_a_recipe_are_told_with_its_path(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_recipe(tmp_path / "own.yml", base_model=None, datasets=[])
    assert f"recipe {tmp_path / 'own.yml'}: base_model: is missing" in fault(path)
    assert "datasets: names 0, and a recipe trains on one mix" in fault(path)


def test_a_recipe_of_the_table_needs_no_file(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, groups=[{"recipes": ["tiny_full"], "mixes": ["mix11"]}]))
    (recipe,) = study.groups[0].recipes
    assert (recipe.name, recipe.is_adapter, recipe.on_gpu) == ("tiny_full", False, False)


@pytest.mark.parametrize(
    ("entry", "mix"),
    [
        ("{size: 100_000, ratio: 9:1}", Mix("m", 9, 1, 100_000)),
        ("{size: 8, ratio: 1：4}", Mix("m", 1, 4, 8)),
        ("{size: 8, ratio: 20:80}", Mix("m", 1, 4, 8)),
        ("{size: 8, ratio: 4.5:0.5}", Mix("m", 9, 1, 8)),
        ("{size: 8, ratio: {general: 1}}", Mix("m", 1, 0, 8)),
        ("{size: 8, ratio: {medical: 1}, medical: {tcm: 1, western: 1}}", Mix("m", 0, 1, 8)),
        ("{size: 8, ratio: {general: 2, tcm: 1, western: 1}}", Mix("m", 1, 1, 8)),
        # 94 tokens a general row, its chat format with it (training.costs).
        ("{size: 9400, ratio: {general: 1}, over: tokens}", Mix("m", 1, 0, 100)),
    ],
)
def test_the_ratio_and_the_rows_of_a_mix_are_as_its_spec_says(tmp_path: Path, entry: str, mix: Mix) -> None:
    path = tmp_path / "s.yml"
    path.write_text(f"sources: []\nmixes:\n  m: {entry}\n", encoding="utf-8")
    assert specs.find("s.yml", tmp_path).mixes == {"m": mix}


@pytest.mark.parametrize(
    "entry", ["{size: 8, ratio: 9}", "{size: 8, ratio: 0:0}", "{ratio: 9:1}", "{size: 0, ratio: 9:1}", "3",
              "{size: 8, ratio: {general: 1e999999999}}", "{size: 8, ratio: {general: x}}"],
)  # fmt: skip
def test_a_spec_that_is_none_is_told_in_one_line(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "s.yml"
    path.write_text(f"sources: []\nmixes:\n  m: {entry}\n", encoding="utf-8")
    with pytest.raises(OpenbookError, match="not a spec of data-prep") as caught:
        specs.find("s.yml", tmp_path)
    assert "\n" not in str(caught.value)


def test_raw_files_are_looked_for_where_data_prep_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBOOK_DATA", str(tmp_path / "raw"))
    study = read_study(write(tmp_path, data={"spec": "spec.yml"}))
    assert study.data is not None
    assert study.data.folder == tmp_path / "raw"


def test_the_conditions_are_those_that_there_are_tasks_for() -> None:
    from openbook_eval.results.runs import CONDITIONS

    assert set(exams.conditions()) == set(CONDITIONS)
    assert set(exams.conditions().values()) == {"1.0"}


@pytest.mark.parametrize("key", ["pretrained", "enable_lora", "lora_local_path", "max_lora_rank", "profile"])
def test_an_engine_is_not_told_which_model_sits_the_exam(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, engine={"model_args": {key: "other/model"}})
    with pytest.raises(OpenbookError, match=f"engine.model_args: {key}: is each cell's own"):
        read_study(path)


@pytest.mark.parametrize("name", ["mini", "cmb"])
def test_the_name_of_an_exam_goes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert read_study(write(tmp_path, exam=name)).exam.name == name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sources": [{"name": "a", "path": ["x"]}]}, r"sources: path \['x'\] is no text"),
        ({"sources": [{"name": "a", "hub": ["x"]}]}, r"sources: hub \['x'\] is no text"),
        ({"decontaminate": "mini"}, "decontaminate: is no list of exams"),
        ({"decontaminate": ["mini"]}, "decontaminate: is no list of exams"),
    ],
)
def test_a_spec_of_other_types_is_told_in_a_line(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = write(tmp_path)
    spec = {**read_yaml(tmp_path / "spec.yml", texts=True), **change}
    (tmp_path / "spec.yml").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(OpenbookError, match=told) as caught:
        read_study(path)
    assert "\n" not in str(caught.value)


def test_an_exam_with_a_name_that_no_file_can_have_is_no_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    spec = {**read_yaml(tmp_path / "spec.yml", texts=True), "decontaminate": {"exams": ["x" * 5000]}}
    (tmp_path / "spec.yml").write_text(json.dumps(spec), encoding="utf-8")
    study = read_study(path)
    assert study.data is not None
    assert study.data.spec.other_files == []
