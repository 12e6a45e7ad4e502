"""Files as they come: zips, broken JSON, duplicates; all faults of a file at once."""

import zipfile
from pathlib import Path

import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams.exam_file import Dropped, ExamSource, build
from openbook_eval.types import Question
from tests.conftest import question, write


@pytest.fixture
def source(tmp_path: Path) -> ExamSource:
    return ExamSource(write(tmp_path / "f.json", []))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        *(
            (data, "f.json: no row can be read; wants a JSON array of")
            for data in (b'{\n"a": 1\n}', b"[]", b"[1]", b"x")
        ),
        (b'[{"id": 1},\n {"id": }]', "f.json: line 2 is not JSON"),
    ],
)
def test_json_that_is_not_a_list_of_questions_is_refused(tmp_path: Path, data: bytes, fault: str) -> None:
    (tmp_path / "f.json").write_bytes(data)
    with pytest.raises(ExamError) as caught:
        ExamSource(tmp_path / "f.json").rows()
    assert str(caught.value).startswith(f"{tmp_path}/{fault}")


@pytest.mark.parametrize("name", ["f.json", "f.jsonl"])
def test_an_array_and_lines_are_read_whatever_the_suffix_and_what_is_no_object_is_named(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text('[{"id": 1}, 2, "x"]')
    faulty = "not a JSON object"
    assert ExamSource(tmp_path / name).rows() == [("row 1", {"id": 1}), ("row 2", faulty), ("row 3", faulty)]
    (tmp_path / name).write_text('{"id": 1}\n\n"x"\n{"id": 2')
    first, second, (place, fault) = ExamSource(tmp_path / name).rows()
    assert (first, second, place) == (("line 1", {"id": 1}), ("line 3", faulty), "line 4")
    assert fault == "not JSON (unexpected end of data)"


def test_every_fault_of_a_file_without_a_good_row_is_told_at_once(source: ExamSource) -> None:
    rows: list[tuple[str, Question | str]] = [
        ("row 1", question(stem="")),
        ("row 2", question(answer="E")),
        ("row 3", "not JSON"),
    ]
    with pytest.raises(ExamError) as caught:
        build(source, rows)
    assert str(caught.value).splitlines() == [
        f"{source.path}: 3 faults, nothing was read:",
        "  row 1: the question has no text",
        "  row 2: id 'q1' is already that of row 1; answer E is not among the options A, B, C",
        "  row 3: not JSON",
    ]


def test_a_long_list_of_faults_is_cut_but_counted(source: ExamSource) -> None:
    with pytest.raises(ExamError) as caught:
        build(source, [(f"row {n}", "bad") for n in range(25)])
    lines = str(caught.value).splitlines()
    more = "  and 5 more; openbook-eval exam show lists them all"
    assert (lines[0], len(lines), lines[-1]) == (f"{source.path}: 25 faults, nothing was read:", 22, more)
    assert len(caught.value.report.splitlines()) == 26
    with pytest.raises(ExamError, match=r"f\.json: row 7: bad$"):
        build(source, [("row 7", "bad")])


def test_questions_without_an_answer_are_kept_apart_and_oddities_are_told(source: ExamSource) -> None:
    rows = [
        ("row 1", question(options={"A": "x", "B": "x"})),
        ("row 2", question(id="q2", answer="")),
        ("row 3", question(id="q3", exam="other")),
    ]
    exam = build(source, rows)
    assert ([q.id for q in exam.questions], exam.dropped) == (
        ["q1", "q3"],
        (Dropped("q2", "no_answer", question=question(id="q2", answer="")),),
    )
    assert exam.notices == (
        "1 questions without a published answer (ids q2): read, but not asked",
        "1 questions carry none of the six exam labels; cmed_openbook_other asks them",
        "1 questions have two options with the same text (ids q1)",
    )
    assert build(source, rows[2:]).notices == ()
    assert build(source, [*rows[2:], ("row 4", "bad"), ("row 5", "worse")]).notices == (
        "2 rows with a fault are not asked (row 4: bad, row 5: worse); most rows have one: "
        "is this file what it is taken for?",
    )
    with pytest.raises(
        ExamError, match=r"f\.json: no question with a published answer; answers in a file of their own"
    ):
        build(source, rows[1:2])


def test_a_missing_path_and_a_broken_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match=r"^no/such: no such file or folder; give the path .*, or OPENBOOK_EXAM"):
        ExamSource(Path("no/such"))
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
