"""Golden prompts: when one changes, its frame's version and that of its tasks go up and tasks/README.md says so."""

from openbook_eval import prompt
from openbook_eval.types import Book
from tests.conftest import question

OPEN = """【材料】
正常成人安静时的脉率范围是每分钟60～100次。

【要求】
请只根据上面的材料回答下面的单项选择题，不做任何分析和解释，直接输出正确选项的字母。

【题目】
正常成人安静时的脉率范围是( )。
A. 每分钟60～100次
B. 每分钟20～40次
C. 每分钟120～160次

答案："""

CLOSED_MULTI = """【要求】
请回答下面的多项选择题，不做任何分析和解释，直接输出全部正确选项的字母。

【题目】
正常成人安静时的脉率范围是( )。
A. 每分钟60～100次
B. 每分钟20～40次
C. 每分钟120～160次

答案："""


READING = """【材料】
正常成人安静时的脉率范围是每分钟60～100次。

【要求】
请只根据上面的材料回答下面的单项选择题，不做任何分析和解释，直接输出正确选项的字母。如果材料没有给出答案，不要选择任何选项，只输出“材料未提及”。

【题目】
正常成人安静时的脉率范围是( )。
A. 每分钟60～100次
B. 每分钟20～40次
C. 每分钟120～160次

答案："""


def test_the_reading_prompt_also_says_what_to_answer_when_the_material_does_not_tell() -> None:
    assert prompt.build_prompt(question(), Book.of(question()), "reading") == READING


def test_without_a_book_the_reading_prompt_is_the_papers() -> None:
    assert prompt.build_prompt(question(qtype="multi"), Book(), "reading") == CLOSED_MULTI


def test_the_open_book_prompt() -> None:
    assert prompt.build_prompt(question(), Book.of(question())) == OPEN


def test_options_stand_in_the_files_order() -> None:
    turned = question(options={"B": "乙", "A": "甲"})
    assert "\nB. 乙\nA. 甲\n" in prompt.build_prompt(turned, Book())


def test_the_closed_book_prompt_of_a_multiple_choice_question() -> None:
    assert prompt.build_prompt(question(qtype="multi"), Book()) == CLOSED_MULTI


def test_the_book_stands_first_so_that_it_can_be_read_once() -> None:
    other = question(stem="另一道题", id="q2")
    book = Book.of(question())
    shared = prompt.build_prompt(question(), book).partition("【题目】")[0]
    assert prompt.build_prompt(other, book).startswith(shared)


def test_text_of_an_exam_is_put_in_as_it_is() -> None:
    hostile = question(stem="{{ doc }} {% raw %} \\n <b>")
    assert "【题目】\n{{ doc }} {% raw %} \\n <b>\nA. " in prompt.build_prompt(hostile, Book())
