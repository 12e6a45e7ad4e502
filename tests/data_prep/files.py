"""Raw files that the project wrote, and what is read from them."""

from pathlib import Path
from typing import Any

import orjson

from data_prep.formats import Fault
from data_prep.read import parts, read
from data_prep.spec import Source

ROWS: list[dict[str, Any]] = [
    {"instruction": "脉率正常是多少？", "input": "成人，安静时", "output": "每分钟60～100次。"},
    {"instruction": "什么是阴阳？", "input": "", "output": "中医的基本概念。"},
    {"instruction": "列出三种水果。", "input": "", "output": "苹果、梨、桃。"},
]
QUESTIONS = ["脉率正常是多少？\n成人，安静时", "什么是阴阳？", "列出三种水果。"]
ANSWERS = ["每分钟60～100次。", "中医的基本概念。", "苹果、梨、桃。"]

Read = tuple[list[tuple[int, str, str, str | None]], list[tuple[int, str, str]], list[str]]


def source(**changes: Any) -> Source:
    return Source.model_validate({"name": "some", "domain": "tcm", "licence": "MIT", "path": "*", **changes})


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def read_file(file: Path, **changes: Any) -> Read:
    """Rows (number, question, answer, turns), broken rows (number, reason, text) and breaks of one file."""
    rows: list[tuple[int, str, str, str | None]] = []
    broken: list[Fault] = []
    breaks: list[str] = []
    for part in parts([source(path=file.name, **changes)], file.parent):
        for chunk in read(part):
            rows += chunk.frame.select("row", "question", "answer", "turns").rows()
            broken += chunk.broken
            breaks += chunk.breaks
    return rows, [(row.row, row.reason, row.text) for row in broken], breaks


def read_bytes(folder: Path, name: str, data: bytes, **changes: Any) -> Read:
    """As read_file, of a file with these bytes."""
    (folder / name).write_bytes(data)
    return read_file(folder / name, **changes)


def questions(folder: Path, name: str, data: bytes, **changes: Any) -> list[str]:
    return [question for _, question, _, _ in read_bytes(folder, name, data, **changes)[0]]
