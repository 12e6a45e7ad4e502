"""`api-openbook` as lm-eval meets it: requests in, responses out, and what is kept between runs."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalChatCompletion

from openbook_eval import models
from openbook_eval.errors import OpenbookError
from openbook_eval.models.api import ApiOpenbook, Tally
from openbook_eval.types import Unanswered
from tests.chat_server import Answer, ChatServer, completion, fault, knowing
from tests.conftest import question

ROOT = Path(__file__).parents[2]
GENERATION = {"until": ["<|im_end|>"], "max_gen_toks": 512, "do_sample": False, "temperature": 0.0}


def instances(count: int, **generation: Any) -> list[Instance]:
    chosen = GENERATION | generation
    return [Instance("generate_until", {}, (f"第{number}题", chosen), number) for number in range(count)]


def model(chat: ChatServer, **arguments: Any) -> ApiOpenbook:
    return ApiOpenbook(**{"base_url": chat.url, "model": "m", "retry_seconds": 0.001, "batch_size": 1, **arguments})


def sit(chat: ChatServer, count: int, generation: dict[str, Any] | None = None, **arguments: Any) -> list[str]:
    found: list[str] = model(chat, **arguments).generate_until(instances(count, **(generation or {})), True)
    return found


def expected(count: int) -> list[str]:
    return [knowing(f"第{number}题") for number in range(count)]


def left() -> dict[str, Any]:
    """The part of the results, but for what another start has otherwise."""
    found: Tally = models.reports["api"]
    return {name: value for name, value in found.part.items() if name not in ("kept", "seconds")}


def test_what_is_sent_is_what_lm_evals_own_model_sends(chat: ChatServer) -> None:
    sit(chat, 1)
    own = LocalChatCompletion(base_url=chat.url, model="m", num_concurrent=2)
    own.generate_until(
        [Instance("generate_until", {}, (own.apply_chat_template(chat.bodies[0]["messages"]), GENERATION), 0)]
    )
    assert chat.bodies[0] == chat.bodies[1]


def test_a_chat_is_sent_turn_by_turn(chat: ChatServer) -> None:
    ours = model(chat)
    turns = [{"role": "system", "content": "甲"}, {"role": "user", "content": "乙"}]
    ours.generate_until([Instance("generate_until", {}, (ours.apply_chat_template(turns), GENERATION), 0)], True)
    assert chat.bodies[0]["messages"] == turns


def test_an_endpoint_is_sent_what_its_profile_says(chat: ChatServer) -> None:
    sit(
        chat,
        1,
        max_tokens_name="max_completion_tokens",
        omit=["temperature", "stop", "seed"],
        extra={"do_sample": False},
        thinking_budget=100,
        thinking_name="thinking_budget",
    )
    (body,) = chat.bodies
    del body["messages"]
    assert body == {
        "model": "m",
        # 512 for the answer and 100 for the thinking before it.
        "max_completion_tokens": 612,
        "do_sample": False,
        "thinking_budget": 100,
    }


EXAMPLES = re.findall(r"--model_args '(\{.*?\})'", (ROOT / "docs/models.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("example", "sent"),
    zip(
        map(json.loads, EXAMPLES),
        [
            {"max_completion_tokens": 512 + 8192, "seed": 1234, "reasoning_effort": "low"},
            {"max_completion_tokens": 512 + 16384, "seed": 1234},
            {"max_tokens": 512 + 4096, "temperature": 0.0, "seed": 1234, "stop": ["<|im_end|>"]},
            {"max_tokens": 512, "do_sample": False, "thinking": {"type": "disabled"}},
        ],
        strict=True,
    ),
    ids=lambda value: value.get("model"),
)
def test_the_examples_of_the_docs_send_what_their_endpoints_take(
    chat: ChatServer, example: dict[str, Any], sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(example.get("key_variable", "OPENAI_API_KEY"), "key")
    sit(chat, 1, **{**example, "base_url": chat.url})
    (body,) = chat.bodies
    del body["messages"]
    assert body == {"model": example["model"], **sent}


# What is kept


def test_what_is_kept_is_asked_no_more_and_counts_as_before(chat: ChatServer, tmp_path: Path) -> None:
    sit(chat, 5)
    first = left()
    chat.bodies.clear()
    assert sit(chat, 5) == expected(5)
    assert (chat.bodies, left()) == ([], first)
    (file,) = (tmp_path / "cache").iterdir()
    assert f"; 5 answers taken from {file}; " in models.reports["api"].line()


@pytest.mark.parametrize(
    ("generation", "arguments", "asked"),
    [
        *[({"max_gen_toks": 99}, {}, 2), ({}, {"thinking_budget": 5}, 2), ({}, {"seed": 7}, 2)],
        *[({}, {"extra": {"top_k": 1}}, 2), ({}, {"num_concurrent": 2, "timeout": 9, "max_retries": 1}, 1)],
    ],
)
def test_only_a_setting_that_changes_answers_asks_anew(
    chat: ChatServer, generation: dict[str, Any], arguments: dict[str, Any], asked: int
) -> None:
    sit(chat, 1)
    sit(chat, 1, generation, **arguments)
    assert len(chat.bodies) == asked


def test_one_prompt_is_asked_once_and_one_request_as_often_as_it_is_handed_over(chat: ChatServer) -> None:
    chat.reply = lambda number, _: completion(str(number))
    assert model(chat).generate_until(instances(1) + instances(1), True) == ["1", "1"]
    assert (left()["questions"], len(chat.bodies)) == (2, 1)
    assert sorted(model(chat).generate_until(instances(1, max_gen_toks=9) * 3, True)) == ["2", "3", "4"]


def test_a_run_that_stopped_goes_on_where_it_was(chat: ChatServer) -> None:
    chat.reply = lambda number, prompt: completion(knowing(prompt)) if number <= 3 else fault(401, "no")
    with pytest.raises(OpenbookError, match=r"stopped with 3 of 8 .* kept \(the endpoint refuses the key in OPENAI_AP"):
        sit(chat, 8, num_concurrent=1)
    chat.reply = lambda _, prompt: completion(knowing(prompt))
    chat.bodies.clear()
    assert sit(chat, 8) == expected(8)
    assert len(chat.bodies) == 5


def test_a_limit_holds_over_runs_and_a_higher_one_goes_on(chat: ChatServer) -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 10}
    answer = json.dumps({**json.loads(completion("A").body or b""), "usage": counts}).encode()
    chat.reply = lambda *_: Answer(answer)
    for _ in range(2):
        with pytest.raises(
            OpenbookError, match=r"stopped with 6 of 9 .*max_tokens_total=630; set a higher limit\); the same command"
        ):
            sit(chat, 9, max_tokens_total=630)
        # After six, 120 tokens are spent and a seventh might take 10 and 512.
        assert len(chat.bodies) == 6
    sit(chat, 9, max_tokens_total=9 * 20 + 600)
    assert (len(chat.bodies), left()["prompt_tokens"]) == (9, 90)


# What gets no answer


def test_a_failure_is_no_empty_answer(chat: ChatServer) -> None:
    said = {"第1题": fault(400, "filtered"), "第2题": completion("")}
    chat.reply = lambda _, prompt: said.get(prompt, completion("A"))
    responses = sit(chat, 3)
    assert responses == ["A", "", ""]
    assert [isinstance(response, Unanswered) for response in responses] == [False, True, False]
    found = left()
    assert (found["questions"], found["answered"], found["failures"], found["empty"]) == (3, 2, {"refused": 1}, 1)
    assert "; not answered: 1 refused, such as 400: filtered; " in models.reports["api"].line()
    # Where asking again may bring more, only what failed is asked again.
    chat.reply = lambda _, prompt: fault(500, "down") if prompt == "第3题" else completion("A")
    assert sit(chat, 4, max_retries=0)[3] == ""
    assert left()["failures"] == {"server_error": 1}
    chat.bodies.clear()
    chat.reply = lambda *_: completion("A")
    assert sit(chat, 4) == ["A", "A", "", "A"]
    assert (left()["failures"], chat.prompts) == ({}, ["第3题"])


# Thinking


def test_only_what_comes_after_thinking_is_the_response_and_thinking_is_counted(chat: ChatServer) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 30}}
    replies = {
        "第0题": completion("<think>是B吗？</think>A").body,
        "第1题": completion("<think>是B", "length").body,
        "第2题": completion("C").body,
    }
    chat.reply = lambda _, prompt: Answer(json.dumps({**json.loads(replies[prompt] or b""), "usage": usage}).encode())
    responses = sit(chat, 3)
    assert responses == ["A", "<think>是B", "C"]
    assert [getattr(response, "cut_off", False) for response in responses] == [False, True, False]
    found = left()
    assert [found[name] for name in ("answered", "unended_thinking", "empty", "thinking_tokens")] == [3, 1, 0, 90]


# What no rule decides


def test_what_no_rule_decides_is_asked_once_more_for_a_letter(
    chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ask_again", True)
    doc = question(options={"A": "甲", "B": "乙", "C": "丙"}, answer="B").to_doc()
    asked = [Instance("generate_until", doc, (f"第{number}题", GENERATION), number) for number in range(3)]
    top = [{"token": " B", "logprob": -0.1}, {"token": "A", "logprob": -3.0}, {"token": "B", "logprob": -9.0}]
    second = json.loads(completion("B", "length").body or b"")
    second["choices"][0]["logprobs"] = {"content": [{"token": " B", "logprob": -0.1, "top_logprobs": top}]}
    replies = {"第0题": completion("选A"), "第1题": completion("都有可能"), "第2题": completion("也许吧")}
    chat.reply = lambda _, prompt: (
        replies.get(prompt)
        or (
            Answer(json.dumps(second).encode())
            if chat.bodies[-1]["messages"][0]["content"] == "第1题"
            else completion("B")
        )
    )
    ours = model(chat, logprobs=True, thinking_budget=5, num_concurrent=1)
    found = ours.generate_until(asked, True)
    assert found == ["选A", "都有可能", "也许吧"]
    # One endpoint's reply had no log-probabilities: it stays as it is.
    assert [getattr(each, "logprobs", None) for each in found] == [None, {"A": -3.0, "B": -0.1, "C": -math.inf}, None]
    body = next(body for body in chat.bodies if len(body["messages"]) == 3)
    assert [turn["content"] for turn in body["messages"]] == ["第1题", "都有可能", "因此，正确选项的字母是"]
    wanted = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20, "stop": None, "thinking_token_budget": None}
    assert {name: body.get(name) for name in wanted} == wanted
    assert (left()["questions"], left()["answered"]) == (3, 3)


# Before anything is asked


def test_a_dry_run_prints_the_plan_and_asks_nothing(chat: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    sit(chat, 2)
    chat.bodies.clear()
    with pytest.raises(SystemExit) as ended:
        sit(chat, 10, dry_run=True, price_in=1, price_out=1)
    assert ended.value.code == 0
    assert chat.bodies == []
    assert "8 requests to m at 127.0.0.1, 2 answers are kept from before\nabout " in capsys.readouterr().out
