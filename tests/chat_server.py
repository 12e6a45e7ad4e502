"""A small OpenAI-compatible server for chat completions; a test says what it answers, and what was asked is counted."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.local_server import LocalServer


@dataclass(frozen=True)
class Answer:
    """What goes over the wire; `body` None closes the connection without a word."""

    body: bytes | None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def completion(text: str | None, finish: str = "stop") -> Answer:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Answer(json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def fault(status: int, message: str) -> Answer:
    """An error as vLLM and OpenAI tell it; the client tries again at once where it tries again."""
    body = json.dumps({"error": {"message": message, "type": "t", "param": None, "code": None}}).encode()
    return Answer(body, status, {"Content-Type": "application/json", "retry-after-ms": "1"})


DEAD = Answer(None)


def knowing(prompt: str) -> str:
    """The knowledge this server has of a prompt: always the same, of each prompt another."""
    return f"教科书第{hashlib.sha256(prompt.encode()).hexdigest()[:12]}页。"


class ChatServer(LocalServer):
    """Answers `reply(number of the request from 1, prompt)`; by default with `knowing`, after `delay` seconds."""

    def __init__(self, reply: Callable[[int, str], Answer] | None = None, delay: float = 0.0) -> None:
        self.reply = reply or (lambda _, prompt: completion(knowing(prompt)))
        self.delay = delay
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        super().__init__()
        self.url = f"{self.address}/v1"

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.bodies]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self._lock:
            self.bodies.append(body)
            self.headers.append(
                {"path": request.path, **{key.lower(): value for key, value in request.headers.items()}}
            )
            number, prompt = len(self.bodies), body["messages"][-1]["content"]
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(self.delay)
            answer = self.reply(number, prompt)
        finally:
            with self._lock:
                self._at_once -= 1
        _send(request, answer)


def _send(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer.body is None:
        request.close_connection = True
        return
    request.send_response(answer.status)
    for key, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
        request.send_header(key, value)
    request.end_headers()
    request.wfile.write(answer.body)
