"""Raw files of the project's own and a spec over them, that the tests of the build and the command line start from."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from data_prep.spec import Spec
from openbook_eval.exams import load_exam

_PLACES = ["头部", "颈部", "背部", "腰部", "胸部", "腹部", "膝盖", "手腕", "脚踝", "肩膀"]
_COMPLAINTS = ["疼痛", "麻木", "发痒", "肿胀", "乏力", "发凉", "僵硬", "灼热", "抽搐", "沉重"]
_TIMES = ["晨起时", "饭后", "夜里", "运动后", "受凉以后", "劳累以后", "下雨天", "久坐以后", "生气以后", "走路时"]
_HABITS = ["早点睡觉", "少吃辛辣", "热敷十五分钟", "每天散步",
    "多喝温水", "按时吃饭", "放松心情", "注意保暖", "适当拉伸", "记录变化"]  # fmt: skip


def row(number: int, source: str = "") -> dict[str, str]:
    """One Alpaca row of a thousand different ones; of other sources, others."""
    place, complaint, when = _PLACES[number % 10], _COMPLAINTS[number // 10 % 10], _TIMES[number // 100 % 10]
    habit = _HABITS[(number * 7 + len(source)) % 10]
    return {
        "instruction": f"{source}来信说：我{when}总是觉得{place}{complaint}，已经第{number}次了，应该怎么办？",
        "input": "",
        "output": f"{place}{complaint}的原因很多。可以先{habit}，观察{number % 9 + 2}天；{when}加重就去医院。",
    }


def item_row() -> dict[str, str]:
    """A row that holds the first question of the bundled exam, with its options."""
    question = load_exam("mini").questions[0]
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    return {"instruction": f"{question.stem}\n{options}", "input": "", "output": "".join(question.right_texts)}


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any] | bytes]) -> Path:
    """Rows a line each; bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n" for each in rows))
    return path


def write_data(folder: Path, size: int = 100) -> Path:
    """Three sources of `size` rows each, and after them: a copy of another source's row, an empty one, an exam item."""
    for name, voice in VOICES.items():
        rows = [row(number, voice) for number in range(size)]
        write_jsonl(folder / f"{name}.jsonl", [*rows, copied_row(), {**row(1), "output": ""}, item_row()])
    return folder


def copied_row() -> dict[str, str]:
    """The first row of alpaca with other spacing."""
    first = row(0, VOICES["alpaca"])
    return {**first, "output": first["output"].replace("。", " 。")}


VOICES = {"alpaca": "读者", "zhongyi": "中医", "huatuo": "门诊"}
DOMAINS = {"alpaca": "general", "zhongyi": "tcm", "huatuo": "western"}


def declared(mixes: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A spec over what write_data writes, as YAML would hold it."""
    sources = [
        {"name": name, "domain": domain, "licence": "MIT", "path": f"{name}.jsonl"} for name, domain in DOMAINS.items()
    ]
    exams = {"decontaminate": {"exams": ["mini"]}, "deduplicate": {"near": None}}
    return {"sources": sources, "mixes": dict(mixes), **exams, **changes}


def spec(mixes: Mapping[str, Any], **changes: Any) -> Spec:
    """The same as a Spec."""
    return Spec.model_validate(declared(mixes, **changes))


def write_spec(path: Path, mixes: Mapping[str, Any], **changes: Any) -> Path:
    """The same in a file."""
    path.write_text(yaml.safe_dump(declared(mixes, **changes), allow_unicode=True), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its name relative to it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
