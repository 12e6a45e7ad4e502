"""The authors' statement rule and the books made of entries."""

import pytest

from openbook_eval.book import Book, Entry, open_book, own_entry, providers, statement
from tests.conftest import question


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
    assert statement(question(stem=stem)) == made


def test_the_statement_of_a_multiple_choice_question_holds_every_right_option() -> None:
    multi = question(qtype="multi", stem="属于清热药的有", options={"A": "黄芩", "B": "麻黄", "C": "黄连"}, answer="AC")
    assert statement(multi) == "属于清热药的有黄芩黄连。"


def test_knowledge_given_by_the_file_is_the_entry() -> None:
    assert own_entry(question(knowledge="给定的知识。")) == Entry("q1", "给定的知识。", "given")


def test_without_given_knowledge_the_statement_is_the_entry() -> None:
    assert own_entry(question()) == Entry("q1", "正常成人安静时的脉率范围是每分钟60～100次。", "statement")


def test_an_open_book_holds_the_questions_own_entry_only() -> None:
    assert open_book(question()).entries == (own_entry(question()),)


def test_the_text_of_a_book_is_its_entries_a_line_each() -> None:
    assert Book((Entry("1", "甲。", "given"), Entry("2", "乙。", "given"))).text == "甲。\n乙。"


def test_providers_are_counted() -> None:
    assert providers([question(), question(knowledge="x"), question()]) == {"given": 1, "statement": 2}
