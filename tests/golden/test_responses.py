"""Letters, state and rule of the project's own labelled responses, as `openbook-eval match` prints them."""

import json

from tests.golden import adapter
from tests.golden.golden import same

RESPONSES = adapter.REPOSITORY / "tests" / "matching" / "responses.jsonl"


def test_the_projects_own_responses_are_read_as_before() -> None:
    rows = [json.loads(line) for line in adapter.openbook_eval("match", RESPONSES).splitlines()]
    assert len(rows) == 437
    same("choices.json", {row["id"]: [row["letters"], row["state"], row["rule"]] for row in rows})
