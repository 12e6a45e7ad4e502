"""CMExam tables: options in one cell, empty cells, both file kinds."""

from pathlib import Path

import polars as pl
import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams import read_path
from openbook_eval.exams.exam_file import ExamFile
from tests.conftest import faults

HEADER = "Question,Options,Answer,Explanation\n"


def read(folder: Path, *rows: str, encoding: str = "utf-8") -> ExamFile:
    path = folder / "cmexam.csv"
    path.write_bytes((HEADER + "\n".join(rows) + "\n").encode(encoding))
    return read_path(path)


@pytest.mark.parametrize(
    "cell",
    [r"A 甲\nB 乙\nC 丙", '"A 甲\nB 乙\nC 丙"', *(rf"A{mark}甲\nB{mark}乙\nC{mark}丙" for mark in ".、：)")],
)
def test_options_begin_with_a_letter_and_any_usual_sign_and_are_divided_by_line_breaks(
    tmp_path: Path, cell: str
) -> None:
    # Empty rows of a spreadsheet are nothing.
    first, second = read(tmp_path, f"有,{cell},CA,（C对）。", ",,,", f"有,{cell},B,").questions
    assert first.options == second.options == {"A": "甲", "B": "乙", "C": "丙"}
    assert (first.answer, first.published, first.qtype, first.explanation) == ("AC", "CA", "multi", "（C对）。")
    assert (second.qtype, second.explanation) == ("single", None)


def test_a_question_without_a_published_answer_is_kept_apart_and_told(tmp_path: Path) -> None:
    exam = read(tmp_path, r"一,A 甲\nB 乙,A,", r"二,A 甲\nB 乙,nan,", encoding="gb18030")
    assert ([q.stem for q in exam.questions], [d.name for d in exam.dropped]) == (["一"], ["cmexam-3"])
    assert exam.notices == ("1 questions without a published answer (ids cmexam-3): read, but not asked",)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (r"一,甲\n乙,A,", r"row 2: options '甲\\n乙' are not each introduced by a letter of their own, as in A. x"),
        (r"一,A 甲\nB 乙,对,", "row 2: answer '对' is none of its options: A, B"),
        (r",A 甲\nB 乙,A,", "row 2: the question has no text"),
    ],
)
def test_faults_name_the_row_of_the_sheet(tmp_path: Path, row: str, fault: str) -> None:
    assert faults(read(tmp_path, row, r"二,A 甲\nB 乙,B,")) == [fault]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("x.xlsx", "", "not a readable table"),
        ("x.csv", "", "not a readable table"),
        ("x.csv", "Question,Answer\n一,A\n", r"unknown kind of exam file \(keys Question, Answer\)"),
    ],
)
def test_a_file_that_is_no_such_table_is_one_clear_error(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ExamError, match=fault):
        read_path(tmp_path / name)


def test_the_sheet_reads_like_the_csv(tmp_path: Path, real_exams: Path) -> None:
    sheet = real_exams / "cmexam_val.xlsx"
    pl.read_excel(sheet, infer_schema_length=0).write_csv(tmp_path / "cmexam_val.csv")
    assert read_path(tmp_path / "cmexam_val.csv").questions == read_path(sheet).questions


def test_the_published_file_is_read_without_loss(real_exams: Path) -> None:
    exam = read_path(real_exams / "cmexam_val.xlsx")
    assert len(exam.questions) == 6_792
    assert exam.record["not_asked"] == {"no_answer": 1, "no_picture": 13, "no_table": 5}
    read = [*exam.questions, *(each.question for each in exam.dropped if each.question)]
    assert (sum(q.qtype == "multi" for q in read), sum(len(q.options) == 5 for q in read)) == (210, 6_606)
    assert exam.dropped[-1].name == "cmexam-6276"
    assert not any("\\n" in text for question in exam.questions for text in question.options.values())
