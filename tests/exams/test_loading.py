"""From a name to an exam: bundled or a path; the error says what is known."""

from pathlib import Path

import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams import load_exam, read_path, require
from tests.conftest import write
from tests.exams.test_own import ROW, write_lines


def test_the_variable_names_the_exam_unless_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENBOOK_EXAM", "mini")
    assert load_exam().name == "mini"
    path = str(write_lines(tmp_path, ROW))
    assert load_exam(path).name == "exam.jsonl"
    assert load_exam(path) is load_exam(path)


@pytest.mark.parametrize("spec", ["no-such-exam", "no/such/path.json", "missing.xlsx", "x" * 300, "#x"])
def test_an_unknown_exam_says_what_is_known(spec: str) -> None:
    with pytest.raises(ExamError, match=r"no such file, folder or known exam; wanted a CMB file .* mini"):
        load_exam(spec)


@pytest.mark.parametrize("name", ["exam.txt", "exam"])
def test_an_unknown_kind_of_file_says_what_is_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExamError, match=r"unknown kind of exam file; wanted a CMB file"):
        read_path(write(tmp_path / name, []))
    with pytest.raises(ExamError, match=r"unknown kind of exam file \(keys prompt, gold\); wanted"):
        read_path(write(tmp_path / "x.json", [{"prompt": "x", "gold": "A"}]))


def test_one_class_of_an_exam_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = write_lines(tmp_path, ROW, {**ROW, "id": "2", "class": "高级护师"})
    exam = load_exam(f"{path}#高级护师")
    assert (exam.name, [question.id for question in exam.questions]) == ("exam.jsonl#高级护师", ["2"])
    with pytest.raises(
        ExamError, match=r"no question with a published answer; none of class 'x'; it has 主管护师, 高级护师"
    ):
        load_exam(f"{path}#x")


def test_a_path_with_a_hash_sign_is_a_path_and_a_suffix_in_capitals_the_same(tmp_path: Path) -> None:
    (tmp_path / "a#b").mkdir()
    path = write_lines(tmp_path / "a#b", ROW)
    assert load_exam(str(path.rename(tmp_path / "a#b" / "EXAM.JSONL"))).questions[0].id == "1"


def test_an_exam_without_such_questions_says_what_to_run_instead(tmp_path: Path) -> None:
    exam = load_exam(str(write_lines(tmp_path, ROW, {**ROW, "id": "2", "exam": "other"})))
    require(exam, "nursing")
    with pytest.raises(ExamError) as caught:
        require(exam, "physician")
    assert str(caught.value) == (
        "exam 'exam.jsonl' has no physician questions, only nursing, other: "
        "ask the tasks whose names end so, such as cmed_openbook_nursing"
    )
