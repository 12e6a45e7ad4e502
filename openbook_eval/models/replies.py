"""What goes to a chat endpoint and what comes back: requests, replies, failures, their plan before and tally after."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.files import sha256_json
from openbook_eval.matching.response import without_thought
from openbook_eval.models.endpoints import EndpointSettings

Reason = Literal["rate_limit", "server_error", "connection", "timeout", "malformed", "refused"]
# Asking again says the same.
FINAL: frozenset[Reason] = frozenset({"refused"})
# Tokens that a chat format puts around a message.
_AROUND = 8
_LATIN_CHARACTERS = 4
# What an answer takes where nothing is known: the prompt asks for letters and nothing else.
_LETTERS = 8


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that go in and tokens that come out."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the tokens of both."""
        return Usage(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: "Usage") -> "Usage":
        """Return the tokens beyond those of the other."""
        return Usage(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def tokens(self) -> int:
        """Return the tokens of either direction."""
        return self.prompt + self.completion

    def cost(self, settings: EndpointSettings) -> float:
        """Return the money in the currency of `settings`, 0 where its prices are not known."""
        return (self.prompt * (settings.price_in or 0) + self.completion * (settings.price_out or 0)) / 1e6


@dataclass(frozen=True, slots=True)
class Request:
    """One question on its way: the key of its answer, what is posted, and what it will take, estimated.

    `expected.completion` is the limit of the answer, which most answers stay far below.
    """

    key: str
    payload: Mapping[str, Any]
    expected: Usage

    @classmethod
    def of(cls, payload: Mapping[str, Any], settings: EndpointSettings, repeat: int = 1) -> "Request":
        """Make the request of a payload; `repeat` tells several answers to one question apart."""
        text = "".join(str(message["content"]) for message in payload["messages"])
        expected = Usage(estimated_tokens(text, settings.tokens_per_character), int(payload[settings.max_tokens_name]))
        return cls(sha256_json([dict(payload), repeat]), payload, expected)


def estimated_tokens(text: str, per_character: float) -> int:
    """Estimate the tokens of a text: `per_character` for one of Chinese script, a quarter for others."""
    # In UTF-8 a character of Chinese script has three bytes, one of Latin script one.
    wide = (len(text.encode("utf-8", "replace")) - len(text)) / 2
    return math.ceil(wide * per_character + (len(text) - wide) / _LATIN_CHARACTERS) + _AROUND


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question got no answer; `said` is one printable line, `wait` what the endpoint asks to wait, in seconds."""

    reason: Reason
    said: str
    wait: float = 0.0


class Reply(BaseModel):
    """What the model wrote, its thinking where the endpoint gives it apart, and the tokens that were counted.

    Token counts are None where the endpoint does not say. `finish` is why it stopped: `stop`, `length`, or whatever the
    endpoint calls it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    content: str
    finish: str
    reasoning: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None

    def answer(self, end: str | None = None) -> str | None:
        """Return the text behind the end of thinking, None where thinking does not end.

        `end` is the text that ends thinking, if it is not `</think>`; where it is given, a reply without it that was
        cut at its limit is nothing but thinking.
        """
        if end and not self.reasoning and self.finish == "length" and end not in self.content:
            return None
        text = without_thought(self.content.rpartition(end)[2] if end else self.content)
        if text is None or (not text.strip() and self.reasoning and self.finish == "length"):
            return None
        return text

    def thinking_tokens(self, end: str | None = None) -> int:
        """Return the tokens of thinking as the endpoint counts them, else by the share of characters."""
        if self.reasoning_tokens is not None:
            return self.reasoning_tokens
        answered = len(self.answer(end) or "")
        written = len(self.reasoning) + len(self.content)
        return round((self.completion_tokens or 0) * (written - answered) / written) if written else 0

    def usage(self, expected: Usage) -> Usage:
        """Return the tokens that it took, by the endpoint's count; where it does not count, estimated."""
        completion = self.completion_tokens
        if completion is None:
            completion = min(expected.completion, estimated_tokens(self.content + self.reasoning, 1.0))
        return Usage(expected.prompt if self.prompt_tokens is None else self.prompt_tokens, completion)


def read_reply(body: bytes) -> Reply | Failure:
    """Read the body of a chat completion.

    One that a content filter stopped is refused; anything that is no completion, or one without a choice, is malformed.
    """
    try:
        completion = orjson.loads(body)
        choice, usage = completion["choices"][0], completion.get("usage") or {}
        message, details = choice["message"], usage.get("completion_tokens_details") or {}
        reply = Reply(
            content=_text(message.get("content")),
            reasoning=_text(message.get("reasoning_content") or message.get("reasoning")),
            finish=str(choice.get("finish_reason")),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            reasoning_tokens=details.get("reasoning_tokens"),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError):
        return Failure("malformed", "what came is no chat completion")
    if reply.finish == "content_filter":
        return Failure("refused", "a content filter stopped the answer")
    return reply


def _text(value: object) -> str:
    if not isinstance(value, str | None):
        raise TypeError("the content is no text")
    # Half a surrogate pair is legal JSON and no text.
    return (value or "").encode("utf-8", "replace").decode()


def plan_lines(requests: Iterable[Request], replies: Mapping[str, Reply], settings: EndpointSettings) -> list[str]:
    """Return what a run will ask and what that will cost, all estimated, in lines for the terminal.

    Where replies are kept, their tokens tell what the others will take; else prompts are estimated by their characters
    and an answer is expected to be letters, behind thinking of the length that was set.
    """
    requests = list(requests)
    known = [request for request in requests if request.key in replies]
    new = [request for request in requests if request.key not in replies]
    taken = [replies[request.key].usage(request.expected) for request in known]
    guessed = sum(request.expected.prompt for request in known)
    ratio = sum(usage.prompt for usage in taken) / guessed if guessed else 1.0
    answer = (
        sum(usage.completion for usage in taken) / len(taken) if taken else _LETTERS + (settings.thinking_budget or 0)
    )
    most = Usage(
        round(ratio * sum(request.expected.prompt for request in new)),
        sum(request.expected.completion for request in new),
    )
    likely = Usage(most.prompt, min(most.completion, round(answer * len(new))))
    kept = f", {len(known):,} answers are kept from before" if known else ""
    money = f"cost unknown; give price_in= and price_out= ({settings.currency} per million tokens)"
    if settings.priced:
        source = f"prices of {settings.price_date}, {settings.price_source}" if settings.price_date else "prices given"
        money = f"about {likely.cost(settings):.2f} {settings.currency}, {most.cost(settings):.2f} at most ({source})"
    return [
        f"{len(new):,} requests to {settings.model} at {settings.identity['host']}{kept}",
        f"about {likely.prompt:,} tokens in and {likely.completion:,} out, {most.completion:,} out at most",
        money,
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a run's questions, and the tokens of all their answers, of this run and of those it goes on from.

    `failures` counts questions without an answer by reason; they are never scored. `unended_thinking` and `empty` are
    answers that say nothing. `thinking_tokens` are among the `completion_tokens`. `lost_tokens` are of this run's
    requests that came to nothing after the endpoint had begun; they are in the `cost`, which is None where prices are
    not known.
    """

    model: str
    host: str
    questions: int
    answered: int
    failures: Mapping[str, int]
    unended_thinking: int
    empty: int
    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int
    lost_tokens: int
    cost: float | None
    currency: str
    prices: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the part of a results file."""
        return asdict(self)

    def line(self) -> str:
        """Return one line for the terminal."""
        parts = [f"{self.answered} of {self.questions} questions answered"]
        if self.failures:
            parts.append(f"not answered: {reasons(self.failures)}")
        if self.unended_thinking:
            parts.append(f"{self.unended_thinking} answers are thinking that does not end")
        thinking = f" ({self.thinking_tokens:,} of thinking)" if self.thinking_tokens else ""
        parts.append(f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out{thinking}")
        if self.cost is not None:
            parts.append(f"{self.cost:.4f} {self.currency}")
        return "; ".join(parts)


def tally(
    keys: Sequence[str],
    requests: Mapping[str, Request],
    replies: Mapping[str, Reply],
    failures: Mapping[str, Failure],
    lost: Usage,
    settings: EndpointSettings,
) -> Tally:
    """Count the questions of `keys`, of which several may share one request; tokens are counted once a request."""
    answered = {key: replies[key] for key in requests if key in replies}
    texts = {key: reply.answer(settings.think_end_token) for key, reply in answered.items()}
    usage = sum((reply.usage(requests[key].expected) for key, reply in answered.items()), Usage())
    prices = ("price_in", "price_out", "price_date", "price_source")
    return Tally(
        **settings.identity,
        questions=len(keys),
        answered=sum(key in answered for key in keys),
        failures=dict(Counter(failures[key].reason for key in keys if key not in answered)),
        unended_thinking=sum(texts[key] is None for key in keys if key in texts),
        empty=sum((texts[key] or "").strip() == "" for key in keys if texts.get(key) is not None),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        thinking_tokens=sum(reply.thinking_tokens(settings.think_end_token) for reply in answered.values()),
        lost_tokens=lost.tokens,
        cost=(usage + lost).cost(settings) if settings.priced else None,
        currency=settings.currency,
        prices={name: getattr(settings, name) for name in prices} if settings.priced else {},
    )


def reasons(failures: Mapping[str, int]) -> str:
    """Return failures in words, the commonest first."""
    ordered = sorted(failures.items(), key=lambda failure: (-failure[1], failure[0]))
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in ordered)


# The tally of the last run of this process, for whoever writes the results file: lm-eval hands no model out.
_last: list[Tally] = []


def leave(found: Tally) -> None:
    """Leave a tally for `taken`."""
    _last.append(found)


def taken() -> Tally | None:
    """Return the tally that was left since the last call, None where no endpoint was asked."""
    found = _last[-1] if _last else None
    _last.clear()
    return found


def refuse_gaps(found: Tally | None) -> None:
    """Raise OpenbookError where questions got no answer that asking again may bring.

    Questions that the endpoint refuses, as content filters do, it would refuse again: they do not fail a run.
    """
    if found and found.failures.keys() - FINAL:
        raise OpenbookError(
            f"{found.questions - found.answered} of {found.questions} questions are not answered "
            f"({reasons(found.failures)}) and left out of the scores; the same command asks only these again"
        )
