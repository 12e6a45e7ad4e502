"""The runs that tests invent have the shape of those that our tasks give lm-eval."""

import json
from pathlib import Path

import pytest

from openbook_eval import task_functions
from tests.results.lm_eval_output import write_run

# The keys of a line of samples, as lm-eval 0.4.13 writes them, before the metrics.
LINE = [
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash",
]  # fmt: skip
PAPER = ["correct", "correct_strict", "format_followed", "answered", "partial_credit"]


def lines(results: Path, condition: str) -> list[dict[str, object]]:
    (path,) = results.parent.glob(f"samples_cmed_{condition}_nursing_*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("condition", "metrics"),
    [
        ("openbook", PAPER),
        ("openbook_ranked", ["correct", "partial_credit", "letter_mass"]),
        ("reading_library_4k", [*PAPER, "abstained"]),
        ("reading_counterfactual", [*PAPER, "abstained", "follows_context", "follows_memory", "follows_neither"]),
    ],
)
def test_a_line_has_the_keys_that_lm_eval_writes(tmp_path: Path, condition: str, metrics: list[str]) -> None:
    first = lines(write_run(tmp_path, condition=condition), condition)[0]
    assert set(first) == {*LINE, *metrics}
    assert set(first["metrics"]) == set(metrics)  # type: ignore[call-overload]


def test_documents_are_those_of_our_task_functions(tmp_path: Path) -> None:
    conditions = ["openbook", "reading_library_4k"]
    found = write_run(tmp_path, condition=conditions)
    for condition in conditions:
        doc = task_functions.docs(condition, "nursing", exam="mini")["test"][0]
        assert list(lines(found, condition)[0]["doc"]) == list(doc)  # type: ignore[call-overload]
