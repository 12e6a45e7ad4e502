"""CMB and the authors' book: joined by id, quirks kept right, differences told."""

import os
import zipfile
from pathlib import Path

import orjson
import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams import cmb, read_path
from openbook_eval.exams.exam_file import ExamFile
from openbook_eval.types import SIX_EXAMS, Entry
from tests.conftest import ANSWERS, BOOK, QUESTIONS, VALIDATION, cmb_answer, cmb_entry, cmb_row, faults, write


def read(folder: Path, *rows: dict[str, object], answers: list[dict[str, object]] | None = None) -> ExamFile:
    write(folder / QUESTIONS, list(rows))
    write(folder / ANSWERS, answers or [cmb_answer(int(str(row["id"]))) for row in rows])
    return read_path(folder)


def test_questions_answers_and_book_are_joined_by_id(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / ANSWERS, [cmb_answer(n, "BAC"[n % 3]) for n in range(6, 0, -1)])
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(n, f"条目{n}") for n in range(6, 0, -1)])
    assert [(q.id, q.exam, q.answer, q.knowledge) for q in read_path(cmb_folder).questions] == [
        (str(n), exam, "BAC"[n % 3], f"条目{n}") for n, exam in enumerate(SIX_EXAMS, 1)
    ]


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"exam_type": "兽医考试"}, "exam", "other"),
        ({"id": 0}, "id", "0"),
        ({"question_type": "多项选择题"}, "qtype", "multi"),
        # Empty options are none; those of one character stay.
        ({"option": {"A": "肝", "B": "肾", "C": "", "D": None, "E": " "}}, "options", {"A": "肝", "B": "肾"}),
    ],
)
def test_quirks_of_a_row_are_kept_right(tmp_path: Path, changes: dict[str, object], field: str, value: object) -> None:
    assert getattr(read(tmp_path, cmb_row(1, **changes)).questions[0], field) == value


def test_a_folder_with_the_zip_and_the_zip_itself_read_like_the_folder(cmb_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with zipfile.ZipFile(tmp_path / "hub" / "CMB.zip", "w") as packed:
        for file in cmb_folder.rglob("*.json"):
            packed.write(file, file.relative_to(cmb_folder).as_posix())
    exam = read_path(cmb_folder)
    for path in (tmp_path / "hub", tmp_path / "hub" / "CMB.zip"):
        assert (read_path(path).questions, read_path(path).sha256) == (exam.questions, exam.sha256)


def test_a_row_of_answers_or_entries_that_belongs_to_no_question_is_named_and_a_notebook_is_not_the_book(
    cmb_folder: Path,
) -> None:
    (cmb_folder / "CMB-test" / BOOK).rename(cmb_folder / "CMB-test" / "my-notebook.json")
    assert Entry.given_or_statement(read_path(cmb_folder).questions[0]).provider == "statement"
    rows = [cmb_entry(1), cmb_entry(1), cmb_entry(2), cmb_entry(2, "别的。"), {"id": 3}, {"book_content": "x"}, 7]
    write(cmb_folder / "CMB-test" / BOOK, rows)
    exam = read_path(cmb_folder)
    assert exam.notices[:2] == (
        f"3 rows of CMB-test/{BOOK} have no id, or that of another row with another text; neither is taken "
        "(row 4, row 6, row 7)",
        f"5 questions have no entry in CMB-test/{BOOK}; theirs is made by the authors' rule (ids 2, 3, 4, 5, 6)",
    )
    write(cmb_folder / "CMB-test" / BOOK, [{"id": 1}])
    with pytest.raises(ExamError, match="no row has a text under 'book_content'"):
        read_path(cmb_folder)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("大山楂丸是伤食类药物。", "answer '大山楂丸是伤食类药物。' is none of its options: A, B, C"),
        ("9", "answer '9' may count from 0 or from 1; write the letter: A, B, C"),
        ("E", "answer E is not among the options A, B, C"),
        ("AB", "a single-choice question has 2 right letters: AB"),
        ("", ""),
    ],
)
def test_an_answer_that_cannot_be_one_costs_its_question_only(tmp_path: Path, answer: str, fault: str) -> None:
    exam = read(
        tmp_path, cmb_row(1), cmb_row(2), cmb_row(3), answers=[cmb_answer(1, answer), cmb_answer(2), cmb_answer(3)]
    )
    assert [q.id for q in exam.questions] == ["2", "3"]
    assert faults(exam) == ([f"row 1: {fault}"] if fault else [])
    assert exam.record["not_asked"] == ({"faulty": 1} if fault else {"no_answer": 1})


def test_a_folder_without_the_book_says_that_all_entries_are_made(cmb_folder: Path) -> None:
    (cmb_folder / "CMB-test" / BOOK).unlink()
    assert (
        f"no {BOOK} lies beside the questions: all entries are made by the authors' rule"
        in read_path(cmb_folder).notices
    )


def test_small_letters_are_an_answer(tmp_path: Path) -> None:
    assert read(tmp_path, cmb_row(1), answers=[cmb_answer(1, " b ")]).questions[0].answer == "B"


def test_an_answer_of_the_first_key_is_corrected_as_the_second_has_it(tmp_path: Path) -> None:
    options = dict(zip("ABCD", "甲乙丙丁", strict=True))
    rows = [cmb_row(5230, option=options), cmb_row(5435, option=options), cmb_row(5205, option=options)]
    answers = [cmb_answer(5230, "C7"), cmb_answer(5435, "大山楂丸是伤食类药物。"), cmb_answer(5205, "C7")]
    exam = read(tmp_path, *rows, answers=answers)
    # Only what the first key has at that id is corrected.
    assert [(q.id, q.answer) for q in exam.questions] == [("5230", "B"), ("5435", "D")]
    assert "2 answers of CMB's first key are corrected as its second has them (ids 5230, 5435)" in exam.notices


def real_key(name: str) -> list[dict[str, object]]:
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("OPENBOOK_REAL_DATA", beside)) / "exams" / name
    if not path.is_file():
        pytest.skip("CMB's answer keys are not on this machine; name their folder by OPENBOOK_REAL_DATA")
    return list(orjson.loads(path.read_bytes()))


def test_the_corrections_turn_the_first_published_key_into_the_second() -> None:
    first, second = real_key("CMB-test-choice-answer.v1.json"), real_key("CMB-test-choice-answer.json")
    changed = [(one, other) for one, other in zip(first, second, strict=True) if one != other]
    corrections = {(str(one["id"]), one["answer"]): other["answer"] for one, other in changed}
    assert len(corrections) == 29
    assert dict(cmb._corrections()) == corrections


def write_as_on_the_hub(folder: Path) -> Path:
    """Write an exam of CMB's 11,200 ids with the first key, and a book that lacks what that key has wrong."""
    key = real_key("CMB-test-choice-answer.v1.json")
    right = {row["id"]: row["answer"] for row in real_key("CMB-test-choice-answer.json")}
    bare = {row["id"] for row in key if row["answer"] != right[row["id"]]}
    kept = ("id", "exam_type", "exam_class", "exam_subject", "question_type")
    options = dict(zip("ABCDEF", "甲乙丙丁戊己", strict=True))
    rows = [
        {**{name: row[name] for name in kept}, "question": f"第{row['id']}题：( )。", "option": options} for row in key
    ]
    write(folder / QUESTIONS, rows)
    write(folder / ANSWERS, key)
    write(folder / BOOK, [{"id": row["id"], "book_content": "条目。"} for row in key if row["id"] not in bare])
    return folder


def test_the_exam_as_it_lies_on_the_hub_is_read_whole(tmp_path: Path) -> None:
    exam = read_path(write_as_on_the_hub(tmp_path))
    assert (len(exam.questions), exam.dropped, exam.corrected) == (11_200, (), 29)
    assert any(notice.startswith("29 answers of CMB's first key are corrected") for notice in exam.notices)
    assert any(notice.startswith(f"29 questions have no entry in {BOOK}; theirs is made by") for notice in exam.notices)


def test_entries_that_are_missing_other_than_the_rule_or_of_no_question_are_told(cmb_folder: Path) -> None:
    rows = [cmb_row(n) for n in range(1, 7)]
    rows[1]["question"] = "（1～3题共用题干）第2题的正确说法是( )。"
    write(cmb_folder / "CMB-test" / QUESTIONS, rows)
    write(cmb_folder / "CMB-test" / ANSWERS, [cmb_answer(n) for n in (2, 3, 4, 5, 6, 7, 8)])
    entries = [cmb_entry(n, "另有说法。" if n == 2 else None) for n in (1, 2, 4, 6, 7)]
    write(cmb_folder / "CMB-test" / BOOK, entries)
    exam = read_path(cmb_folder)
    assert exam.notices == (
        "1 questions without a published answer (ids 1): read, but not asked",
        "1 questions name a background that the file lacks (ids 2)",
        "2 answers belong to no question (ids 7, 8)",
        "2 questions have no entry in CMB-test/test-book.json; theirs is made by the authors' rule (ids 3, 5)",
        "1 entries of CMB-test/test-book.json differ from the authors' own rule (ids 2)",
        "1 entries of CMB-test/test-book.json belong to no question (ids 7)",
    )
    texts = [Entry.given_or_statement(question).text for question in exam.questions]
    assert texts[:2] == ["另有说法。", "第3题的正确说法是乙3。"]


def test_the_validation_set_carries_answers_and_explanations(tmp_path: Path) -> None:
    row = cmb_row(1, answer="C", explanation="丙是对的。")
    del row["id"]
    write(tmp_path / VALIDATION, [row])
    for path in (tmp_path, tmp_path / VALIDATION):
        (question,) = read_path(path).questions
        assert (question.id, question.answer, question.explanation) == ("val-1", "C", "丙是对的。")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([QUESTIONS], r"no CMB-test-choice-answer\.json lies beside it; .* OPENBOOK_EXAM=cmb"),
        (["notes.json"], r"no CMB questions here .* found: notes\.json"),
        (["a/" + QUESTIONS, "b/" + QUESTIONS], r"a/.* and b/.* could both be meant; name one of them as PATH"),
    ],
)
def test_a_folder_that_is_no_exam_says_what_is_missing(tmp_path: Path, names: list[str], fault: str) -> None:
    for name in names:
        write(tmp_path / name, [cmb_row(1)])
    with pytest.raises(ExamError, match=fault):
        read_path(tmp_path)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"question_type": []}, "row 1: question_type: input should be '单项选择题' or '多项选择题'"),
        ({"question_type": "判断题"}, "row 1: question_type: input should be '单项选择题' or '多项选择题'"),
        ({"question": None}, "row 1: question: input should be a valid string"),
        ({"question": " "}, "row 1: the question has no text"),
        (
            {"option": None},
            "row 1: options: wants an object of letters and texts, a list of texts or one text, not None",
        ),
        ({"option": {"B": "y"}}, "row 1: needs at least two options, has 1"),
        ({"option": {"A": {"x": 1}, "B": "y"}}, "row 1: option A: wants a text"),
        ({"answer": "A"}, "row 1: answer A here, but B in the answer file"),
        ({"id": None}, "row 1: has no id to find its answer by"),
        ({"id": 2}, "row 2: id '2' is already that of row 1"),
    ],
)
def test_a_fault_costs_its_row_only(tmp_path: Path, changes: dict[str, object], fault: str) -> None:
    exam = read(tmp_path, cmb_row(1, **changes), cmb_row(2), answers=[cmb_answer(1), cmb_answer(2)])
    assert ([q.id for q in exam.questions], faults(exam)) == (["2"], [fault])
    assert exam.notices[0] == f"1 rows with a fault are not asked ({fault})"


def test_a_row_of_the_validation_set_without_an_answer_is_that_row_only(tmp_path: Path) -> None:
    rows = [cmb_row(1, answer="C", exam_subject=None), cmb_row(2)]
    write(tmp_path / VALIDATION, [{key: value for key, value in row.items() if key != "id"} for row in rows])
    exam = read_path(tmp_path)
    assert ([q.id for q in exam.questions], [d.name for d in exam.dropped]) == (["val-1"], ["val-2"])
