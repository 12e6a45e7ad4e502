"""Files as they come: zips, broken JSON, duplicates; all faults of a file at once."""

import zipfile
from pathlib import Path

import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams.exam_file import ExamSource, build, parse_rows
from openbook_eval.types import Question
from tests.conftest import question, write


def test_broken_json_is_refused_with_its_line() -> None:
    with pytest.raises(ExamError, match=r"^f\.json: line 2 is not JSON"):
        parse_rows(b'[{"id": 1},\n {"id": }]', "f.json")


@pytest.mark.parametrize("data", [b"{}", b"[]", b'"x"'])
def test_json_that_is_not_a_list_of_questions_is_refused(data: bytes) -> None:
    with pytest.raises(ExamError, match="wants a JSON array of questions that is not empty"):
        parse_rows(data, "f.json")


def test_rows_that_are_no_objects_are_all_named() -> None:
    with pytest.raises(ExamError) as caught:
        parse_rows(b'[{"id": 1}, 2, "x"]', "f.json")
    assert str(caught.value).splitlines() == [
        "f.json: 2 faults, nothing was read:",
        "  row 2: not a JSON object",
        "  row 3: not a JSON object",
    ]


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    rows: list[tuple[str, Question | str]] = [
        ("row 1", question(answer="")),
        ("row 2", question(answer="E")),
        ("row 3", "not JSON"),
    ]
    with pytest.raises(ExamError) as caught:
        build(source, "f.json", rows)
    assert str(caught.value).splitlines() == [
        "f.json: 4 faults, nothing was read:",
        "  row 1: has no answer",
        "  row 2: id 'q1' is already that of row 1",
        "  row 2: answer E is not among the options A, B, C",
        "  row 3: not JSON",
    ]


def test_a_long_list_of_faults_is_cut_but_counted(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    with pytest.raises(ExamError) as caught:
        build(source, "f.json", [(f"row {n}", "bad") for n in range(25)])
    lines = str(caught.value).splitlines()
    more = "  and 5 more; openbook-eval exam show lists them all"
    assert (lines[0], len(lines), lines[-1]) == ("f.json: 25 faults, nothing was read:", 22, more)
    assert len(caught.value.report.splitlines()) == 26


def test_two_options_of_one_text_are_told(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    exam = build(source, "f.json", [("row 1", question(options={"A": "x", "B": "x"}))])
    assert exam.notices == ("1 questions have two options with the same text (ids q1)",)


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match=r"^f\.json: holds no questions$"):
        build(ExamSource(write(tmp_path / "f.json", [])), "f.json", [])


def test_a_single_fault_is_one_line(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    with pytest.raises(ExamError, match=r"^f\.json: row 7: bad$"):
        build(source, "f.json", [("row 7", "bad")])


def test_questions_without_an_answer_are_kept_apart_where_they_may_lack_one(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    rows = [("row 1", question()), ("row 2", question(id="q2", answer=""))]
    exam = build(source, "f.json", rows, may_lack_answers=True)
    assert ([q.id for q in exam.questions], [q.id for q in exam.unmarkable]) == (["q1"], ["q2"])


def test_questions_that_the_six_exams_leave_out_are_told(tmp_path: Path) -> None:
    source = ExamSource(write(tmp_path / "f.json", []))
    labelled, bare = question(), question(id="q2", exam="other")
    exam = build(source, "f.json", [("row 1", labelled), ("row 2", bare)])
    assert exam.notices == ("1 questions carry none of the six exam labels; cmed_openbook_other asks them",)
    assert build(source, "f.json", [("row 2", bare)]).notices == ()


def test_a_missing_path_says_what_to_do() -> None:
    with pytest.raises(
        ExamError, match=r"^no/such: no such file or folder; give the path of an exam, or OPENBOOK_EXAM"
    ):
        ExamSource(Path("no/such"))


def test_a_broken_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK not a zip")
    with pytest.raises(ExamError, match=r"x\.zip: not a readable zip file"):
        ExamSource(tmp_path / "x.zip")


def test_files_are_found_by_base_name_in_folders_and_zips_but_hidden_copies_are_not(tmp_path: Path) -> None:
    write(tmp_path / "f" / "__MACOSX" / "a.json", [])
    write(tmp_path / "f" / ".a" / "a.json", [])
    write(tmp_path / "f" / "deep" / "a.json", [])
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as packed:
        packed.writestr("__MACOSX/a.json", "[]")
        packed.writestr("deep/a.json", "[]")
    assert ExamSource(tmp_path / "f").find("a.json") == "deep/a.json"
    assert ExamSource(tmp_path / "f.zip").find("a.json") == "deep/a.json"


def test_the_hash_is_the_same_for_a_folder_and_its_zip(tmp_path: Path) -> None:
    write(tmp_path / "f" / "a.json", [1])
    write(tmp_path / "f" / "b.json", [2])
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as packed:
        packed.writestr("top/b.json", "[2]")
        packed.writestr("top/a.json", "[1]")
    hashes = []
    for source in (ExamSource(tmp_path / "f"), ExamSource(tmp_path / "f.zip")):
        for name in source.names():
            source.read(name)
        hashes.append(source.sha256)
    assert hashes[0] == hashes[1]
