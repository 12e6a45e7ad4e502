"""What an endpoint says to one question: an answer with its thinking taken off, or a failure with its reason."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.entries.endpoint import after_thinking

Reason = Literal["rate_limit", "server_error", "connection", "timeout", "malformed", "refused"]
# Asking again says the same.
FINAL: frozenset[Reason] = frozenset({"refused"})


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
        """The text behind the end of thinking, None where thinking does not end.

        `end` is the text that ends thinking, if it is not `</think>`; where it is given, a reply without it that was
        cut at its limit is nothing but thinking.
        """
        if end and not self.reasoning and self.finish == "length" and end not in self.content:
            return None
        text = after_thinking(self.content.rpartition(end)[2] if end else self.content)
        if text is None or (not text.strip() and self.reasoning and self.finish == "length"):
            return None
        return text

    def thinking_tokens(self, end: str | None = None) -> int:
        """Tokens of thinking as the endpoint counts them, else the share of the characters that are thinking."""
        if self.reasoning_tokens is not None:
            return self.reasoning_tokens
        answered = len(self.answer(end) or "")
        written = len(self.reasoning) + len(self.content)
        return round((self.completion_tokens or 0) * (written - answered) / written) if written else 0


def read_reply(body: bytes) -> Reply | Failure:
    """The reply in the body of a chat completion.

    One that a content filter stopped is refused; anything that is no completion, or one without a choice, is malformed.
    """
    try:
        completion = orjson.loads(body)
        choice = completion["choices"][0]
        message = choice["message"]
        reply = Reply(
            # Half a surrogate pair is legal JSON and no text.
            content=_text(message.get("content")),
            reasoning=_text(message.get("reasoning_content") or message.get("reasoning")),
            finish=str(choice.get("finish_reason")),
            **_usage(completion.get("usage")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError):
        return Failure("malformed", "what came is no chat completion")
    if reply.finish == "content_filter":
        return Failure("refused", "a content filter stopped the answer")
    return reply


def _text(value: object) -> str:
    if not isinstance(value, str | None):
        raise TypeError("the content is no text")
    return (value or "").encode("utf-8", "replace").decode()


def _usage(usage: Any) -> dict[str, int | None]:
    usage = usage or {}
    details = usage.get("completion_tokens_details") or {}
    return {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "reasoning_tokens": details.get("reasoning_tokens"),
    }
