"""What a user installs: a light core, and a wheel that carries tasks and recipes."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from openbook_eval import install

ROOT = Path(__file__).parents[1]
UV = str(Path(sys.executable).parent / "uv")
HEAVY = {"torch", "vllm", "transformers", "lm_eval", "datasets", "huggingface_hub"}


def test_importing_the_package_loads_no_engine() -> None:
    program = "import openbook_eval.cli, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) & HEAVY == set()


def test_in_a_checkout_tasks_and_recipes_stand_beside_the_package() -> None:
    assert (install.tasks_dir(), install.data_dir("recipes")) == (ROOT / "tasks", ROOT / "recipes")


def test_every_constraint_is_an_exact_version() -> None:
    files = sorted(ROOT.glob("constraints/[!e]*.txt"))
    assert [file.name for file in files] == ["cpu.txt", "gpu.txt", "train.txt"]
    for file in files:
        lines = [line.strip() for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) > 50
        assert [line for line in lines if "==" not in line or "://" in line or line.startswith("-")] == []


@pytest.mark.engine
@pytest.mark.parametrize(("extra", "python"), [("gpu", "3.11"), ("gpu", "3.12"), ("train", "3.11")])
def test_the_constraints_of_environments_that_are_not_built_here_resolve(
    extra: str, python: str, tmp_path: Path
) -> None:
    platform = ["--python-version", python, "--python-platform", "linux"]
    settings = [*platform, "--output-file", str(tmp_path / "resolved.txt")]
    # Tools, and what runs studies, stand beside an engine; in the environment of training they could not.
    dev = [] if extra == "train" else ["--extra", "dev"]
    constraints = ["--constraint", str(ROOT / "constraints" / f"{extra}.txt"), "--extra", extra, *dev]
    command = [UV, "pip", "compile", "--quiet", *settings, *constraints, str(ROOT / "pyproject.toml")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "torch==2.13.0" in (tmp_path / "resolved.txt").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.engine
def test_the_wheel_carries_every_task_file_and_the_bundled_exam(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("tasks", "recipes", "studies"):
        files = [file for file in (ROOT / folder).rglob("*") if file.is_file()]
        assert files
        assert {f"openbook_eval/{file.relative_to(ROOT).as_posix()}" for file in files} <= names
    exams = {f"openbook_eval/exams/{name}" for name in ("mini/mini.jsonl", "cmb_corrections.json")}
    assert {*exams, "openbook_eval/py.typed", "data_prep/__init__.py"} <= names
    assert {
        f"openbook_eval/tiny_model_files/{name}" for name in ("model.safetensors", "tokenizer.json", "README.md")
    } <= names
    study = "openbook_eval/study"
    assert {f"{study}/Snakefile", f"{study}/profiles/slurm/config.yaml"} <= names
    assert {"data_prep/specs/paper.yml", "data_prep/phrases.txt", "data_prep/invented.yml"} <= names
    assert not any(name.startswith(("tests/", "benchmarks/", "tasks/")) for name in names)


@pytest.mark.engine
def test_the_wheel_works_in_an_environment_without_an_engine(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], check=True)
    constraints = ["--constraint", str(ROOT / "constraints" / "cpu.txt")]
    subprocess.run([UV, "pip", "install", "--quiet", "--python", str(python), *constraints, str(wheel)], check=True)

    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf")}

    def call(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        line = [str(python.parent / "openbook-eval"), *arguments]
        variables = {**environment, **settings}
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, env=variables)

    tasks = Path(call("tasks-dir").stdout.strip())
    assert tasks.is_relative_to(tmp_path / "venv")
    assert len(list(tasks.rglob("*.yaml"))) == 90
    assert "258 questions read" in call("exam", "show", "mini").stdout
    # What needs no engine works without one: mixes, books, audit.
    specs = subprocess.run([python.parent / "data-prep", "specs"], capture_output=True, text=True, check=True)
    assert "paper" in specs.stdout
    assert "library 16k" in call("exam", "books", "mini").stdout
    assert "string matching" in call("exam", "audit", "mini").stdout
    tiny_model = Path(call("tiny-model").stdout.strip())
    assert tiny_model.is_relative_to(tmp_path / "venv")
    assert (tiny_model / "model.safetensors").is_file()
    # Nobody answers at port 9 (discard).
    offline = call("exam", "show", "cmb", HF_ENDPOINT="http://127.0.0.1:9")
    assert (offline.returncode, offline.stderr.count("\n")) == (2, 1), offline.stderr
    assert "OPENBOOK_EXAM=mini" in offline.stderr
    for command in (["run", "--tasks", "cmed_openbook"], ["link"]):
        result = call(*command)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
        assert "install openbook-eval[cpu]" in result.stderr
