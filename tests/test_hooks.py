"""The glue: dicts to our types and back, one line for a user's mistake."""

import dataclasses
from pathlib import Path

import pytest

from openbook_eval import hooks
from openbook_eval.question import SIX_EXAMS, Question
from tests.conftest import BOOK, cmb_entry, question, write
from tests.exams.test_own import ROW, write_lines


def as_doc(asked: Question) -> dict[str, object]:
    options = [{"letter": letter, "text": text} for letter, text in asked.options.items()]
    return dataclasses.asdict(asked) | {"options": options, "exam_file": {"name": "x"}}


def test_a_document_is_its_question() -> None:
    assert hooks._question(as_doc(question())) == question()


def test_the_model_sees_each_questions_own_options_in_the_files_order(tmp_path: Path) -> None:
    """Arrow would order the fields of an object by their first appearance in the file, and fill gaps with None."""
    gap = {**ROW, "id": "1", "options": {"A": "一", "B": "二", "D": "四"}, "answer": "A"}
    turned = {**ROW, "id": "2", "options": {"C": "三", "B": "二", "A": "一", "D": "四"}, "answer": "A"}
    path = write_lines(tmp_path, gap, turned)
    docs = list(hooks.exam_docs("nursing", exam=str(path))["test"])
    assert [list(hooks._question(doc).options) for doc in docs] == [["A", "B", "D"], ["C", "B", "A", "D"]]
    assert "\nC. 三\nB. 二\nA. 一\nD. 四\n\n答案：" in hooks.open_prompt(docs[1])


def test_a_response_is_filtered_to_a_choice_and_marked() -> None:
    doc = as_doc(question(qtype="multi", answer="AC"))
    (choice,) = hooks.ChoiceFilter().apply([["答案：A、C"]], [doc])
    assert choice == '{"letters":"AC","state":"stated","rule":"dressed_letters"}'
    assert hooks.verdict(doc, [choice]) == {
        "correct": 1.0,
        "correct_strict": 0.0,
        "format_followed": 0.0,
        "answered": 1.0,
        "partial_credit": 1.0,
    }


def test_single_choice_has_no_partial_credit() -> None:
    doc = as_doc(question())
    (choice,) = hooks.ChoiceFilter().apply([["不知道"]], [doc])
    assert hooks.verdict(doc, [choice])["partial_credit"] is None


def test_a_misspelt_metadata_key_does_not_fall_back_to_the_default_exam(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        hooks.exam_docs("nursing", exma="mini")
    assert capsys.readouterr().err == "openbook-eval: --metadata: unknown key 'exma'; did you mean 'exam'?\n"


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
        (5, "nursing", "openbook-eval: --metadata: exam must be a name or a path, not 5"),
        (["mini"], "nursing", "openbook-eval: --metadata: exam must be a name or a path, not ['mini']"),
    ],
)
def test_a_users_mistake_ends_the_run_with_one_line_and_code_2(
    spec: object, part: str, message: str, capsys: pytest.CaptureFixture[str]
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
