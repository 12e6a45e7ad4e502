"""Many questions at a failing endpoint: the real client against servers on this machine."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import Outcome, ask_all
from openbook_eval.models.endpoints import EndpointSettings, Request, Usage, read_settings
from tests.chat_server import DEAD, Answer, ChatServer, completion, fault, knowing
from tests.models.conftest import KEY
from tests.models.proxy import EVERY, FaultyProxy

ROOT = Path(__file__).parents[2]


def settings(url: str, **changes: Any) -> EndpointSettings:
    return read_settings({"base_url": url, "model": "m", "retry_seconds": 0.001, **changes})


def requests(count: int) -> list[Request]:
    def payload(prompt: str) -> dict[str, Any]:
        return {"model": "m", "messages": [{"role": "user", "content": prompt}]}

    return [Request(prompt, payload(prompt), Usage(10, 20)) for prompt in (f"第{n}题" for n in range(count))]


def run(chosen: EndpointSettings, count: int) -> tuple[dict[str, str], Outcome]:
    """What is kept afterwards, and what came of the run."""
    cache = ResponseCache(chosen.identity)
    outcome = ask_all(requests(count), chosen, cache)
    return {key: record["content"] for key, record in cache.records().items()}, outcome


def known(count: int) -> dict[str, str]:
    return {request.key: knowing(request.key) for request in requests(count)}


def test_each_question_gets_its_own_answer(chat: ChatServer) -> None:
    kept, outcome = run(settings(chat.url), 30)
    assert kept == known(30)
    assert (outcome.failures, outcome.attempts, outcome.stopped) == ({}, 30, None)
    assert {header["authorization"] for header in chat.headers} == {f"Bearer {KEY}"}
    assert {header["path"] for header in chat.headers} == {"/v1/chat/completions"}


@pytest.mark.parametrize("at_once", [1, 4])
def test_no_more_are_under_way_than_was_set(chat: ChatServer, at_once: int) -> None:
    chat.delay = 0.05
    run(settings(chat.url, num_concurrent=at_once), 12)
    assert chat.most_at_once == at_once


@pytest.mark.parametrize(
    ("limit", "count", "seconds"),
    # Ten gaps of a twentieth of a second; two at once of 30 tokens each, then one every half second.
    [({"requests_per_minute": 1200}, 11, 0.5), ({"tokens_per_minute": 3600, "num_concurrent": 200}, 122, 0.9)],
)
def test_no_more_go_in_a_minute_than_was_set(
    chat: ChatServer, limit: dict[str, int], count: int, seconds: float
) -> None:
    started = time.monotonic()
    kept, _ = run(settings(chat.url, **limit), count)
    assert kept == known(count)
    assert time.monotonic() - started >= seconds


def test_no_answer_is_lost_and_none_asked_twice_once_it_came_whatever_happens_on_the_way(chat: ChatServer) -> None:
    with FaultyProxy(chat.url, met=3, slow=1.5) as proxy:
        kept, outcome = run(settings(proxy.url, timeout=1, num_concurrent=16), 35)
    assert kept == known(35)
    assert (outcome.failures, outcome.stopped, outcome.attempts) == ({}, None, 4 * 35)
    assert set(proxy.happened) == set(EVERY)
    assert set(proxy.delivered.values()) == {1}
    assert set(proxy.attempts.values()) == {4}


@pytest.mark.parametrize(
    ("fault_there", "reason"),
    [
        *[("429", "rate_limit"), ("500", "server_error"), ("drop", "connection"), ("slow", "timeout")],
        *[("truncate", "malformed"), ("empty", "malformed"), ("login", "malformed")],
    ],
)
def test_what_fails_to_the_last_is_counted_by_its_reason(chat: ChatServer, fault_there: Any, reason: str) -> None:
    # Only the slow are to run out of time, however busy the machine is.
    timeout = 1 if reason == "timeout" else 30
    with FaultyProxy(chat.url, [fault_there], met=2, slow=1.5) as proxy:
        kept, outcome = run(settings(proxy.url, max_retries=1, timeout=timeout), 3)
    assert kept == {}
    assert [failure.reason for failure in outcome.failures.values()] == [reason] * 3
    assert outcome.attempts == 6


@pytest.mark.parametrize("as_date", [False, True])
def test_all_workers_wait_where_one_was_told_to(chat: ChatServer, as_date: bool) -> None:
    times: list[float] = []

    def reply(number: int, prompt: str) -> Answer:
        times.append(time.monotonic())
        if number == 1:
            # A date has whole seconds: one that is two away is more than one away.
            wait = formatdate(time.time() + 2, usegmt=True) if as_date else "0.9"
            return Answer(b"{}", 429, {"Retry-After": wait})
        time.sleep(0.1)
        return completion(knowing(prompt))

    chat.reply = reply
    kept, _ = run(settings(chat.url, num_concurrent=2), 8)
    assert kept == known(8)
    # One request was under way with the first; nothing else was sent in the time after.
    assert len([at for at in times if at - times[0] < 0.85]) <= 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        *[
            (
                fault(status, f"Incorrect API key provided: {KEY}."),
                f"the endpoint refuses the key in OPENAI_API_KEY ({status}: Incorrect API key provided: (key).)",
            )
            for status in (401, 403)
        ],
        (fault(402, "Insufficient Balance"), "the account has nothing left (402: Insufficient Balance)"),
        (fault(404, "no such model"), "404: no such model; does the address end in /v1, and is the model called so?"),
        (Answer(b"", 301, {"Location": "http://127.0.0.1:9/"}), "301: ; does the address end in /v1"),
        (
            Answer(b'{"error": {"message": "You exceeded", "code": "insufficient_quota"}}', 429),
            "the account has nothing left (429: You exceeded)",
        ),
        (Answer(b"{}", 429, {"Retry-After": "7200"}), "429: {}; the endpoint asks to wait 7200 s"),
    ],
)
def test_what_no_other_question_would_mend_ends_the_run(chat: ChatServer, answer: Answer, message: str) -> None:
    chat.reply = lambda *_: answer
    kept, outcome = run(settings(chat.url, num_concurrent=1), 9)
    assert (kept, len(chat.bodies)) == ({}, 1)
    assert str(outcome.stopped).startswith(message)


def test_answers_under_way_are_kept_when_the_run_ends(chat: ChatServer) -> None:
    def reply(_: int, prompt: str) -> Answer:
        if prompt == "第0题":
            return fault(401, "no")
        time.sleep(0.3)
        return completion(knowing(prompt))

    chat.reply = reply
    kept, outcome = run(settings(chat.url, num_concurrent=3), 50)
    assert kept == {prompt: knowing(prompt) for prompt in ("第1题", "第2题")}
    assert outcome.stopped


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_question_is_a_failure_of_its_own_and_not_asked_again(chat: ChatServer, status: int) -> None:
    chat.reply = lambda _, prompt: (
        fault(status, "content\x1b[31m filter") if prompt == "第3题" else completion(knowing(prompt))
    )
    kept, outcome = run(settings(chat.url), 9)
    assert kept.keys() == known(9).keys() - {"第3题"}
    assert [(key, failure.reason, failure.said) for key, failure in outcome.failures.items()] == [
        ("第3题", "refused", f"{status}: content\\x1b[31m filter")
    ]
    assert len(chat.bodies) == 9


@pytest.mark.parametrize(
    ("answered", "answer", "asked", "stopped"),
    [
        # Refusals before any answer are a fault of the set-up, later ones are not.
        (0, fault(400, "unknown field"), 5, "the endpoint refused the first 5 questions (400: unknown field)"),
        (1, fault(400, "unknown field"), 20, "None"),
        # An endpoint that is down is not asked everything.
        (3, DEAD, 2 * 10, "10 questions in a row got no answer ("),
    ],
)
def test_a_run_ends_where_the_fault_is_not_the_questions(
    chat: ChatServer, answered: int, answer: Answer, asked: int, stopped: str
) -> None:
    chat.reply = lambda number, prompt: completion(knowing(prompt)) if number <= answered else answer
    kept, outcome = run(settings(chat.url, num_concurrent=1, max_retries=1), 20 + answered)
    assert (len(kept), len(chat.bodies)) == (answered, answered + asked)
    assert str(outcome.stopped).startswith(stopped)


def test_a_missing_key_or_client_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    chosen = read_settings({"profile": "deepseek"})
    with pytest.raises(OpenbookError, match=r"DEEPSEEK_API_KEY is not set; the key of https://api\.deepseek\.com/v1"):
        ask_all(requests(1), chosen, ResponseCache(chosen.identity))
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(OpenbookError, match=r"install openbook-eval\[api\]$"):
        run(settings("http://127.0.0.1:9/v1"), 1)


def test_an_answer_that_cannot_be_kept_ends_the_run(chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBOOK_CACHE", __file__)
    monkeypatch.setattr(ResponseCache, "records", lambda _: {})
    _, outcome = run(settings(chat.url, num_concurrent=1), 9)
    assert "cannot be written" in str(outcome.stopped)
    assert len(chat.bodies) == 1


# The budget


def counted(prompt: str, tokens: int = 5) -> Answer:
    body = json.loads(completion(knowing(prompt)).body or b"")
    return Answer(json.dumps({**body, "usage": {"prompt_tokens": 10, "completion_tokens": tokens}}).encode())


@pytest.mark.parametrize("at_once", [1, 7])
def test_a_spent_budget_ends_the_run_with_what_is_kept(chat: ChatServer, at_once: int) -> None:
    chat.reply = lambda _, prompt: counted(prompt)
    kept, outcome = run(settings(chat.url, num_concurrent=at_once, max_tokens_total=100), 50)
    # An answer takes 15 tokens of the 30 that it might: after five of them a sixth might still end above 100.
    assert (len(kept), len(chat.bodies)) == (5, 5)
    assert str(outcome.stopped) == "the next question might exceed max_tokens_total=100; set a higher limit"


@pytest.mark.parametrize(("fault_there", "lost"), [("truncate", 10), ("slow", 10), ("500", 0)])
def test_every_attempt_that_came_to_nothing_after_it_had_begun_is_paid_for(
    chat: ChatServer, fault_there: Any, lost: int
) -> None:
    with FaultyProxy(chat.url, [fault_there], met=3, slow=0.5) as proxy:
        _, outcome = run(settings(proxy.url, max_retries=2, timeout=0.2), 1)
    assert (outcome.attempts, outcome.lost) == (3, Usage(3 * lost, 0))


# Ends that nobody chose


_PROGRAM = """
import sys
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import ask_all
from tests.models.test_chat_api import requests, settings
chosen = settings(sys.argv[1], num_concurrent=4)
print(len(ask_all(requests(40), chosen, ResponseCache(chosen.identity)).replies))
"""


def start(chat: ChatServer) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, chat.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle_asks_nothing_twice_that_it_had(
    chat: ChatServer, end: signal.Signals
) -> None:
    chat.delay = 0.03
    cache = ResponseCache(settings(chat.url).identity)
    program = start(chat)
    until = time.monotonic() + 100
    while len(cache.records()) < 12:
        assert time.monotonic() < until
        time.sleep(0.01)
    program.send_signal(end)
    program.communicate(timeout=60)
    assert program.returncode != 0
    kept = set(cache.records())
    assert 12 <= len(kept) < 40
    chat.bodies.clear()
    output, errors = start(chat).communicate(timeout=100)
    assert output == "40\n", errors
    assert sorted(chat.prompts) == sorted(known(40).keys() - kept)


def test_two_runs_at_once_end_with_the_same_replies(chat: ChatServer) -> None:
    # Of each request another answer, so that the two are at odds about nearly every question.
    chat.reply = lambda number, _: completion(f"第{number}次。")
    chosen = settings(chat.url)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: run(chosen, 30)[1], range(2)))
    _, last = run(chosen, 30)
    assert last.attempts == 0
    # A run that ended before the other had written everything knows the same, where both asked.
    assert [outcome.replies for outcome in outcomes] == [last.replies] * 2
