"""Each fault of a recipe is told in a line, all faults at once; a sound recipe has none."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.training import recipe_file
from openbook_eval.training.checking import Report, recipes_in
from openbook_eval.training.mixes import training_mix
from openbook_eval.training.recipe_file import Fault
from tests.data_prep.mixes import build, index, spec
from tests.training.conftest import training_environment
from tests.training.recipe_cases import EXPECTED, FAULTY, FSDP2, GPU, SOUND, SURPRISING, UNREADABLE

OF_MIXES = ("no mix", "changed mix")

RUN = """
import json, logging
from pathlib import Path
from openbook_eval.training.checking import check
logging.basicConfig()
reports = [check([Path("recipes")], mixes=mixes) for mixes in (True, False)]
print(json.dumps([{"recipes": report.recipes, "faults": list(map(str, report.faults))} for report in reports]))
"""


def dump(recipe: Mapping[str, Any], name: str) -> str:
    # Through JSON, as PyYAML writes an alias for an object that it meets again.
    plain = json.loads(json.dumps({"output_dir": f"checkpoints/{name}", **recipe}))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text


def run(folder: Path, python: Path) -> list[dict[str, list[str]]]:
    """The reports on the recipes of a folder, with mixes and without; nothing else may be printed."""
    environment = training_environment()
    ended = subprocess.run([python, "-c", RUN], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    reports: list[dict[str, list[str]]] = json.loads(ended.stdout)
    return reports


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user trains in it: mixes, a model, and a recipe for each case."""
    folder = tmp_path_factory.mktemp("place")
    mixes = {name: {"size": 10, "ratio": {"medical": 1}} for name in ("mix41", "changed")}
    build(folder / "mixes", spec(mixes), index({"zhongyi": 20, "huatuo": 20}))
    with (folder / "mixes" / "changed" / "train.jsonl").open("ab") as file:
        file.write(b"{}\n")
    (folder / "models" / "tiny").mkdir(parents=True)
    (folder / "models" / "tiny" / "config.json").write_text("{}")
    (folder / "zero3.json").write_text('{"zero_optimization": {"stage": 3}}')
    recipes = folder / "recipes"
    recipes.mkdir()
    for name, recipe in {**SOUND, **{name: recipe for name, (recipe, _) in FAULTY.items()}}.items():
        (recipes / f"{name}.yml").write_text(dump(recipe, name), "utf-8")
    for name, (lines, _) in SURPRISING.items():
        (recipes / f"{name}.yml").write_text(dump(GPU, name) + lines, "utf-8")
    for name, (content, _) in UNREADABLE.items():
        (recipes / f"{name}.yml").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def reports(place: Path, train_python: Path) -> list[dict[str, list[str]]]:
    return run(place, train_python)


def of(report: Mapping[str, list[str]], name: str) -> list[str]:
    """What is told of a recipe, without its name."""
    start = f"recipes/{name}.yml: "
    return [fault.removeprefix(start) for fault in report["faults"] if fault.startswith(start)]


@pytest.mark.training
@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_is_told_all_its_faults_and_no_others(reports: list[dict[str, list[str]]], name: str) -> None:
    assert of(reports[0], name) == EXPECTED[name]


@pytest.mark.training
@pytest.mark.parametrize("name", EXPECTED)
def test_without_mixes_only_what_lies_in_their_folders_is_not_told(
    reports: list[dict[str, list[str]]], name: str
) -> None:
    assert of(reports[1], name) == ([] if name in OF_MIXES else EXPECTED[name])


@pytest.mark.training
def test_nothing_that_a_recipe_says_is_run(reports: list[dict[str, list[str]]], place: Path) -> None:
    assert reports[0]["recipes"] == reports[1]["recipes"] == sorted(f"recipes/{name}.yml" for name in EXPECTED)
    assert not (place / "ran").exists()


@pytest.mark.training
def test_any_value_of_any_key_gives_a_report(place: Path, train_python: Path, tmp_path: Path) -> None:
    values: list[Any] = [None, True, -1, 1e400, "x" * 9999, "\0", "/dev/zero", [[]], {"type": {}}, [{"path": [1]}]]
    for number, value in enumerate(values):
        for key in [*GPU, *FSDP2, "deepspeed", "deepcompile", "rl", "test_datasets", "model_config", "output_dir"]:
            recipe = tmp_path / "recipes" / f"{number}-{key}.yml"
            recipe.parent.mkdir(exist_ok=True)
            recipe.write_text(dump({**GPU, key: value}, recipe.stem))
    shutil.copytree(place / "mixes", tmp_path / "mixes")
    assert len(run(tmp_path, train_python)[0]["recipes"]) == len(list((tmp_path / "recipes").iterdir()))


@pytest.mark.training
def test_a_cache_of_another_mix_and_an_output_of_two_recipes_are_told(
    place: Path, train_python: Path, tmp_path: Path
) -> None:
    shutil.copytree(place / "mixes", tmp_path / "mixes")
    mix = training_mix(tmp_path / "mixes" / "mix41")
    deep = tmp_path / "recipes" / "a" / "b"
    deep.mkdir(parents=True)
    for name, prepared in {"this": mix.hash, "other": "0123456789abcdef", "none": "0123"}.items():
        recipe = {**GPU, "dataset_prepared_path": f"prepared/mix41-{prepared}"}
        (deep / f"{name}.yaml").write_text(dump(recipe, name))
    (deep / "z.yml").write_text(dump({**GPU, "output_dir": "./checkpoints/this/"}, ""))
    told = run(tmp_path, train_python)
    shared = "recipes/a/b/z.yml: output_dir: ./checkpoints/this/ is that of recipes/a/b/this.yaml as well; give each"
    assert told[0]["faults"] == [
        "recipes/a/b/other.yaml: dataset_prepared_path: 0123456789abcdef is not the hash of mixes/mix41 "
        f"({mix.hash}): the mix has changed since; write prepared/mix41, to which the plugin adds it",
        f"{shared} recipe its own",
    ]
    assert told[1]["faults"] == [f"{shared} recipe its own"]


def test_without_axolotl_it_is_told_how_to_get_it(tmp_path: Path) -> None:
    # Another environment than that of training; see train_python.
    code = "from pathlib import Path; from openbook_eval.training.checking import check; check([Path('a.yml')])"
    (tmp_path / "a.yml").write_text(dump(GPU, "a"))
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == (
        "openbook_eval.errors.OpenbookError: recipes are checked by Axolotl, which cannot be imported here (No module "
        "named 'axolotl'); make its environment with `make train-env`, then run .venv-train/bin/openbook-eval recipes "
        "check"
    )


def test_recipes_are_found_in_folders_at_any_depth_and_each_once(tmp_path: Path) -> None:
    names = ["a.yml", "b/c.yaml", "b/d/e.yml"]
    for name in [*names, "b/README.md", "zero3.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [tmp_path / name for name in names]
    assert recipes_in([tmp_path]) == found
    assert recipes_in([tmp_path / "b" / "c.yaml", tmp_path]) == [found[1], found[0], found[2]]


def test_no_recipe_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        OpenbookError, match=r"no recipe in it \(\*\.yml, \*\.yaml\); write them: openbook-eval recipes"
    ):
        recipes_in([tmp_path])
    with pytest.raises(OpenbookError, match=r"gone\.yml: no such recipe; give a recipe, or a folder of them"):
        recipes_in([tmp_path / "gone.yml"])


def test_a_report_counts_before_it_tells() -> None:
    assert str(Report(("a.yml",), ())) == "1 recipe: no faults"
    faults = (Fault("a.yml", "seed", "is\n odd"), Fault("a.yml", "", "is none"))
    assert str(Report(("a.yml", "b.yml"), faults)) == (
        "2 faults in 1 of 2 recipes:\na.yml: seed: is odd\na.yml: is none"
    )


YAML_TEXT = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%?, \n\t01e.~"), max_size=40) | st.text(max_size=20)


@given(YAML_TEXT)
def test_any_text_is_read_as_axolotl_reads_it_or_has_a_fault(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yml"
        path.write_bytes(text.encode("utf-8", "replace"))
        config, faults = recipe_file.read(path)
    if faults:
        assert all("\n" not in str(Fault("a.yml", key, fault)) for key, fault in faults)
    else:
        assert repr(config) == repr(yaml.safe_load(text))
