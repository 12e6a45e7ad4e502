"""A question that got no response: marked neither way, left out of measures, and told."""

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from openbook_eval import task_functions
from openbook_eval.errors import OpenbookError
from openbook_eval.measures import answered
from openbook_eval.models.replies import Tally, leave, reasons, refuse_gaps, taken
from openbook_eval.report import scores_table
from openbook_eval.responses import read_samples
from openbook_eval.scores import read_runs
from openbook_eval.types import SIX_EXAMS, Unanswered
from tests.conftest import question
from tests.test_scores import results, write
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


def test_measures_leave_it_out() -> None:
    doc = {"id": "q", "exam": "nursing", "condition": "reading_open", "book_length": None, "depth": None}
    marks = {"correct": 1.0, "answered": 1.0, "abstained": 0.0}
    assert answered({"doc": doc, "metrics": list(marks), **marks})
    assert answered({"doc": doc, "metrics": []}) is None
    with pytest.raises(KeyError):
        answered({"doc": doc})


def test_marking_again_leaves_it_out(tmp_path: Path) -> None:
    rows = [
        {"doc": as_doc(question()), "target": "A", "resps": [[response]], "filtered_resps": [read_out(response)]}
        for response in ("A", Unanswered("timeout"))
    ]
    path = tmp_path / "samples_x.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str) for row in rows))
    assert [sample.response for sample in read_samples(path)] == ["A"]


def part(**changes: Any) -> dict[str, Any]:
    return {"openbook": {"api": tally(**changes).to_json()}}


def told(run: Any) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(scores_table(run))
    return " ".join(console.export_text().split())


def test_scores_tell_of_it(tmp_path: Path) -> None:
    gaps = part(answered=9, failures={"timeout": 1, "rate_limit": 2})
    (run,) = read_runs(write(tmp_path, results(**gaps)))[0]
    assert run.gaps == ("3 of 12 questions of the run not answered (2 rate limit, 1 timeout) and not marked: run again")
    assert run.gaps in told(run)


@pytest.mark.parametrize("rest", [{}, part()])
def test_scores_of_a_whole_run_do_not(tmp_path: Path, rest: dict[str, Any]) -> None:
    (run,) = read_runs(write(tmp_path, results(**rest)))[0]
    assert run.gaps == ""
    assert "not answered" not in told(run)


def test_an_exam_without_any_answer_is_in_no_average(tmp_path: Path) -> None:
    whole = results(**part(answered=10, failures={"refused": 2}))
    whole["results"]["cmed_openbook_nursing"] = {"alias": "nursing"}
    (run,) = read_runs(write(tmp_path, whole))[0]
    assert [score.exam for score in run.exams] == [exam for exam in SIX_EXAMS if exam != "nursing"]
    assert run.average is None


def test_marks_that_are_missing_without_a_reason_are_a_broken_file(tmp_path: Path) -> None:
    broken = results(**part())
    broken["results"]["cmed_openbook_nursing"] = {"alias": "nursing"}
    with pytest.raises(OpenbookError, match="not an lm-eval results file"):
        read_runs(write(tmp_path, broken))


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
