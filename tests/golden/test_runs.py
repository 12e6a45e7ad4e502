"""What is found about real runs of the bundled exam by the bundled model, eight questions of each exam and condition.

Stored are lm-eval's results and samples as vLLM wrote them, without what names the machine.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import adapter
from tests.golden.golden import same

READING, PAPER = "2026-01-03", "2026-01-02"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter.lay_out("mini", tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="module")
def found(runs: Path) -> dict[str, dict[str, Any]]:
    return adapter.annotated(runs)


def test_prompts_are_counted_in_tokens_and_none_was_cut(found: dict[str, dict[str, Any]]) -> None:
    assert {date: part["truncation"]["prompts"] for date, part in found.items()} == {PAPER: 96, READING: 240}
    same("truncation.json", {date: part["truncation"] for date, part in found.items()})


def test_what_the_reading_exam_says_of_a_model(found: dict[str, dict[str, Any]]) -> None:
    assert "reading" not in found[PAPER]
    same("reading.json", found[READING]["reading"])


def test_what_readers_without_understanding_get_on_the_items_that_were_asked(found: dict[str, dict[str, Any]]) -> None:
    same("reference.json", found[READING]["reference"])


def test_nothing_else_is_added_and_nothing_is_added_twice(runs: Path, found: dict[str, dict[str, Any]]) -> None:
    assert {name for part in found.values() for name in part} == {
        "truncation",
        "cut_off",
        "thinking",
        "reading",
        "reference",
    }
    before = {file: file.read_bytes() for file in runs.rglob("*.json")}
    assert adapter.annotated(runs) == found
    assert {file: file.read_bytes() for file in runs.rglob("*.json")} == before


def test_the_stored_marks_are_those_of_the_responses(runs: Path) -> None:
    """Each stored response is read and scored again, in the way of lm-eval: filter, then marks of a document."""
    tasks, checked = adapter.tasks(), 0
    of_name = {task.config.task: task for of_exams in tasks.values() for task in of_exams.values()}
    for file in sorted(runs.rglob("samples_*.jsonl")):
        task = of_name[file.name.removeprefix("samples_").rpartition("_")[0]]
        (choose,) = task._filters[0].filters
        for sample in map(json.loads, file.open("rb")):
            doc = task.eval_docs[sample["doc_id"]]
            (read,) = choose().apply([sample["resps"][0]], [doc])
            assert [read] == sample["filtered_resps"]
            assert task.process_results(doc, [read]) == {name: sample[name] for name in sample["metrics"]}
            assert task.doc_to_text(doc) == sample["arguments"]["gen_args_0"]["arg_0"]
            checked += 1
    assert checked == 336
