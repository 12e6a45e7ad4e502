"""Apollo's file: options in a string, letters in brackets, sources told apart."""

from pathlib import Path
from typing import Any

import pytest

from openbook_eval.exams import load_exam, read_path
from tests.conftest import faults, write

ROW: dict[str, Any] = {
    "question": "小儿易患中耳炎的原因是",
    "options": "(A) 后鼻道狭窄.\n(B) pH 7.4.\n(C) 咽鼓管宽、短、直.\n(D) .",
    "answer": "(C)",
    "source": "cmb-single",
}


def test_options_lose_the_bracket_and_the_one_full_stop_that_apollo_adds(tmp_path: Path) -> None:
    (question,) = read_path(write(tmp_path / "zh.json", [ROW])).questions
    assert question.options == {"A": "后鼻道狭窄", "B": "pH 7.4", "C": "咽鼓管宽、短、直"}
    assert (question.answer, question.qtype, question.exam) == ("C", "single", "other")
    rows = [{**ROW, "options": "(A) 一\n二.\n(C) 三.", "answer": "(CA)"}]
    (question,) = read_path(write(tmp_path / "zh.json", rows)).questions
    assert question.options == {"A": "一\n二", "C": "三"}
    assert (question.answer, question.published, question.qtype) == ("AC", "CA", "multi")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"answer": "(F)"}, "row 2: answer '(F)' is none of its options: A, B, C"),
        ({"options": "(A) x"}, "row 2: options '(A) x' are not each introduced by a letter of their own, as in A. x"),
        ({"options": "(A) x.\n(A) y."}, "row 2: options '(A) x.\\n(A) y.' are not each introduced by"),
        ({"answer": 3}, "row 2: answer '3' may count from 0 or from 1; write the letter: A, B, C"),
        ({"question": None}, "row 2: question: wants a text"),
    ],
)
def test_a_fault_costs_its_row_only(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    exam = read_path(write(tmp_path / "zh.json", [ROW, {**ROW, **changes}]))
    assert [question.id for question in exam.questions] == ["cmb-single-1"]
    [told] = faults(exam)
    assert told.startswith(fault)


def test_the_published_file_is_read_without_loss(real_exams: Path) -> None:
    path = real_exams / "apollo_test_zh.json"
    exam = load_exam(str(path))
    assert (len(exam.questions), sum(q.qtype == "multi" for q in exam.questions)) == (8_755, 62)
    assert exam.record["not_asked"] == {"no_picture": 3, "no_table": 1}
    single = load_exam(f"{path}#cmb-single").questions
    # 122 of the 2,000 have an empty fifth option, which is none.
    assert [sum(len(q.options) == n for q in single) for n in (4, 5)] == [122, 1_876]
