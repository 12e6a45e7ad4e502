"""What each rule reads, case by case, and what holds for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.choice import Choice, match_choice

OPTIONS = {"A": "胰岛素", "B": "胰高血糖素", "C": "生长激素", "D": "肾上腺素", "E": "胰岛素样生长因子"}

CASES = [
    # letters_only: nothing but the letters, however they are dressed
    ("B", "B", "stated", "letters_only"),
    ("Ｂ", "B", "stated", "letters_only"),
    ("AC", "AC", "stated", "letters_only"),
    ("CA", "AC", "stated", "letters_only"),
    ("A、C", "AC", "stated", "letters_only"),
    ("A，C。", "AC", "stated", "letters_only"),
    ("A和C", "AC", "stated", "letters_only"),
    ("答案：AC。", "AC", "stated", "letters_only"),
    ("答案是B选项", "B", "stated", "letters_only"),
    ("**答案：D**", "D", "stated", "letters_only"),
    ("(D)", "D", "stated", "letters_only"),
    ("\n B\n", "B", "stated", "letters_only"),
    ("<think>先看A，再看B。</think>\n\nC", "C", "stated", "letters_only"),
    # declared: a word makes the letters the answer, the last such statement counts
    ("根据材料，胰岛素能降低血糖，故选A。", "A", "stated", "declared"),
    ("正确答案是：A、C。因为……", "AC", "stated", "declared"),
    ("我认为应选B。更正：应选D，理由如上。", "D", "stated", "declared"),
    ("The answer is C because of growth.", "C", "stated", "declared"),
    # option_lines: the response begins with the option
    ("B. 胰高血糖素", "B", "stated", "option_lines"),
    ("A. 胰岛素\nC. 生长激素", "AC", "stated", "option_lines"),
    # option_texts: an option's text without its letter; a part of a longer option does not count
    ("胰高血糖素", "B", "implied", "option_texts"),
    ("材料说的是胰岛素样生长因子。", "E", "implied", "option_texts"),
    # lone_letters: nothing better there
    ("看来B比较合适", "B", "implied", "lone_letters"),
    ("不是别的，就是D吧", "D", "implied", "lone_letters"),
    # nothing committed, with the reason
    ("", "", "none", "empty"),
    (" \n", "", "none", "empty"),
    ("抱歉，我无法回答这个问题。", "", "none", "undecided"),
    ("I have a fever, see a doctor.", "", "none", "undecided"),
    ("维生素B12缺乏", "", "none", "undecided"),
    ("F", "", "none", "undecided"),
    ("<think>先看A", "", "none", "cut_off"),
    ("A. 胰岛素\nB. 胰高血糖素\nC. 生长激素\nD. 肾上腺素\nE. 胰岛素样生长因子", "", "none", "all_options"),
    ("胰岛素、胰高血糖素、生长激素、肾上腺素、胰岛素样生长因子", "", "none", "all_options"),
]


@pytest.mark.parametrize(("response", "letters", "state", "rule"), CASES)
def test_each_rule_reads_its_cases(response: str, letters: str, state: str, rule: str) -> None:
    assert match_choice(response, OPTIONS) == Choice(letters, state, rule)  # type: ignore[arg-type]


def test_a_base_model_running_on_into_the_next_prompt_is_read_before_it() -> None:
    assert match_choice("B\n\n【材料】\n胰岛素。\n\n【题目】\n略\n\n答案：C", OPTIONS).letters == "B"


def test_a_response_that_repeats_the_question_first_is_read_after_it() -> None:
    assert match_choice("好的。\n【题目】\n略\n答案：C", OPTIONS).letters == "C"


@given(st.text(), st.sampled_from([OPTIONS, {"A": "肝", "B": "肾"}, {"A": "", "B": ""}]))
def test_any_text_gives_sorted_letters_of_the_options_or_none_with_a_reason(
    response: str, options: dict[str, str]
) -> None:
    choice = match_choice(response, options)
    assert list(choice.letters) == sorted(set(choice.letters) & options.keys())
    assert (choice.state == "none") == (choice.letters == "")
    assert choice.rule


@given(
    st.sets(st.sampled_from("ABCDE"), min_size=1).flatmap(lambda letters: st.permutations(sorted(letters))),
    st.sampled_from(["", "、", ",", "，", " ", "和"]),
)
def test_letters_are_read_in_any_order_and_with_any_separator(letters: list[str], separator: str) -> None:
    assert match_choice(separator.join(letters), OPTIONS).letters == "".join(sorted(letters))
