"""Texts from the keys of a row."""

from typing import Any

import pytest

from data_prep.sources.fields import RowError, Text

ITEM: dict[str, Any] = {
    "id": 7,
    "question": "脏腑？",
    "options": {"A": "肝", "B": "心", "C": None},
    "choices": ["A.肝", "B.心"],
    "case": {"性别": "女", "年龄": 84, "主诉": "头晕"},
    "notes": [{"q": "一？", "a": "1"}, {"q": "二？", "a": "2"}, {"a": "3"}],
    "a.b": "点",
    "none": None,
    "yes": True,
}


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (("question",), "脏腑？"),
        (("choices",), "A.肝\nB.心"),
        (("none",), ""),
        (("question", "none", "choices"), "脏腑？\nA.肝\nB.心"),
        (("absent", "question"), "脏腑？"),
        (("case.主诉",), "头晕"),
        (("notes.1.q",), "二？"),
        (("notes.*.q",), "一？\n二？"),
        (("a.b",), "点"),
        (("{question}\n{options}",), "脏腑？\nA. 肝\nB. 心"),
        (("{case}",), "性别：女\n年龄：84\n主诉：头晕"),
        (("第{id}题，{yes}",), "第7题，true"),
        (("{absent}", "{question}"), "脏腑？"),
        (("{}{question}",), "{}脏腑？"),
    ],
)
def test_keys_paths_and_templates_read_what_they_name(items: tuple[str, ...], text: str) -> None:
    assert Text(items).read(ITEM) == text


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (("id",), "key 'id' is a number, not a text; if that is meant, write '{id}'"),
        (("yes",), "key 'yes' is true or false, not a text; if that is meant, write '{yes}'"),
        (("case",), "key 'case' is an object, not a text; if that is meant, write '{case}'"),
        (("notes",), "key 'notes' is a list that holds an object, not texts; if that is meant, write '{notes}'"),
        (("absent",), "key 'absent' is missing; the row has id, question, options, choices, case ..."),
        (("notes.9.q", "{absent}"), "key 'notes.9.q' or '{absent}' is missing; the row has id, question"),
        (("{question}{absent}",), "key '{question}{absent}' is missing"),
    ],
)
def test_what_is_missing_or_no_text_is_told_by_its_key(items: tuple[str, ...], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        Text(items).read(ITEM)
    assert str(caught.value).startswith(reason)


def test_a_list_that_holds_what_is_no_text_is_no_text_even_where_it_is_zero_or_null() -> None:
    for value in (0, None, ""):
        row = {"a": ["x", value]}
        if value == "":
            assert Text(("a",)).read(row) == "x\n"
        else:
            with pytest.raises(RowError, match="key 'a' is a list that holds"):
                Text(("a",)).read(row)


def test_what_looks_like_a_placeholder_in_a_value_is_left_alone() -> None:
    assert Text(("{a}{b}",)).read({"a": "{b}{0.__class__}%s", "b": "乙"}) == "{b}{0.__class__}%s乙"


def test_a_value_nested_too_deeply_is_told() -> None:
    value: Any = "x"
    for _ in range(9):
        value = [value]
    with pytest.raises(RowError, match="a value is nested more than 8 deep"):
        Text(("{a}",)).read({"a": value})
    assert Text(("{a}",)).read({"a": value[0]}) == "x"


def test_a_needed_key_must_be_there_though_another_is() -> None:
    text = Text(("instruction", "input"), needed="instruction")
    assert text.read({"instruction": "甲"}) == "甲"
    with pytest.raises(RowError, match="key 'instruction' is missing; the row has input"):
        text.read({"input": "乙"})
