"""The command line as a user meets it, wrong input included."""

import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len

from data_prep.cli import main
from data_prep.spec import read_spec
from openbook_eval import __version__
from tests.data_prep.raw import contents, write_data, write_spec

SHIPPED = Path(__file__).parents[2] / "data_prep" / "specs"
# The mix `tiny`: any change of it is a change for all that were trained on it.
TINY = "7417dcb956d7383ee2c4ec07d2bfe9878e4c743735c7504b20f91fc9fa9c68e7"
MIXES = {"mix11": {"size": 40, "ratio": "1:1"}, "med": {"size": 60, "ratio": {"medical": 1}}}


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def call(*arguments: str | Path, cwd: Path | None = None, **settings: str) -> Result:
    """Run the command line in this process, with these variables of the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBOOK", "HF_"))}
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), chdir(cwd or Path.cwd()):
        patch.setattr(os, "environ", {**kept, "COLUMNS": "120", **settings})
        patch.setattr(sys, "argv", ["data-prep", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def call_alone(*arguments: str | Path, home: Path) -> Result:
    """Run the command line in a process of its own, without a hub and with an empty cache: these are read at import."""
    environment = {**os.environ, "COLUMNS": "120", "HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    command = [sys.executable, "-c", "from data_prep.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def assert_one_line_error(result: Result, text: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("data-prep: ")
    assert text in result.stderr


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_data(tmp_path / "data")
    return write_spec(tmp_path / "spec.yml", MIXES)


def test_help_names_every_command() -> None:
    text = call("--help").stdout
    for command in ("build", "plan", "verify", "show", "specs", "invent"):
        assert f"\n  {command} " in text


def test_the_program_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    assert call_alone("--version", home=tmp_path) == Result(0, f"{__version__}\n", "")
    assert_one_line_error(call_alone("show", "nowhere", home=tmp_path), "nowhere: no such folder")


def test_build_verify_and_show_go_together(spec: Path, tmp_path: Path) -> None:
    built = call("build", spec, "--out", tmp_path / "out", "--data", tmp_path / "data")
    assert built.returncode == 0, built.stderr
    assert "checked against mini: 3 rows left out" in built.stdout
    rows = [line.split() for line in built.stdout.splitlines()]
    assert ["alpaca", "103", "0", "1"] in [row[:4] for row in rows]
    assert ["mix11", "40", "20", "10", "10", "0"] in [row[:6] for row in rows]
    verified = call("verify", tmp_path / "out")
    assert (verified.returncode, verified.stdout) == (0, f"{tmp_path / 'out'}: 2 mixes are as built\n")
    shown = call("show", tmp_path / "out" / "med")
    assert shown.returncode == 0, shown.stderr
    assert "med: 60 rows" in shown.stdout
    with (tmp_path / "out" / "med" / "train.jsonl").open("a") as file:
        file.write("{}\n")
    size = (tmp_path / "out" / "med" / "train.jsonl").stat().st_size
    changed = call("verify", tmp_path / "out")
    fault = f"med: train.jsonl was changed after the build; it has {size:,} bytes\n"
    assert (changed.returncode, changed.stdout) == (1, fault)


def test_one_mix_is_built_on_demand_and_no_line_is_wider_than_a_terminal(spec: Path, tmp_path: Path) -> None:
    command = ("build", spec, "--out", tmp_path / "out", "--data", tmp_path / "data", "--mix", "med")
    tables = [line for line in call(*command, COLUMNS="80").stdout.splitlines() if line.startswith(" ")]
    assert len(tables) > 8
    assert max(map(cell_len, tables)) <= 80
    assert (tmp_path / "out" / "med" / "train.jsonl").exists()
    assert not (tmp_path / "out" / "mix11").exists()


def test_the_data_folder_is_named_by_the_variable_or_lies_here(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = ("build", spec, "--mix", "med", "--out")
    by_variable = call(*command, tmp_path / "1", cwd=tmp_path / "empty", OPENBOOK_DATA=str(tmp_path / "data"))
    here = call(*command, tmp_path / "2", cwd=tmp_path)
    assert [by_variable.returncode, here.returncode] == [0, 0]
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    nowhere = call(*command, tmp_path / "3", cwd=tmp_path / "empty")
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        "data-prep: data: no such folder; --data (or OPENBOOK_DATA) names that of the raw files\n",
    )


def test_the_exam_of_the_spec_can_be_replaced_and_must_be_there_then(spec: Path, tmp_path: Path) -> None:
    command = ("build", spec, "--out", tmp_path / "out", "--data", tmp_path / "data", "--exam")
    assert_one_line_error(call_alone(*command, "cmb", home=tmp_path), "hub data set wangrongsheng/open-book-CMB-exam")
    assert_one_line_error(call(*command, "none.jsonl"), "no such file")


def test_an_exam_that_cannot_be_fetched_is_reported_at_the_beginning_and_at_the_end(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    spec = write_spec(tmp_path / "spec.yml", MIXES, decontaminate={"exams": ["mini", "cmb"]})
    result = call_alone("build", spec, "--out", tmp_path / "out", "--data", tmp_path / "data", home=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("data-prep: exam cmb: NOT CHECKED; hub data set wangrongsheng/open-book-CMB-exam")
    assert "checked against mini: 3 rows left out\nNOT CHECKED against cmb: could not be fetched\n" in result.stdout
    manifest = json.loads((tmp_path / "out" / "med" / "manifest.json").read_text(encoding="utf-8"))
    exams = manifest["build"]["contamination"]["exams"]
    assert exams[0] == {"name": "cmb", "not_checked": "could not be fetched"}
    assert exams[1]["name"] == "mini"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["build", "papre", "--out", "out"], "papre: no such file and no shipped spec; did you mean 'paper'?"),
        (["build", "spec.yml", "--out", "out", "--data", "nowhere"], "nowhere: no such folder; --data"),
        (["build", "spec.yml", "--out", "out", "--mix", "mix12"], "--mix mix12: no such mix; did you mean 'mix11'?"),
        (["build", "spec.yml", "--out", "out", "--scale", "0.001"], "--scale 0.001: nothing is left of"),
        (["plan", "spec.yml", "--scale", "nan"], "--scale nan: wants a number above 0"),
        (["build", "spec.yml", "--out", "spec.yml"], "spec.yml: cannot be made or opened as a folder"),
        (["show", "nowhere"], "nowhere: no such folder"),
        (["verify", "data"], "holds no mix"),
    ],
)
def test_wrong_input_ends_in_one_line(spec: Path, tmp_path: Path, arguments: list[str], text: str) -> None:
    assert spec.exists()
    assert_one_line_error(call(*arguments, cwd=tmp_path), text)


def test_specs_names_those_that_come_with_us_and_each_is_sound() -> None:
    names = [line.partition(":")[0] for line in call("specs").stdout.splitlines()]
    assert names == sorted(file.stem for file in SHIPPED.glob("*.yml"))
    assert {"paper", "samples", "tiny"} <= set(names)
    for name in names:
        read_spec(SHIPPED / f"{name}.yml")


def test_the_papers_mixes_have_its_ratios_and_sizes() -> None:
    mixes = read_spec(SHIPPED / "paper.yml").mixes
    shares = {name: {domain: float(part) for domain, part in mix.weights().items()} for name, mix in mixes.items()}
    ratios = {"mix91": 0.9, "mix41": 0.8, "mix11": 0.5, "mix14": 0.2, "mix19": 0.1}
    for name, general in ratios.items():
        medical = (1 - general) / 2
        assert shares[name] == pytest.approx({"general": general, "tcm": medical, "western": medical})
    sizes = {f"med{size}k": size * 1000 for size in (10, 20, 50, 70, 80, 90, 100, 200)}
    assert {name: mix.size for name, mix in mixes.items() if name.startswith("med")} == sizes
    assert all(shares[name] == {"tcm": 0.5, "western": 0.5} for name in sizes)
    assert (shares["general"], mixes["general"].size) == ({"general": 1.0}, 100_000)
    assert len(mixes) == 14


def test_the_papers_mixes_are_built_from_the_published_samples(real_exams: Path, tmp_path: Path) -> None:
    command = ("build", "paper", "--scale", "0.01", "--data", real_exams.parent, "--out")
    result = call_alone(*command, tmp_path / "out", home=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "NOT CHECKED against cmb" in result.stdout
    found = {file.parent.name: len(file.read_bytes().splitlines()) for file in (tmp_path / "out").glob("*/train.jsonl")}
    ratios = dict.fromkeys(("mix91", "mix41", "mix11", "mix14", "mix19"), 1000)
    assert found == ratios | {"general": 1000} | {
        f"med{size}k": size * 10 for size in (10, 20, 50, 70, 80, 90, 100, 200)
    }
    assert call("verify", tmp_path / "out", "--allow-unchecked").returncode == 0
