"""Compare what is computed now with a file that is kept here.

Where a change is meant, `UPDATE_GOLDENS=1 pytest tests/golden` writes the files anew; `git diff` then shows what
changed, and the commit says why. Golden files are JSON with a line for each outermost entry.
"""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_UPDATE = bool(os.environ.get("UPDATE_GOLDENS"))


def same(name: str, found: Any) -> None:
    """Assert that `found`, taken as JSON, equals the golden file `name`; floats to nine digits."""
    path, found = FOLDER / name, json.loads(json.dumps(rounded(found), ensure_ascii=False))
    if _UPDATE:
        path.write_text(_text(found), encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


def rounded(value: Any) -> Any:
    """Return `value` with floats of nine significant digits, so that another order of summation changes nothing."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _text(found: Any) -> str:
    """Return JSON with a line for each entry, so that a change shows as a line."""
    if isinstance(found, dict):
        entries = [f"{_line(key)}: {_line(value)}" for key, value in found.items()]
        return "{\n" + ",\n".join(entries) + "\n}\n"
    return "[\n" + ",\n".join(map(_line, found)) + "\n]\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
