"""Responses of any choice task are scored again by every matcher, and the models ranked by each."""

import json
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.matching.others import MATCHERS
from openbook_eval.results.rescoring import rescore
from openbook_eval.results.responses import WrittenResponse, read_responses
from openbook_eval.types import ABSTENTION, QType
from tests.results.lm_eval_output import DATE, invented, write_run

BY_NAME = {matcher.name: matcher for matcher in MATCHERS}


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
        ({"options": ["x", "y"]}, "BA", "BA"),
        ({"options": {"A": "x", "B": "y", "C": None}}, "B", "B"),
        ({"options": ["(A) x", "(B) y"]}, "B：y", "B"),
        ({"options": [{"letter": "A", "text": "x"}, {"letter": "B", "text": "y"}]}, "x", "A"),
        ({"A": "x", "B": "y", "Answer": "C"}, "1", "B"),
        ({"opa": "x", "opb": "y", "cop": 1, "choice_type": "multi"}, "1", "B"),
        ({"sent1": "Q", "sent2": "", "ending0": "x", "ending1": "y", "label": 1}, "1", "B"),
        ({"question": "A. q\nB. w\nC. e\n答案：A\n题\nA：x\nB：y\n请回答"}, "正确答案：B。", "B"),
        ({"question": "例：A:q;B:w。题？A:x;B:y"}, "(B)", "B"),
    ],
)
def test_responses_of_any_choice_task_are_read(tmp_path: Path, doc: dict[str, Any], target: str, answer: str) -> None:
    path = write_samples(tmp_path / "model", sample(target, **doc))
    qtype: QType = "multi" if answer == "BA" else "single"
    expected = WrittenResponse("arc_gen", "model", "7", " ", qtype, {"A": "x", "B": "y"}, answer, "B")
    assert list(read_responses([path])) == list(read_responses([tmp_path])) == [expected]


CHAT = {"role": "user", "content": "题\nA) 甲\nB) 乙\nC) 丙"}
REVIEW = {"index": 0, "input": CHAT["content"], "target": "C", "sample_score": {"score": {"prediction": "选C"}}}
PREDICTED = [{"type": "reasoning", "reasoning": "B?"}, {"type": "text", "text": "选C"}]
MESSAGE = {"message": {"role": "assistant", "content": PREDICTED}}
OPENCOMPASS = {"origin_prompt": [{"role": "HUMAN", "prompt": CHAT["content"]}], "prediction": "选C"}


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("predictions/m/law.json", {"0": OPENCOMPASS | {"gold": "C"}}),
        ("predictions/m/law.json", {"0": OPENCOMPASS | {"refr": "正确答案：C。"}}),
        ("reviews/m/law.jsonl", REVIEW),
        ("predictions/m/law.jsonl", {"index": 0, "model_output": {"choices": [MESSAGE]}, "messages": [CHAT]}),
        (
            "reviews/m/law.jsonl",
            {
                "index": 0,
                "choices": [{"message": {"content": "选C"}, "review": {"gold": "C"}}],
                "raw_input": {"A": "甲", "B": "乙", "C": "丙"},
            },
        ),
        ("m/law.jsonl", {"id": 0, "output": "选C", "options": ["甲", "乙", "丙"], "gold": ["C"], "model": "m"}),
    ],
)
def test_files_of_other_harnesses_are_read(tmp_path: Path, file: str, row: dict[str, Any]) -> None:
    # EvalScope's predictions have no answers: the reviews beside them do.
    for name, content in {"reviews/m/law.jsonl": REVIEW, file: row}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    (read,) = read_responses([tmp_path / file])
    options = {"A": "甲", "B": "乙", "C": "丙"}
    assert read == WrittenResponse("law", "m", "0", " ", "single", options, "C", read.text)
    assert read.text.strip() == "选C"


def test_cmbs_files_of_answers_are_scored_as_cmb_does(tmp_path: Path) -> None:
    answers, key = tmp_path / "answers.json", tmp_path / "key.json"
    # Plain equality, mean of classes within an exam, mean of exams: (1/2 + (1 + 0) / 2) / 2.
    rows = [("x", "1", "A", "A"), ("x", "1", "AB", "A"), ("y", "2", "BA", "BA"), ("y", "3", "AB", "BA")]
    answers.write_text(json.dumps([{"id": n, "model_answer": given} for n, (_, _, given, _) in enumerate(rows)]))
    of = [{"id": n, "exam_type": e, "exam_class": c, "answer": right} for n, (e, c, _, right) in enumerate(rows)]
    key.write_text(json.dumps([*of, {"id": 9, "answer": "不答"}]))
    (rescored,) = rescore(read_responses([answers], key))
    assert {name: scores.get(tmp_path.name) for name, scores in rescored.scores.items()} == {
        "ours": 0.75,
        "cmb": 0.5,
        "authors": 0.75,
        "lm-eval": None,
        "opencompass": 1.0,
    }
    assert {each.name: count for each, count in rescored.applied.items()} == {"lm-eval": 0, "opencompass": 2}


def test_our_runs_and_other_tasks_are_scored_side_by_side(tmp_path: Path) -> None:
    write_run(tmp_path, model="m", questions=6, right=1.0)
    of_two = [sample("1", number=number, choices=["x", "y"]) for number in (0, 1)]
    write_samples(tmp_path / "m", sample("0", choices=["x", "y"]), date=DATE.replace("01-02", "01-01"))
    # A line for each filter of a task, and letters that were ranked.
    ranked = {"resps": [[["-1.5", "False"]], [["-0.5", "True"]]]}
    write_samples(tmp_path / "m", *of_two, *of_two, sample("0", number=2, choices=["x", "y"]) | ranked)
    found = rescore(read_responses([tmp_path]))
    assert [(each.asked, each.responses, each.scores["ours"]) for each in found] == [
        ("open book", 6, {"m": 1.0}),
        ("arc_gen", 3, {"m": pytest.approx(2 / 3)}),
    ]
    assert found[1].applied[BY_NAME["cmb"]] == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (sample("Z", choices=["x"]), "target 'Z' names no option"),
        (sample("0", question="?"), "target '0' names no option"),
        (
            {"doc_id": 0, "output": "A", "options": ["x"]},
            "no right answer stands there; name a file of them with --key",
        ),
    ],
)
def test_rows_without_a_right_option_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: dict[str, Any], reason: str
) -> None:
    path = write_samples(tmp_path / "m", sample("0", choices=["x"]), line | {"doc_id": 8})
    assert len(list(read_responses([path]))) == 1
    assert caplog.messages == [f"{path}: 1 rows are left out, the first since {reason}"]


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "m", sample("0", choices=["x"]), [])  # type: ignore[arg-type]
    reason = "AttributeError: 'list' object has no attribute 'get'"
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


def test_ranks_and_abstentions_are_for_our_matcher_only(tmp_path: Path) -> None:
    write_run(tmp_path, condition=["openbook_ranked", "reading_unanswerable"], questions=6, right=1.0)
    for each in rescore(read_responses([tmp_path])):
        assert {name: dict(own) for name, own in each.scores.items() if own} == {"ours": {"some/model": 1.0}}
        assert set(each.applied.values()) == {0}
    assert {response.answer for response in read_responses([tmp_path]) if not response.ranked} == {ABSTENTION}


def test_a_question_without_a_response_is_left_out(tmp_path: Path) -> None:
    respond = lambda question, right: None if question.id == "nursing-0" else right  # noqa: E731
    write_run(tmp_path, condition="openbook", questions=6, respond=respond)
    assert [each.responses for each in rescore(read_responses([tmp_path]))] == [5]
