"""A question that got no response is scored neither way."""

import orjson

from openbook_eval import task_functions
from openbook_eval.types import Unanswered
from tests.conftest import question
from tests.test_task_functions import as_doc


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
