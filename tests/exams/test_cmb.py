"""CMB and the authors' book: joined by id, quirks kept right, differences told."""

import zipfile
from pathlib import Path

import orjson
import pytest

from openbook_eval.errors import ExamError
from openbook_eval.exams import read_path
from openbook_eval.exams.exam_file import ExamFile
from openbook_eval.types import Entry
from tests.conftest import ANSWERS, BOOK, QUESTIONS, VALIDATION, cmb_answer, cmb_entry, cmb_row, write


def read(folder: Path, *rows: dict[str, object], answers: list[dict[str, object]] | None = None) -> ExamFile:
    write(folder / QUESTIONS, list(rows))
    write(folder / ANSWERS, answers or [cmb_answer(int(str(row["id"]))) for row in rows])
    return read_path(folder)


def test_questions_answers_and_book_are_joined_by_id(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / ANSWERS, [cmb_answer(n, "BAC"[n % 3]) for n in range(6, 0, -1)])
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(n, f"条目{n}") for n in range(6, 0, -1)])
    exam = read_path(cmb_folder)
    assert [(q.id, q.answer, q.knowledge) for q in exam.questions] == [
        ("1", "A", "条目1"), ("2", "C", "条目2"), ("3", "B", "条目3"),
        ("4", "A", "条目4"), ("5", "C", "条目5"), ("6", "B", "条目6"),
    ]  # fmt: skip


def test_the_six_exam_types_get_their_labels(cmb_folder: Path) -> None:
    exams = [question.exam for question in read_path(cmb_folder).questions]
    assert exams == ["physician", "nursing", "pharmacist", "technician", "professional", "postgraduate"]


def test_an_unknown_exam_type_is_other(tmp_path: Path) -> None:
    assert read(tmp_path, cmb_row(1, exam_type="兽医考试")).questions[0].exam == "other"


def test_empty_options_are_none_and_one_character_options_stay(tmp_path: Path) -> None:
    exam = read(tmp_path, cmb_row(1, option={"A": "肝", "B": "肾", "C": "", "D": None}))
    assert exam.questions[0].options == {"A": "肝", "B": "肾"}


@pytest.mark.parametrize(("published", "answer"), [("EB", "BE"), ("AAB", "AB"), ("C", "C")])
def test_unsorted_and_repeated_letters_and_single_gold_in_multiple_choice(
    tmp_path: Path, published: str, answer: str
) -> None:
    row = cmb_row(1, question_type="多项选择题", option=dict.fromkeys("ABCDE", "x"))
    question = read(tmp_path, row, answers=[cmb_answer(1, published)]).questions[0]
    assert (question.qtype, question.answer) == ("multi", answer)
    assert question.published == (published if published != answer else "")


def test_a_question_that_lost_its_background_is_kept_and_told(tmp_path: Path) -> None:
    exam = read(tmp_path, cmb_row(1, question="（1～3题共用题干）该病人首先应"), cmb_row(2))
    assert len(exam.questions) == 2
    assert exam.notices == ("1 questions name a background that the file lacks (rows 1)",)


def test_a_case_that_follows_its_mark_is_no_lost_background(tmp_path: Path) -> None:
    assert read(tmp_path, cmb_row(1, question="（1～3题共用题干）男，45岁，腹痛。该患者首先应")).notices == ()


def test_without_a_book_the_entry_is_the_authors_statement(tmp_path: Path) -> None:
    exam = read(tmp_path, cmb_row(1))
    assert Entry.given_or_statement(exam.questions[0]).text == "第1题的正确说法是乙1。"


def test_items_without_an_entry_are_told_and_get_the_statement(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(n) for n in (1, 2, 4, 6)])
    exam = read_path(cmb_folder)
    assert len(exam.questions) == 6
    assert exam.notices == (
        "2 questions have no entry in CMB-test/test-book.json; theirs is made by the authors' rule (ids 3, 5)",
    )
    assert Entry.given_or_statement(exam.questions[2]).text == "第3题的正确说法是乙3。"


def test_entries_that_differ_from_the_rule_are_used_and_told(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(n, "另有说法。" if n == 2 else None) for n in range(1, 7)])
    exam = read_path(cmb_folder)
    assert Entry.given_or_statement(exam.questions[1]).text == "另有说法。"
    assert exam.notices == ("1 entries of CMB-test/test-book.json differ from the authors' own rule (ids 2)",)


def test_entries_and_answers_of_no_question_are_told(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / ANSWERS, [cmb_answer(n) for n in range(1, 9)])
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(n) for n in range(1, 8)])
    assert read_path(cmb_folder).notices == (
        "2 answers belong to no question (ids 7, 8)",
        "1 entries of CMB-test/test-book.json belong to no question (ids 7)",
    )


def test_a_zip_reads_like_its_folder(cmb_folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "open-book.zip", "w") as packed:
        for file in cmb_folder.rglob("*.json"):
            packed.write(file, file.relative_to(cmb_folder).as_posix())
    folder, packed_exam = read_path(cmb_folder), read_path(tmp_path / "open-book.zip")
    assert (packed_exam.questions, packed_exam.sha256) == (folder.questions, folder.sha256)


def test_a_folder_that_holds_the_zip_reads_like_it(cmb_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with zipfile.ZipFile(tmp_path / "hub" / "CMB.zip", "w") as packed:
        for file in cmb_folder.rglob("*.json"):
            packed.write(file, file.name)
    assert read_path(tmp_path / "hub").questions == read_path(cmb_folder).questions


def test_the_validation_set_carries_answers_and_explanations(tmp_path: Path) -> None:
    row = cmb_row(1, answer="C", explanation="丙是对的。")
    del row["id"]
    (question,) = read_path(write(tmp_path / VALIDATION, [row])).questions
    assert (question.id, question.answer, question.explanation) == ("val-1", "C", "丙是对的。")


def test_a_folder_with_the_validation_set_only_is_that(tmp_path: Path) -> None:
    write(tmp_path / VALIDATION, [cmb_row(1, answer="C")])
    assert len(read_path(tmp_path).questions) == 1


def test_questions_without_any_answer_file_say_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / QUESTIONS, [cmb_row(1)])
    with pytest.raises(ExamError, match=r"no CMB-test-choice-answer\.json lies beside it; .* OPENBOOK_EXAM=cmb"):
        read_path(tmp_path)


def test_a_folder_without_questions_says_what_it_found(tmp_path: Path) -> None:
    write(tmp_path / "notes.json", [])
    with pytest.raises(ExamError, match=r"no CMB questions here .* found: notes\.json"):
        read_path(tmp_path)


@pytest.mark.parametrize(
    ("changes", "answer", "fault"),
    [
        ({"question_type": "判断题"}, "B", "row 1: question_type: input should be '单项选择题' or '多项选择题'"),
        ({"question_type": []}, "B", "row 1: question_type: input should be '单项选择题' or '多项选择题'"),
        ({"question": None}, "B", "row 1: question: input should be a valid string"),
        ({"option": "A x"}, "B", "row 1: option: input should be a valid dictionary"),
        ({"option": {"A": {"x": 1}, "B": "y"}}, "B", "row 1: option.A: input should be a valid string"),
        ({"explanation": ["x"]}, "B", "row 1: explanation: input should be a valid string"),
        ({"answer": "A"}, "B", "row 1: answer A here, but B in the answer file"),
        ({}, "E", "row 1: answer E is not among the options A, B, C"),
        ({}, "AB", "row 1: a single-choice question has 2 right letters: AB"),
        ({}, "b", "row 1: answer 'b' of the answer file is not a string of capital letters"),
        ({"option": {}}, "B", "row 1: needs at least two options, has 0"),
    ],
)
def test_faults_name_file_and_row(tmp_path: Path, changes: dict[str, object], answer: str, fault: str) -> None:
    with pytest.raises(ExamError) as caught:
        read(tmp_path, cmb_row(1, **changes), cmb_row(2), answers=[cmb_answer(1, answer), cmb_answer(2)])
    assert QUESTIONS in str(caught.value)
    assert fault in str(caught.value)


def test_a_question_that_the_answer_file_lacks_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match=r"row 2: has no answer"):
        read(tmp_path, cmb_row(1), cmb_row(2), answers=[cmb_answer(1)])


def test_a_question_without_an_id_finds_no_answer(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match=r"row 1: has no id to find its answer by"):
        read(tmp_path, cmb_row(1, id=None), answers=[cmb_answer(1)])


def test_id_zero_is_an_id(tmp_path: Path) -> None:
    assert read(tmp_path, cmb_row(0), answers=[cmb_answer(0)]).questions[0].id == "0"


def test_a_blank_option_is_none(tmp_path: Path) -> None:
    exam = read(tmp_path, cmb_row(1, option={"A": "x", "B": "y", "C": " "}))
    assert exam.questions[0].options == {"A": "x", "B": "y"}


def test_two_files_that_could_be_meant_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a" / QUESTIONS, [cmb_row(1)])
    write(tmp_path / "b" / QUESTIONS, [cmb_row(1)])
    with pytest.raises(ExamError, match=r"a/.* and b/.* could both be meant; name one of them as PATH"):
        read_path(tmp_path)


def test_a_notebook_is_not_the_book(cmb_folder: Path) -> None:
    (cmb_folder / "CMB-test" / BOOK).rename(cmb_folder / "CMB-test" / "my-notebook.json")
    assert Entry.given_or_statement(read_path(cmb_folder).questions[0]).provider == "statement"


@pytest.mark.parametrize("mark", ["（1～3题共用题干）", "(4-6题", "（7—8 题"])
def test_the_marks_of_a_lost_background_are_known(tmp_path: Path, mark: str) -> None:
    assert len(read(tmp_path, cmb_row(1, question=f"{mark}首先应")).notices) == 1


def test_a_duplicated_id_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match=r"row 2: id '1' is already that of row 1"):
        read(tmp_path, cmb_row(1), cmb_row(1), answers=[cmb_answer(1)])


def test_a_duplicated_answer_or_entry_is_a_fault(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(1), cmb_entry(1), {"id": 2}, {"book_content": "x"}])
    with pytest.raises(ExamError) as caught:
        read_path(cmb_folder)
    assert str(caught.value).splitlines()[1:] == [
        "  row 2: id 1 is there twice",
        "  row 3: key 'book_content' is missing or empty",
        "  row 4: key 'id' is missing or neither number nor text",
    ]
    write(cmb_folder / "CMB-test" / ANSWERS, [cmb_answer(1), cmb_answer(1)])
    with pytest.raises(ExamError, match=r"CMB-test-choice-answer\.json: row 2: id 1 is there twice"):
        read_path(cmb_folder)


def test_published_answer_statistics_hold(real_exams: Path, tmp_path: Path) -> None:
    """The published answers joined to made-up questions: 10,010 single, 1,190 multiple choice."""
    answers = orjson.loads((real_exams / "CMB-test-choice-answer.json").read_bytes())
    option = {letter: f"{letter}项" for letter in "ABCDEF"}
    rows = [{**row, "answer": None, "question": f"第{row['id']}题是( )。", "option": option} for row in answers]
    questions = read(tmp_path, *rows, answers=answers).questions
    assert len(questions) == 11_200
    assert sum(question.qtype == "multi" for question in questions) == 1_190
    assert sum(question.qtype == "multi" and len(question.answer) == 1 for question in questions) == 25
    assert {question.id: question.answer for question in questions}["5218"] == "BE"
    assert sum(bool(question.published) for question in questions) == 4
    sizes = [sum(q.exam == exam for q in questions) for exam in ("physician", "nursing", "pharmacist", "technician")]
    assert sizes == [2000, 1600, 3200, 1200]
