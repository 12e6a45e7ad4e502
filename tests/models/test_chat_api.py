"""Many questions at a failing endpoint: the real client against servers on this machine."""

import gzip
import json
import signal
import subprocess
import sys
import threading
import time
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
    return {key: record["content"] for key, record in cache.records().items() if "content" in record}, outcome


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
    # Ten gaps of a twentieth of a second; of a tenth, since a request may take 30 tokens; the longer of the two.
    [
        ({"requests_per_minute": 1200}, 11, 0.5),
        ({"tokens_per_minute": 18000, "num_concurrent": 20}, 11, 1.0),
        ({"requests_per_minute": 1200, "tokens_per_minute": 18000}, 11, 1.0),
    ],
)
def test_no_more_go_in_a_minute_than_was_set(
    chat: ChatServer, limit: dict[str, int], count: int, seconds: float
) -> None:
    started = time.monotonic()
    kept, _ = run(settings(chat.url, **limit), count)
    assert kept == known(count)
    assert seconds <= time.monotonic() - started < seconds + 3


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
        (
            fault(401, f"Incorrect API key provided: {KEY}."),
            "the endpoint refuses the key in OPENAI_API_KEY (401: Incorrect API key provided: (key).)",
        ),
        (fault(402, "Insufficient Balance"), "the account has nothing left (402: Insufficient Balance)"),
        (fault(404, "no such model"), "404: no such model; does the address end in /v1, and is the model called so?"),
        (Answer(b"", 301, {"Location": "http://127.0.0.1:9/"}), "301: ; does the address end in /v1"),
        *[
            (
                Answer(b'{"error": {"message": "You exceeded", "code": "%b"}}' % code, status),
                f"the account has nothing left ({status}: You exceeded)",
            )
            for code, status in ((b"insufficient_quota", 429), (b"1113", 429), (b"Arrearage", 400))
        ],
        # Some say with status 200 what they mean within.
        (
            Answer(b'{"error": {"message": "Insufficient credits", "code": 402}}'),
            "the account has nothing left (402: I",
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


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        (Answer(b'{"error": {"message": "overloaded", "code": 502}}'), "server_error", "502: overloaded"),
        (Answer(b'{"error": {"message": "slow down", "code": 429}}'), "rate_limit", "429: slow down"),
        (
            Answer(b'{"error": "no\x1b room"}'),
            "malformed",
            'what came is no chat completion: {"error": "no\\x1b room"}',
        ),
        (Answer(b'{"error": "no room", "choices": null}'), "server_error", "no room"),
        (Answer(b'{"object": "error", "message": "too long", "code": 400}'), "refused", "400: too long"),
        (Answer(b'{"error": {"message": "flagged", "code": 403}}'), "refused", "403: flagged"),
        # A code of the endpoint's own is no status.
        (Answer(b'{"error": {"message": "exhausted", "code": 8}}'), "server_error", "exhausted"),
        (fault(504, "gateway"), "timeout", "504: gateway"),
    ],
)
def test_an_error_is_told_in_the_endpoints_words_whatever_its_status(
    chat: ChatServer, answer: Answer, reason: str, said: str
) -> None:
    chat.reply = lambda _, prompt: answer if prompt == "第3题" else completion(knowing(prompt))
    kept, outcome = run(settings(chat.url, max_retries=1, num_concurrent=1), 5)
    assert kept.keys() == known(5).keys() - {"第3题"}
    assert [(each.reason, each.said) for each in outcome.failures.values()] == [(reason, said)]


@pytest.mark.parametrize(
    "answer", [Answer(b"", 302, {"Location": "/login"}), fault(404, "no route"), fault(405, "no"), fault(504, "slow")]
)
def test_one_odd_status_among_good_answers_is_asked_again(chat: ChatServer, answer: Answer) -> None:
    chat.reply = lambda number, prompt: answer if number == 3 else completion(knowing(prompt))
    kept, outcome = run(settings(chat.url, num_concurrent=1), 9)
    assert (kept, outcome.failures, outcome.attempts) == (known(9), {}, 10)
    # Where it stays, the run ends.
    chat.reply = lambda *_: fault(404, "gone")
    _, outcome = run(settings(chat.url, num_concurrent=1, max_retries=1), 12)
    assert str(outcome.stopped).startswith("404: gone; does the address end in /v1")
    assert outcome.attempts == 2


def test_a_reply_without_end_is_cut_off(chat: ChatServer) -> None:
    bodies = [(200, b"x" * 12_000_000), (500, b"x" * 12_000_000), (200, gzip.compress(bytes(12_000_000)))]
    for status, long in bodies:
        headers = {"Content-Encoding": "gzip"} if long[:1] == b"\x1f" else {}
        answer = Answer(long, status, headers)
        chat.reply = lambda _, prompt, answer=answer: (  # type: ignore[misc]
            answer if prompt == "第1题" else completion(knowing(prompt))
        )
        _, outcome = run(settings(chat.url, max_retries=0, num_concurrent=1, model=f"{status}{len(long)}"), 2)
        assert outcome.failures["第1题"].said == "the reply has more than 10,000,000 bytes"


def test_no_password_of_netrc_goes_in_place_of_the_key(
    chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    run(settings(chat.url), 1)
    monkeypatch.delenv("OPENAI_API_KEY")
    run(settings(chat.url, model="other"), 1)
    assert [header["authorization"] for header in chat.headers] == [f"Bearer {KEY}", "Bearer no-key-needed"]


@pytest.mark.parametrize("status", [400, 403, 413, 422])
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
        # Refusals before any answer are a fault of the set-up, later ones are not, but where they forbid all.
        (0, fault(400, "unknown field"), 10, "10 questions in a row got no answer (400: unknown field)"),
        (1, fault(400, "unknown field"), 20, "None"),
        (1, fault(403, "expired"), 10, "10 questions in a row got no answer (403: expired)"),
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


def test_a_missing_key_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    chosen = read_settings({"profile": "deepseek"})
    with pytest.raises(OpenbookError, match=r"DEEPSEEK_API_KEY is not set; the key of https://api\.deepseek\.com/v1"):
        ask_all(requests(1), chosen, ResponseCache(chosen.identity))


def test_where_nothing_can_be_kept_nothing_is_asked(chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OpenbookError("F: cannot be written (the disk is full)")

    monkeypatch.setattr("openbook_eval.models.cache.append_json_line", full)
    _, outcome = run(settings(chat.url, num_concurrent=1), 9)
    assert str(outcome.stopped) == "F: cannot be written (the disk is full); name another folder in OPENBOOK_CACHE"
    assert chat.bodies == []


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


@pytest.mark.parametrize(("fault_there", "lost"), [("truncate", 3), ("slow", 3), ("drop", 3), ("500", 0)])
def test_every_attempt_that_came_to_nothing_after_it_had_begun_is_paid_for_also_by_the_next_run(
    chat: ChatServer, fault_there: Any, lost: int
) -> None:
    with FaultyProxy(chat.url, [fault_there], met=3, slow=0.5) as proxy:
        chosen = settings(proxy.url, max_retries=2, timeout=0.2)
        _, outcome = run(chosen, 1)
        # It might have written 20 tokens each time.
        assert (outcome.attempts, outcome.lost) == (3, Usage(lost * 10, lost * 20))
        _, again = run(chosen.model_copy(update={"max_tokens_total": 100}), 1)
    assert (again.attempts, again.lost) == ((0, outcome.lost) if lost else (1, Usage()))
    assert bool(again.stopped) is bool(lost)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_what_was_under_way_when_a_run_ended_is_paid_for_by_the_next(chat: ChatServer, end: signal.Signals) -> None:
    gone = threading.Event()
    hang = {"第11题", "第12题", "第13题", "第14题"}
    chat.reply = lambda _, prompt: completion(str(gone.wait(100)) if prompt in hang else "A")
    for _ in range(2):
        program, until = start(chat), time.monotonic() + 100
        while not hang <= set(chat.prompts):
            assert time.monotonic() < until
            time.sleep(0.01)
        program.send_signal(end)
        program.communicate(timeout=60)
        hang = {"第15题", "第16题", "第17题", "第18题"}
        gone.set()
        gone = threading.Event()
    gone.set()
    # Of each question that was cut off, one attempt.
    assert run(settings(chat.url), 40)[1].lost == Usage(8 * 10, 8 * 20)
    _, outcome = run(settings(chat.url, max_tokens_total=40 * 30 + 8 * 30), 40)
    assert (outcome.lost, outcome.attempts, len(outcome.replies)) == (Usage(8 * 10, 8 * 20), 0, 40)


@pytest.mark.parametrize(
    ("answer", "message"), [(fault(401, "no"), "the endpoint refuses the key"), (fault(429, "slow"), "10 questions in")]
)
def test_what_is_refused_outright_costs_nothing_then_and_later(chat: ChatServer, answer: Answer, message: str) -> None:
    chat.reply = lambda *_: answer
    for _ in range(2):
        _, outcome = run(settings(chat.url, max_retries=1, num_concurrent=1), 30)
        assert str(outcome.stopped).startswith(message)
        assert outcome.lost == Usage()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "foo://x", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_one_line(chat: ChatServer, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(
        OpenbookError, match=r"^the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used \("
    ) as e:
        run(settings(chat.url), 1)
    assert "\n" not in str(e.value)


def test_nobody_pays_where_no_connection_was_made() -> None:
    _, outcome = run(settings("http://127.0.0.1:9/v1", max_retries=0), 1)
    assert [failure.reason for failure in outcome.failures.values()] == ["connection"]
    assert outcome.lost == Usage()


# Answers that say nothing


@pytest.mark.parametrize("count", [30, 3])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (completion(""), "the reply is empty"),
        (completion("<think>选B</think>"), "the reply is only reasoning"),
        (completion("<think>选B", "length"), "the reply is unended thinking"),
    ],
)
def test_a_run_whose_first_answers_say_nothing_ends_and_keeps_none_of_them(
    chat: ChatServer, count: int, answer: Answer, said: str
) -> None:
    chat.reply = lambda *_: answer
    for start in (1, 2):
        kept, outcome = run(settings(chat.url, num_concurrent=1), count)
        assert (kept, outcome.replies, len(chat.bodies)) == ({}, {}, 10 * start)
        assert str(outcome.stopped).startswith(f"10 questions in a row got no answer ({said}; does it end within its")
        # They cost what they cost, both times.
        assert outcome.lost.prompt == 10 * 10 * start


def test_a_first_answer_that_says_nothing_is_asked_for_again_and_then_it_is_one(chat: ChatServer) -> None:
    chat.reply = lambda _, prompt: completion("" if prompt in ("第0题", "第5题") else "A")
    kept, outcome = run(settings(chat.url, num_concurrent=1), 9)
    assert (len(kept), sorted(key for key, text in kept.items() if not text)) == (9, ["第0题", "第5题"])
    assert (chat.prompts.count("第0题"), len(chat.prompts), outcome.failures, outcome.stopped) == (2, 10, {}, None)


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
    while len(cache.records().keys() & known(40).keys()) < 12:
        assert time.monotonic() < until
        time.sleep(0.01)
    program.send_signal(end)
    program.communicate(timeout=60)
    assert program.returncode != 0
    kept = cache.records().keys() & known(40).keys()
    assert 12 <= len(kept) < 40
    chat.bodies.clear()
    output, errors = start(chat).communicate(timeout=100)
    assert output == "40\n", errors
    assert sorted(chat.prompts) == sorted(known(40).keys() - kept)


def test_a_second_run_of_a_model_at_once_pays_nothing_twice(chat: ChatServer) -> None:
    chat.delay = 0.03
    program = start(chat)
    cache = ResponseCache(settings(chat.url).identity)
    until = time.monotonic() + 100
    while len(cache.records()) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    with pytest.raises(OpenbookError, match=f"^{cache.path}: another run of this model is writing its responses; wait"):
        run(settings(chat.url), 40)
    output, errors = program.communicate(timeout=100)
    assert (output, len(chat.bodies)) == ("40\n", 40), errors


def test_while_it_waits_a_run_shows_what_is_sent_again_and_why(
    chat: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.reply = lambda number, prompt: fault(429, "slow down") if number < 4 else completion(knowing(prompt))
    ask_all(requests(5), settings(chat.url, num_concurrent=1), ResponseCache({}), quiet=False)
    assert "sent again: 3 rate limit (429: slow down)]" in capsys.readouterr().err
