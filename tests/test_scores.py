"""Scores read from what lm-eval writes, and the averages of them."""

import io
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from openbook_eval.errors import OpenbookError
from openbook_eval.models.context_window import Fit, Truncation
from openbook_eval.report import scores_table
from openbook_eval.scores import ExamScore, RunScores, read_runs
from openbook_eval.types import SIX_EXAMS

CORRECT = dict(zip(SIX_EXAMS, (0.1, 0.2, 0.3, 0.4, 0.5, 0.9), strict=True))
SIZES = dict(zip(SIX_EXAMS, (10, 10, 10, 10, 10, 50), strict=True))


def results(prefix: str = "cmed_openbook", *exams: str, **changes: Any) -> dict[str, Any]:
    tasks = {f"{prefix}_{exam}": exam for exam in exams or SIX_EXAMS}
    metadata = {"exam_file": {"name": "mini", "version": "1.0", "sha256": "a" * 64}}
    return {
        "results": {
            task: {
                "correct,choice": CORRECT.get(exam, 0.7),  # type: ignore[call-overload]
                "correct_strict,choice": 0.05,
                "format_followed,choice": 0.5,
                "answered,choice": 0.95,
                "partial_credit,choice": None if exam == "physician" else 0.25,
            }
            for task, exam in tasks.items()
        },
        "n-samples": {task: {"effective": SIZES.get(exam, 5)} for task, exam in tasks.items()},  # type: ignore[call-overload]
        "configs": {task: {"metadata": metadata} for task in tasks},
        "model_name": "some/model",
        "config": {"limit": None},
        **changes,
    }


def write(folder: Path, content: object, time: str = "2026-01-02T03-04-05.678901") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results_{time}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_results_file_is_read(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results()))[0]
    assert (run.model, run.date, run.condition) == ("some/model", "2026-01-02T03-04-05", "open book")
    assert run.exam_file == "mini, version 1.0, sha256 aaaaaaaaaaaa"
    assert run.exams[0] == ExamScore("physician", 10, 0.1, 0.05, 0.5, 0.95, None)
    assert [score.exam for score in run.exams] == list(SIX_EXAMS)


def test_the_average_is_the_plain_mean_and_the_weighted_one_counts_questions(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results()))[0]
    assert run.average == pytest.approx(0.4)
    assert run.weighted_average == pytest.approx(0.6)


def test_other_is_shown_but_in_no_average(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results("cmed_openbook", *SIX_EXAMS, "other")))[0]
    assert run.exams[-1] == ExamScore("other", 5, 0.7, 0.05, 0.5, 0.95, 0.25)
    assert run.average == pytest.approx(0.4)


def test_a_mark_that_is_no_number_is_a_broken_file(tmp_path: Path) -> None:
    broken = results()
    broken["results"]["cmed_openbook_nursing"]["partial_credit,choice"] = "N/A"
    with pytest.raises(OpenbookError, match="a mark is 'N/A', not a number"):
        read_runs(write(tmp_path, broken))[0]


def test_without_all_six_exams_there_is_no_average(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results("cmed_openbook", "nursing", "other")))[0]
    assert (run.average, run.weighted_average) == (None, None)


def test_open_and_closed_book_are_two_tables(tmp_path: Path) -> None:
    both = results()
    closed = results("cmed_closedbook")
    for key in ("results", "n-samples", "configs"):
        both[key] |= closed[key]
    assert [run.condition for run in read_runs(write(tmp_path, both))[0]] == ["open book", "closed book"]


def test_of_a_folder_the_newest_run_of_each_model_counts(tmp_path: Path) -> None:
    write(tmp_path / "a", results(model_name="a"), "2026-01-01T00-00-00.000000")
    write(tmp_path / "a", results(model_name="a"), "2026-01-02T00-00-00.000000")
    write(tmp_path / "b", results(model_name="b"), "2025-01-01T00-00-00.000000")
    runs = {(run.model, run.date[:10]) for run in read_runs(tmp_path)[0]}
    assert runs == {("a", "2026-01-02"), ("b", "2025-01-01")}


def test_runs_of_other_tasks_and_conditions_hide_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a", results(), "2026-01-01T00-00-00.000000")
    write(tmp_path / "a", results("cmed_closedbook"), "2026-01-02T00-00-00.000000")
    write(tmp_path / "a", {**results(), "results": {"arc": {}}}, "2026-01-03T00-00-00.000000")
    assert [run.condition for run in read_runs(tmp_path)[0]] == ["open book", "closed book"]


def test_adapters_of_one_base_are_different_models(tmp_path: Path) -> None:
    for number, adapter in enumerate(("mix91", "mix19")):
        config = {"limit": None, "model_args": {"pretrained": "some/model", "lora_local_path": adapter}}
        write(tmp_path / "a", results(config=config), f"2026-01-0{number + 1}T00-00-00.000000")
    assert [run.model for run in read_runs(tmp_path)[0]] == ["some/model + mix91", "some/model + mix19"]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"results": {"cmed_openbook_nursing": {}}}', '{"results": 3}', "\x00"]
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results_x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OpenbookError, match=r"results_x\.json: not an lm-eval results file") as caught:
        read_runs(path)[0]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, {"results": {"arc": {}}}])
def test_a_folder_without_our_results_says_what_to_run(tmp_path: Path, content: object) -> None:
    if content:
        write(tmp_path, content)
    with pytest.raises(OpenbookError, match=r"no results of cmed tasks; run openbook-eval run .* --output_path"):
        read_runs(tmp_path)[0]


def test_the_table_shows_six_exams_and_both_averages(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results(config={"limit": 5}, model_name="[red]x[/red]")))[0]
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(scores_table(run))
    text = console.export_text()
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    head = rows.index(["exam", "asked", "correct", "strict", "format", "answered", "partial"])
    assert rows[head + 2] == ["physician 医师考试", "10", "10.00", "5.00", "50.00", "95.00", "-"]
    assert rows[head + 7] == ["postgraduate 医学考研", "50", "90.00", "5.00", "50.00", "95.00", "25.00"]
    assert rows[head + 9] == ["Avg.(All exams)", "100", "40.00"]
    assert rows[head + 10] == ["weighted by size", "100", "60.00"]
    assert "[red]x[/red], open book" in text
    assert "taken with --limit: not all questions were asked" in text


def shown(run: RunScores) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(scores_table(run))
    return " ".join(console.export_text().split())


def with_truncation(prefix: str = "cmed_openbook", **cut: int) -> dict[str, Any]:
    fits = [Fit(f"{prefix}_{exam}", SIZES[exam], cut.get(exam, 0), 900, 800) for exam in SIX_EXAMS]
    return {"openbook": {"truncation": asdict(Truncation.of(fits))}}


def test_a_truncated_run_is_shown_as_such(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results(**with_truncation(nursing=5, other=7, postgraduate=7))))[0]
    assert "TRUNCATED: 12 of 100 prompts did not reach the model whole" in shown(run)


def test_a_run_whose_prompts_were_whole_says_nothing(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path, results(**with_truncation())))[0]
    assert run.truncation.checked
    assert "trunca" not in shown(run).lower()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({}, "no samples were found beside the results; lm-eval writes them with --log_samples"),
        ({"openbook": {"reading": {}}}, "no samples were found beside the results; lm-eval writes them with"),
        ({"openbook": {"truncation": asdict(Truncation.unchecked("[red]no tokenizer"))}}, "[red]no tokenizer"),
        (with_truncation("cmed_closedbook"), "not all tasks were counted"),
    ],
)
def test_a_run_that_was_not_checked_is_not_called_whole(tmp_path: Path, part: dict[str, Any], reason: str) -> None:
    (run,) = read_runs(write(tmp_path, results(**part)))[0]
    assert f"not checked for truncation ({reason}" in shown(run)


def test_a_condition_is_not_blamed_for_the_prompts_of_another(tmp_path: Path) -> None:
    both = results()
    closed = results("cmed_closedbook")
    for key in ("results", "n-samples", "configs"):
        both[key] |= closed[key]
    fits = with_truncation(nursing=5)["openbook"]["truncation"]["tasks"]
    fits += with_truncation("cmed_closedbook")["openbook"]["truncation"]["tasks"]
    whole = Truncation.of([Fit(**fit) for fit in fits])
    opened, shut = read_runs(write(tmp_path, {**both, "openbook": {"truncation": asdict(whole)}}))[0]
    assert (opened.truncation.cut, opened.truncation.prompts) == (5, 100)
    assert (shut.truncation.cut, shut.truncation.prompts) == (0, 100)


@pytest.mark.parametrize("part", [3, {"truncation": 3}, {"truncation": {"checked": True, "tasks": [{}]}}])
def test_a_broken_verdict_is_one_line(tmp_path: Path, part: object) -> None:
    with pytest.raises(OpenbookError, match="not an lm-eval results file") as caught:
        read_runs(write(tmp_path, results(openbook=part)))[0]
    assert "\n" not in str(caught.value)
