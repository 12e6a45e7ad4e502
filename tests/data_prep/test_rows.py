"""Lines of train.jsonl are what Axolotl's chat template reads."""

import json

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rows import SCHEMA, line

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_question_and_an_answer_are_two_messages() -> None:
    expected = '{"messages":[{"role":"user","content":"头痛？"},{"role":"assistant","content":"多休息。"}]}\n'
    assert line("头痛？", "多休息。", None) == expected.encode()


def test_a_conversation_stands_as_it_was_read() -> None:
    turns = '[{"role":"user","content":"一"},{"role":"assistant","content":"二"},{"role":"user","content":"三"}]'
    assert line("ignored", "ignored", turns) == f'{{"messages":{turns}}}\n'.encode()


@given(TEXTS, TEXTS)
def test_any_text_stays_on_one_line_and_comes_back(question: str, answer: str) -> None:
    written = line(question, answer, None)
    assert written.count(b"\n") == 1
    assert written.endswith(b"\n")
    assert [message["content"] for message in json.loads(written)["messages"]] == [question, answer]


def test_a_frame_of_no_rows_has_the_columns() -> None:
    assert pl.DataFrame(schema=SCHEMA).columns == ["source", "domain", "file", "row", "question", "answer", "turns"]
