"""Generated entries: the real client against a server on this machine, which fails in all the ways servers do."""

import json
import logging
import os
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.entries import endpoint as endpoints
from openbook_eval.entries import generation
from openbook_eval.entries.endpoint import Reply
from openbook_eval.entries.generation import generate, knowledge, prompt
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.types import Question
from tests.chat_server import DEAD, Answer, ChatServer, completion, fault, knowing
from tests.conftest import question

BIN = Path(sys.executable).parent
_PROGRAM = """
import json, sys
from pathlib import Path
from openbook_eval.entries.generation import generate
from openbook_eval.exams import load_exam
questions = load_exam("mini").questions[:int(sys.argv[3])]
print(json.dumps(generate(questions, endpoint=sys.argv[1], model="m", parallel=4, cache=Path(sys.argv[2]))))
"""


def questions(count: int) -> list[Question]:
    return [question(id=f"q{number}", stem=f"第{number}题( )。") for number in range(count)]


def rows(cache: Path) -> list[dict[str, Any]]:
    """The rows of the only journal, broken lines left out."""
    found = []
    for file in cache.glob("generated/*.jsonl"):
        for line in file.read_bytes().splitlines():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue
    return found


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPENAI_"):
            monkeypatch.delenv(name)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture
def write(chat: ChatServer, tmp_path: Path) -> Callable[..., dict[str, str]]:
    return partial(generate, endpoint=chat.url, model="m", cache=tmp_path)


Write = Callable[..., dict[str, str]]


def one_line(error: pytest.ExceptionInfo[OpenbookError]) -> str:
    text = str(error.value)
    assert text.isprintable(), text
    assert len(text) < 500
    return text


# The prompt


def test_the_prompt_holds_stem_and_options_without_letters() -> None:
    text = prompt(question())
    assert "\n正常成人安静时的脉率范围是( )。\n" in text
    assert "\n- 每分钟60～100次\n- 每分钟20～40次\n- 每分钟120～160次\n" in text
    assert not set(text) & set(string.ascii_uppercase)
    assert "不超过300个字" in text


@given(answer=st.sampled_from(["", "A", "B", "AC"]), knowledge_text=st.text(), explanation=st.text())
def test_the_prompt_does_not_tell_the_answer(answer: str, knowledge_text: str, explanation: str) -> None:
    told = question(answer=answer, knowledge=knowledge_text, explanation=explanation, qtype="multi")
    assert prompt(told) == prompt(question())


def test_the_prompt_of_version_1_0_is_this_one() -> None:
    """Another text is another version: what is cached was written to this one."""
    assert generation.VERSION == "1.0"
    assert prompt(question(stem="{characters}{0}%s", options={"A": "{stem}", "B": "乙"})) == (
        "请为下面这道医学考题写一段参考资料，供答题者查阅。\n\n"
        "【要求】\n"
        "1. 写出判断每一个选项所需要的教科书知识，如定义、机制、诊断标准、数值、适应证和禁忌证，"
        "各选项涉及的内容都要写到。\n"
        "2. 只陈述知识本身：不给选项编号或加字母，不说哪个选项正确或错误，不作答。\n"
        "3. 用连贯的中文正文来写，不用标题、列表、表格或任何标记，不超过300个字。\n"
        "4. 只写有把握的内容。\n\n"
        "【题目】\n{characters}{0}%s\n\n"
        "【选项】\n- {stem}\n- 乙\n\n"
        "直接写出参考资料正文："
    )


# What a reply holds


@pytest.mark.parametrize(
    ("reply", "finish", "text"),
    [
        ("脉率60～100次。", "stop", "脉率60～100次。"),
        ("\n一。\r\n\n二。\u2028三。\x1b[31m\x00四。\t", "stop", "一。 二。 三。 [31m 四。"),
        ("<think>选A？</think>\n\n脉率。", "stop", "脉率。"),
        # Where the template itself opens the thinking, only its end is in the reply.
        ("选A？\n</THINK>脉率。", "stop", "脉率。"),
        ("<think>一<think>二</think>三</think>脉率。", "stop", "脉率。"),
        ("<think>选A。", "length", None),
        ("脉率。<think>选A。", "stop", None),
        ("<think>选A。</think>", "stop", None),
        ("", "stop", None),
        (" \n\u3000\t", "stop", None),
        ("一。二！（三。）四，pH 7.", "length", "一。二！（三。）"),
        ("Pulse is 7.35 high. It", "length", "Pulse is 7.35 high."),
        ("没有一句完", "length", None),
        ("没有句号", "stop", "没有句号"),
        ("半句。", "content_filter", None),
    ],
)
def test_a_reply_holds_the_text_that_is_whole_and_no_thinking(reply: str, finish: str, text: str | None) -> None:
    assert knowledge(Reply(reply, finish)) == text


@given(st.text(), st.sampled_from(["stop", "length"]))
def test_an_entry_is_one_line_that_is_not_blank(reply: str, finish: str) -> None:
    text = knowledge(Reply(reply, finish))
    assert text is None or (len(text.splitlines()) == 1 and text == text.strip() != "")


# Asking


def test_each_question_gets_what_the_model_wrote(chat: ChatServer, write: Write, tmp_path: Path) -> None:
    asked = questions(20)
    assert list(write(asked).items()) == [(one.id, knowing(prompt(one))) for one in asked]
    assert sorted(chat.prompts) == sorted(prompt(one) for one in asked)
    expected = {"model": "m", "temperature": 0.0, "seed": 20240726, "max_tokens": 512}
    assert all(body == {**expected, "messages": body["messages"]} for body in chat.bodies)
    assert {header["path"] for header in chat.headers} == {"/v1/chat/completions"}
    assert {(row["provider"], row["model"], row["prompt"]) for row in rows(tmp_path)} == {("generated", "m", "1.0")}


def test_what_is_cached_is_asked_of_nobody(chat: ChatServer, write: Write, tmp_path: Path) -> None:
    first = write(questions(5))
    chat.bodies.clear()
    assert write(questions(5)) == first
    assert chat.bodies == []
    # Nobody answers at port 9 (discard): where a model is served is no part of what it says.
    assert generate(questions(5), endpoint="http://127.0.0.1:9/v1", model="m", cache=tmp_path) == first


def test_what_is_cached_needs_no_client(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(questions(2))
    monkeypatch.setitem(sys.modules, "openai", None)
    assert write(questions(2)) == first


def test_only_new_questions_are_asked(chat: ChatServer, write: Write) -> None:
    write(questions(3))
    chat.bodies.clear()
    assert set(write(questions(5))) == {"q0", "q1", "q2", "q3", "q4"}
    assert sorted(chat.prompts) == sorted(prompt(one) for one in questions(5)[3:])


@pytest.mark.parametrize(
    "other",
    [{"model": "m2"}, {"max_tokens": 100}, {"questions": [question(id="q0", stem="另一题( )。")]}, {"version": "1.1"}],
)
def test_another_model_setting_question_or_prompt_is_asked_anew(
    chat: ChatServer, write: Write, other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(questions(1))
    if version := other.pop("version", None):
        monkeypatch.setattr(generation, "VERSION", version)
    write(other.pop("questions", questions(1)), **other)
    assert len(chat.bodies) == 2


def test_an_answer_that_is_known_now_does_not_change_what_is_cached(chat: ChatServer, write: Write) -> None:
    write([question(answer="", knowledge=None)])
    assert write([question(answer="B", knowledge="乙。", explanation="丙。")]) == {"q1": knowing(prompt(question()))}
    assert len(chat.bodies) == 1


def test_questions_with_one_prompt_are_asked_once(chat: ChatServer, write: Write) -> None:
    text = knowing(prompt(question()))
    assert write([question(id="a"), question(id="b")]) == {"a": text, "b": text}
    assert len(chat.bodies) == 1


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_than_parallel_requests_are_under_way(chat: ChatServer, write: Write, parallel: int) -> None:
    chat.delay = 0.05
    write(questions(9), parallel=parallel)
    assert chat.most_at_once == parallel


def test_no_questions_no_texts(chat: ChatServer, write: Write) -> None:
    assert write([]) == {}
    assert chat.bodies == []


def test_a_model_name_cannot_lead_out_of_the_cache(write: Write, tmp_path: Path) -> None:
    for name in ("../../etc/x", "Qwen/Qwen2.5-7B-Instruct", "..", "模型" * 100):
        write(questions(1), model=name)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 4
    assert {file.parent for file in files} == {tmp_path / "generated"}
    assert any(file.name.startswith("Qwen_Qwen2.5-7B-Instruct-") for file in files)


def test_empty_answers_are_counted_and_not_kept(
    chat: ChatServer, write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    empty = {prompt(questions(4)[1]): completion(""), prompt(questions(4)[2]): completion(None)}
    chat.reply = lambda _, text: empty.get(text) or completion(knowing(text))
    assert set(write(questions(4))) == {"q0", "q3"}
    assert {row["question"] for row in rows(tmp_path)} == {"q0", "q3"}
    assert "2 of 4 questions got no text: 2 replies held none" in caplog.text
    # They may be asked again, the others not.
    write(questions(4))
    assert len(chat.bodies) == 6


def test_the_reply_is_kept_raw_and_half_a_surrogate_pair_does_no_harm(
    chat: ChatServer, write: Write, tmp_path: Path
) -> None:
    chat.reply = lambda *_: completion("<think>选\ud800</think>\n脉\ud800率。\n甲", "length")
    assert write(questions(1)) == {"q0": "脉?率。"}
    assert [(row["response"], row["finish"]) for row in rows(tmp_path)] == [
        ("<think>选?</think>\n脉?率。\n甲", "length")
    ]


# Failing


def test_a_server_that_dies_half_way_loses_nothing_and_the_next_run_goes_on(
    chat: ChatServer, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "_RETRIES", 1)
    asked, alive = questions(12), chat.reply
    chat.reply = lambda number, text: alive(number, text) if number <= 7 else DEAD
    with pytest.raises(OpenbookError) as caught:
        write(asked, parallel=3)
    assert one_line(caught).startswith(f"{chat.url}: stopped with 7 of 12 texts written and kept (Connection error.")
    assert str(caught.value).endswith("); the same command goes on from there")
    kept = {row["question"] for row in rows(tmp_path)}
    assert len(kept) == 7
    chat.reply = alive
    chat.bodies.clear()
    assert write(asked) == {one.id: knowing(prompt(one)) for one in asked}
    assert sorted(chat.prompts) == sorted(prompt(one) for one in asked if one.id not in kept)


def test_answers_under_way_at_a_failure_are_kept(chat: ChatServer, write: Write, tmp_path: Path) -> None:
    def reply(number: int, text: str) -> Answer:
        if number == 1:
            return fault(401, "no")
        time.sleep(0.3)
        return completion(knowing(text))

    chat.reply = reply
    with pytest.raises(OpenbookError, match="stopped with 3 of 20 texts"):
        write(questions(20), parallel=4)
    assert len(rows(tmp_path)) == 3
    assert len(chat.bodies) == 4


def test_a_busy_server_is_asked_again(chat: ChatServer, write: Write) -> None:
    chat.reply = lambda number, text: fault(429, "slow down") if number <= 2 else completion(knowing(text))
    assert set(write(questions(1))) == {"q0"}
    assert len(chat.bodies) == 3


@pytest.mark.parametrize(
    ("answer", "said", "requests"),
    [
        (fault(429, "slow down"), "429: slow down", 4),
        (fault(401, "bad key"), "401: bad key", 1),
        (fault(403, "not yours"), "403: not yours", 1),
        (fault(404, "no model m"), "404: no model m; does the address end in /v1, and is the model called so?", 1),
        (fault(500, "boom"), "500: boom", 4),
        (fault(400, "too long"), "400: too long", 1),
        (fault(401, "a\n\x1b[31mb\u202e" + "长" * 900), "401: a \\x1b[31mb\\u202e" + "长" * 177 + "…", 1),
        (Answer(b"<html>log in</html>", headers={"Content-Type": "text/html"}), "not a chat completion: '<html>", 1),
        (Answer(b"{garbage", headers={"Content-Type": "application/json"}), "", 1),
        (Answer(b"{}", headers={"Content-Type": "application/json"}), "not a chat completion: ChatCompletion(", 1),
        (Answer(b"null", headers={"Content-Type": "application/json"}), "not a chat completion: None", 1),
        (Answer(b'{"choices":[]}', headers={"Content-Type": "application/json"}), "not a chat completion", 1),
        (Answer(b'{"choices":[{"message":{"content":[1]}}]}', headers={"Content-Type": "application/json"}), "not", 1),
        (Answer(b"\xff\xfe", headers={"Content-Type": "application/json"}), "", 1),
    ],
)
def test_what_the_endpoint_said_is_told_in_one_line(
    chat: ChatServer, write: Write, answer: Answer, said: str, requests: int
) -> None:
    chat.reply = lambda *_: answer
    with pytest.raises(OpenbookError) as caught:
        write(questions(2), parallel=1)
    assert one_line(caught).startswith(f"{chat.url}: stopped with 0 of 2 texts written and kept ({said}")
    assert len(chat.bodies) == requests


def test_a_slow_server_runs_into_the_time_limit(
    chat: ChatServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "_TIMEOUT", 0.1)
    monkeypatch.setattr(endpoints, "_RETRIES", 0)
    chat.delay = 0.5
    with pytest.raises(OpenbookError, match=r"stopped with 0 of 1 texts written and kept \(Request timed out"):
        write(questions(1))


def test_a_server_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "_RETRIES", 0)
    with ChatServer() as gone:
        pass
    with pytest.raises(OpenbookError) as caught:
        generate(questions(3), endpoint=gone.url, model="m", cache=tmp_path)
    assert one_line(caught).startswith(f"{gone.url}: stopped with 0 of 3 texts written and kept (Connection error. ")
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_prompt_that_is_refused_stops_no_run_in_which_others_are_answered(
    chat: ChatServer, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    refused = prompt(questions(4)[1])
    chat.reply = lambda _, text: fault(400, "content filter") if text == refused else completion(knowing(text))
    assert set(write(questions(4), parallel=1)) == {"q0", "q2", "q3"}
    assert "1 of 4 questions got no text: the endpoint refused 1 (400: content filter)" in caplog.text
    assert set(write(questions(4), parallel=1)) == {"q0", "q2", "q3"}


def test_a_cache_that_cannot_be_written_stops_the_run(chat: ChatServer, write: Write, tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a file where a folder is due")
    with pytest.raises(OpenbookError, match=r"m-\w+\.jsonl: cannot be (read|written)"):
        write(questions(9), parallel=2)
    assert len(chat.bodies) <= 2


# The key


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    chat: ChatServer,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden-1234\n")
    chat.reply = lambda number, _: completion("知。") if number < 3 else fault(401, "bad key sk-hidden-1234 given")
    with pytest.raises(OpenbookError, match=r"401: bad key \(key\) given") as caught:
        write(questions(5), parallel=1)
    assert {header["authorization"] for header in chat.headers} == {"Bearer sk-hidden-1234"}
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert written
    told = [str(caught.value), caplog.text, *capfd.readouterr(), written.decode(), str(list(tmp_path.rglob("*")))]
    assert not any("sk-hidden" in text for text in told)


def test_without_a_key_a_local_server_is_asked_all_the_same(chat: ChatServer, write: Write) -> None:
    assert write(questions(1))
    assert chat.headers[0]["authorization"] == "Bearer no-key-needed"


def test_a_key_that_no_header_takes_is_told(chat: ChatServer, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "密钥")
    with pytest.raises(OpenbookError, match=r"^OPENAI_API_KEY: holds signs that no key has; copy it again$"):
        write(questions(1))
    assert chat.bodies == []


# Settings


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8000/v1",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://:8000/v1",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://a b/v1",
        "http://host/v1\n",
        "https://user:secret@host/v1",
        "https://host/v1?key=secret",
    ],
)
def test_an_address_that_is_none_is_told_without_repeating_it(address: str, tmp_path: Path) -> None:
    with pytest.raises(
        OpenbookError, match=r"^endpoint: must be an address such as http://127\.0\.0\.1:8000/v1"
    ) as caught:
        generate(questions(1), endpoint=address, model="m", cache=tmp_path)
    assert "secret" not in one_line(caught)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "  "}, "model: is empty"),
        ({"parallel": 0}, "parallel: must be 1 or more, not 0"),
        ({"max_tokens": 0}, "max_tokens: must be 1 or more, not 0"),
    ],
)
def test_a_faulty_setting_is_told_before_anything_is_asked(
    chat: ChatServer, write: Write, setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(OpenbookError, match=f"^{message}"):
        write(questions(1), **setting)
    assert chat.bodies == []


def test_a_missing_client_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(OpenbookError, match=r"install openbook-eval\[generation\]$"):
        write(questions(1))


def test_a_run_without_a_terminal_logs_its_progress_ten_times(
    write: Write, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    write(questions(25))
    lines = [record.message for record in caplog.records if record.message.endswith("replies came")]
    assert (len(lines), lines[-1]) == (10, "25 of 25 replies came")
    # A line of the client's for each request would bury them.
    assert [record.message for record in caplog.records if record.name != generation.__name__] == []
    assert capfd.readouterr() == ("", "")


# Ends that nobody chose


def start(chat: ChatServer, cache: Path, count: int = 40) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, chat.url, str(cache), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(run: subprocess.Popen[str]) -> dict[str, str]:
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    texts: dict[str, str] = json.loads(output)
    return texts


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle_asks_nothing_twice_that_it_had(
    chat: ChatServer, tmp_path: Path, end: signal.Signals
) -> None:
    chat.delay = 0.03
    run = start(chat, tmp_path)
    deadline = time.monotonic() + 60
    while len(rows(tmp_path)) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(end)
    run.communicate(timeout=60)
    assert run.returncode != 0
    kept = {row["question"] for row in rows(tmp_path)}
    assert 12 <= len(kept) < 40
    chat.bodies.clear()
    asked = load_exam("mini").questions[:40]
    assert finish(start(chat, tmp_path)) == {one.id: knowing(prompt(one)) for one in asked}
    assert sorted(chat.prompts) == sorted(prompt(one) for one in asked if one.id not in kept)


def test_a_line_torn_by_a_kill_costs_its_own_answer_only(chat: ChatServer, write: Write, tmp_path: Path) -> None:
    first = write(questions(4), parallel=1)
    (file,) = tmp_path.rglob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-9])
    chat.bodies.clear()
    assert write(questions(4)) == first
    assert chat.prompts == [prompt(questions(4)[3])]
    assert write(questions(4)) == first
    assert len(chat.bodies) == 1


def test_two_runs_at_once_end_with_the_same_texts(chat: ChatServer, tmp_path: Path) -> None:
    # Of each request another answer, so that the two are at odds about nearly every question.
    chat.reply = lambda number, _: completion(f"第{number}次。")
    runs = [start(chat, tmp_path), start(chat, tmp_path)]
    first, second = map(finish, runs)
    assert len(first) == len(second) == 40
    chat.bodies.clear()
    last = finish(start(chat, tmp_path))
    assert chat.bodies == []
    by_question: dict[str, str] = {}
    for row in rows(tmp_path):
        by_question.setdefault(row["question"], row["response"])
    assert first == second == last == by_question


# The real engine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.engine
def test_vllm_writes_entries_and_the_cache_gives_them_back_when_it_is_gone(tmp_path: Path) -> None:
    folder = subprocess.run([BIN / "openbook-eval", "tiny-model"], capture_output=True, text=True, check=True).stdout
    # The examinee writes no entries; it copies what it is told to, here the same whatever is asked.
    template, sentence = tmp_path / "template.jinja", "患者的体温可由化验。"
    template.write_text(
        "{% if messages[-1]['content'] | length > 1500 %}{{ messages[-1]['content'] }}{% endif %}"
        f"<|im_start|>user\n照抄下面的内容。\n{sentence}<|im_end|>\n<|im_start|>assistant"
        # Jinja drops a line break at the end of a template.
        "{{ '\\n' }}",
        encoding="utf-8",
    )
    url, port = "http://127.0.0.1", str(free_port())
    line = [str(BIN / "vllm"), "serve", folder.strip(), "--served-model-name", "examinee", "--dtype", "float32"]
    settings = ["--max-model-len", "1024", "--enforce-eager", "--chat-template", str(template)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VLLM_", "OPENBOOK_", "HF_"))}
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    small = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
    asked = load_exam("mini").questions[:3]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*line, *settings, "--host", "127.0.0.1", "--port", port],
            env={**kept, **quiet, **small},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"{url}:{port}/v1"
    try:
        wait_until_up(f"{url}:{port}/health", server, tmp_path / "log")
        texts = generate(asked, endpoint=address, model="examinee", max_tokens=64, cache=tmp_path)
        with pytest.raises(OpenbookError, match=r"stopped with 0 of 3 .*404: The model `no-such` does not exist"):
            generate(asked, endpoint=address, model="no-such", max_tokens=64, cache=tmp_path)
        # Longer than the engine's context: its refusal is told, not cut in silence.
        with pytest.raises(OpenbookError, match=r"stopped with 0 of 1 .*400: .*1024"):
            generate([question(stem="肺泡" * 2000)], endpoint=address, model="examinee", cache=tmp_path)
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
    assert texts == {one.id: sentence for one in asked}
    assert {row["finish"] for row in rows(tmp_path)} == {"stop"}
    assert generate(asked, endpoint=address, model="examinee", max_tokens=64, cache=tmp_path) == texts


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while True:
        assert server.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.5)
