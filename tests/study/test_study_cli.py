"""The commands `openbook-eval study ...` as a user meets them: what they print, and how a mistake ends them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.folders import PAPER, leave, workflow, write
from tests.study.made import examine
from tests.test_cli import assert_one_line_error, call

# What it imported is printed to standard error.
PROGRAM = """
import sys
from openbook_eval.cli import main
try:
    main()
finally:
    print(*sorted({"scipy", "torch", "snakemake", "vllm"} & set(sys.modules)), end="", file=sys.stderr)
"""


def test_plan_prints_every_row_of_the_paper_in_two_seconds_and_runs_nothing(tmp_path: Path) -> None:
    # Not by the clock, which runs for others too: benchmarks/study_plan.py.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", PROGRAM, "study", "plan", str(PAPER), "--work", str(tmp_path / "work")]
    environment = {**os.environ, "COLUMNS": "140"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # No library of statistics or training was started.
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines() if " 0/" in line]
    assert [row[0] for row in rows].count("4") == 20
    assert len(rows) == 49
    assert "117 cells, 335 steps, of which 0 are done" in result.stdout
    assert not (tmp_path / "work").exists()
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 2


@pytest.mark.parametrize("command", ["plan", "run", "report", "fit"])
def test_a_fault_of_the_file_ends_every_command_with_2_and_no_traceback(tmp_path: Path, command: str) -> None:
    path = write(tmp_path, exam="no\x1bthing", ratio=3)
    result = call("study", command, str(path), "--work", str(tmp_path / "work"))
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0] == f"openbook-eval: {path}: 2 faults:"
    assert lines[1].startswith(r"  exam: exam 'no\x1bthing': no such file")
    assert lines[2].startswith("  unknown key 'ratio';")


def test_names_in_a_study_are_no_markup(tmp_path: Path) -> None:
    path = write(tmp_path, title="[bold]甲[/bold]", models=[{"model": "a/[red]b[/red]"}], groups=[])
    result = call("study", "plan", str(path), "--work", str(tmp_path / "work"))
    assert "[bold]甲[/bold]" in result.stdout
    assert "a/[red]b[/red]" in result.stdout


def test_report_writes_what_is_done_and_names_what_is_not(tmp_path: Path) -> None:
    path, work = write(tmp_path, groups=[], conditions=["openbook"]), tmp_path / "work"
    report = "study", "report", str(path), "--work", str(work)
    assert "In miniature: 0 of 1 cells are evaluated" in call(*report).stdout
    found = workflow(path)
    examine(work, found.cells[0], 0.5, ["openbook"])
    leave(work, found.evaluation(found.cells[0]))
    assert "In miniature: 1 of 1 cells are evaluated" in call(*report).stdout
    assert (work / "reports" / "mine" / "report.md").is_file()


def test_run_does_what_can_be_done_reports_and_ends_with_1_where_a_step_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a key the exam fails, and nothing else is wanted.
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    path = write(tmp_path, models=[{"endpoint": "deepseek"}], groups=[], conditions=["openbook"])
    own = str(path), "--work", str(tmp_path / "work")
    result = call("study", "run", *own)
    assert result.returncode == 1, result.stderr
    assert "In miniature: 0 of 1 cells are evaluated" in result.stdout
    assert list((tmp_path / "work" / "evaluate").glob("deepseek/failed.json"))
    plan = call("study", "plan", *own).stdout
    assert "1 failed" in plan
    assert "DEEPSEEK_API_KEY" in plan


@pytest.mark.parametrize("command", ["run", "report"])
def test_a_place_of_work_that_can_be_none_is_told(tmp_path: Path, command: str) -> None:
    path = str(write(tmp_path))
    assert_one_line_error(call("study", command, path, "--work", f"{path}/a"), "cannot be written")


def test_fit_without_a_study_is_of_the_papers_tables() -> None:
    result = call("study", "fit", "--table", "5", "--draws", "100")
    assert result.returncode == 0, result.stderr
    assert "table 5" in result.stdout
    assert "table 4" not in result.stdout


def test_a_fit_of_evaluations_that_are_not_there_or_cannot_be_read_tells_why(tmp_path: Path) -> None:
    path, work = write(tmp_path), tmp_path / "work"
    fit = "study", "fit", str(path), "--work", str(work)
    assert_one_line_error(call(*fit), "no trained model is evaluated yet")
    for step in workflow(path).steps.values():
        leave(work, step)
    assert call(*fit).stderr.count("no point: ") == 5


@pytest.mark.parametrize(("option", "value"), [("--draws", "9" * 20), ("--weight", "2")])
def test_figures_that_a_fit_cannot_take_are_refused(option: str, value: str) -> None:
    result = call("study", "fit", option, value)
    assert result.returncode == 2
    assert f"Invalid value for '{option}'" in result.stderr
