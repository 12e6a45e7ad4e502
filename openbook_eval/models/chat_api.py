"""The client of chat endpoints: many requests, some at a time, within a budget, each reply kept as it comes."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from tqdm import tqdm

from openbook_eval.errors import OpenbookError, visible
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.endpoints import FINAL, EndpointSettings, Failure, Reason, Reply, Request, Usage, read_reply

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

# The endpoint had begun when these happened, and may charge for the prompt.
_CHARGED: frozenset[Reason] = frozenset({"timeout", "malformed"})
# Questions given up in a row, and refusals before the first answer, after which the fault is not the questions'.
_IN_A_ROW = 10
_REFUSED_FIRST = 5
# Seconds. An endpoint that asks for a longer wait has a limit for the day, which a run cannot wait for.
_LONGEST_PAUSE, _LONGEST_WAIT = 60.0, 600.0
_AGAIN = {408, 409, 425}
_SAID_AT_MOST = 200


@dataclass(slots=True)
class Outcome:
    """What came of requests: replies and failures by key, attempts made, tokens lost to failures, why it stopped."""

    replies: dict[str, Reply]
    failures: dict[str, Failure] = field(default_factory=dict)
    attempts: int = 0
    lost: Usage = field(default_factory=Usage)
    stopped: OpenbookError | None = None


def ask_all(
    requests: Sequence[Request], settings: EndpointSettings, cache: ResponseCache, *, quiet: bool | None = None
) -> Outcome:
    """Ask what the cache does not hold yet; each reply is kept at once.

    Requests with one key are asked once. After a fault that is not one question's (a refused key, a spent budget, an
    endpoint that is down) no further request is sent, those under way may finish. `quiet` None shows progress in a
    terminal only. Raises OpenbookError where the key or the client is missing.
    """
    distinct = {request.key: request for request in requests}
    outcome = Outcome(kept_replies(distinct, cache))
    new = deque(request for key, request in distinct.items() if key not in outcome.replies)
    if not new:
        return outcome
    spent = sum((reply.usage(distinct[key].expected) for key, reply in outcome.replies.items()), Usage())
    with tqdm(total=len(distinct), initial=len(outcome.replies), disable=quiet, desc="Questions answered") as bar:
        asyncio.run(_Run(settings, cache, outcome, bar, new, spent).work())
    if not outcome.stopped and not outcome.replies:
        outcome.stopped = OpenbookError(next(iter(outcome.failures.values())).said)
    # Where two runs asked the same, both take the reply that was written first.
    outcome.replies |= kept_replies(outcome.replies, cache)
    return outcome


def kept_replies(keys: Mapping[str, object], cache: ResponseCache) -> dict[str, Reply]:
    """Return the replies to these keys that are kept; what is no reply is passed over."""
    found = {}
    for key, record in cache.records().items():
        with suppress(ValidationError):
            if key in keys:
                found[key] = Reply.model_validate(record)
    return found


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
    in_a_row: int = 0
    # No request goes before this time, since the endpoint asked to wait.
    resume_at: float = 0.0
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

        first = self.settings.retry_seconds
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda result: isinstance(result, Failure) and result.reason not in FINAL),
            stop=stop_after_attempt(self.settings.max_retries + 1),
            wait=wait_exponential_jitter(initial=first, max=_LONGEST_PAUSE, jitter=first),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )

        async def work_one() -> None:
            while self.pending:
                request = self.pending.popleft()
                try:
                    self._record(request, await retrying.copy()(self._attempt, request))
                except OpenbookError as stop:
                    self.pending.clear()
                    self.outcome.stopped = self.outcome.stopped or stop

        async with self.client, asyncio.TaskGroup() as group:
            for _ in range(min(self.settings.num_concurrent, len(self.pending))):
                group.create_task(work_one())

    async def _attempt(self, request: Request) -> Reply | Failure:
        """Send a request once, when its turn has come. Raises OpenbookError where the run has ended."""
        await self._turn(request)
        self.outcome.attempts += 1
        try:
            result = await self._post(request)
        finally:
            self.under_way.remove(request)
            self.settled.set()
        if isinstance(result, Reply):
            self.spent += result.usage(request.expected)
            return result
        if result.reason in _CHARGED:
            self.spent += Usage(request.expected.prompt)
            self.outcome.lost += Usage(request.expected.prompt)
        self.resume_at = max(self.resume_at, time.monotonic() + result.wait)
        return result

    async def _turn(self, request: Request) -> None:
        for limiter, amount in self._limiters:
            # A request above the limit of a whole minute goes alone in its minute.
            await limiter.acquire(min(amount(request), limiter.max_rate))
        while (wait := self.resume_at - time.monotonic()) > 0:
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
    def _limiters(self) -> list[tuple[Any, Any]]:
        from aiolimiter import AsyncLimiter

        settings, limiters = self.settings, list[tuple[Any, Any]]()
        if settings.requests_per_minute:
            # Evenly: a minute's worth at once is what endpoints refuse.
            limiters.append((AsyncLimiter(1, 60 / settings.requests_per_minute), lambda _: 1))
        if settings.tokens_per_minute:
            limiters.append((AsyncLimiter(settings.tokens_per_minute), lambda request: request.expected.tokens))
        return limiters

    @cached_property
    def client(self) -> "AsyncOpenAI":
        try:
            import openai
        except ImportError as error:
            raise OpenbookError(f"endpoints need the openai client ({error}); install openbook-eval[api]") from error
        # A line of the transport's log for each request would bury our own; a level that someone has set stays.
        for name in ("httpx", "httpx2"):
            if (logger := logging.getLogger(name)).level == logging.NOTSET:
                logger.setLevel(logging.WARNING)
        # A redirection could carry the key to another host. Retries are ours: each attempt is counted and paid for.
        return openai.AsyncOpenAI(
            base_url=self.settings.base_url,
            api_key=self.settings.key,
            timeout=self.settings.timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def _post(self, request: Request) -> Reply | Failure:
        """Return what the endpoint says. Raises OpenbookError where it would say the same to all others."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        payload = dict(request.payload)
        try:
            # The client's own limit is between two bytes; this one is for the whole.
            async with asyncio.timeout(self.settings.timeout):
                response = await self.client.chat.completions.with_raw_response.create(
                    model=payload.pop("model"), messages=payload.pop("messages"), extra_body=payload
                )
            return read_reply(response.content)
        except APIStatusError as error:
            return self._refusal(error)
        except (APITimeoutError, TimeoutError):
            return Failure("timeout", f"no answer within {self.settings.timeout:g} s")
        except APIConnectionError as error:
            return Failure("connection", self._said(f"{error} {error.__cause__ or ''}"))

    def _refusal(self, error: "APIStatusError") -> Failure:
        status, body = error.status_code, error.body
        fault = body if isinstance(body, dict) else {"message": body or ""}
        said = f"{status}: {self._said(str(fault.get('message') or body))}"
        if status in {401, 403}:
            raise OpenbookError(f"the endpoint refuses the key in {self.settings.key_variable} ({said})")
        if status == HTTPStatus.PAYMENT_REQUIRED or fault.get("code") == "insufficient_quota":
            raise OpenbookError(f"the account has nothing left ({said})")
        if status < HTTPStatus.BAD_REQUEST or status in {404, 405}:
            raise OpenbookError(f"{said}; does the address end in /v1, and is the model called so?")
        wait = _wait(error.response.headers.get("Retry-After", ""))
        if wait > _LONGEST_WAIT:
            raise OpenbookError(f"{said}; the endpoint asks to wait {wait:.0f} s")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Failure("rate_limit", said, wait)
        again = status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Failure("server_error" if again else "refused", said, wait)

    def _said(self, text: str) -> str:
        """Return what an endpoint said in one printable line, without the key."""
        shown = visible(" ".join(text.replace(self.settings.key, "(key)").split()))
        return shown if len(shown) <= _SAID_AT_MOST else shown[: _SAID_AT_MOST - 1] + "…"

    def _record(self, request: Request, result: Reply | Failure) -> None:
        """Keep a reply, count a failure. Raises OpenbookError where failures are not those of single questions."""
        if isinstance(result, Reply):
            # The whole reply as it came, so that thinking and token counts of a resumed run are those of a run in one.
            self.cache.append(request.key, result.model_dump(exclude_defaults=True))
            self.outcome.replies[request.key], self.in_a_row = result, 0
            self.bar.update()
            return
        failures = self.outcome.failures
        failures[request.key] = result
        if result.reason in FINAL:
            refused = sum(failure.reason in FINAL for failure in failures.values())
            if not self.outcome.replies and refused >= _REFUSED_FIRST:
                raise OpenbookError(f"the endpoint refused the first {refused} questions ({result.said})")
            return
        self.in_a_row += 1
        if self.in_a_row >= _IN_A_ROW:
            raise OpenbookError(f"{self.in_a_row} questions in a row got no answer ({result.said})")


def _wait(said: str) -> float:
    """Return the seconds that `Retry-After` asks for, as a number or a date (RFC 9110, section 10.2.3), or 0."""
    with suppress(ValueError):
        return float(said)
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(said).timestamp() - time.time()
    return 0.0
