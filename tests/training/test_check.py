"""Each fault of a recipe is one line, and all faults are reported at once; a sound recipe has none."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.training.check import recipes_in
from tests.test_cli import assert_one_line_error, call
from tests.training.conftest import RECIPES, training_environment

# One process checks all folders: Axolotl takes a quarter of a minute to import.
RUN = """
import json, logging
from pathlib import Path
from openbook_eval.training.check import check
logging.basicConfig()
print(json.dumps([check([Path(folder)], mixes=mixes) for folder, mixes in FOLDERS]))
"""
TABLE = yaml.safe_load(Path(__file__).with_name("recipe_cases.yml").read_text("utf-8"))
GPU = TABLE["gpu"]
# Whole files, and what is reported of them.
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "broken": (b"seed: 1\nsets: [a\n", "not YAML (line 3: expected ',' or ']', but got '<stream end>')"),
    "code": (
        b"seed: !!python/object/apply:os.mkdir [ran]\n",
        "not YAML (line 1: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.mkdir')",
    ),
    "a list": (b"- seed\n", "is no mapping of keys to values; write KEY: VALUE lines"),
    "a key twice": (b"seed: 1\nseed: 1\n", "not YAML (line 1: key 'seed' stands twice; leave one)"),
    "an alias": (b"a: &a [1, 2]\nb: [*a]\n", "not YAML (line 2: an alias (*) is not read here; write its value out)"),
    "very deep": (b"a: " + b"[" * 9999, "nested too deeply"),
    "other encoding": ("seed: 种子".encode("gb18030"), "not UTF-8 (byte 6); save it as UTF-8"),
}
EXPECTED = {name: sorted(faults) for name, (_, *faults) in {**TABLE["cases"], **UNREADABLE}.items()}


def recipe_of(changes: dict[str, Any], name: str) -> str:
    """Return the text of the sound recipe with changes; null takes a key away."""
    changed = {
        "output_dir": f"checkpoints/{name}",
        **GPU,
        **TABLE.get(changes.get("from"), {}),
        **changes,
        "from": None,
    }
    # JSON is YAML, and knows no aliases.
    return json.dumps({key: value for key, value in changed.items() if value is not None}, ensure_ascii=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_mix: Path) -> Path:
    """Return a folder as a user trains in it: mixes, a model, and a recipe for each case."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("mix41", "changed"):
        shutil.copytree(tiny_mix, folder / "mixes" / name)
    with (folder / "mixes" / "changed" / "train.jsonl").open("ab") as file:
        file.write(b"{}\n")
    values: list[Any] = [True, -1, "x" * 9999, "\0", "/dev/zero", [[]], {"type": {}}, [{"path": [1]}]]
    odd = [*GPU, "fsdp_config", "fsdp_version", "deepspeed", "rl", "test_datasets", "output_dir"]
    files: dict[str, bytes | str] = {
        "zero3.json": '{"zero_optimization": {"stage": 3}}',
        "models/tiny/config.json": "{}",
        **{f"recipes/{name}.yml": recipe_of(changes, name) for name, (changes, *_) in TABLE["cases"].items()},
        **{f"recipes/{name}.yml": content for name, (content, _) in UNREADABLE.items()},
        **{f"odd/{key}.yml": recipe_of({key: values[number % len(values)]}, key) for number, key in enumerate(odd)},
        "shared/a/b/one.yaml": recipe_of({"output_dir": "checkpoints/one"}, "one"),
        "shared/a/two.yml": recipe_of({"output_dir": "./checkpoints/one/", "\x1b[31mseed": 1}, "two"),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture(scope="module")
def reports(place: Path, train_python: Path) -> list[dict[str, list[str]]]:
    """Return the faults of all cases with mixes and without, of odd values, and of recipes that share a folder."""
    folders = [("recipes", True), ("recipes", False), ("odd", True), ("shared", True)]
    code, environment = RUN.replace("FOLDERS", repr(folders)), training_environment()
    ended = subprocess.run([train_python, "-c", code], cwd=place, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    found: list[dict[str, list[str]]] = json.loads(ended.stdout)
    return found


@pytest.mark.training
@pytest.mark.parametrize("name", EXPECTED)
def test_all_faults_of_a_recipe_are_reported_and_no_others(reports: list[dict[str, list[str]]], name: str) -> None:
    assert sorted(reports[0][f"recipes/{name}.yml"]) == EXPECTED[name]
    assert sorted(reports[1][f"recipes/{name}.yml"]) == ([] if name in ("no mix", "changed mix") else EXPECTED[name])


@pytest.mark.training
def test_nothing_that_a_recipe_says_is_run_and_any_value_gives_a_report(
    reports: list[dict[str, list[str]]], place: Path
) -> None:
    assert list(reports[0]) == sorted(f"recipes/{name}.yml" for name in EXPECTED)
    assert not (place / "ran").exists()
    assert len(reports[2]) == len(list((place / "odd").iterdir())) > 25
    assert all("\n" not in fault for faults in reports[2].values() for fault in faults)


@pytest.mark.training
def test_an_output_of_two_recipes_is_a_fault_and_nothing_moves_the_cursor(reports: list[dict[str, list[str]]]) -> None:
    assert reports[3] == {
        "shared/a/b/one.yaml": [],
        "shared/a/two.yml": [
            "\\x1b[31mseed: unknown key; Axolotl would drop it in silence; take it out",
            "output_dir: ./checkpoints/one/ is that of shared/a/b/one.yaml as well; give each recipe its own",
        ],
    }


@pytest.mark.training
def test_the_recipes_of_the_repository_lack_the_mixes_of_the_paper_and_nothing_else(
    train_python: Path, train_folder: Path
) -> None:
    program = [str(train_python.parent / "openbook-eval"), "recipes", "check"]
    done = subprocess.run(program, cwd=train_folder, env=training_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    first, *faults = done.stderr.splitlines()
    assert first == "openbook-eval: 34 faults in 34 of 36 recipes:"
    build = "mixes/mix41: does not exist; build the mix with: data-prep build paper --out mixes --mix mix41"
    assert f"recipes/qwen7b_mix41.yml: datasets.0.path: {build}" in faults
    assert sum(": does not exist; build the mix with: data-prep build paper " in line for line in faults) == 34
    assert not any("tiny" in line for line in faults)


def test_without_axolotl_the_error_says_how_to_get_it() -> None:
    assert_one_line_error(call("recipes", "check", str(RECIPES)), "recipes are checked by Axolotl, which cannot be")


def test_recipes_are_found_in_folders_at_any_depth_and_each_once(tmp_path: Path) -> None:
    names = ["a.yml", "b/c.yaml", "b/d/e.yml"]
    for name in [*names, "b/README.md", "zero3.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [tmp_path / name for name in names]
    assert recipes_in([tmp_path]) == found
    assert recipes_in([tmp_path / "b" / "c.yaml", tmp_path]) == [found[1], found[0], found[2]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(OpenbookError, match=r"empty: no recipe \(\*\.yml, \*\.yaml\); write ours: openbook-eval"):
        recipes_in([tmp_path / "empty"])
    with pytest.raises(OpenbookError, match=r"gone\.yml: no such recipe; give a recipe, or a folder of them"):
        recipes_in([tmp_path / "gone.yml"])
