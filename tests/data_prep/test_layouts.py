"""Question and answer of rows as Alpaca, question and answer, and chat lay them out."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.layouts import Layout, RowError, Text
from data_prep.read import parts, read
from tests.data_prep.files import json_lines, source

ALPACA = Layout.of(source(), "json")
QA = Layout.of(source(layout="qa", fields={"question": ["title", "ask"]}), "json")
CHAT = Layout.of(source(layout="chat"), "json")
HUMAN, GPT = {"from": "human", "value": "头痛怎么办？"}, {"from": "gpt", "value": "多休息。"}
MORE = [{"from": "human", "value": "还痛。"}, {"from": "gpt", "value": "去医院。"}]
BOTH = [
    {"role": "user", "content": "头痛怎么办？"},
    {"role": "assistant", "content": "多休息。"},
    {"role": "user", "content": "还痛。"},
    {"role": "assistant", "content": "去医院。"},
]
LONG = ("头痛怎么办？\n还痛。", "多休息。\n去医院。")


def _turns(read: tuple[str, str, str | None]) -> Any:
    return None if read[2] is None else orjson.loads(read[2])


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [HUMAN, GPT, *MORE]},
        {"messages": BOTH},
        {"data": ["头痛怎么办？", "多休息。", "还痛。", "去医院。"]},
        {"data": ["问：头痛怎么办？", "答：多休息。", "问：还痛。", "答:去医院。"]},
        {"dialogue": [["头痛怎么办？", "多休息。"], ["还痛。", "去医院。"]]},
        {"messages": orjson.dumps(BOTH).decode()},
        {
            "messages": [
                {"role": "患者", "content": " 头痛怎么办？ "},
                {"role": "医生", "content": "多休息。"},
                *BOTH[2:],
            ]
        },
        {"messages": [{"role": "system", "content": ""}, *BOTH]},
    ],
)
def test_every_shape_of_a_chat_is_the_same_conversation(row: dict[str, Any]) -> None:
    read = CHAT.read(row)
    assert read[:2] == LONG
    assert _turns(read) == BOTH


def test_one_question_and_one_answer_need_no_turns() -> None:
    assert CHAT.read({"conversations": [HUMAN, GPT]}) == ("头痛怎么办？", "多休息。", None)


def test_what_the_system_says_is_kept_and_is_part_of_the_question() -> None:
    system = {"role": "system", "content": "你是医生。"}
    read = CHAT.read({"messages": [system, *BOTH[:2]]})
    assert read[:2] == ("你是医生。\n头痛怎么办？", "多休息。")
    assert _turns(read) == [system, *BOTH[:2]]


def test_turns_of_one_side_after_another_are_one_turn() -> None:
    read = CHAT.read({"messages": [BOTH[0], BOTH[2], BOTH[1], BOTH[3]]})
    assert read == ("头痛怎么办？\n还痛。", "多休息。\n去医院。", None)


def test_alpaca_takes_the_history_before_the_last_question() -> None:
    row = {"instruction": "还痛。", "input": "", "output": "去医院。", "history": [["头痛怎么办？", "多休息。"]]}
    read = ALPACA.read(row)
    assert read[:2] == LONG
    assert _turns(read) == BOTH
    for history in ("", None, list[str]()):
        assert ALPACA.read({**row, "history": history}) == ("还痛。", "去医院。", None)


def test_names_that_the_source_declares_are_those_that_are_read() -> None:
    fields = {"turns": "log", "role": "who", "content": "said"}
    layout = Layout.of(source(layout="chat", fields=fields), "json")
    row = {"log": [{"who": "User", "said": "甲"}, {"who": "Assistant", "said": "乙"}], "messages": BOTH}
    assert layout.read(row) == ("甲", "乙", None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no list of turns is there; name its key by turns (conversations, messages"),
        ({"messages": 5}, "key 'messages' is a number, not a list of turns"),
        ({"messages": "x"}, "key 'messages' is a text, not a list of turns"),
        ({"messages": []}, "the conversation has no turn"),
        ({"messages": [5]}, "the turns are neither objects, nor texts, nor pairs of texts"),
        ({"messages": [["a", "b", "c"]]}, "the turns are neither objects, nor texts, nor pairs of texts"),
        ({"messages": [{"role": "user"}]}, "turn 1 lacks role/content; it has role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "turn 1 has the role 'tool'; known are system, user"),
        ({"messages": [{"role": "user", "content": 5}]}, "key 'content' is a number, not a text"),
        ({"messages": BOTH[:3]}, "the conversation begins with the user and ends with the user"),
        ({"messages": BOTH[1:]}, "the conversation begins with the assistant and ends with the assistant"),
        (
            {"messages": [*BOTH[:2], {"role": "system", "content": "x"}]},
            "the conversation has a system turn that is not",
        ),
        ({"messages": [*BOTH[:3], {"role": "assistant", "content": " "}]}, "turn 4 of the conversation is empty"),
    ],
)
def test_a_chat_that_cannot_be_trained_on_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        CHAT.read(row)
    assert str(caught.value).startswith(reason)


VALUE = st.text("甲乙 ", max_size=3) | st.none() | st.just(5) | st.lists(st.text("丙", max_size=2), max_size=2)
PAIR = st.fixed_dictionaries({"instruction": st.just("甲"), "output": st.just("乙")}, optional={"input": VALUE})
ALPACA_ROW = PAIR | st.dictionaries(st.sampled_from(["instruction", "input", "output", "history", "else"]), VALUE)
QA_ROW = st.dictionaries(st.sampled_from(["title", "ask", "answer", "else"]), VALUE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(PAIR, max_size=3) | st.lists(ALPACA_ROW, max_size=5))
def test_alpaca_reads_columns_as_it_reads_rows_one_by_one(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    _assert_the_same(tmp_path, rows, layout="alpaca")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(QA_ROW | st.just({"title": "甲", "answer": "乙"}), max_size=5))
def test_question_and_answer_read_columns_as_rows_one_by_one(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    _assert_the_same(tmp_path, rows, layout="qa", fields={"question": ["title", "ask"]})


def _assert_the_same(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> None:
    declared = source(path="a.jsonl", broken="salvage", format="jsonl", **changes)
    layout = Layout.of(declared, "jsonl")
    expected, faults = [], []
    for number, row in enumerate(rows, 1):
        try:
            question, answer, turns = layout.read(row)
            expected.append((number, question.strip(), answer.strip(), turns))
        except RowError as error:
            faults.append((number, str(error)))
    (folder / "a.jsonl").write_bytes(json_lines(rows) or b"\n")
    chunks = [chunk for part in parts([declared], folder) for chunk in read(part)]
    assert [row[3:] for chunk in chunks for row in chunk.frame.rows()] == expected
    assert [(broken.row, broken.reason) for chunk in chunks for broken in chunk.broken] == faults


# --- Texts under keys

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
def test_what_is_missing_or_no_text_is_reported_by_its_key(items: tuple[str, ...], reason: str) -> None:
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


def test_a_value_nested_too_deeply_is_refused() -> None:
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
