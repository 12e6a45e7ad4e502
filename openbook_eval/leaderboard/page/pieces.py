"""The page's data as scripts: a page opened from disk may load `<script src>`, but no JSON."""

from pathlib import Path
from typing import Any

import orjson

# What could end a script or a line of it early, or begin markup, as JSON's own escapes.
_ESCAPES = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
    # As a key it would set the prototype in JavaScript's notation of an object, and be none of its entries.
    (b'{"__proto__":', b'{"proto":'),
    (b',"__proto__":', b',"proto":'),
)


def encoded(value: Any) -> bytes:
    """`value` as JSON that may stand anywhere in a script or in HTML.

    It holds no `<`, `>`, `&`, U+2028 or U+2029. Half a surrogate pair becomes U+FFFD, a key `__proto__` `proto`, a
    number that is none null. Raises TypeError for values that JSON has no word for.
    """
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError:
        data = orjson.dumps(_without_surrogates(value))
    for raw, escape in _ESCAPES:
        data = data.replace(raw, escape)
    return data


def script(name: str, value: Any) -> bytes:
    """The script that hands `value` to the page under `name`."""
    return b"openbook.piece(" + encoded(name) + b"," + encoded(value) + b");\n"


def write(data: Path, name: str, value: Any) -> None:
    """Writes the piece `name` into the folder `data`."""
    (data / f"{name}.js").write_bytes(script(name, value))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
