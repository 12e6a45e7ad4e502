"""Generated entries: the real client against a server on this machine, which fails in all the ways servers do."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.books.generation import generate, knowledge, prompt
from openbook_eval.errors import OpenbookError
from openbook_eval.models.endpoints import Reply
from openbook_eval.types import Question
from tests.chat_server import ChatServer, completion, fault, knowing
from tests.conftest import question


def questions(count: int) -> list[Question]:
    return [question(id=f"q{number}", stem=f"第{number}题( )。") for number in range(count)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("OPENAI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture
def write(chat: ChatServer) -> Callable[..., dict[str, str]]:
    return partial(generate, endpoint=chat.url, model="m")


Write = Callable[..., dict[str, str]]


@given(answer=st.sampled_from(["", "A", "B", "AC"]), knowledge_text=st.text(), explanation=st.text())
def test_the_prompt_does_not_tell_the_answer(answer: str, knowledge_text: str, explanation: str) -> None:
    told = question(answer=answer, knowledge=knowledge_text, explanation=explanation, qtype="multi")
    assert prompt(told) == prompt(question())


def test_stem_and_options_stand_in_the_prompt_as_they_are() -> None:
    text = prompt(question(stem="{characters}{0}%s", options={"A": "{stem}", "B": "乙"}))
    assert "不超过300个字。" in text
    assert "【题目】\n{characters}{0}%s\n\n【选项】\n- {stem}\n- 乙\n\n" in text


@pytest.mark.parametrize(
    ("reply", "finish", "text"),
    [
        ("脉率60～100次。", "stop", "脉率60～100次。"),
        ("\n一。\r\n\n二。\u2028三。\x1b[31m\x00四。\t", "stop", "一。 二。 三。 [31m 四。"),
        ("<think>选A？</think>\n\n脉率。", "stop", "脉率。"),
        # Where the template itself opens the thinking, only its end is in the reply.
        ("选A？\n</think>脉率。", "stop", "脉率。"),
        ("<think>选A。", "length", None),
        ("脉率。<think>选A。", "stop", None),
        ("<think>选A。</think>", "stop", None),
        (" \n\u3000\t", "stop", None),
        ("一。二！（三。）四，pH 7.", "length", "一。二！（三。）"),
        ("Pulse is 7.35 high. It", "length", "Pulse is 7.35 high."),
        ("没有一句完", "length", None),
    ],
)
def test_a_reply_holds_the_text_that_is_whole_and_no_thinking(reply: str, finish: str, text: str | None) -> None:
    assert knowledge(Reply(content=reply, finish=finish)) == text


@given(st.text(), st.sampled_from(["stop", "length"]))
def test_an_entry_is_one_line_that_is_not_blank(reply: str, finish: str) -> None:
    text = knowledge(Reply(content=reply, finish=finish))
    assert text is None or (len(text.splitlines()) == 1 and text == text.strip() != "")


def test_each_question_gets_what_the_model_wrote(chat: ChatServer, write: Write) -> None:
    asked = questions(20)
    assert list(write(asked).items()) == [(one.id, knowing(prompt(one))) for one in asked]
    assert sorted(chat.prompts) == sorted(prompt(one) for one in asked)
    expected = {"model": "m", "temperature": 0.0, "seed": 20240726, "max_tokens": 512}
    assert all(body == {**expected, "messages": body["messages"]} for body in chat.bodies)


def test_what_is_cached_is_asked_of_nobody_and_anything_else_anew(
    chat: ChatServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(questions(5))
    chat.bodies.clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "httpx", None)
        assert write(questions(5)) == first
    assert chat.bodies == []
    for other in ({"model": "m2"}, {"max_tokens": 100}):
        write(questions(1), **other)
    # Questions with one prompt are asked once.
    text = knowing(prompt(question()))
    assert write([question(id="a"), question(id="b")]) == {"a": text, "b": text}
    assert len(chat.bodies) == 3


def test_a_server_that_dies_half_way_loses_nothing_and_the_next_run_goes_on(chat: ChatServer, write: Write) -> None:
    asked, alive = questions(12), chat.reply
    chat.reply = lambda number, text: alive(number, text) if number <= 7 else fault(401, "gone")
    with pytest.raises(OpenbookError) as caught:
        write(asked, parallel=1)
    assert str(caught.value) == (
        f"{chat.url}: stopped with 7 of 12 texts written and kept (the endpoint refuses the key in OPENAI_API_KEY "
        "(401: gone)); the same command goes on from there"
    )
    chat.reply = alive
    chat.bodies.clear()
    assert write(asked) == {one.id: knowing(prompt(one)) for one in asked}
    assert len(chat.bodies) == 5


def test_a_prompt_that_is_refused_or_an_empty_answer_stops_no_run_in_which_others_are_answered(
    chat: ChatServer, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    refused = prompt(questions(4)[1])
    replies = {refused: fault(400, "content filter"), prompt(questions(4)[2]): completion("")}
    chat.reply = lambda _, text: replies.get(text) or completion(knowing(text))
    assert set(write(questions(4), parallel=1)) == {"q0", "q3"}
    assert "2 of 4 questions got no text: the endpoint refused 1 (400: content filter), else" in caplog.text
    chat.reply = lambda *_: fault(400, "all of them")
    with pytest.raises(OpenbookError, match=r"stopped with 0 of 1 .*400: all of them"):
        write([question()])


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    chat: ChatServer,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, logger="openbook_eval")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden-1234\n")
    chat.reply = lambda number, _: completion("知。") if number < 3 else fault(401, "bad key sk-hidden-1234 given")
    with pytest.raises(OpenbookError, match=r"401: bad key \(key\) given") as caught:
        write(questions(5), parallel=1)
    assert {header["authorization"] for header in chat.headers} == {"Bearer sk-hidden-1234"}
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert written
    seen = [str(caught.value), caplog.text, *capfd.readouterr(), written.decode(), str(list(tmp_path.rglob("*")))]
    assert not any("sk-hidden" in text for text in seen)


def test_an_address_that_is_none_is_told_without_its_secret(write: Write) -> None:
    with pytest.raises(OpenbookError, match=r"^endpoint: must be an address such as http://127\.0\.0\.1") as caught:
        write(questions(1), endpoint="https://user:secret@host/v1")
    assert "secret" not in str(caught.value)
