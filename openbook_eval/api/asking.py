"""Many questions put to an endpoint, some at a time: again after a failure, within a budget, kept as they come."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from openbook_eval.api.exchange import Line, Stopped
from openbook_eval.api.replies import FINAL, Failure, Reply
from openbook_eval.api.settings import Settings
from openbook_eval.api.spending import Budget, Request, Usage, used
from openbook_eval.errors import OpenbookError

if TYPE_CHECKING:
    from aiohttp import ClientSession

# Questions given up in a row, and refusals before the first answer, after which the fault is not the questions'.
_IN_A_ROW = 10
_REFUSED_FIRST = 5
_LONGEST_PAUSE = 60.0

_chance = random.SystemRandom()


class OverBudget(Stopped):
    """The limit that the user set is reached."""


class _Pace:
    """When the next request may go: so many a minute, and none while the endpoint asks to wait."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        while (wait := self._next - monotonic()) > 0:
            await asyncio.sleep(wait)
        self._next = monotonic() + self._gap

    def hold(self, seconds: float) -> None:
        self._next = max(self._next, monotonic() + seconds)


@dataclass(slots=True)
class _Run:
    """The state that the workers of one run share."""

    settings: Settings
    line: Line
    budget: Budget
    keep: Callable[[Request, Reply], None]
    pending: deque[Request]
    answered: bool
    pace: _Pace
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    failures: dict[str, Failure] = field(default_factory=dict)
    retries: int = 0
    in_a_row: int = 0
    stopped: Exception | None = None

    def stop(self, reason: Exception) -> None:
        self.pending.clear()
        self.stopped = self.stopped or reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What got no answer, by key, how often a request was made again, and why the run stopped, if it did."""

    failures: dict[str, Failure]
    retries: int
    stopped: Exception | None


def ask(
    requests: Sequence[Request],
    settings: Settings,
    budget: Budget,
    keep: Callable[[Request, Reply], None],
    *,
    answered: bool = False,
) -> Outcome:
    """Puts every request to the endpoint and hands each reply to `keep` at once.

    After a fault that is not one question's (a refused key, a spent budget, an endpoint that is down) no further
    request is sent, those under way may finish. `answered` tells that the endpoint has answered before: else refusals
    of the first few questions are taken for a fault of the set-up. Raises OpenbookError where the key is missing.
    """
    run = _Run(settings, Line(settings), budget, keep, deque(requests), answered, _Pace(settings.requests_per_minute))
    asyncio.run(_work_all(run))
    return Outcome(run.failures, run.retries, run.stopped)


async def _work_all(run: _Run) -> None:
    async with run.line.session() as session, asyncio.TaskGroup() as group:
        for _ in range(min(run.settings.num_concurrent, len(run.pending))):
            group.create_task(_work(run, session))


async def _work(run: _Run, session: "ClientSession") -> None:
    while run.pending:
        request = run.pending.popleft()
        try:
            await _take(run, request)
            try:
                result = await _answer(run, session, request)
            except BaseException:
                _settle(run, request, Usage())
                raise
            _settle(run, request, _taken(request, result))
            if isinstance(result, Reply):
                run.keep(request, result)
            _count(run, request, result)
        except (Stopped, OpenbookError) as stop:
            run.stop(stop)
            return


async def _take(run: _Run, request: Request) -> None:
    """Waits until the budget lets `request` go; what is under way may take less than it might. Raises Stopped."""
    while not run.budget.take(request):
        if run.stopped or run.budget.idle:
            raise OverBudget(f"the next question might exceed {run.budget.limit}")
        run.settled.clear()
        await run.settled.wait()


def _settle(run: _Run, request: Request, taken: Usage) -> None:
    run.budget.settle(request, taken)
    run.settled.set()


def _taken(request: Request, result: Reply | Failure) -> Usage:
    """What a request took; one that came to nothing after the endpoint had begun may be charged for its prompt."""
    if isinstance(result, Reply):
        return used(result, request.expected)
    return Usage(request.expected.prompt) if result.reason in {"timeout", "malformed"} else Usage()


async def _answer(run: _Run, session: "ClientSession", request: Request) -> Reply | Failure:
    """The reply, or the failure after the last attempt. Pauses double; of each, half is drawn."""
    settings = run.settings
    attempt = 0
    while True:
        await run.pace.turn()
        result = await run.line.post(session, request)
        if isinstance(result, Reply) or result.reason in FINAL or attempt == settings.max_retries:
            return result
        if result.wait:
            run.pace.hold(result.wait)
        longest = min(_LONGEST_PAUSE, settings.retry_seconds * 2**attempt)
        await asyncio.sleep(_chance.uniform(longest / 2, longest))
        if run.stopped:
            return result
        attempt += 1
        run.retries += 1


def _count(run: _Run, request: Request, result: Reply | Failure) -> None:
    """Raises Stopped where the failures are no longer those of single questions."""
    if isinstance(result, Reply):
        run.answered, run.in_a_row = True, 0
        return
    run.failures[request.key] = result
    if result.reason in FINAL:
        refused = sum(failure.reason in FINAL for failure in run.failures.values())
        if not run.answered and refused >= _REFUSED_FIRST:
            raise Stopped(f"the endpoint refused the first {refused} questions ({result.said})")
        return
    run.in_a_row += 1
    if run.in_a_row >= _IN_A_ROW:
        raise Stopped(f"{run.in_a_row} questions in a row got no answer ({result.said})")
