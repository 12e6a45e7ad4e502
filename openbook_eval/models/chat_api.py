"""The client of chat endpoints: many requests, some at a time, within a budget, each reply kept as it comes."""

import asyncio
import json
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError
from tqdm import tqdm

from openbook_eval.errors import OpenbookError, first_line, visible
from openbook_eval.models.cache import Record, ResponseCache
from openbook_eval.models.endpoints import FINAL, EndpointSettings, Failure, Reply, Request, Usage, read_reply, reasons

if TYPE_CHECKING:
    from httpx import AsyncClient

# Questions without an answer in a row after which the fault is not theirs: given up, forbidden, or before the first
# answer refused or answered with nothing.
_IN_A_ROW = 10
_ADVICE = "does it end within its tokens (thinking_budget=), and does the server tell it from thinking?"
# Seconds. An endpoint that asks for a longer wait has a limit for the day, which a run cannot wait for.
_LONGEST_PAUSE, _LONGEST_WAIT = 60.0, 600.0
_LONGEST_REPLY = 10_000_000
_AGAIN = {408, 409, 425}
_STATUSES = {str(status.value) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST}
# Of gateways that waited for an answer in vain (524 is Cloudflare's).
_TIMED_OUT = {408, 504, 524}
# As OpenAI, Zhipu and Alibaba say it, with a status that others give for other things.
_NOTHING_LEFT = {"insufficient_quota", "1113", "Arrearage"}
_SAID_AT_MOST, _SHOWN = 200, 60
# Records in the cache of an attempt: that it was sent, and what it cost where it brought no answer.
_SENT, _LOST = "sent ", "lost "


@dataclass(slots=True)
class Outcome:
    """What came of requests: replies and failures by key, attempts made, tokens lost to failures, why it stopped.

    `asked` counts the replies that were not kept from before. `lost` are what failures may be charged for, those of
    earlier runs of these requests included.
    """

    replies: dict[str, Reply]
    failures: dict[str, Failure] = field(default_factory=dict)
    attempts: int = 0
    asked: int = 0
    lost: Usage = field(default_factory=Usage)
    stopped: OpenbookError | None = None


def ask_all(
    requests: Sequence[Request], settings: EndpointSettings, cache: ResponseCache, *, quiet: bool | None = None
) -> Outcome:
    """Ask what the cache does not hold yet; each reply is kept at once.

    Requests with one key are asked once. After a fault that is not one question's (a refused key, a spent budget, an
    endpoint that is down) no further request is sent, those under way may finish. `quiet` None shows progress in a
    terminal only. Raises OpenbookError where the key is missing, or another run writes to the cache.
    """
    distinct = {request.key: request for request in requests}
    with cache.writing():
        records = cache.records()
        outcome = Outcome(kept_replies(distinct, records), lost=_lost_before(distinct, records))
        new = deque(request for key, request in distinct.items() if key not in outcome.replies)
        if not new:
            return outcome
        spent = sum((reply.usage(distinct[key].expected) for key, reply in outcome.replies.items()), outcome.lost)
        with tqdm(total=len(distinct), initial=len(outcome.replies), disable=quiet, desc="Questions answered") as bar:
            asyncio.run(_Run(settings, cache, outcome, bar, new, spent).work())
    if not outcome.stopped and not outcome.replies:
        outcome.stopped = OpenbookError(next(iter(outcome.failures.values())).said)
    return outcome


def kept_replies(keys: Collection[str], records: Mapping[str, Record]) -> dict[str, Reply]:
    """Return the replies to these keys that are kept; what is no reply is passed over."""
    found = {}
    for key in keys & records.keys():
        with suppress(ValidationError):
            found[key] = Reply.model_validate(records[key])
    return found


def _lost_before(keys: Collection[str], records: Mapping[str, Record]) -> Usage:
    """Return what earlier runs paid for nothing: for failures, and for requests that were under way at their end."""
    lost, answered = Usage(), set(keys & records.keys())
    for name, record in records.items():
        key, is_sent = record.get("of"), name.startswith(_SENT)
        if key not in keys or (is_sent and name.replace(_SENT, _LOST) in records):
            continue
        if is_sent and key in answered:
            # Of the attempts at a question that came to no known end one brought its answer.
            answered.remove(key)
        else:
            lost += Usage(*record["lost"])
    return lost


@dataclass
class _Run:
    """The state that the workers of one run share."""

    settings: EndpointSettings
    cache: ResponseCache
    outcome: Outcome
    bar: Any
    pending: deque[Request]
    spent: Usage
    under_way: list[Request] = field(default_factory=list)
    # When a question was last sent, which tells its attempts apart.
    sent: dict[str, str] = field(default_factory=dict)
    in_a_row: int = 0
    again: Counter[str] = field(default_factory=Counter)
    # No request goes before these times: the limits of a minute, and what the endpoint asked to wait.
    next_turn: float = 0.0
    resume_at: float = 0.0
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        async with self.client, asyncio.TaskGroup() as group:
            for _ in range(min(self.settings.num_concurrent, len(self.pending))):
                group.create_task(self._work_one())

    async def _work_one(self) -> None:
        while self.pending:
            request = self.pending.popleft()
            try:
                self._record(request, await self._insist(request))
            except OpenbookError as stop:
                self.pending.clear()
                self.outcome.stopped = self.outcome.stopped or stop

    async def _insist(self, request: Request) -> Reply | Failure:
        """Send a request until it is answered or refused, or given up; pauses double, and differ between workers."""
        pause = self.settings.retry_seconds
        for left in range(self.settings.max_retries, -1, -1):
            result = await self._attempt(request)
            if isinstance(result, Reply) or result.reason in FINAL or not left:
                break
            await asyncio.sleep(pause + random.uniform(0, self.settings.retry_seconds))  # noqa: S311 (no secret)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return result

    async def _attempt(self, request: Request) -> Reply | Failure:
        """Send a request once, when its turn has come. Raises OpenbookError where the run has ended."""
        await self._turn(request)
        self.outcome.attempts += 1
        self.sent[request.key] = str(time.time_ns())
        try:
            # In case that the run ends before the answer comes, which is paid for all the same.
            self._note(_SENT, request, request.expected)
            result = await self._post(request)
        except OpenbookError:
            self._lose(request, Usage())
            raise
        finally:
            self.under_way.remove(request)
            self.settled.set()
        self.spent += (usage := result.usage(request.expected))
        if isinstance(result, Reply):
            return result
        self._lose(request, usage)
        self.resume_at = max(self.resume_at, time.monotonic() + result.wait)
        if result.reason not in FINAL:
            self.again[result.reason] += 1
            wait = f", waiting {result.wait:.0f} s" if result.wait > 1 else ""
            self.bar.set_postfix_str(f"sent again: {reasons(self.again)}{wait} ({result.said[:_SHOWN]})")
        return result

    def _lose(self, request: Request, lost: Usage) -> None:
        """Count tokens that may be charged for nothing, and keep the count for the runs that go on from this one."""
        self.outcome.lost += lost
        self._note(_LOST, request, lost)

    def _note(self, what: str, request: Request, lost: Usage) -> None:
        record = {"of": request.key, "lost": [lost.prompt, lost.completion]}
        self.cache.append(what + self.sent[request.key], record)

    async def _turn(self, request: Request) -> None:
        # Evenly: a minute's worth at once is what endpoints refuse.
        settings, turn = self.settings, max(time.monotonic(), self.next_turn)
        shares = (
            1 / (settings.requests_per_minute or inf),
            request.expected.tokens / (settings.tokens_per_minute or inf),
        )
        self.next_turn = turn + 60 * max(shares)
        while (wait := max(turn, self.resume_at) - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        while not self.outcome.stopped and (limit := self._exceeded(request)):
            # What is under way may take less than it might.
            if not self.under_way:
                raise OpenbookError(f"the next question might exceed {limit}; set a higher limit")
            self.settled.clear()
            await self.settled.wait()
        if self.outcome.stopped:
            raise self.outcome.stopped
        self.under_way.append(request)

    def _exceeded(self, request: Request) -> str:
        """Return the limit that is exceeded if all that is under way, and `request`, take as much as they may."""
        after, settings = sum((each.expected for each in self.under_way), self.spent + request.expected), self.settings
        if settings.max_tokens_total is not None and after.tokens > settings.max_tokens_total:
            return f"max_tokens_total={settings.max_tokens_total}"
        if settings.max_cost is not None and after.cost(settings) > settings.max_cost:
            return f"max_cost={settings.max_cost} {settings.currency}"
        return ""

    @cached_property
    def client(self) -> "AsyncClient":
        import httpx

        # A line of the transport's log for each request would bury our own; a level that someone has set stays.
        if (logger := logging.getLogger("httpx")).level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
        headers = {"Authorization": f"Bearer {self.settings.key}", "Content-Type": "application/json"}
        limits, timeout = httpx.Limits(max_connections=self.settings.num_concurrent), self.settings.timeout
        try:
            # A redirection could carry the key to another host.
            return httpx.AsyncClient(headers=headers, timeout=timeout, limits=limits, follow_redirects=False)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            reason = self._said(first_line(error)).rstrip(".")
            raise OpenbookError(
                f"the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used ({reason})"
            ) from error

    async def _post(self, request: Request) -> Reply | Failure:
        """Return what the endpoint says. Raises OpenbookError where it would say the same to all others."""
        import httpx

        # Half a surrogate pair cannot be sent.
        content = json.dumps(dict(request.payload), ensure_ascii=False).encode("utf-8", "replace")
        address, body = f"{self.settings.base_url}/chat/completions", b""
        try:
            # The client's own limit is between two bytes; this one is for the whole.
            async with (
                asyncio.timeout(self.settings.timeout),
                self.client.stream("POST", address, content=content) as response,
            ):
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _LONGEST_REPLY:
                        return Failure("malformed", f"the reply has more than {_LONGEST_REPLY:,} bytes", begun=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Failure("connection", self._said(str(error) or "no connection"))
        except (httpx.TimeoutException, TimeoutError):
            return Failure("timeout", f"no answer within {self.settings.timeout:g} s", begun=True)
        except httpx.HTTPError as error:
            return Failure("connection", self._said(str(error) or type(error).__name__), begun=True)
        found, status, (fault, code) = read_reply(body), response.status_code, _error(body)
        if response.is_success:
            if isinstance(found, Reply) or not fault:
                return found if isinstance(found, Reply) else replace(found, said=self._said(found.said))
            # Some say their errors with status 200, and the status that they mean within.
            status = int(code) if code in _STATUSES else 0
        said = self._said(fault or body[:_SAID_AT_MOST].decode("utf-8", "replace"))
        return self._refusal(status, code, f"{status}: {said}" if status else said, response.headers.get("Retry-After"))

    def _refusal(self, status: int, code: str, said: str, retry_after: str | None) -> Failure:
        wait = _wait(retry_after or "")
        if status == HTTPStatus.UNAUTHORIZED:
            raise OpenbookError(f"the endpoint refuses the key in {self.settings.key_variable} ({said})")
        if status == HTTPStatus.PAYMENT_REQUIRED or code in _NOTHING_LEFT:
            raise OpenbookError(f"the account has nothing left ({said})")
        if 0 < status < HTTPStatus.BAD_REQUEST or status in {404, 405}:
            said += "; does the address end in /v1, and is the model called so?"
            if not self.outcome.replies:
                raise OpenbookError(said)
            return Failure("wrong_address", said)
        if wait > _LONGEST_WAIT:
            raise OpenbookError(f"{said}; the endpoint asks to wait {wait:.0f} s")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Failure("rate_limit", said, wait)
        if status in _TIMED_OUT:
            return Failure("timeout", said, wait, begun=True)
        again = status in _AGAIN or not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Failure("server_error" if again else "refused", said, wait, status)

    def _said(self, text: str) -> str:
        """Return what an endpoint said in one printable line, without the key."""
        shown = visible(" ".join(text.replace(self.settings.key, "(key)").split()))
        return shown if len(shown) <= _SAID_AT_MOST else shown[: _SAID_AT_MOST - 1] + "…"

    def _record(self, request: Request, result: Reply | Failure) -> None:
        """Keep a reply, count a failure. Raises OpenbookError where failures are not those of single questions."""
        replies = self.outcome.replies
        if isinstance(result, Reply):
            lacks = None if replies else result.lacks(self.settings.think_end_token)
            if lacks is None:
                self._keep(request, result)
                return
            # Whether that is the model's answer is not known before it has said something.
            self._lose(request, result.usage(request.expected))
            self.pending.append(request)
            result = Failure("malformed", f"the reply is {lacks.replace('_', ' ')}; {_ADVICE}")
        self.outcome.failures[request.key] = result
        if result.reason == "wrong_address":
            raise OpenbookError(result.said)
        # That some questions are refused is their own affair, but not that the key is.
        if result.reason in FINAL and replies and result.status != HTTPStatus.FORBIDDEN:
            return
        self.in_a_row += 1
        if self.in_a_row >= _IN_A_ROW:
            raise OpenbookError(f"{self.in_a_row} questions in a row got no answer ({result.said})")

    def _keep(self, request: Request, reply: Reply) -> None:
        # The whole reply as it came, so that thinking and token counts of a resumed run are those of a run in one.
        self.cache.append(request.key, reply.model_dump(exclude_defaults=True))
        self.outcome.replies[request.key] = reply
        self.outcome.failures.pop(request.key, None)
        self.outcome.asked += 1
        self.in_a_row = 0
        self.bar.update()


def _error(body: bytes) -> tuple[str, str]:
    """Return message and code of the error in a body, "" for what is not there."""
    try:
        found = orjson.loads(body)
        error = found.get("error") or found
        return (error, "") if isinstance(error, str) else (str(error.get("message") or ""), str(error.get("code")))
    except (ValueError, AttributeError):
        return "", ""


def _wait(said: str) -> float:
    """Return the seconds that `Retry-After` asks for, as a number or a date (RFC 9110, section 10.2.3), or 0."""
    with suppress(ValueError):
        return float(said)
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(said).timestamp() - time.time()
    return 0.0
