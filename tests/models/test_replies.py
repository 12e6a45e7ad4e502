"""What is read out of a chat completion, what it costs, and what is told before and after."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.models.api import Tally, plan_lines
from openbook_eval.models.endpoints import (
    EndpointSettings,
    Failure,
    Reply,
    Request,
    Usage,
    estimated_tokens,
    read_reply,
    read_settings,
)


def body(message: dict[str, Any], finish: str | None = "stop", **rest: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "finish_reason": finish, "message": message}], **rest}).encode()


def read(*given: Any, **rest: Any) -> Reply:
    reply = read_reply(body(*given, **rest))
    assert isinstance(reply, Reply)
    return reply


def test_a_reply_holds_text_finish_and_the_tokens_that_were_counted() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    counts = {"prompt_tokens": 7, "completion_tokens": 5, "reasoning_tokens": 3}
    # vLLM calls thinking reasoning.
    for name in ("reasoning", "reasoning_content"):
        reply = read({"content": "A", name: "想"}, "stop", usage=usage)
        assert reply == Reply(content="A", finish="stop", reasoning="想", **counts)
    assert read({"content": "A"}) == Reply(content="A", finish="stop")


@pytest.mark.parametrize(
    ("content", "reasoning", "finish", "end", "answer"),
    [
        *[("A", None, finish, None, "A") for finish in ("stop", "length")],
        (None, None, "stop", None, ""),
        ("A", "选B？不，选A。", "stop", None, "A"),
        ("<think>选B？</think>A", None, "stop", None, "A"),
        # Where the template itself opens the thinking, only its end is in the reply.
        ("选B？</think>A", None, "stop", None, "A"),
        ("<think>选B", None, "length", None, None),
        ("", "选B", "length", None, None),
        (None, "选B", "length", None, None),
        # It stopped of itself after thinking: it had its say, and said nothing.
        ("", "选B", "stop", None, ""),
        # Another end of thinking can be named.
        *[("想想[/T]A", None, "stop", "[/T]", "A"), ("A", None, "stop", "[/T]", "A")],
        *[("想想", None, "length", "[/T]", None), ("B[/T]<think>C", None, "length", "[/T]", None)],
    ],
)
def test_only_the_text_after_the_end_of_thinking_is_the_answer(
    content: str | None, reasoning: str | None, finish: str, end: str | None, answer: str | None
) -> None:
    assert read({"content": content, "reasoning_content": reasoning}, finish).answer(end) == answer


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


@pytest.mark.parametrize(
    "content",
    [
        *[b"", b"{", b"null", b"[]", b"<html>Sign in</html>"],
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
    assert read_reply(content) == Failure("malformed", "what came is no chat completion")
    filtered = Failure("refused", "a content filter stopped the answer")
    assert read_reply(body({"content": "半句"}, "content_filter")) == filtered


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(orjson.dumps))
def test_no_body_whatever_raises(content: bytes) -> None:
    assert isinstance(read_reply(content), Reply | Failure)


@given(content=st.text(), reasoning=st.text(), finish=st.sampled_from(["stop", "length", "None"]))
def test_any_reply_survives_being_kept(content: str, reasoning: str, finish: str) -> None:
    reply = read_reply(body({"content": content, "reasoning_content": reasoning}, finish))
    assert isinstance(reply, Reply)
    assert Reply.model_validate_json(reply.model_dump_json(exclude_defaults=True)) == reply
    assert "<think>" not in (reply.answer() or "")


# Tokens and money


def settings(**changes: object) -> EndpointSettings:
    return read_settings({"base_url": "http://127.0.0.1:1/v1", "model": "m", **changes})


def request(prompt: int = 100, completion: int = 50, key: str = "k") -> Request:
    return Request(key, {}, Usage(prompt, completion))


def test_a_chinese_character_takes_what_is_set_a_latin_one_a_quarter_and_prices_are_of_a_million() -> None:
    texts = [("", 1.0), ("肺泡表面", 1.0), ("肺泡表面", 0.5), ("abcdefgh", 1.0), ("肺泡ab", 1.25)]
    assert [estimated_tokens(*text) for text in texts] == [8, 12, 10, 10, 11]
    assert Usage(2_000_000, 500_000).cost(settings(price_in=3, price_out=8)) == 10.0
    assert Usage(2_000_000, 500_000).cost(settings()) == 0.0
    # What is not counted is estimated.
    assert Reply(content="A", finish="stop", prompt_tokens=7, completion_tokens=2).usage(Usage(9, 50)) == Usage(7, 2)
    assert Reply(content="肺泡", finish="stop").usage(Usage(9, 50)) == Usage(9, 10)


# The plan


def test_a_plan_tells_requests_tokens_and_cost() -> None:
    found = plan_lines([request(key=str(number)) for number in range(1000)], {}, settings(price_in=10, price_out=100))
    assert found == [
        "1,000 requests to m at 127.0.0.1",
        "about 100,000 tokens in and 8,000 out, 50,000 out at most",
        "about 1.80 USD, 6.00 at most (prices given)",
    ]
    dated = plan_lines([request()], {}, read_settings({"profile": "deepseek"}))
    assert "prices of 2025-02-08, api-docs.deepseek.com" in dated[2]
    assert "and 508 out" in plan_lines([request(completion=600)], {}, settings(thinking_budget=500))[1]


def test_a_plan_learns_from_what_is_kept_and_says_where_prices_are_unknown() -> None:
    reply = Reply(content="A", finish="stop", prompt_tokens=150, completion_tokens=3)
    assert plan_lines([request(key="old"), request(key="new")], {"old": reply}, settings()) == [
        "1 requests to m at 127.0.0.1, 1 answers are kept from before",
        "about 100 tokens in and 3 out, 50 out at most",
        "cost unknown; give price_in= and price_out= (USD per million tokens)",
    ]


# The tally


def tally(**changes: Any) -> Tally:
    counts = {"questions": 12, "answered": 12, "failures": {}, "unended_thinking": 0, "empty": 0}
    tokens = {"prompt_tokens": 1000, "completion_tokens": 20, "thinking_tokens": 0, "lost_tokens": 0}
    money: dict[str, Any] = {"cost": None, "currency": "USD", "prices": {}}
    return Tally(**{"model": "m", "host": "h", **counts, **tokens, **money, **changes})


def test_a_run_fails_where_asking_again_may_bring_more() -> None:
    for fine in (tally(), tally(answered=10, failures={"refused": 2})):
        fine.refuse_gaps()
    with pytest.raises(OpenbookError, match=r"3 of 12 questions are not answered \(2 refused, 1 server error\)"):
        tally(answered=9, failures={"server_error": 1, "refused": 2}).refuse_gaps()
    assert tally(cost=0.125).line() == "12 of 12 questions answered; 1,000 tokens in, 20 out; 0.1250 USD"
