"""Scores as a person sees them, in a terminal of 80 columns."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.results import ITEMS, Run, Scores, read_runs, reading_metrics
from openbook_eval.results.metrics import reading_report
from openbook_eval.results.rescoring import rescore
from openbook_eval.results.responses import read_responses
from openbook_eval.types import EXAM_NAMES
from tests.results.lm_eval_output import write_run
from tests.results.spoil import change_results

READING = ("open", "closed", "library_4k", "library_256k", "unanswerable", "counterfactual")


def printed(*parts: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def table(folder: Path, interval: tuple[float, float] | None = None) -> list[str]:
    found = read_runs(folder)
    (run,) = found.runs
    return printed(Scores.of(found.items_of(run)).table(run, interval))


def row(lines: list[str], name: str) -> list[str]:
    """Return the figures of the row that begins with a name."""
    (found,) = (line for line in lines if line.strip().startswith(f"{name} "))
    return found.strip().removeprefix(name).split()


def test_the_exams_stand_above_their_averages(tmp_path: Path) -> None:
    write_run(tmp_path, questions=60, respond=lambda question, right: right if question.exam != "nursing" else "")
    lines = table(tmp_path, (0.7, 0.912345))
    assert [line.strip() for line in lines[:2]] == [
        "some/model, open book",
        "exam invented, version 1.0, sha256 eeeeeeeeeeee; run 2026-01-02T03-04-05",
    ]
    assert lines[3].split() == ["exam", "asked", "correct", "strict", "format", "answered", "partial"]
    assert row(lines, "nursing 护理考试") == ["10", *["0.00"] * 5]
    assert row(lines, "technician 医技考试") == ["10", *["100.00"] * 5]
    assert row(lines, "Avg.(All exams)") == ["60", "83.33"]
    assert row(lines, "95 % interval") == ["70.0-91.2"]
    assert row(lines, "weighted by size") == ["60", "83.33"]
    assert not any("TRUNCATED" in line or "limit" in line for line in lines)


def test_what_the_exam_lacks_and_what_is_corrected_in_it_stands_beside_its_name(tmp_path: Path) -> None:
    counts = {"not_asked": {"faulty": 2, "no_answer": 1, "no_picture": 3}, "corrected": 29}
    path = write_run(tmp_path, questions=6)
    change_results(
        path, lambda told: [each["metadata"]["exam_file"].update(counts) for each in told["configs"].values()]
    )
    text = " ".join(" ".join(table(tmp_path)).split())
    assert (
        "29 answers corrected; not asked: 2 with a fault, 1 without a published answer, "
        "3 about a picture that is not there"
    ) in text


def test_a_metric_that_a_run_does_not_have_has_no_column(tmp_path: Path) -> None:
    write_run(tmp_path, condition="openbook_ranked", questions=12, right=1.0)
    (head,) = (line.split() for line in table(tmp_path) if "asked" in line)
    assert head == ["exam", "asked", "correct", "mass"]


def test_what_keeps_figures_from_being_those_of_the_whole_exam_is_said(tmp_path: Path) -> None:
    cut = {"prompts": 4, "cut": 3, "longest": 9, "room": 8}
    tasks = [{"task": f"cmed_openbook_{exam}", **cut} for exam in EXAM_NAMES[:6]]
    api = {"questions": 24, "answered": 21, "failures": {"timeout": 1, "rate_limit": 2}}
    truncation = {"checked": True, "reason": None, **cut, "tasks": tasks}
    write_run(tmp_path / "a", model="[b]m[/b]", limit=4, openbook={"truncation": truncation, "api": api})
    text = " ".join(" ".join(table(tmp_path / "a")).split())
    assert text.startswith("[b]m[/b] (TRUNCATED) (INCOMPLETE), open book exam invented")
    assert "taken with --limit: not all questions were asked" in text
    assert (
        "3 of 24 questions of the run not answered (2 rate limit, 1 timeout) and not scored: the same command" in text
    )
    assert "TRUNCATED: 18 of 24 prompts did not reach the model whole" in text
    unchecked = {"checked": False, "reason": "no tokenizer", "tasks": []}
    write_run(tmp_path / "b", questions=6, openbook={"truncation": unchecked})
    assert any("not checked for truncation (no tokenizer)" in line for line in table(tmp_path / "b"))


def reading(run: Run, **correct: str) -> list[str]:
    """Print a report of items of all exams: `1` right, `0` wrong."""
    frames = {}
    for condition, marks in correct.items():
        rows = [
            {
                "id": f"{exam}{number}", "exam": exam, "depth": number / len(marks), "correct": mark == "1",
                "answered": True, "abstained": mark == "0", "follows_context": mark == "1", "follows_memory": False,
                "follows_neither": mark == "0",
            }
            for exam in EXAM_NAMES
            for number, mark in enumerate(marks)
        ]  # fmt: skip
        frames[f"reading_{condition}"] = pl.DataFrame(
            [{name: own.get(name) for name in ITEMS} for own in rows], schema=ITEMS
        )
    return printed(*reading_report({"reading_open": run}, reading_metrics(frames)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    write_run(tmp_path, condition="reading_open", questions=6)
    return read_runs(tmp_path).runs[0]


def test_the_reading_exam_in_eighty_columns(run: Run) -> None:
    lines = reading(run, **dict.fromkeys(READING, "11111"))
    assert max(map(len, lines)) <= 80
    (head,) = (line.split() for line in lines if "items" in line and "correct" in line)
    assert head == ["correct", "items", "phys", "nurs", "phar", "tech", "prof", "post", "other", "six", "all"]
    for name in READING:
        assert any(line.split() == [*CONDITIONS[f"reading_{name}"].title.split(), "35", *["100"] * 9] for line in lines)


def test_gain_retention_abstention_and_faithfulness_are_said(run: Run) -> None:
    lines = reading(run, open="11110", closed="10000", library_4k="11000", unanswerable="10000", counterfactual="10000")
    text = " ".join(" ".join(lines).split())
    assert "context gain +60.00: open 80.00, closed 20.00; of 35 items 7 right in both, 21 only open, 0 only cl" in text
    assert "library 4k 35 80.0 40.0 50.0 100 100 0.0 0.0 -" in text
    assert "abstained where the book does not tell: 80.00" in text
    assert "abstained where the book tells: open 20.00, library 4k 60.00, counterfactual 80.00" in text
    assert "answers follow 20.00 context, 0.00 memory, 80.00 neither" in text


def test_other_matchers_stand_beside_ours(tmp_path: Path) -> None:
    write_run(tmp_path, model="careful", questions=6, respond=lambda _, right: f"B不对，应选{right}。[b]")
    write_run(tmp_path, model="terse", questions=6, respond=lambda *_: "D")
    (rescored,) = rescore(read_responses([tmp_path]))
    lines = printed(*rescored.report(1))
    assert lines[0].strip() == "open book: correct in percent (rank)"
    assert any(line.split()[:3] == ["careful", "100.00", "(1)"] for line in lines)
    assert "warning: the order of the models depends on the matcher" in [line.strip() for line in lines]
    text = " ".join(" ".join(lines).split())
    assert "physician-0 (answer A): ours A, cmb B, authors BA" in text
    assert text.endswith("| B不对，应选A。[b]")
