"""Rules of a sound question, the authors' statement rule, and books made of entries."""

import pytest

from openbook_eval.types import Book, Entry, Question, sorted_letters
from tests.conftest import question


@pytest.mark.parametrize(("text", "letters"), [("EB", "BE"), ("AAC", "AC"), ("D、A", "AD"), ("", ""), ("C", "C")])
def test_published_letters_are_sorted_and_each_kept_once(text: str, letters: str) -> None:
    assert sorted_letters(text) == letters
    asked = question(answer=text)
    assert (asked.answer, asked.published) == (letters, "" if text == letters else text)


@pytest.mark.parametrize(
    "changes", [{}, {"qtype": "multi", "answer": "C"}, {"options": {"A": "肝", "B": "肾"}}, {"answer": ""}]
)
def test_a_sound_question_has_no_faults(changes: dict[str, object]) -> None:
    assert list(question(**changes).faults()) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stem": " "}, "the question has no text"),
        ({"options": {}, "answer": ""}, "needs at least two options, has 0"),
        ({"answer": "D"}, "answer D is not among the options A, B, C"),
        ({"answer": "AB"}, "a single-choice question has 2 right letters: AB"),
        ({"options": {"A": "x", "B": " "}}, "option B has no text"),
        ({"options": {"A": "x", "b1": "y"}}, "option names must be single letters A to Z, not 'b1'"),
        ({"knowledge": " "}, "knowledge is blank; leave it out, then question and answer are made into a statement"),
    ],
)
def test_a_fault_says_what_is_wrong(changes: dict[str, object], fault: str) -> None:
    assert list(question(**changes).faults()) == [fault]


@pytest.mark.parametrize(
    ("stem", "made"),
    [
        ("脉率的范围是( )。", "脉率的范围是每分钟60～100次。"),
        ("脉率的范围是()。", "脉率的范围是每分钟60～100次。"),
        ("脉率的范围是", "脉率的范围是每分钟60～100次。"),
        # Not one of the two blanks of the rule: it stays, as in the authors' book.
        ("脉率的范围是（ ）。", "脉率的范围是（ ）。每分钟60～100次。"),
    ],
)
def test_the_statement_follows_the_authors_rule(stem: str, made: str) -> None:
    assert question(stem=stem).statement() == made


def test_the_statement_of_a_multiple_choice_question_holds_every_right_option() -> None:
    multi = question(qtype="multi", stem="属于清热药的有", options={"A": "黄芩", "B": "麻黄", "C": "黄连"}, answer="AC")
    assert multi.statement() == "属于清热药的有黄芩黄连。"
    assert multi.statement("B") == "属于清热药的有麻黄。"


def test_a_document_gives_its_question_back_with_the_options_in_the_files_order() -> None:
    asked = question(options={"C": "三", "A": "一"}, answer="A", explanation="说明")
    assert Question.from_doc({**asked.to_doc(), "more": 1}) == asked
    assert list(Question.from_doc(asked.to_doc()).options) == ["C", "A"]


def test_knowledge_given_by_the_file_goes_before_the_statement() -> None:
    assert Entry.given_or_statement(question(knowledge="给定的知识。")) == Entry("q1", "给定的知识。", "given")
    made = Entry("q1", "正常成人安静时的脉率范围是每分钟60～100次。", "statement")
    assert Entry.given_or_statement(question()) == made
    assert Book.of(question()).entries == (made,)


def test_the_text_of_a_book_is_its_entries_a_line_each_and_each_begins_at_its_depth() -> None:
    book = Book((Entry("1", "甲。", "given"), Entry("2", "乙乙。", "given")))
    assert book.text == "甲。\n乙乙。"
    assert book.depths() == {"甲。": 0.0, "乙乙。": 0.5}
