"""Every prompt and target of the bundled exam under every task that it fills, and what is read out of responses."""

import hashlib
import json
from typing import Any

import pytest

from tests.golden import adapter
from tests.golden.golden import same

ITEMS = 43


@pytest.fixture(scope="module")
def tasks() -> dict[str, dict[str, Any]]:
    return adapter.tasks()


def asked(task: Any) -> list[list[object]]:
    """Return prompt, target and, where letters are ranked, the letters of each document."""
    ranked = task.config.output_type == "multiple_choice"
    return [
        [task.doc_to_text(doc), task.doc_to_target(doc), *([task.doc_to_choice(doc)] if ranked else [])]
        for doc in task.eval_docs
    ]


def test_the_first_prompt_of_each_group(tasks: dict[str, dict[str, Any]]) -> None:
    first = {meaning: asked(of_exams["nursing"])[0] for meaning, of_exams in tasks.items()}
    same("first_prompts.json", {meaning: [_ends(str(prompt)), *rest] for meaning, (prompt, *rest) in first.items()})


def test_all_prompts_and_targets_in_their_order(tasks: dict[str, dict[str, Any]]) -> None:
    found = {
        f"{meaning}: {exam}": {"items": len(items := asked(task)), "sha256": _sha256(items)}
        for meaning, of_exams in tasks.items()
        for exam, task in of_exams.items()
    }
    assert len(found) == 6 * len(adapter.GROUPS)
    assert {one["items"] for one in found.values()} == {ITEMS}
    same("prompts.json", found)


def test_the_projects_own_responses_are_read_as_before() -> None:
    responses = adapter.REPOSITORY / "tests" / "matching" / "responses.jsonl"
    rows = [json.loads(line) for line in adapter.openbook_eval("match", responses).splitlines()]
    assert len(rows) == 437
    same("choices.json", {row["id"]: [row["letters"], row["state"], row["rule"]] for row in rows})


def _ends(prompt: str) -> str:
    """Return a prompt without the middle of a long book."""
    return prompt if len(prompt) < 3000 else f"{prompt[:1000]} [...] {prompt[-1000:]}"


def _sha256(items: list[list[object]]) -> str:
    return hashlib.sha256(json.dumps(items, ensure_ascii=False).encode()).hexdigest()
