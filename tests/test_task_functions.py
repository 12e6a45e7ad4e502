"""The glue: dicts to our types and back, one line for a user's mistake."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from openbook_eval import models, task_functions
from openbook_eval.matching.matcher import letters_to_ask
from openbook_eval.types import SIX_EXAMS, Marked, Question, Unanswered
from tests.conftest import BOOK, cmb_entry, question, write
from tests.exams.test_own import ROW, write_lines


def as_doc(asked: Question, **more: object) -> dict[str, object]:
    return asked.to_doc() | {"condition": "openbook", "expected": asked.answer} | more


def marks_of(doc: dict[str, object], response: str) -> dict[str, float | None]:
    (choice,) = task_functions.ChoiceFilter().apply([[response]], [doc])
    return dict(task_functions.process_results(doc, [choice]))


def test_the_model_sees_each_questions_own_options_in_the_files_order(tmp_path: Path) -> None:
    """Arrow would order the fields of an object by their first appearance in the file, and fill gaps with None."""
    gap = {**ROW, "id": "1", "options": {"A": "一", "B": "二", "D": "四"}, "answer": "A"}
    turned = {**ROW, "id": "2", "options": {"C": "三", "B": "二", "A": "一", "D": "四"}, "answer": "A"}
    path = write_lines(tmp_path, gap, turned)
    docs = list(task_functions.docs("openbook", "nursing", exam=str(path))["test"])
    assert [list(Question.from_doc(doc).options) for doc in docs] == [["A", "B", "D"], ["C", "B", "A", "D"]]
    assert "\nC. 三\nB. 二\nA. 一\nD. 四\n\n答案：" in task_functions.prompt(docs[1])


def test_a_response_is_filtered_to_a_choice_and_marked() -> None:
    doc = as_doc(question(qtype="multi", answer="AC"))
    (choice,) = task_functions.ChoiceFilter().apply([["答案：A、C"]], [doc])
    assert choice == '{"letters":"AC","state":"stated","rule":"dressed_letters"}'
    assert task_functions.process_results(doc, [choice]) == {
        "correct": 1.0,
        "correct_strict": 0.0,
        "format_followed": 0.0,
        "answered": 1.0,
        "partial_credit": 1.0,
    }
    assert marks_of(as_doc(question()), "不知道")["partial_credit"] is None
    # The choice is read by the question's own options.
    two = as_doc(question(options={"A": "肝", "B": "肾"}, answer="B"))
    assert task_functions.ChoiceFilter().apply([["D"]], [two]) == ['{"letters":"","state":"none","rule":"undecided"}']


def test_a_response_that_is_nothing_but_thinking_answers_nothing() -> None:
    marked = Marked("先看B，是胰岛素", cut_off=True)
    (choice,) = task_functions.ChoiceFilter().apply([[marked]], [as_doc(question())])
    assert choice == '{"letters":"","state":"cut_off","rule":"cut_off"}'
    assert marks_of(as_doc(question()), marked)["answered"] == 0.0


def test_a_model_that_was_asked_again_is_read_by_its_letters() -> None:
    marked = Marked("都有可能", logprobs={"A": -3.0, "B": -0.1, "C": -5.0, "D": -9.0})
    doc = as_doc(question(answer="B"))
    (choice,) = task_functions.ChoiceFilter().apply([[marked]], [doc])
    assert choice == '{"letters":"B","state":"asked","rule":"asked","probability":0.941082}'
    assert task_functions.process_results(doc, [choice])["correct"] == 1.0


def test_the_exam_says_whether_the_undecided_is_asked_again(tmp_path: Path) -> None:
    path = str(write_lines(tmp_path, ROW))
    for undecided, asks in (("ask", True), (None, False)):
        (doc,) = task_functions.docs("openbook", "nursing", exam=path, undecided=undecided)["test"]
        assert models.ask_again is asks
    assert letters_to_ask(doc, "都有可能") == list(Question.from_doc(doc).options)
    # What a rule has decided, what ended in mid-thought, and what did not come is not asked again.
    decided = ("选B", "", Marked("?", cut_off=True), Unanswered("timeout"))
    assert [letters_to_ask(doc, text) for text in decided] == [[]] * 4


def test_the_document_tells_who_gave_the_entry_and_what_it_gives_away(tmp_path: Path) -> None:
    told = "属于主观资料的是头痛、乏力，体温则不是（A对）。"
    path = write_lines(tmp_path, {**ROW, "knowledge": told})
    (doc,) = task_functions.docs("openbook", "nursing", exam=str(path), entries="passage")["test"]
    assert doc["entry"] == {
        "text": "属于主观资料的是头痛、乏力，体温则不是。",
        "provider": "passage",
        "removed": ["（A对）"],
        "holds_right": True,
        "holds_wrong": True,
    }
    assert "（A对）" not in task_functions.prompt(doc)


FIVE = {"A": "一", "B": "二", "C": "三", "D": "四", "E": "五"}


@pytest.mark.parametrize("way", [{"options": "abcd"}, {"prompt": "authors"}])
def test_options_a_to_d_are_shown_and_an_e_is_never_right(tmp_path: Path, way: dict[str, str]) -> None:
    path = write_lines(tmp_path, {**ROW, "options": FIVE, "answer": "E"})
    (whole,) = task_functions.docs("closedbook", "nursing", exam=str(path))["test"]
    (doc,) = task_functions.docs("closedbook", "nursing", exam=str(path), **way)["test"]
    assert {name for name in doc if doc[name] != whole.get(name)} == {"options", "hidden", *way}
    assert task_functions.letters(doc) == list("ABCD")
    assert ("D. 四" in (prompt := task_functions.prompt(doc)), "五" in prompt) == (True, False)
    assert prompt.startswith("以下是中国护理考试中") == ("prompt" in way)
    assert (marks_of(doc, "E")["correct"], task_functions.first_right(doc)) == (0.0, 0)


def test_a_reading_document_carries_condition_group_depth_length_and_book() -> None:
    # The model's arguments, which lm-eval adds, do not disturb.
    metadata = {"exam": "mini", "pretrained": "x", "max_model_len": 2048, "version": 1.0}
    docs = list(task_functions.docs("reading_library_4k", "nursing", **metadata)["test"])
    assert len(docs) == 43
    for doc in docs:
        assert (doc["condition"], doc["book_length"], doc["expected"]) == ("reading_library_4k", 4000, doc["answer"])
        assert doc["group"] in {"nursing-4000-0", "nursing-4000-1"}
        prompt = task_functions.prompt(doc)
        book = prompt.removeprefix("【材料】\n").partition("\n\n【要求】")[0]
        assert hashlib.sha256(book.encode()).hexdigest() == doc["book"]
        assert (len(book), round(doc["depth"] * len(book))) == (doc["length"], book.index(doc["entry"]["text"]))


def test_the_target_of_a_missing_book_is_the_abstention() -> None:
    doc = task_functions.docs("reading_unanswerable", "nursing", exam="mini")["test"][0]
    assert (doc["expected"], doc["target"], doc["depth"]) == ("", "材料未提及", None)
    marks = marks_of(doc, "材料未提及")
    ones = dict.fromkeys(("correct", "correct_strict", "format_followed", "abstained"), 1.0)
    assert marks == {**ones, "answered": 0.0, "partial_credit": None}


def test_whom_an_answer_followed_is_marked_for_contrary_books() -> None:
    doc = task_functions.docs("reading_counterfactual", "nursing", exam="mini")["test"][0]
    marks = marks_of(doc, doc["answer"])
    names = "correct", "follows_context", "follows_memory", "follows_neither"
    assert [marks[name] for name in names] == [0, 0, 1, 0]


@pytest.mark.parametrize(("values", "mean"), [([None, 1.0, 0.5], 0.75), ([None], None), ([0.0], 0.0)])
def test_a_mark_that_a_question_lacks_is_left_out_of_the_mean(values: list[float | None], mean: float | None) -> None:
    assert task_functions.mean_of_known(values) == mean


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"exma": "mini"}, "--metadata: unknown key 'exma'; did you mean 'exam'?"),
        ({"full": "yes"}, "--metadata: full: input should be a valid boolean"),
        ({"exam": "no/such/file.json"}, "exam 'no/such/file.json': no such file"),
        ({"options": "abc"}, "--metadata: options: input should be 'abcd'"),
        ({"prompt": "authors"}, '--metadata: prompt "authors" has no room for a book; leave it out, or ask '),
        ({"exam": "mini", "entries": "pasage"}, "entries: no provider 'pasage'; did you mean 'passage'?"),
        ({"exam": "mini"}, "exam 'mini' has no other questions, only physician, nursing"),
    ],
)
def test_a_users_mistake_ends_the_run_with_one_line_and_code_2(
    metadata: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        task_functions.docs("reading_library_4k", "other", **metadata)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"openbook-eval: {message}")
    assert error.count("\n") == 1


def test_notices_are_logged_once_though_six_tasks_read_the_exam(
    cmb_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(1), cmb_entry(2)])
    for part in SIX_EXAMS:
        task_functions.docs("openbook", part, exam=str(cmb_folder))
    assert [record.getMessage() for record in caplog.records] == [
        "exam open-book: 4 questions have no entry in CMB-test/test-book.json; "
        "theirs is made by the authors' rule (ids 3, 4, 5, 6)"
    ]


def test_the_same_questions_are_the_same_documents_whatever_their_file_is_called(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    named = [write_lines(folder, ROW) for folder in (tmp_path, tmp_path / "other")]
    named[1] = named[1].rename(tmp_path / "other" / "renamed.jsonl")
    first, second = (task_functions.docs("openbook", "nursing", exam=str(path))["test"][0] for path in named)
    assert first == second
