"""Raw files that the project wrote, and what is read from them."""

from pathlib import Path
from typing import Any

import orjson

from data_prep.read import parts, read
from data_prep.spec import Source

ROWS: list[dict[str, Any]] = [
    {"instruction": "脉率正常是多少？", "input": "成人，安静时", "output": "每分钟60～100次。"},
    {"instruction": "什么是阴阳？", "input": "", "output": "中医的基本概念。"},
    {"instruction": "列出三种水果。", "input": "", "output": "苹果、梨、桃。"},
]
QUESTIONS = ["脉率正常是多少？\n成人，安静时", "什么是阴阳？", "列出三种水果。"]
ANSWERS = ["每分钟60～100次。", "中医的基本概念。", "苹果、梨、桃。"]

# Rows (number, question, answer, turns), and faults (number, reason, text).
Read = tuple[list[tuple[int, str, str, str | None]], list[tuple[int, str, str]]]


def source(**changes: Any) -> Source:
    return Source.model_validate({"name": "some", "domain": "tcm", "licence": "MIT", "path": "*", **changes})


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def read_bytes(folder: Path, name: str, data: bytes, **changes: Any) -> Read:
    """Read a file with these bytes; its whole rows are kept, if not said otherwise."""
    (folder / name).write_bytes(data)
    (part,) = parts([source(**{"path": name, "broken": "salvage", **changes})], folder)
    chunks = list(read(part))
    rows = [row for chunk in chunks for row in chunk.frame.select("row", "question", "answer", "turns").rows()]
    return rows, [(*fault,) for chunk in chunks for fault in chunk.faults]
