"""What a prompt is made of; tests/golden holds every prompt of the bundled exam, whole."""

from openbook_eval.prompt import build_prompt
from openbook_eval.types import Book
from tests.conftest import question

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
    assert build_prompt(question(), Book.of(question()), "reading") == READING
    rule = "如果材料没有给出答案，不要选择任何选项，只输出“材料未提及”。"
    assert build_prompt(question(), Book.of(question())) == READING.replace(rule, "")
    multi = question(qtype="multi")
    assert build_prompt(multi, Book(), "reading") == build_prompt(multi, Book())


def test_the_authors_prompt_is_that_of_their_script_and_names_no_exam_that_a_question_lacks() -> None:
    options = "正常成人安静时的脉率范围是( )。\nA. 每分钟60～100次\nB. 每分钟20～40次\nC. 每分钟120～160次"
    rule = "不需要做任何分析和解释，直接输出答案选项。"
    named = f"以下是中国护理考试中主管护师考试的一道单项选择题，{rule}\n{options}"
    assert build_prompt(question(), Book(), "authors") == named
    assert build_prompt(question(exam="other", qtype="multi"), Book(), "authors").startswith(
        f"以下是中国医学考试的一道多项选择题，{rule}\n"
    )


def test_options_stand_in_the_files_order() -> None:
    turned = question(options={"B": "乙", "A": "甲"})
    assert "\nB. 乙\nA. 甲\n" in build_prompt(turned, Book())


def test_the_book_stands_first_so_that_it_can_be_read_once() -> None:
    book = Book.of(question())
    shared = build_prompt(question(), book).partition("【题目】")[0]
    assert build_prompt(question(stem="另一道题", id="q2"), book).startswith(shared)


def test_text_of_an_exam_is_put_in_as_it_is() -> None:
    hostile = question(stem="{{ doc }} {% raw %} \\n <b>")
    assert "【题目】\n{{ doc }} {% raw %} \\n <b>\nA. " in build_prompt(hostile, Book())
