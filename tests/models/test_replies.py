"""What is read out of a chat completion."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.replies import Failure, Reply, read_reply


def body(message: dict[str, Any], finish: str | None = "stop", **rest: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "finish_reason": finish, "message": message}], **rest}).encode()


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def read(*given: Any, **rest: Any) -> Reply:
    reply = read_reply(body(*given, **rest))
    assert isinstance(reply, Reply)
    return reply


def test_a_reply_holds_text_finish_and_the_tokens_that_were_counted() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    reply = read({"content": "A", "reasoning_content": "想"}, "stop", usage=usage)
    assert reply == Reply(
        content="A", finish="stop", reasoning="想", prompt_tokens=7, completion_tokens=5, reasoning_tokens=3
    )


def test_what_an_endpoint_does_not_count_is_not_known() -> None:
    reply = read({"content": "A"})
    assert (reply.prompt_tokens, reply.completion_tokens, reply.reasoning_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "reasoning", "finish", "answer"),
    [
        ("A", None, "stop", "A"),
        ("A", None, "length", "A"),
        (None, None, "stop", ""),
        ("A", "选B？不，选A。", "stop", "A"),
        ("<think>选B？</think>A", None, "stop", "A"),
        # Where the template itself opens the thinking, only its end is in the reply.
        ("选B？</think>A", None, "stop", "A"),
        ("<think>选B", None, "length", None),
        ("", "选B", "length", None),
        (None, "选B", "length", None),
        # It stopped of itself after thinking: it had its say, and said nothing.
        ("", "选B", "stop", ""),
    ],
)
def test_only_the_text_after_the_end_of_thinking_is_the_answer(
    content: str | None, reasoning: str | None, finish: str, answer: str | None
) -> None:
    assert read({"content": content, "reasoning_content": reasoning}, finish).answer() == answer


@pytest.mark.parametrize(
    ("content", "finish", "answer"),
    [("想想[/T]A", "stop", "A"), ("想想", "length", None), ("A", "stop", "A"), ("B[/T]<think>C", "length", None)],
)
def test_another_end_of_thinking_can_be_named(content: str, finish: str, answer: str | None) -> None:
    assert read({"content": content}, finish).answer("[/T]") == answer


def test_vllm_calls_thinking_reasoning() -> None:
    assert read({"content": "A", "reasoning": "想"}).reasoning == "想"


@pytest.mark.parametrize(
    ("message", "usage", "tokens"),
    [
        ({"content": "AAAA", "reasoning_content": "想想"}, {"completion_tokens": 12}, 4),
        ({"content": "<think>想</think>A"}, {"completion_tokens": 17}, 16),
        ({"content": "A"}, {"completion_tokens": 9}, 0),
        ({"content": "A", "reasoning_content": "想"}, {}, 0),
        ({"content": "A"}, {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 5}}, 5),
        ({"content": ""}, {"completion_tokens": 9}, 0),
    ],
)
def test_tokens_of_thinking_are_counted_or_shared_by_characters(
    message: dict[str, Any], usage: dict[str, Any], tokens: int
) -> None:
    assert read(message, usage=usage).thinking_tokens() == tokens


def test_what_a_content_filter_stopped_is_refused() -> None:
    assert read_reply(body({"content": "半句"}, "content_filter")) == Failure(
        "refused", "a content filter stopped the answer"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"<html>Sign in</html>",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": "A"}}], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [{"message": {"content": "A"}}], "usage": 3}',
        body({"content": "A"})[:40],
    ],
)
def test_what_is_no_completion_is_malformed(content: bytes) -> None:
    failure = read_reply(content)
    assert isinstance(failure, Failure)
    assert failure.reason == "malformed"


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(_as_json))
def test_no_body_whatever_raises(content: bytes) -> None:
    assert isinstance(read_reply(content), Reply | Failure)


@given(content=st.text(), reasoning=st.text(), finish=st.sampled_from(["stop", "length", "None"]))
def test_any_reply_survives_being_kept(content: str, reasoning: str, finish: str) -> None:
    reply = read_reply(body({"content": content, "reasoning_content": reasoning}, finish))
    assert isinstance(reply, Reply)
    assert Reply.model_validate_json(reply.model_dump_json(exclude_defaults=True)) == reply
    assert "<think>" not in (reply.answer() or "")
