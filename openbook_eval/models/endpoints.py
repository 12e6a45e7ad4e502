"""A chat endpoint: how a model behind it is asked (`--model_args` over a profile), what goes there, what comes back."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from openbook_eval.errors import OpenbookError, did_you_mean, validation_message
from openbook_eval.files import load_yaml, sha256_json
from openbook_eval.matching.response import without_thought
from openbook_eval.models import API

_NO_KEY = "no-key-needed"
_PROFILES = Path(__file__).with_name("endpoints.yml")
# What a profile says of its own model at its own address only.
_PRICES = ("price_in", "price_out", "price_date", "price_source")
# Results keep the arguments of a model: a key among them would be published with the scores.
_SECRETS = frozenset({"api_key", "auth_token", "header", "headers", "key", "token", "password"})
# What lm-eval adds to the arguments of every model, and API models have no use for.
_OF_THE_HARNESS = frozenset({"batch_size", "max_batch_size", "device", "pretrained"})
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")


def _variable(name: str) -> str:
    if not re.fullmatch("[A-Z_][A-Z0-9_]*", name):
        raise PydanticCustomError("variable", "must be the name of a variable in capitals, not the key itself")
    return name


# Of a body that cannot be read.
_SHOWN = 400


class EndpointSettings(BaseModel):
    """One endpoint, one model, and how it is asked; `openbook-eval run --help` prints what the settings mean."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base_url: str = Field(description="address of the server, such as http://127.0.0.1:8000/v1")
    model: str = Field(min_length=1, description="what the server calls the model")
    key_variable: Annotated[str, AfterValidator(_variable)] = Field(
        default="OPENAI_API_KEY", description="variable of the environment that holds the key"
    )
    needs_key: bool = False
    num_concurrent: int = Field(default=8, ge=1, description="requests under way at once")
    requests_per_minute: float | None = Field(default=None, gt=0, description="requests that go in a minute, evenly")
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="tokens that go in a minute: prompts and limits"
    )
    timeout: float = Field(default=300, gt=0, description="seconds that one answer may take")
    max_retries: int = Field(default=6, ge=0, description="times that a failed request is sent again")
    retry_seconds: float = Field(default=1.0, gt=0, description="pause before the first of these; it doubles")
    tokens_per_character: float = Field(default=1.0, gt=0, description="tokens of a Chinese character, for estimates")
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="what the endpoint calls the limit of an answer"
    )
    # YAML has lists only, and pydantic's strictness wants a tuple.
    omit: tuple[str, ...] = Field(default=(), strict=False, description="fields that the endpoint refuses")
    extra: Mapping[str, Any] = Field(default={}, description="fields that go with each request")
    thinking_budget: int | None = Field(default=None, ge=0, description="tokens of thinking, on top of max_gen_toks")
    thinking_name: str = Field(default="thinking_token_budget", description="field that the budget goes in, or none")
    think_end_token: str | None = Field(default=None, description="text that ends thinking, where it is not </think>")
    logprobs: bool = Field(default=False, description="whether the endpoint gives log-probabilities")
    seed: int = Field(default=1234, description="goes with each request")
    currency: str = Field(default="USD", description="that of the prices and of max_cost")
    price_in: float | None = Field(default=None, ge=0, description="price of a million tokens of prompts")
    price_out: float | None = Field(default=None, ge=0, description="price of a million tokens of answers")
    price_date: str | None = None
    price_source: str | None = None
    max_tokens_total: int | None = Field(
        default=None, ge=1, description="tokens that a run may take, earlier starts included"
    )
    max_cost: float | None = Field(default=None, ge=0, description="money that a run may cost, earlier starts included")
    dry_run: bool = False

    @property
    def prices(self) -> dict[str, Any]:
        """Return the prices of both directions with their date and source; nothing where one is not known."""
        known = self.price_in is not None and self.price_out is not None
        return {name: getattr(self, name) for name in _PRICES} if known else {}

    @property
    def identity(self) -> dict[str, str]:
        """Return who answers: two servers of one host may call different models by one name."""
        return {"model": self.model, "base_url": self.base_url}

    @property
    def host(self) -> str:
        """Return what results say of the address."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def key(self) -> str:
        """Return the key in the environment, else a word for local servers, which ask for none.

        Raises OpenbookError where it is missing, or is what no header takes.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise OpenbookError(f"{self.key_variable}: holds characters that no key has; copy it again")
        if self.needs_key and not key:
            raise OpenbookError(f"{self.key_variable} is not set; the key of {self.base_url} goes there")
        return key or _NO_KEY


def settings_help() -> str:
    """Return what `--model_args` of an endpoint may hold, a line each, with defaults."""
    lines = []
    for name, field in EndpointSettings.model_fields.items():
        default = "" if field.is_required() or not field.default else f" ({field.default})"
        lines += [f"  {name + '=':<22}{field.description}{default}"] if field.description else []
    return "\n".join(lines)


def checked(config: Any, *, dry_run: bool) -> dict[str, Any]:
    """Return the model's arguments in lm-eval's `config`, with `dry_run` among them where it is asked for.

    They are checked here since lm-eval prints them before the model sees them. Raises OpenbookError.
    """
    arguments: dict[str, Any] = config.model_args
    if config.model != API:
        if dry_run:
            raise OpenbookError(f"--dry-run is for --model {API}; other models cost nothing to ask")
        return arguments
    arguments = arguments | ({"dry_run": True} if dry_run else {})
    read_settings(arguments)
    return arguments


def read_settings(arguments: Mapping[str, Any]) -> EndpointSettings:
    """Read the settings in lm-eval's `model_args`. Raises OpenbookError, of one line that repeats no secret."""
    given = {name: value for name, value in arguments.items() if name not in _OF_THE_HARNESS and value is not None}
    if secret := sorted(_SECRETS & given.keys()):
        raise OpenbookError(
            f"--model_args {secret[0]}: a key does not belong there, results keep it; put it into a variable of the "
            "environment, OPENAI_API_KEY or the one that key_variable= names"
        )
    profile = _profile(given.pop("profile", None))
    if any(given.get(name, profile.get(name)) != profile.get(name) for name in ("base_url", "model")):
        profile = {name: value for name, value in profile.items() if name not in _PRICES}
    values = {"needs_key": "key_variable" in profile, **profile, **given}
    if not {"base_url", "model"} <= values.keys():
        raise OpenbookError(f"--model_args: give profile= ({', '.join(endpoints())}) or both base_url= and model=")
    # Some copy the whole address from lm-eval's documentation, others the part that the clients of endpoints take.
    address = str(values["base_url"]).rstrip("/").removesuffix("/chat/completions")
    values |= {"base_url": checked_address(address, "--model_args base_url"), "model": str(values["model"])}
    try:
        settings = EndpointSettings.model_validate(values)
    except ValidationError as error:
        known = [name for name in (*EndpointSettings.model_fields, "profile") if name != "needs_key"]
        faults = "; ".join(validation_message(dict(fault), known) for fault in error.errors())
        raise OpenbookError(f"--model_args: {faults}") from error
    if settings.max_cost is not None and not settings.prices:
        raise OpenbookError(
            f"max_cost={settings.max_cost}: the prices of {settings.model} are not known; "
            f"give price_in= and price_out= ({settings.currency} per million tokens)"
        )
    return settings


def checked_address(url: str, setting: str) -> str:
    """Return `url` where it is an address of http or https. Raises OpenbookError otherwise.

    The address is not repeated in the message: what is wrong with it may be a password in it.
    """
    try:
        parts = urlsplit(url)
        fine = bool(_ADDRESS.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:  # no port, or brackets that do not close
        fine = False
    if not fine:
        raise OpenbookError(
            f"{setting}: must be an address such as http://127.0.0.1:8000/v1, without user, password or query; "
            "a key goes into OPENAI_API_KEY"
        )
    return url


@cache
def endpoints() -> Mapping[str, Mapping[str, Any]]:
    """Return the profiles of endpoints: settings by name."""
    return load_yaml(_PROFILES)


def _profile(name: object) -> dict[str, Any]:
    if name is None:
        return {}
    known = endpoints()
    if name not in known:
        raise OpenbookError(f"--model_args profile={name}: there is no such profile; {did_you_mean(str(name), known)}")
    return dict(known[str(name)])


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that go in and tokens that come out."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the tokens of both."""
        return Usage(self.prompt + other.prompt, self.completion + other.completion)

    @property
    def tokens(self) -> int:
        """Return the tokens of either direction."""
        return self.prompt + self.completion

    def cost(self, settings: EndpointSettings) -> float:
        """Return the money in the currency of `settings`, 0 where its prices are not known."""
        return (self.prompt * (settings.price_in or 0) + self.completion * (settings.price_out or 0)) / 1e6


def estimated_tokens(text: str, per_character: float) -> int:
    """Estimate the tokens of a message: `per_character` for one of Chinese script, a quarter for others, 8 around."""
    # In UTF-8 a character of Chinese script has three bytes, one of Latin script one.
    wide = (len(text.encode("utf-8", "replace")) - len(text)) / 2
    return math.ceil(wide * per_character + (len(text) - wide) / 4) + 8


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


Reason = Literal["rate_limit", "server_error", "connection", "timeout", "malformed", "wrong_address", "refused"]
# Asking again says the same.
FINAL: frozenset[Reason] = frozenset({"refused"})


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
    # Of the first token written, those that are likeliest, where they were asked for.
    logprobs: Mapping[str, float] = {}

    def lacks(self, end: str | None = None) -> Literal["unended_thinking", "only_reasoning", "empty"] | None:
        """Return why there is no answer, None where there is one."""
        text = self.answer(end)
        if text is None:
            return "unended_thinking"
        said = self.reasoning.strip() or self.content.strip()
        return None if text.strip() else "only_reasoning" if said else "empty"

    def answer(self, end: str | None = None) -> str | None:
        """Return the text behind the end of thinking, None where thinking does not end.

        `end` is the text that ends thinking, if it is not `</think>`; where it is given, a reply without it that was
        cut at its limit is nothing but thinking.
        """
        cut = self.finish == "length"
        if end and not self.reasoning and cut and end not in self.content:
            return None
        text = without_thought(self.content.rpartition(end)[2] if end else self.content)
        return None if cut and self.reasoning and not (text or "").strip() else text

    def thinking_tokens(self, end: str | None = None) -> int:
        """Return the tokens of thinking as the endpoint counts them, else by the share of characters."""
        if self.reasoning_tokens is not None:
            return self.reasoning_tokens
        written = len(self.reasoning) + len(self.content)
        thought = written - len(self.answer(end) or "")
        return round((self.completion_tokens or 0) * thought / max(1, written))

    def usage(self, expected: Usage) -> Usage:
        """Return the tokens that it took, by the endpoint's count; where it does not count, estimated."""
        completion = self.completion_tokens
        if completion is None:
            completion = min(expected.completion, estimated_tokens(self.content + self.reasoning, 1.0))
        return Usage(expected.prompt if self.prompt_tokens is None else self.prompt_tokens, completion)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question got no answer.

    `said` is one printable line, `wait` what the endpoint asks to wait, in seconds, and `status` that of HTTP, 0 where
    it says nothing. `begun` is whether the endpoint may have worked on an answer, and will charge for it; `reply` is
    the part that came of one.
    """

    reason: Reason
    said: str
    wait: float = 0.0
    status: int = 0
    begun: bool = False
    reply: Reply | None = None

    def usage(self, expected: Usage) -> Usage:
        """Return the tokens that may be charged for it, at most."""
        return self.reply.usage(expected) if self.reply else expected if self.begun else Usage()


def reasons(counts: Mapping[str, int]) -> str:
    """Return counts by reason in words, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in ordered)


# Why an answer ended, in the words of OpenAI, DeepSeek, Zhipu and OpenRouter: a filter cut it, a fault that will pass
# did, or it reached a limit.
_FILTERED = {"content_filter", "sensitive"}
_BROKEN = {"insufficient_system_resource", "network_error", "error", "aborted"}
_AT_LIMIT = {"max_tokens", "model_context_window_exceeded"}
# No answer has more tokens.
_MOST = 10**9


def read_reply(body: bytes) -> Reply | Failure:
    """Read the body of a chat completion.

    One that a filter stopped is refused, one that a fault of the endpoint stopped may be asked again. What is no
    completion, or has no choice, is malformed, and told in the words that came.
    """
    try:
        completion = orjson.loads(body)
        choice, usage = completion["choices"][0], completion.get("usage")
        message, finish = choice["message"], str(choice.get("finish_reason"))
        first = ((choice.get("logprobs") or {}).get("content") or [{}])[0]
        content, thinking = _texts(message.get("content") or message.get("refusal"))
        reply = Reply(
            content=content,
            reasoning=thinking or _texts(message.get("reasoning_content") or message.get("reasoning"))[0],
            finish="length" if finish in _AT_LIMIT else finish,
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            reasoning_tokens=_count(usage, "completion_tokens_details", "reasoning_tokens"),
            logprobs={each["token"].strip(): each["logprob"] for each in reversed(first.get("top_logprobs") or ())},
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        said = body[:_SHOWN].decode("utf-8", "replace")
        return Failure("malformed", f"what came is no chat completion: {said or 'nothing'}", begun=True)
    if finish in _FILTERED:
        return Failure("refused", f"a content filter stopped the answer (finish_reason {finish})", reply=reply)
    if finish in _BROKEN:
        return Failure("server_error", f"the endpoint broke the answer off (finish_reason {finish})", reply=reply)
    return reply


def _texts(content: object) -> tuple[str, str]:
    """Return the text and the thinking of a message's content: a text, or a list of parts that have a type each."""
    parts: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    texts = {"text": "", "thinking": ""}
    for part in parts:
        kind = "thinking" if "thinking" in part else "text"
        own: Any = part.get(kind, "")
        # Thinking may be a list of parts again.
        texts[kind] += "".join(each["text"] for each in own) if isinstance(own, list) else own
    # Half a surrogate pair is legal JSON and no text.
    text, thinking = (each.encode("utf-8", "replace").decode() for each in texts.values())
    return text, thinking


def _count(usage: object, *path: str) -> int | None:
    """Return a count of tokens, rounded up; None where none can be it, such as a negative one."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return math.ceil(usage) if isinstance(usage, int | float) and 0 <= usage <= _MOST else None
