"""The reading exam's measures as a person sees them."""

import io
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from openbook_eval import outcome
from openbook_eval.measures import find
from openbook_eval.models.context_window import Truncation
from openbook_eval.report import reading_report
from openbook_eval.scores import Reading, read_runs

DATE = "2026-01-02T03-04-05.678901"
# Marks of four questions of nursing under each condition.
RUNS = {"open": "1110", "closed": "1000", "library_4k": "1100", "missing": "1000", "contrary": "1000"}


def sample(condition: str, number: int, right: bool) -> dict[str, object]:
    shared = condition not in ("open", "closed")
    doc = {
        "id": f"q{number}",
        "exam": "nursing",
        "condition": condition.split("_")[0],
        "book_length": 4000 if shared else None,
        "depth": number / 4 if condition == "library_4k" else None,
    }
    followed = {"follows_context": float(right), "follows_memory": float(number == 1), "follows_neither": 0.0}
    abstained = condition == "missing" and right
    marks = {"correct": float(right), "answered": float(not abstained), "abstained": float(abstained)}
    return {"doc": doc, **marks, **(followed if condition == "contrary" else {})}


def write_run(folder: Path, **changes: object) -> Path:
    """A results file with its samples, as lm-eval writes them."""
    tasks = [f"cmed_reading_{condition}_nursing" for condition in RUNS]
    metadata = {"exam_file": {"name": "[b]mini[/b]", "version": "1.0", "sha256": "a" * 64}}
    for condition, marks in RUNS.items():
        lines = (orjson.dumps(sample(condition, n, mark == "1")) for n, mark in enumerate(marks))
        path = folder / f"samples_cmed_reading_{condition}_nursing_{DATE}.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
    results = {
        "results": {task: {} for task in tasks},
        "configs": {task: {"metadata": metadata} for task in tasks},
        "model_name": "some/model",
        "config": {"limit": 4.0, "model": "dummy", "model_args": {}},
        "openbook": {
            "truncation": {
                "checked": True,
                "reason": None,
                "prompts": 20,
                "cut": 3,
                "longest": 9,
                "room": 8,
                "tasks": [],
            }
        },
        **changes,
    }
    path = folder / f"results_{DATE}.json"
    path.write_bytes(orjson.dumps(results))
    return path


def printed(reading: Reading) -> str:
    console = Console(file=io.StringIO(), width=80)
    for part in reading_report(reading):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def report(tmp_path: Path) -> str:
    file = write_run(tmp_path)
    outcome.complete(file)
    scores, (reading,) = read_runs(tmp_path)
    assert scores == []
    return printed(reading)


def test_the_measures_are_written_into_the_results_once(tmp_path: Path) -> None:
    file = write_run(tmp_path)
    assert outcome.complete(file) == [file]
    part = orjson.loads(file.read_bytes())["openbook"]["reading"]
    assert part["reading_gain"]["gain"] == 0.5
    assert part["obedience"]["follows_memory"] == 0.25
    assert outcome.complete(file) == []


def test_right_answers_stand_by_condition_and_exam(report: str) -> None:
    rows = [line.split() for line in report.splitlines() if line.split()[:1] and line.split()[0] in RUNS]
    assert rows[:5] == [
        ["open", "4", "75.0", "75.0"],
        ["closed", "4", "25.0", "25.0"],
        ["library_4k", "4", "50.0", "50.0"],
        ["missing", "4", "25.0", "25.0"],
        ["contrary", "4", "25.0", "25.0"],
    ]


def test_gain_abstention_and_obedience_are_said(report: str) -> None:
    text = " ".join(report.split())
    assert "reading gain +50.00: open 75.00, closed 25.00; of 4 items 1 right in both, 2 only open, 0 only clo" in text
    assert "abstained where the answer is missing: 25.00" in text
    assert "abstained where the material tells: open 0.00, library_4k 0.00, contrary 0.00" in text
    assert "where the book says otherwise, 25.00 followed the book, 25.00 memory, 0.00 neither" in text


def test_retention_stands_by_length_and_depth(report: str) -> None:
    (row,) = (
        line.split() for line in report.splitlines() if line.strip().startswith("library_4k") and line.count(".") > 3
    )
    # Depths 0, 0.25, 0.5 and 0.75: the first two kept, the third lost, the fourth never right with its own entry.
    assert row == ["library_4k", "4", "75.0", "50.0", "66.7", "100.0", "100.0", "0.0", "-", "-"]


def test_a_limited_run_says_so_and_text_from_files_is_no_markup(report: str) -> None:
    assert "taken with --limit" in report
    assert "[b]mini[/b], version 1.0" in report


def test_a_run_whose_samples_are_gone_says_why_there_are_no_measures(tmp_path: Path) -> None:
    write_run(tmp_path)
    for path in tmp_path.glob("samples_*"):
        path.unlink()
    _, (reading,) = read_runs(tmp_path)
    assert "no measures: no samples were found beside the results" in " ".join(printed(reading).split())


def test_samples_that_are_broken_or_incomplete_are_told_and_tried_again(tmp_path: Path) -> None:
    file = write_run(tmp_path)
    broken = tmp_path / f"samples_cmed_reading_open_nursing_{DATE}.jsonl"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:40])
    outcome.complete(file)
    assert orjson.loads(file.read_bytes())["openbook"]["reading"]["checked"] is False
    broken.write_bytes(whole)
    outcome.complete(file)
    assert orjson.loads(file.read_bytes())["openbook"]["reading"]["reading_gain"]["items"] == 4


def test_a_run_of_other_tasks_has_no_reading() -> None:
    assert find({"configs": {"cmed_openbook_nursing": {}}}, {}) is None


def test_measures_without_all_samples_are_not_taken() -> None:
    found = find({"configs": {"cmed_reading_open_nursing": {}}}, {})
    assert found == {"checked": False, "reason": "no samples of cmed_reading_open_nursing beside the results"}


def test_a_report_without_measures_still_warns_of_what_was_cut() -> None:
    cut = Truncation(True, None, 20, 3, 9, 8)
    text = printed(Reading("m", DATE, "mini", False, {}, "why", cut))
    assert "TRUNCATED: 3 of 20 prompts did not reach the model whole" in text
