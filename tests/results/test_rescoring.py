"""Responses of any choice task are scored again by every matcher, and the models ranked by each."""

import json
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.results.rescoring import WrittenResponse, read_responses, rescore
from openbook_eval.types import QType
from tests.results.lm_eval_output import DATE, invented, write_run


def write_samples(folder: Path, *samples: dict[str, Any], task: str = "arc_gen", date: str = DATE) -> Path:
    """Write samples of a task that is not ours."""
    folder.mkdir(exist_ok=True)
    path = folder / f"samples_{task}_{date}.jsonl"
    path.write_text("".join(f"{json.dumps(sample)}\n" for sample in samples), encoding="utf-8")
    return path


def sample(target: str, response: Any = "B", number: int = 7, **doc: Any) -> dict[str, Any]:
    return {"doc_id": number, "doc": doc, "target": target, "resps": [[response]], "filtered_resps": [response]}


@pytest.mark.parametrize(
    ("doc", "target", "answer"),
    [
        ({"choices": ["x", "y"]}, "1", "B"),
        ({"choices": ["x", "y"]}, "y", "B"),
        ({"choices": ["x", "y"]}, "(A)", "A"),
        ({"choices": {"label": ["A", "B"], "text": ["x", "y"]}}, "B", "B"),
        ({"choices": {"label": ["1", "2"], "text": ["x", "y"]}}, "1", "A"),
        ({"options": ["x", "y"]}, "BA", "AB"),
        ({"options": {"A": "x", "B": "y"}}, "B", "B"),
        ({"options": [{"letter": "A", "text": "x"}, {"letter": "B", "text": "y"}]}, "x", "A"),
    ],
)
def test_responses_of_any_choice_task_are_read(tmp_path: Path, doc: dict[str, Any], target: str, answer: str) -> None:
    path = write_samples(tmp_path / "model", sample(target, **doc))
    qtype: QType = "multi" if answer == "AB" else "single"
    expected = WrittenResponse("arc_gen", "model", "7", " ", qtype, {"A": "x", "B": "y"}, answer, "B")
    assert list(read_responses([path])) == list(read_responses([tmp_path])) == [expected]


def test_our_runs_and_other_tasks_are_scored_side_by_side(tmp_path: Path) -> None:
    write_run(tmp_path, model="m", questions=6, right=1.0)
    of_two = [sample("1", number=number, choices=["x", "y"]) for number in (0, 1)]
    write_samples(tmp_path / "m", sample("0", choices=["x", "y"]), date=DATE.replace("01-02", "01-01"))
    # A line for each filter of a task, and letters that were ranked.
    write_samples(tmp_path / "m", *of_two, *of_two, sample("0", ["-1.5", "True"], 2, choices=["x", "y"]))
    found = rescore(read_responses([tmp_path]))
    assert [(each.asked, each.responses, each.scores["ours"]) for each in found] == [
        ("open book", 6, {"m": 1.0}),
        ("arc_gen", 2, {"m": 1.0}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (sample("Z", choices=["x"]), "ValueError: target 'Z' names no option"),
        (sample("0", question="?"), "KeyError: 'choices'"),
        ([], "TypeError: list indices must be integers or slices, not str"),
    ],
)
def test_a_line_of_no_choice_task_is_named(tmp_path: Path, line: Any, reason: str) -> None:
    path = write_samples(tmp_path / "m", sample("0", choices=["x"]), line | {"doc_id": 8} if line else line)
    with pytest.raises(OpenbookError) as caught:
        list(read_responses([path]))
    assert str(caught.value) == f"{path}: line 2 is no sample of a choice task ({reason}); run again"


def test_a_path_that_is_not_there_is_named_beside_samples_as_well(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "m", sample("0", choices=["x"]))
    with pytest.raises(OpenbookError, match="nowhere: no such file or folder"):
        list(read_responses([path, tmp_path / "nowhere"]))


def test_the_order_of_models_may_depend_on_the_matcher(tmp_path: Path) -> None:
    # One explains before it chooses, the other only names a letter: every letter taken, the first one loses.
    write_run(tmp_path, model="careful", questions=6, respond=lambda _, right: f"B不对，应选{right}。")
    write_run(
        tmp_path, model="terse", questions=6, respond=lambda question, right: right if "nurs" in question.id else "D"
    )
    (rescored,) = rescore(read_responses([tmp_path]))
    assert rescored.asked == "open book"
    assert rescored.scores["ours"] == {"careful": 1.0, "terse": pytest.approx(1 / 6)}
    assert rescored.scores["authors"] == {"careful": 0.0, "terse": pytest.approx(1 / 6)}
    assert rescored.ranks["ours"] == {"careful": 1, "terse": 2}
    assert rescored.ranks["authors"] == {"careful": 2, "terse": 1}
    assert rescored.order_depends_on_matcher
    assert rescored.responses == 12
    response, read = rescored.differences[0]
    assert (response.id, read["ours"], read["authors"]) == ("physician-0", "A", "BA")


def test_equal_scores_share_a_rank_and_cmb_averages_subclasses(tmp_path: Path) -> None:
    # Of four questions in three classes two of the first class are right.
    questions = invented(4, ["nursing"])
    for model in "ab":
        write_run(tmp_path, model=model, questions=questions, right=lambda question: question.exam_class == "class 0")
    (rescored,) = rescore(read_responses([tmp_path]))
    assert rescored.ranks["ours"] == {"a": 1, "b": 1}
    assert [rescored.scores[name]["a"] for name in ("ours", "cmb")] == pytest.approx([0.5, 1 / 3])


def test_only_written_responses_to_questions_with_right_letters_are_rescored(tmp_path: Path) -> None:
    write_run(tmp_path, condition=["openbook_ranked", "reading_unanswerable"], questions=6)
    with pytest.raises(OpenbookError, match="no response was written"):
        rescore(read_responses([tmp_path]))
    respond = lambda question, right: None if question.id == "nursing-0" else right  # noqa: E731
    write_run(tmp_path, condition="openbook", questions=6, respond=respond, date=DATE.replace("01-02", "01-03"))
    assert [each.responses for each in rescore(read_responses([tmp_path]))] == [5]
