"""The glue: dicts to our types and back, one line for a user's mistake."""

import dataclasses
from pathlib import Path

import pytest

from openbook_eval import hooks
from openbook_eval.question import SIX_EXAMS, Question
from tests.conftest import BOOK, cmb_entry, question, write


def as_doc(asked: Question) -> dict[str, object]:
    # As Arrow returns it: every letter that any question of the file has.
    fields = dataclasses.asdict(asked)
    return fields | {"options": {**fields["options"], "D": None, "E": None}, "exam_file": {"name": "x"}}


def test_letters_that_a_question_lacks_are_not_options() -> None:
    assert "\nD." not in hooks.open_prompt(as_doc(question()))
    assert hooks._question(as_doc(question())) == question()


def test_a_response_is_filtered_to_a_choice_and_marked() -> None:
    doc = as_doc(question(qtype="multi", answer="AC"))
    (choice,) = hooks.ChoiceFilter().apply([["答案：A、C"]], [doc])
    assert choice == '{"letters":"AC","state":"stated","rule":"only_letters"}'
    assert hooks.verdict(doc, [choice]) == {"correct": 1.0, "answered": 1.0, "partial_credit": 1.0}


def test_single_choice_has_no_partial_credit() -> None:
    doc = as_doc(question())
    (choice,) = hooks.ChoiceFilter().apply([["不知道"]], [doc])
    assert hooks.verdict(doc, [choice]) == {"correct": 0.0, "answered": 0.0, "partial_credit": None}


@pytest.mark.parametrize(("values", "mean"), [([None, 1.0, 0.5], 0.75), ([None], None), ([0.0], 0.0)])
def test_a_mark_that_a_question_lacks_is_left_out_of_the_mean(values: list[float | None], mean: float | None) -> None:
    assert hooks.mean_of_known(values) == mean


def test_the_models_arguments_do_not_disturb_the_exam() -> None:
    docs = hooks.exam_docs("nursing", exam="mini", pretrained="x", max_model_len=2048, version=1.0)["test"]
    assert len(docs) == 43


@pytest.mark.parametrize(
    ("spec", "part", "message"),
    [
        ("no/such/file.json", "nursing", "openbook-eval: exam 'no/such/file.json': no such file"),
        ("mini", "other", "openbook-eval: exam 'mini' has no other questions, only physician, nursing"),
    ],
)
def test_a_users_mistake_ends_the_run_with_one_line_and_code_2(
    spec: str, part: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        hooks.exam_docs(part, exam=spec)  # type: ignore[arg-type]
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_notices_are_logged_once_though_six_tasks_read_the_exam(
    cmb_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(1), cmb_entry(2)])
    for part in SIX_EXAMS:
        hooks.exam_docs(part, exam=str(cmb_folder))
    assert [record.getMessage() for record in caplog.records] == [
        "exam open-book: 4 questions have no entry in CMB-test/test-book.json; "
        "theirs is made by the authors' rule (ids 3, 4, 5, 6)"
    ]


def test_the_choice_is_read_by_the_questions_own_options() -> None:
    doc = as_doc(question(options={"A": "肝", "B": "肾"}, answer="B"))
    (choice,) = hooks.ChoiceFilter().apply([["D"]], [doc])
    assert choice == '{"letters":"","state":"none","rule":"undecided"}'
