"""Spoil runs: change what stands in their files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def samples_of(results: Path, exam: str = "nursing") -> Path:
    (path,) = results.parent.glob(f"samples_*_{exam}_*.jsonl")
    return path


def change_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def change_first(path: Path, old: str, new: str) -> None:
    """Replace a text in the first line."""
    change_lines(path, lambda lines: [lines[0].replace(old, new, 1), *lines[1:]])


def change_results(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
