"""Many prompts put to an OpenAI-compatible endpoint, some at a time, each answer handed over as it comes."""

import asyncio
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openbook_eval.errors import OpenbookError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Greedy, so that asking again would say the same.
TEMPERATURE = 0.0
SEED = 20240726
NO_KEY = "no-key-needed"

# Seconds to wait for one answer, and how often to ask again; the client waits longer each time.
_TIMEOUT = 300.0
_RETRIES = 3
_SAID_AT_MOST = 200
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
_THINKING_BEGINS, _THINKING_ENDS = re.compile("<think>", re.IGNORECASE), re.compile("</think>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask which model, and for how long an answer; raises OpenbookError where that cannot be."""

    url: str
    model: str
    max_tokens: int

    def __post_init__(self) -> None:
        """The address is not repeated in the message: what is wrong with it may be a password in it."""
        if not is_address(self.url):
            raise OpenbookError(
                "endpoint: must be an address such as http://127.0.0.1:8000/v1, without user, password or query; "
                "a key goes into OPENAI_API_KEY"
            )
        if not self.model.strip():
            raise OpenbookError("model: is empty; name the model as the endpoint does (GET /v1/models lists them)")
        if self.max_tokens < 1:
            raise OpenbookError(f"max_tokens: must be 1 or more, not {self.max_tokens}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote, and why it stopped: `stop`, `length`, or whatever the endpoint calls it."""

    text: str
    finish: str


class Stopped(Exception):  # noqa: N818 - told to the user by whoever knows how much was kept
    """The endpoint failed; the message is what it said, in one line."""


@dataclass(slots=True)
class _Run:
    """The state that the workers of one run share."""

    pending: deque[tuple[str, str]]
    keep: Callable[[str, Reply], None]
    answered: bool
    failures: list[Exception] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)

    def stop(self, failure: Exception) -> None:
        self.pending.clear()
        self.failures.append(failure)


def ask(
    prompts: Iterable[tuple[str, str]],
    endpoint: Endpoint,
    keep: Callable[[str, Reply], None],
    *,
    parallel: int,
    answered: bool = False,
) -> dict[str, str]:
    """Puts (key, prompt) pairs to the endpoint, `parallel` at a time, and hands each reply to `keep` under its key.

    Returns, by key, what the endpoint said to prompts that it refused (400, 422), as content filters do. Where none was
    answered before, in this run or as `answered` tells in an earlier one, a refusal is a fault of the set-up and stops
    the run. After a failure no further prompt is sent, those under way may finish. Raises Stopped, or OpenbookError
    where the client is missing.
    """
    try:
        import openai  # noqa: F401
    except ImportError as error:
        raise OpenbookError(
            f"writing entries needs the openai client ({error}); install openbook-eval[generation]"
        ) from error
    _quieten_transport()
    run = _Run(deque(prompts), keep, answered)
    asyncio.run(_work_all(run, endpoint, api_key(), parallel))
    for failure in run.failures:
        raise failure
    return run.refusals


async def _work_all(run: _Run, endpoint: Endpoint, key: str, parallel: int) -> None:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=endpoint.url, api_key=key, timeout=_TIMEOUT, max_retries=_RETRIES)
    async with client, asyncio.TaskGroup() as group:
        for _ in range(min(parallel, len(run.pending))):
            group.create_task(_work(run, client, endpoint))


async def _work(run: _Run, client: "AsyncOpenAI", endpoint: Endpoint) -> None:
    from openai import BadRequestError, UnprocessableEntityError

    while run.pending:
        key, prompt = run.pending.popleft()
        try:
            reply = await _one(client, endpoint, prompt)
        except Exception as error:  # the client passes on the errors of its transport library, which changes
            said = _said(error, client.api_key)
            if run.answered and isinstance(error, BadRequestError | UnprocessableEntityError):
                run.refusals[key] = said
                continue
            run.stop(Stopped(said))
            return
        try:
            run.keep(key, reply)
        except OpenbookError as error:
            run.stop(error)
            return
        run.answered = True


async def _one(client: "AsyncOpenAI", endpoint: Endpoint, prompt: str) -> Reply:
    completion: Any = await client.chat.completions.create(
        model=endpoint.model,
        messages=[{"role": "user", "content": prompt}],
        temperature=TEMPERATURE,
        seed=SEED,
        max_tokens=endpoint.max_tokens,
    )
    # The client takes whatever a server says with status 200, a login page as well, for a completion.
    try:
        (choice, *_) = completion.choices
        text, finish = choice.message.content, str(choice.finish_reason)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"not a chat completion: {completion!r}") from None
    if not isinstance(text, str | None):
        raise ValueError(f"not a chat completion: {text!r}")
    # Half a surrogate pair is legal JSON and no text.
    return Reply((text or "").encode("utf-8", "replace").decode(), finish)


def _said(error: Exception, key: str) -> str:
    """One printable line of what went wrong, without the key, at most 200 characters."""
    from openai import APIStatusError, NotFoundError

    body = getattr(error, "body", None)
    said = str(body["message"]) if isinstance(body, dict) and body.get("message") else str(error)
    if isinstance(error, APIStatusError) and str(error.status_code) not in said:
        said = f"{error.status_code}: {said}"
    elif error.__cause__ and str(error.__cause__):
        said = f"{said} {error.__cause__}"
    shown = one_line(said, key) or type(error).__name__
    hint = "; does the address end in /v1, and is the model called so?" if isinstance(error, NotFoundError) else ""
    return shown + hint


def one_line(said: str, key: str) -> str:
    """What an endpoint said, in one printable line of at most 200 characters, without the key."""
    line = " ".join(said.replace(key, "(key)").split())
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)
    return shown if len(shown) <= _SAID_AT_MOST else shown[: _SAID_AT_MOST - 1] + "…"


def after_thinking(text: str) -> str | None:
    """What a thinking model says behind its last `</think>`; None where thinking does not end."""
    said = _THINKING_ENDS.split(text)[-1]
    return None if _THINKING_BEGINS.search(said) else said


def _quieten_transport() -> None:
    """A log line for each request would bury our own; a level that someone has set stays."""
    for name in ("httpx", "httpx2"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def api_key(variable: str = "OPENAI_API_KEY") -> str:
    """The key in a variable, else a word for local servers, which ask for none.

    Raises OpenbookError for what no header takes.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise OpenbookError(f"{variable}: holds signs that no key has; copy it again")
    return key or NO_KEY


def is_address(url: str) -> bool:
    """Whether `url` is an address of http or https without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        return bool(_ADDRESS.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:  # no port, or brackets that do not close
        return False
