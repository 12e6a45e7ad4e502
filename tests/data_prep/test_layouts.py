"""Question and answer of rows as Alpaca, question and answer, and chat lay them out."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.layouts import Layout, RowError, Text
from data_prep.read import parts, read
from data_prep.spec import PRESETS
from tests.data_prep.files import QUESTIONS, ROWS, json_lines, read_bytes, source

ALPACA = Layout.of(source(), "json")
NAMED = Layout.of(source(layout="chat", fields={"turns": "log", "role": "who", "content": "said"}), "json")
CHAT = Layout.of(source(layout="chat"), "json")
HUMAN, GPT = {"from": "human", "value": "头痛怎么办？"}, {"from": "gpt", "value": "多休息。"}
MORE = [{"from": "human", "value": "还痛。"}, {"from": "gpt", "value": "去医院。"}]
BOTH = [
    {"role": "user", "content": "头痛怎么办？"},
    {"role": "assistant", "content": "多休息。"},
    {"role": "user", "content": "还痛。"},
    {"role": "assistant", "content": "去医院。"},
]
LAST = {"instruction": "还痛。", "input": "", "output": "去医院。"}
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


SYSTEM = {"role": "system", "content": "你是医生。"}


@pytest.mark.parametrize(
    ("layout", "row", "question", "answer", "turns"),
    [
        (CHAT, {"conversations": [HUMAN, GPT]}, "头痛怎么办？", "多休息。", None),
        # What the system says is part of the question.
        (CHAT, {"messages": [SYSTEM, *BOTH[:2]]}, "你是医生。\n头痛怎么办？", "多休息。", [SYSTEM, *BOTH[:2]]),
        # Turns of one side after another are one turn.
        (CHAT, {"messages": [BOTH[0], BOTH[2], BOTH[1], BOTH[3]]}, *LONG, None),
        (ALPACA, {**LAST, "history": [["头痛怎么办？", "多休息。"]]}, *LONG, BOTH),
        *((ALPACA, {**LAST, "history": history}, "还痛。", "去医院。", None) for history in ("", None, list[str]())),
        (NAMED, {"log": [{"who": "User", "said": "甲"}, {"who": "gpt", "said": "乙"}], "data": BOTH}, "甲", "乙", None),
    ],
)  # fmt: skip
def test_a_conversation_of_more_than_two_turns_is_kept_beside_question_and_answer(
    layout: Layout, row: dict[str, Any], question: str, answer: str, turns: list[dict[str, str]] | None
) -> None:
    read = layout.read(row)
    assert read[:2] == (question, answer)
    assert _turns(read) == turns


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no list of turns is there; name its key by turns (conversations, messages"),
        ({"messages": 5}, "key 'messages' is a number, not a list of turns"),
        ({"messages": "x"}, "key 'messages' is a text, not a list of turns"),
        ({"messages": []}, "the conversation is not of user and assistant in turn, but of nobody"),
        ({"messages": [5]}, "the turns are neither objects, nor texts, nor pairs of texts"),
        ({"messages": [["a", "b", "c"]]}, "the turns are neither objects, nor texts, nor pairs of texts"),
        ({"messages": [{"role": "user"}]}, "turn 1 lacks role/content; it has role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "turn 1 has the role 'tool'; known are system, user"),
        ({"messages": [{"role": "user", "content": 5}]}, "key 'content' is a number, not text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "turn 1 holds a part of type 'image_url', which is no text",
        ),
        ({"messages": [{"human": "a", "bird": "b"}]}, "turn 1 lacks role/content; it has human, bird"),
        ({"messages": BOTH[:3]}, "the conversation is not of user and assistant in turn, but of user assistant user"),
        (
            {"messages": BOTH[1:]},
            "the conversation is not of user and assistant in turn, but of assistant user assistant",
        ),
        (
            {"messages": [*BOTH[:2], {"role": "system", "content": "x"}]},
            "the conversation is not of user and assistant in turn, but of user assistant system",
        ),
        ({"messages": [*BOTH[:3], {"role": "assistant", "content": " "}]}, "turn 4 of the conversation is empty"),
    ],
)
def test_a_chat_that_cannot_be_trained_on_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        CHAT.read(row)
    assert str(caught.value).startswith(reason)


# --- Presets, each as its row in the docs says

DOCUMENTED = re.findall(
    r"^\| `(\w+)` \| `(\{.*?\})` \|",
    (Path(__file__).parents[2] / "docs/mixes.md").read_text("utf-8").replace("\\|", "|"),
    re.MULTILINE,
)
THOUGHT = "<think>\n先问病史。\n</think>\n\n多休息。"
ASKED = [{"role": "user", "content": "头痛怎么办？"}, {"role": "assistant", "content": "多休息。"}]
GREETED = [{"role": "user", "content": "你好。"}, {"role": "assistant", "content": "你好！"}, *ASKED]
READ_BY = {
    **dict.fromkeys(("alpaca", "query"), ("你好。\n头痛怎么办？", "你好！\n多休息。", GREETED)),
    **dict.fromkeys(("sharegpt", "moss"), ("你是医生。\n头痛怎么办？", "多休息。", [SYSTEM, *ASKED])),
    **dict.fromkeys(("messages", "huatuo_o1", "r1"), ("头痛怎么办？", THOUGHT, None)),
    **dict.fromkeys(("pairs", "huatuo"), ("头痛怎么办？", "多休息。", None)),
}


def test_every_preset_reads_its_row_in_the_docs_and_drops_reasoning_if_told() -> None:
    assert [name for name, _ in DOCUMENTED] == [*PRESETS]
    for name, row in DOCUMENTED:
        read = Layout.of(source(preset=name), "json").read(orjson.loads(row))
        assert (*read[:2], _turns(read)) == READ_BY[name], name
        bare = Layout.of(source(preset=name, reasoning="drop"), "json").read(orjson.loads(row))
        assert (bare[0], bare[1].strip()) == (read[0], read[1].rpartition("</think>")[2].strip()), name


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (
            {"conversation": [{"system": "你是医生。", "input": "头痛怎么办？", "output": "多休息。"},
                {"system": "", "input": "还痛。", "output": "去医院。"}]},
            [SYSTEM, *BOTH],
        ),
        ({"data": [{"instruction": "头痛怎么办？", "input": "", "output": "多休息。"},
            {"instruction": "还", "input": "痛。", "output": "去医院。"}]},
            [*BOTH[:2], {"role": "user", "content": "还\n痛。"}, BOTH[3]]),
        ({"messages": [*BOTH[:1], {"role": "assistant", "thinking": "想。", "content": "多休息。"}, *BOTH[2:]]},
            [BOTH[0], {"role": "assistant", "content": "<think>\n想。\n</think>\n\n多休息。"}, *BOTH[2:]]),
        # A row of a table has the turns of all rows.
        ({"turns": {"turn_1": {"Human": "头痛怎么办？", "MOSS": "多休息。"},
            "turn_2": {"Human": "还痛。", "MOSS": "去医院。"}, "turn_3": None}}, BOTH),
    ],
)  # fmt: skip
def test_turns_of_both_sides_and_with_reasoning_are_read(row: dict[str, Any], read: list[dict[str, str]]) -> None:
    assert _turns(CHAT.read(row)) == read


def test_lines_with_a_system_message_or_reasoning_are_not_read_at_once() -> None:
    layouts = [source(preset="alpaca"), source(fields={"reasoning": "why"}), source(reasoning="drop")]
    assert [Layout.of(each, "jsonl").read_at_once(json_lines(ROWS)) for each in layouts] == [None] * 3


def test_reasoning_in_an_answer_stays_or_is_dropped_and_one_without_end_is_refused() -> None:
    keep, drop = (Layout.of(source(layout="qa", reasoning=choice), "json") for choice in ("keep", "drop"))
    assert keep.read({"question": "头痛？", "answer": THOUGHT}) == ("头痛？", THOUGHT, None)
    assert drop.read({"question": "头痛？", "answer": THOUGHT})[1].strip() == "多休息。"
    with pytest.raises(RowError, match="the reasoning in the answer does not end"):
        drop.read({"question": "头痛？", "answer": "<think>先问病史。"})


TIDY = [
    ("76.脉率？", "['桂枝', \"白芍\"]", "脉率？", "桂枝、白芍"),
    ("76、 脉率？", "['桂枝']", "脉率？", "桂枝"),
    # 27. and a text that begins with a number.
    ("27.7岁小儿？", "[1, 2]", "7岁小儿？", "[1, 2]"),
    ("脉率76.5？", "['桂枝', ['白芍']]", "脉率76.5？", "['桂枝', ['白芍']]"),
    ("76岁？", "['\\d', ", "76岁？", "['\\d',"),
    ("7？", "['a'] + open('x').read()", "7？", "['a'] + open('x').read()"),
    *(("7？", deep, "7？", deep) for deep in ("[" * 9_999, f"[{'-' * 99_999}1]", f"[{'-' * 3_000}1]")),
]


def test_numbers_in_front_are_cut_and_lists_joined_where_the_source_says_so(tmp_path: Path) -> None:
    data = json_lines([{"question": question, "answer": answer} for question, answer, *_ in TIDY])
    said = {"layout": "qa", "tidy": ["numbers", "lists"]}
    rows, _ = read_bytes(tmp_path, "a.jsonl", data, **said)
    assert [row[1:3] for row in rows] == [tuple(tidy[2:]) for tidy in TIDY]
    rows, _ = read_bytes(tmp_path, "a.jsonl", data, layout="qa")
    assert [row[1:3] for row in rows] == [(question, answer.strip()) for question, answer, *_ in TIDY]


def test_a_conversation_is_not_tidied(tmp_path: Path) -> None:
    said = [{**BOTH[0], "content": "76.头痛？"}, {**BOTH[1], "content": "['桂枝']"}]
    read = {}
    for turns in (said, [*said, *BOTH[2:]]):
        lines = json_lines([{"messages": turns}])
        (row, *_), _ = read_bytes(tmp_path, "a.jsonl", lines, layout="chat", tidy=["numbers", "lists"])
        read[len(turns)] = row[1:3]
    assert read == {2: ("头痛？", "桂枝"), 4: ("76.头痛？\n还痛。", "['桂枝']\n去医院。")}


def test_a_history_inside_another_value_is_read(tmp_path: Path) -> None:
    row = {**LAST, "past": {"turns": [["头痛怎么办？", "多休息。"]]}}
    rows, faults = read_bytes(tmp_path, "a.jsonl", json_lines([row]), fields={"turns": "past.turns"})
    assert (rows[0][1:3], orjson.loads(rows[0][3] or ""), faults) == (LONG, BOTH, [])


def test_rows_under_a_key_of_the_file_are_read_and_a_wrong_key_is_said(tmp_path: Path) -> None:
    data = orjson.dumps({"version": 1, "set": {"data": ROWS}})
    (read, faults), (nothing, wrong) = (read_bytes(tmp_path, "a.json", data, rows=key) for key in ("set.data", "data"))
    assert ([row[1] for row in read], faults) == (QUESTIONS, [])
    assert (nothing, wrong) == ([], [(1, "the file has no list of rows under 'data', as the source's rows says", "")])


VALUE = st.text("甲乙 ", max_size=3) | st.none() | st.just(5) | st.lists(st.text("丙", max_size=2), max_size=2)
PAIR = st.fixed_dictionaries({"instruction": st.just("甲"), "output": st.just("乙")}, optional={"input": VALUE})
ALPACA_ROW = PAIR | st.dictionaries(st.sampled_from(["instruction", "input", "output", "history", "else"]), VALUE)
QA_ROW = st.dictionaries(st.sampled_from(["title", "ask", "answer", "else"]), VALUE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    case=st.tuples(st.just({"layout": "alpaca"}), st.lists(PAIR, max_size=3) | st.lists(ALPACA_ROW, max_size=5))
    | st.tuples(
        st.just({"layout": "qa", "fields": {"question": ["title", "ask"]}}),
        st.lists(QA_ROW | st.just({"title": "甲", "answer": "乙"}), max_size=5),
    )
)
def test_lines_read_at_once_are_read_as_one_by_one(
    tmp_path: Path, case: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    changes, rows = case
    declared = source(path="a.jsonl", broken="salvage", format="jsonl", **changes)
    layout = Layout.of(declared, "jsonl")
    expected, faults = [], []
    for number, row in enumerate(rows, 1):
        try:
            question, answer, turns = layout.read(row)
            expected.append((number, question.strip(), answer.strip(), turns))
        except RowError as error:
            faults.append((number, str(error)))
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows) or b"\n")
    chunks = [chunk for part in parts([declared], tmp_path) for chunk in read(part)]
    assert [row[3:] for chunk in chunks for row in chunk.frame.rows()] == expected
    assert [fault[:2] for chunk in chunks for fault in chunk.faults] == faults


@pytest.mark.parametrize(
    ("line", "at_once"), [(ROWS[0], True), ({"instruction": "a", "output": 5}, False), ({"output": "a"}, False)]
)
def test_lines_of_plain_texts_are_read_at_once(line: dict[str, Any], at_once: bool) -> None:
    # Else the test above would compare one way with itself.
    assert (ALPACA.read_at_once(json_lines([line, *ROWS])) is not None) == at_once


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
    "mixed": ["x", 0],
    "gaps": ["x", None],
    "blank": ["x", ""],
    "deep": [[[[[[[[["x"]]]]]]]]],
    "sly": "{question}{0.__class__}%s",
}


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (("question",), "脏腑？"),
        (("choices",), "A.肝\nB.心"),
        (("blank",), "x\n"),
        (("{deep.0}",), "x"),
        # What looks like a placeholder in a value is left alone.
        (("{sly}{question}",), "{question}{0.__class__}%s脏腑？"),
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
        (("id",), "key 'id' is a number, not text; if that is meant, write '{id}'"),
        (("yes",), "key 'yes' is true or false, not text; if that is meant, write '{yes}'"),
        (("case",), "key 'case' is an object, not text; if that is meant, write '{case}'"),
        (("notes",), "key 'notes' is a list that holds an object, not text; if that is meant, write '{notes}'"),
        (("mixed",), "key 'mixed' is a list that holds a number, not text; if that is meant, write '{mixed}'"),
        (("gaps",), "key 'gaps' is a list that holds null, not text; if that is meant, write '{gaps}'"),
        (("deep",), "key 'deep' is a list that holds a list, not text"),
        (("{deep}",), "a value is nested more than 8 deep"),
        (("absent",), "key 'absent' is missing; the row has id, question, options, choices, case ..."),
        (("notes.9.q", "{absent}"), "key 'notes.9.q' or '{absent}' is missing; the row has id, question"),
        (("{question}{absent}",), "key '{question}{absent}' is missing"),
    ],
)
def test_what_is_missing_or_no_text_is_reported_by_its_key(items: tuple[str, ...], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        Text(items).read(ITEM)
    assert str(caught.value).startswith(reason)


def test_a_needed_key_must_be_there_though_another_is() -> None:
    text = Text(("instruction", "input"), needed=("instruction",))
    assert text.read({"instruction": "甲"}) == "甲"
    with pytest.raises(RowError, match="key 'instruction' is missing; the row has input"):
        text.read({"input": "乙"})
