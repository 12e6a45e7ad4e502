"""A question that got no response: scored neither way, and told."""

import json
from typing import Any

import orjson
import pytest

from openbook_eval import task_functions
from openbook_eval.errors import OpenbookError
from openbook_eval.models.replies import Tally, leave, reasons, refuse_gaps, taken
from openbook_eval.types import Unanswered
from tests.conftest import question
from tests.test_task_functions import as_doc


def tally(**changes: Any) -> Tally:
    counts = {"questions": 12, "answered": 12, "failures": {}, "unended_thinking": 0, "empty": 0}
    tokens = {
        "prompt_tokens": 1000,
        "completion_tokens": 20,
        "thinking_tokens": 0,
        "lost_tokens": 0,
        "cost": None,
        "currency": "USD",
    }
    return Tally(**{"model": "m", "host": "h", **counts, **tokens, **changes})


def read_out(response: str) -> str:
    (read,) = task_functions.ChoiceFilter().apply([[response]], [as_doc(question())])
    return read


def test_no_response_is_not_read_as_an_empty_one() -> None:
    assert orjson.loads(read_out(Unanswered("timeout"))) == {"unanswered": "timeout"}
    assert orjson.loads(read_out(""))["rule"] == "empty"


def test_no_response_has_no_marks_and_an_empty_one_is_wrong() -> None:
    for condition in ("openbook", "reading_open"):
        doc = as_doc(question()) | {"condition": condition}
        assert task_functions.process_results(doc, [read_out(Unanswered("timeout"))]) == {}
        marks = task_functions.process_results(doc, [read_out("")])
        assert (marks["correct"], marks["answered"]) == (0.0, 0.0)


def test_failures_are_told_the_commonest_first() -> None:
    assert reasons({"timeout": 1, "server_error": 3, "malformed": 1}) == "3 server error, 1 malformed, 1 timeout"


def test_a_run_fails_where_asking_again_may_bring_more() -> None:
    refuse_gaps(None)
    refuse_gaps(tally())
    refuse_gaps(tally(answered=10, failures={"refused": 2}))
    with pytest.raises(OpenbookError, match=r"3 of 12 questions are not answered \(2 refused, 1 timeout\)"):
        refuse_gaps(tally(answered=9, failures={"refused": 2, "timeout": 1}))


def test_a_tally_is_taken_once_and_fit_for_json() -> None:
    leave(tally())
    leave(tally(answered=11))
    found = taken()
    assert found
    assert found.answered == 11
    assert json.loads(json.dumps(found.to_json()))["answered"] == 11
    assert taken() is None


def test_a_line_tells_what_was_spent() -> None:
    assert tally(cost=0.125).line() == "12 of 12 questions answered; 1,000 tokens in, 20 out; 0.1250 USD"
