"""Settings of a model behind an OpenAI-compatible endpoint: `--model_args` over a profile of `endpoints.yml`."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval.errors import OpenbookError, did_you_mean, validation_message
from openbook_eval.files import load_yaml
from openbook_eval.models import API

NO_KEY = "no-key-needed"

_PROFILES = Path(__file__).with_name("endpoints.yml")
# What a profile says of its own model at its own address only.
_OF_THE_MODEL = frozenset({"price_in", "price_out", "price_date", "price_source", "context"})
# Results keep the arguments of a model: a key among them would be published with the scores.
_SECRETS = frozenset({"api_key", "auth_token", "header", "headers", "key", "token", "password"})
# What lm-eval adds to the arguments of every model, and API models have no use for.
_OF_THE_HARNESS = frozenset({"batch_size", "max_batch_size", "device", "pretrained"})
_CHAT = "/chat/completions"
_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class EndpointSettings(BaseModel):
    """One endpoint, one model, and how it is asked.

    `key_variable` is the environment's variable that holds the key. Prices are for a million tokens. `context` is what
    prompt and answer may have together in tokens, `tokens_per_character` what a Chinese character takes. Of a request,
    `max_tokens_name` is what the limit of an answer is called, `omit` are fields that the endpoint refuses, `extra`
    those that it wants beyond. `thinking_budget` are tokens of thinking before an answer, on top of the answer's own,
    passed on as `thinking_name`; `think_end_token` ends thinking where it is not `</think>`. A request that fails is
    made again up to `max_retries` times, after `retry_seconds` at first. `max_tokens_total` and `max_cost`
    (in `currency`) limit what all answers of the run take, those that were kept before included.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base_url: str
    model: Annotated[str, Field(min_length=1)]
    key_variable: str = "OPENAI_API_KEY"
    needs_key: bool = False
    num_concurrent: Count = 8
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout: Positive = 300
    max_retries: Annotated[int, Field(ge=0)] = 6
    retry_seconds: Positive = 1.0
    context: Count | None = None
    tokens_per_character: Positive = 1.0
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    # YAML has lists only, and pydantic's strictness wants a tuple.
    omit: Annotated[tuple[str, ...], Field(strict=False)] = ()
    extra: Mapping[str, Any] = {}
    thinking_budget: Annotated[int, Field(ge=0)] | None = None
    thinking_name: str = "thinking_token_budget"
    think_end_token: str | None = None
    seed: int = 1234
    currency: str = "USD"
    price_in: Amount | None = None
    price_out: Amount | None = None
    price_date: str | None = None
    price_source: str | None = None
    max_tokens_total: Count | None = None
    max_cost: Amount | None = None
    dry_run: bool = False

    @property
    def priced(self) -> bool:
        """Return whether the prices of both directions are known."""
        return self.price_in is not None and self.price_out is not None

    @property
    def identity(self) -> dict[str, str]:
        """Return who answers: the model and the host, but not the port, which a local server changes at every start."""
        return {"model": self.model, "host": urlsplit(self.base_url).hostname or ""}

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
        return key or NO_KEY


def checked(config: Any, *, dry_run: bool) -> dict[str, Any]:
    """Return the model's arguments in lm-eval's `config`, with `dry_run` among them where it is asked for.

    They are checked here since lm-eval prints them before the model sees them. Raises OpenbookError.
    """
    arguments: dict[str, Any] = config.model_args
    if config.model != API:
        if dry_run:
            raise OpenbookError(f"--dry-run is for --model {API}; other models cost nothing to ask")
        return arguments
    if config.use_cache:
        raise OpenbookError(f"--use_cache with --model {API}: leave it out; responses are kept without it")
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
        profile = {name: value for name, value in profile.items() if name not in _OF_THE_MODEL}
    settings = _checked({"needs_key": "key_variable" in profile, **profile, **given})
    if settings.max_cost is not None and not settings.priced:
        raise OpenbookError(
            f"max_cost={settings.max_cost}: the prices of {settings.model} are not known; "
            f"give price_in= and price_out= ({settings.currency} per million tokens)"
        )
    return settings


def _checked(values: Mapping[str, Any]) -> EndpointSettings:
    for name in ("base_url", "model"):
        if name not in values:
            raise OpenbookError(
                f"--model_args: {name} is missing; give profile= ({', '.join(endpoints())}) or base_url= and model="
            )
    if not _VARIABLE.fullmatch(str(values.get("key_variable", "OPENAI_API_KEY"))):
        raise OpenbookError("--model_args key_variable: must be the name of a variable in capitals, not the key itself")
    # Some copy the whole address from lm-eval's documentation, others the part that the clients of endpoints take.
    address = checked_address(str(values["base_url"]).rstrip("/").removesuffix(_CHAT), "--model_args base_url")
    try:
        return EndpointSettings.model_validate({**values, "base_url": address, "model": str(values["model"])})
    except ValidationError as error:
        known = [name for name in (*EndpointSettings.model_fields, "profile") if name != "needs_key"]
        raise OpenbookError(
            f"--model_args: {'; '.join(validation_message(dict(fault), known) for fault in error.errors())}"
        ) from error


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
