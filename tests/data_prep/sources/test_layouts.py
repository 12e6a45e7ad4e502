"""Question and answer of rows as Alpaca, question and answer, and chat lay them out."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.sources.batch import Batch
from data_prep.sources.fields import RowError
from data_prep.sources.layouts import Columns, Layout
from tests.data_prep.sources.raw import source

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
    columns = ALPACA.columns(Batch([1], [row]))
    assert columns == Columns([1], (LONG[0],), (LONG[1],), (read[2],), [])
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
def test_a_chat_that_cannot_be_trained_on_is_told(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        CHAT.read(row)
    assert str(caught.value).startswith(reason)


VALUE = st.text("甲乙 ", max_size=3) | st.none() | st.just(5) | st.lists(st.text("丙", max_size=2), max_size=2)
PAIR = st.fixed_dictionaries({"instruction": st.just("甲"), "output": st.just("乙")}, optional={"input": VALUE})
ALPACA_ROW = PAIR | st.dictionaries(st.sampled_from(["instruction", "input", "output", "history", "else"]), VALUE)
QA_ROW = st.dictionaries(st.sampled_from(["title", "ask", "answer", "else"]), VALUE)


@given(rows=st.lists(PAIR, max_size=3) | st.lists(ALPACA_ROW, max_size=5))
def test_alpaca_reads_all_rows_at_once_as_it_reads_them_one_by_one(rows: list[dict[str, Any]]) -> None:
    _assert_the_same(ALPACA, rows)


@given(rows=st.lists(QA_ROW | st.just({"title": "甲", "answer": "乙"}), max_size=5))
def test_question_and_answer_read_all_rows_at_once_as_one_by_one(rows: list[dict[str, Any]]) -> None:
    _assert_the_same(QA, rows)


def _assert_the_same(layout: Layout, rows: list[dict[str, Any]]) -> None:
    columns = layout.columns(Batch(range(1, len(rows) + 1), rows))
    expected, faults = [], []
    for number, row in enumerate(rows, 1):
        try:
            expected.append((number, *layout.read(row)))
        except RowError as error:
            faults.append((number, str(error)))
    assert list(zip(columns.numbers, columns.question, columns.answer, columns.turns, strict=True)) == expected
    assert [(fault.row, fault.reason) for fault in columns.faults] == faults


def test_plain_rows_are_read_at_once() -> None:
    # Else the tests above compare one way with itself.
    rows: list[dict[str, Any]] = [
        {"instruction": "甲", "output": "乙"},
        {"instruction": "丙", "input": "丁", "output": None},
    ]
    assert ALPACA._all_at_once(Batch([1, 2], rows)) is None
    assert ALPACA._all_at_once(Batch([1], rows[:1])) == Columns([1], ["甲"], ["乙"], [None], ())
    assert QA._all_at_once(Batch([1], [{"title": "甲", "answer": "乙"}])) is not None
