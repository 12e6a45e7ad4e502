"""A proxy in front of a chat endpoint that lets faults happen on the way, and counts which answers went out whole."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from tests.local_server import LocalServer

Fault = Literal["429", "500", "drop", "truncate", "slow", "empty", "login"]
EVERY: tuple[Fault, ...] = ("429", "500", "drop", "truncate", "slow", "empty", "login")
# What the proxy says itself, to some faults.
_SAID: dict[str, tuple[int, bytes]] = {
    "429": (429, b'{"error": {"message": "too fast"}}'),
    "500": (500, b"overloaded"),
    "empty": (200, json.dumps({"id": "c", "object": "chat.completion", "choices": []}).encode()),
    "login": (200, b"<html>Sign in to continue</html>"),
}


class FaultyProxy(LocalServer):
    """Meets the first requests of each prompt with `faults`, one after another, from another place of them each time.

    `met` is how many faults each prompt meets before it is let through. A slow answer comes after `slow` seconds, and
    all ask to wait 0.05 seconds.
    """

    def __init__(self, upstream: str, faults: Sequence[Fault] = EVERY, met: int = 2, slow: float = 1.0) -> None:
        self.faults, self.met, self.slow = faults, met, slow
        self.attempts: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        super().__init__()
        self.url = f"{self.address}/v1"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        prompt = json.loads(body)["messages"][-1]["content"]
        fault = self._fault(prompt)
        if fault == "drop":
            request.close_connection = True
        elif fault in _SAID:
            _send(request, *_SAID[fault])
        else:
            if fault == "slow":
                time.sleep(self.slow)
            status, answer = self._ask(request, body)
            cut = answer[: len(answer) // 2] if fault == "truncate" else answer
            if not fault:
                with self._lock:
                    self.delivered[prompt] += 1
            _send(request, status, cut)

    def _fault(self, prompt: str) -> Fault | None:
        with self._lock:
            first = list(self.attempts).index(prompt) if prompt in self.attempts else len(self.attempts)
            attempt = self.attempts[prompt]
            self.attempts[prompt] += 1
            if attempt >= self.met:
                return None
            fault = self.faults[(first + attempt) % len(self.faults)]
            self.happened[fault] += 1
            return fault

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=60)
        passed = {name: request.headers[name] for name in ("Content-Type", "Authorization") if request.headers[name]}
        try:
            connection.request("POST", request.path, body, passed)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    request.send_response(status)
    for key, value in {"Content-Length": str(len(body)), "Retry-After": "0.05"}.items():
        request.send_header(key, value)
    request.end_headers()
    request.wfile.write(body)
