"""What `--model_args` may say of an endpoint, what is read out of its replies, what that costs and what is told."""

import json
from pathlib import Path
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
    endpoints,
    estimated_tokens,
    read_reply,
    read_settings,
)

SECRET = "sk-secret"  # noqa: S105
HERE = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}


def test_an_address_may_be_given_with_or_without_its_end_and_names_who_answers() -> None:
    assert set(endpoints()) == {"glm-4", "gpt-3.5-turbo", "gpt-4", "qwen-max", "deepseek"}
    for ending in ("", "/", "/chat/completions", "/chat/completions/"):
        settings = read_settings({**HERE, "base_url": f"http://127.0.0.1:8000/v1{ending}"})
        assert settings.base_url == "http://127.0.0.1:8000/v1"
        assert (settings.identity["base_url"], settings.host) == ("http://127.0.0.1:8000/v1", "127.0.0.1")


@pytest.mark.parametrize("name", list(endpoints()))
def test_every_profile_is_whole_and_its_prices_have_date_and_source(name: str) -> None:
    settings = read_settings({"profile": name})
    assert settings.base_url.startswith("https://")
    assert settings.needs_key
    prices = (settings.price_in, settings.price_out, settings.price_date, settings.price_source)
    assert all(value is not None for value in prices) or not any(value is not None for value in prices)


def test_arguments_stand_over_the_profile() -> None:
    settings = read_settings({"profile": "deepseek", "num_concurrent": 3, "max_cost": 2, "batch_size": 1})
    assert (settings.model, settings.num_concurrent, settings.max_cost) == ("deepseek-chat", 3, 2.0)


@pytest.mark.parametrize("other", [{"model": "deepseek-reasoner"}, {"base_url": "https://example.com/v1"}])
def test_prices_of_a_profile_are_not_those_of_another_model_or_place(other: dict[str, str]) -> None:
    settings = read_settings({"profile": "deepseek", **other})
    assert (settings.prices, settings.price_source) == ({}, None)
    assert read_settings({"profile": "deepseek", **other, "price_in": 1, "price_out": 2}).prices


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *[(some, r"give profile= \(glm-4, .*\) or both base_url= and model=$") for some in ({}, {"model": "m"})],
        ({"profile": "deepsek"}, "there is no such profile; did you mean 'deepseek'"),
        ({**HERE, "nun_concurrent": 3}, "unknown key 'nun_concurrent'; did you mean 'num_concurrent'"),
        ({**HERE, "num_concurrent": 0}, "num_concurrent: .*greater than or equal to 1"),
        ({**HERE, "max_cost": 1}, "the prices of m are not known; give price_in= and price_out="),
        ({**HERE, "base_url": "127.0.0.1:8000/v1"}, "must be an address such as"),
        *[({**HERE, "base_url": f"http://me:{SECRET}@127.0.0.1/v1"}, "without user, password or query")],
        *[({**HERE, name: SECRET}, "a key does not belong there") for name in ("api_key", "header", "password")],
        *[
            ({**HERE, "key_variable": value}, "must be the name of a variable in capitals, not the key itself$")
            for value in (SECRET, SECRET.replace("-", "_"))
        ],
    ],
)
def test_a_faulty_setting_is_told_in_one_line_without_repeating_a_key(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=message) as caught:
        read_settings(arguments)
    assert not [part for part in ("\n", SECRET, "sk_secret") if part in str(caught.value)]


# Replies


def body(message: dict[str, Any], finish: str | None = "stop", **rest: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "finish_reason": finish, "message": message}], **rest}).encode()


def read(*given: Any, **rest: Any) -> Reply:
    reply = read_reply(body(*given, **rest))
    assert isinstance(reply, Reply)
    return reply


def test_a_reply_holds_text_finish_and_the_tokens_that_were_counted() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    counts: dict[str, Any] = {"prompt_tokens": 7, "completion_tokens": 5, "reasoning_tokens": 3}
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
        *[b"{", b"null", b"[]", b"<html>Sign in</html>"],
        b'{"choices": []}',
        b'{"choices": null, "base_resp": {"status_msg": "insufficient balance"}}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": [{"text": 3}]}}]}',
        body({"content": "A"})[:40],
    ],
)
def test_what_is_no_completion_is_malformed_and_told_in_its_own_words(content: bytes) -> None:
    said = f"what came is no chat completion: {content.decode()}"
    assert read_reply(content) == Failure("malformed", said, begun=True)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        # OpenAI and DeepSeek, Zhipu; then DeepSeek, Zhipu, OpenRouter.
        *[(finish, "refused") for finish in ("content_filter", "sensitive")],
        *[(finish, "server_error") for finish in ("insufficient_system_resource", "network_error", "error")],
    ],
)
def test_an_answer_that_the_endpoint_stopped_is_none_and_is_paid_for(finish: str, reason: str) -> None:
    found = read_reply(body({"content": "半句"}, finish, usage={"prompt_tokens": 7, "completion_tokens": 2}))
    assert isinstance(found, Failure)
    assert (found.reason, found.usage(Usage(9, 50))) == (reason, Usage(7, 2))
    assert found.said.endswith(f"(finish_reason {finish})")


_NO_COUNTS: list[object] = [-3, 1e300, "many", None, []]
_NO_USAGES: list[object] = [3, [], None]


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 12.5, "completion_tokens": 3.0}, Usage(13, 3)),
        # What no answer can take is as good as no count: 9 and 9 are estimated.
        *[({"prompt_tokens": n, "completion_tokens": n}, Usage(9, 9)) for n in _NO_COUNTS],
        *[(usage, Usage(9, 9)) for usage in _NO_USAGES],
    ],
)
def test_a_count_that_cannot_be_costs_no_answer_and_no_budget(usage: object, counted: Usage) -> None:
    reply = read({"content": "A"}, usage=usage)
    assert (reply.content, reply.usage(Usage(9, 50))) == ("A", counted)


@pytest.mark.parametrize(
    ("message", "content", "reasoning"),
    [
        ({"content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}, "AB", ""),
        # Mistral's thinking; OpenAI's refusal is what the model says.
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "想"}]}, {"text": "A"}]},
            "A",
            "想",
        ),
        ({"content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "A"}]}, "A", ""),
        ({"content": None, "refusal": "不能回答"}, "不能回答", ""),
    ],
)
def test_content_may_come_in_parts(message: dict[str, Any], content: str, reasoning: str) -> None:
    assert read(message) == Reply(content=content, finish="stop", reasoning=reasoning)


def test_what_an_answer_lacks_is_told_apart() -> None:
    says = [{"content": "A"}, {"content": None, "reasoning_content": "选B"}, {"content": "<think>选B</think>"}, {}]
    assert [read(message).lacks() for message in says] == [None, "only_reasoning", "only_reasoning", "empty"]
    # A limit that is not that of the answer is one all the same.
    for finish in ("length", "model_context_window_exceeded"):
        assert read({"content": "<think>选B"}, finish).lacks() == "unended_thinking"


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
    counts = {"questions": 12, "answered": 12, "failures": {}}
    lacks = dict.fromkeys(("unended_thinking", "only_reasoning", "empty", "cut_off", "kept"), 0)
    tokens = {"prompt_tokens": 1000, "completion_tokens": 20, "thinking_tokens": 0, "lost_tokens": 0}
    return Tally({**counts, **lacks, **tokens, "cost": None, "currency": "USD", "seconds": 3.21, **changes}, Path("F"))


def test_a_run_fails_where_asking_again_may_bring_more() -> None:
    for fine in (tally(), tally(answered=10, failures={"refused": 2})):
        fine.refuse_gaps()
    with pytest.raises(OpenbookError, match=r"3 of 12 questions are not answered \(2 refused, 1 server error\)"):
        tally(answered=9, failures={"server_error": 1, "refused": 2}).refuse_gaps()


def test_the_closing_line_says_what_there_was() -> None:
    assert tally(cost=0.125).line() == "12 of 12 questions answered; 1,000 tokens in, 20 out; 0.1250 USD; 3.2 s"
    lacks = {"unended_thinking": 1, "only_reasoning": 12, "empty": 3, "cut_off": 4, "kept": 258}
    failed = {"answered": 9, "failures": {"timeout": 1, "refused": 2}, "said": {"timeout": "5 s", "refused": "400: no"}}
    assert tally(**lacks, **failed, thinking_tokens=5, lost_tokens=1536).line() == (
        "9 of 12 questions answered; not answered: 2 refused, 1 timeout, such as 5 s; 400: no; "
        "1 answers are thinking that does not end; "
        "12 answers are only reasoning; 3 answers are empty; 4 answers were cut off at their limit of tokens; "
        "258 answers taken from F; 1,000 tokens in, 20 out (5 of thinking), 1,536 at most lost to failures and "
        "ends of runs; cost unknown without prices; 3.2 s"
    )
