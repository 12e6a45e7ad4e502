"""One request and what comes of it: a reply, a failure of this one question, or an end of the whole run."""

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from openbook_eval.api.replies import Failure, Reason, Reply, read_reply
from openbook_eval.api.settings import Settings
from openbook_eval.api.spending import Request
from openbook_eval.entries.endpoint import NO_KEY, api_key, one_line
from openbook_eval.errors import OpenbookError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

# Seconds. An endpoint that asks for longer has a limit for the day, which a run cannot wait for.
LONGEST_WAIT = 600.0
_AGAIN = {408, 409, 425}


class Stopped(Exception):  # noqa: N818 - told to the user by whoever knows how much was kept
    """No further question need be asked; the message says why, in one line."""


class Line:
    """The way to one endpoint."""

    def __init__(self, settings: Settings) -> None:
        """Raises OpenbookError where the key is missing or cannot be one."""
        self._settings = settings
        self._key = api_key(settings.key_variable)
        if settings.needs_key and self._key == NO_KEY:
            raise OpenbookError(f"{settings.key_variable} is not set; the key of {settings.base_url} goes there")

    def session(self) -> "ClientSession":
        """A client's session with the key in its header; must be closed."""
        import ssl

        from aiohttp import ClientSession, ClientTimeout, TCPConnector

        settings = self._settings
        trusted: ssl.SSLContext | bool = settings.verify_certificate
        if settings.ca_cert_path and settings.verify_certificate:
            try:
                trusted = ssl.create_default_context(cafile=settings.ca_cert_path)
            except OSError as error:
                raise OpenbookError(f"ca_cert_path={settings.ca_cert_path}: cannot be read ({error})") from error
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        connector = TCPConnector(limit=settings.num_concurrent, ssl=trusted)
        return ClientSession(
            connector=connector, headers=headers, timeout=ClientTimeout(settings.timeout), trust_env=True
        )

    async def post(self, session: "ClientSession", request: Request) -> Reply | Failure:
        """What the endpoint says to `request`. Raises Stopped where it would say the same to all others."""
        from aiohttp import ClientError

        try:
            # A redirection could carry the key to another host.
            sent = session.post(self._settings.url, data=orjson.dumps(request.payload), allow_redirects=False)
            async with sent as response:
                body = await response.read()
                return read_reply(body) if response.status == HTTPStatus.OK else self._refusal(response, body)
        except TimeoutError:
            return Failure("timeout", f"no answer within {self._settings.timeout:g} s")
        except (ClientError, OSError) as error:
            return Failure("connection", self._said(str(error) or type(error).__name__))

    def _refusal(self, response: "ClientResponse", body: bytes) -> Failure:
        status, fault = response.status, _fault(body)
        said = f"{status}: {self._said(fault.get('message') or body.decode('utf-8', 'replace'))}"
        if status in {401, 403}:
            raise Stopped(f"the endpoint refuses the key in {self._settings.key_variable} ({said})")
        if status == HTTPStatus.PAYMENT_REQUIRED or fault.get("code") == "insufficient_quota":
            raise Stopped(f"the account has nothing left ({said})")
        if status < HTTPStatus.BAD_REQUEST or status in {404, 405}:
            raise Stopped(f"{said}; does the address end in /v1, and is the model called so?")
        wait = _wait(response.headers)
        if wait > LONGEST_WAIT:
            raise Stopped(f"{said}; the endpoint asks to wait {wait:.0f} s")
        return Failure(_reason(status), said, wait)

    def _said(self, text: str) -> str:
        return one_line(text, self._key)


def _reason(status: int) -> Reason:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit"
    return "server_error" if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused"


def _fault(body: bytes) -> dict[str, Any]:
    """The error as OpenAI's interface tells it: an object under `error`, or at the top as some servers have it."""
    with suppress(ValueError):
        told = orjson.loads(body)
        if isinstance(told, dict):
            inner = told.get("error", told)
            return {k: str(v) for k, v in inner.items()} if isinstance(inner, dict) else {"message": str(inner)}
    return {}


def _wait(headers: Any) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date (RFC 9110, section 10.2.3); 0 where it does not."""
    with suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    told = headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(told))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    return 0.0
