"""What a step that failed has left: told whatever is in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.study.findings.results import read_results
from openbook_eval.study.steps import FAILURE, Failed, Step, failed
from tests.study.made import graph_of, receipt, trained

CELL = trained("4:1", 1)
UNREADABLE = Failed("failed, and failed.json cannot be read", "")


def step_that_left(work: Path, content: str | None) -> Step:
    graph = graph_of([CELL])
    (step,) = (step for step in graph.steps if step.kind == "train")
    if content is not None:
        (work / step.id).mkdir(parents=True)
        (work / step.id / FAILURE).write_text(content, encoding="utf-8")
    return step


def test_a_failure_has_its_reason_in_one_line_and_its_log(tmp_path: Path) -> None:
    step = step_that_left(tmp_path, json.dumps({"reason": "out of\n memory", "log": "log.txt"}))
    assert failed(step, tmp_path) == Failed("out of memory", "log.txt")


@pytest.mark.parametrize("told", [{"reason": "killed"}, {"reason": "killed", "log": None}])
def test_a_failure_may_have_no_log(tmp_path: Path, told: dict[str, Any]) -> None:
    assert failed(step_that_left(tmp_path, json.dumps(told)), tmp_path) == Failed("killed", "")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3", "[" * 100_000])
def test_a_failure_that_cannot_be_read_is_one_whatever_it_is(tmp_path: Path, content: str) -> None:
    step = step_that_left(tmp_path, content)
    assert failed(step, tmp_path) == UNREADABLE
    (undone,) = read_results(graph_of([CELL]), tmp_path).undone
    assert (undone.failed, undone.reason) == (True, UNREADABLE.reason)


def test_what_has_not_failed_has_no_failure(tmp_path: Path) -> None:
    step = step_that_left(tmp_path, None)
    receipt(tmp_path, "train", CELL)
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert failed(step, tmp_path) is None
    assert failed(step, tmp_path / "file") is None
