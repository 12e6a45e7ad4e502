"""What of an exam is looked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontamination.items import cut, items, option_texts
from tests.conftest import question
from tests.data_prep.decontamination.exams import EXPLAINED, SHORT, exam


@pytest.mark.parametrize(
    ("stem", "plain"),
    [
        ("12．舌诊的要点", "舌诊的要点"),
        ("（3）舌诊的要点", "舌诊的要点"),
        ("1-舌诊的要点", "舌诊的要点"),
        ("1.5mg的剂量", "15mg的剂量"),
        ("30岁女性", "30岁女性"),
    ],
)
def test_the_number_of_a_question_is_not_its_text(stem: str, plain: str) -> None:
    asked, _ = items([exam(question(stem=stem))])
    assert asked[0].stem == plain


def test_passages_are_entry_and_explanation() -> None:
    _, passages = items([exam(question(knowledge="知识若干。", explanation="解释若干。"))])
    assert [passage.shown for passage in passages] == ["知识若干。", "解释若干。"]


def test_without_knowledge_the_entry_is_the_statement() -> None:
    _, passages = items([exam(question(stem="脉率是( )。", options={"A": "快", "B": "慢"}, answer="B"))])
    assert [passage.text for passage in passages] == ["脉率是慢"]


def test_an_item_of_two_exams_is_kept_once_under_the_first_name() -> None:
    asked, passages = items([exam(EXPLAINED, name="two"), exam(EXPLAINED, SHORT, name="one")])
    assert [(each.exam, each.question_id) for each in asked] == [("one", "explained"), ("one", "short")]
    assert {passage.exam for passage in passages} == {"one"}


def test_long_options_are_looked_for_one_by_one_and_short_ones_together() -> None:
    assert option_texts(("一氧化碳中毒", "有机磷农药中毒")) == ["一氧化碳中毒", "有机磷农药中毒"]
    assert option_texts(("心", "肝")) == ["心", "肝", "心肝", "a心b肝"]


def test_pieces_end_at_sentences() -> None:
    assert cut("一二三。四五六。七八。", 6) == ["一二三。四五六。七八。"]
    assert cut("一二三。四五六。七八九十。", 4) == ["一二三。", "四五六。", "七八九十。"]


@given(st.text("甲乙。！\n"), st.integers(1, 9))
def test_pieces_make_up_the_text_and_none_is_short(text: str, size: int) -> None:
    pieces = cut(text, size)
    assert "".join(pieces) == text
    assert len(pieces) == 1 or min(map(len, pieces)) >= size
