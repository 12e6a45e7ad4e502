"""Graphs of steps that are cheap and real: mixes that data-prep builds of rows that it made up, and the examinee."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from data_prep.cli import app
from openbook_eval.study.cells import Cell
from openbook_eval.study.steps import Graph, Kind, Resources, Step

SMALL = Resources(gpus=0, memory_mb=500, minutes=5, disk_mb=10)


def step(
    kind: Kind,
    name: str,
    *needs: Step,
    what: Mapping[str, Any] | None = None,
    resources: Resources = SMALL,
    cells: tuple[str, ...] = (),
) -> Step:
    key = name.encode().hex()[-12:].rjust(12, "0")
    return Step(kind, name, key, tuple(each.id for each in needs), cells or (name,), what or {}, resources)


def graph(*steps: Step, name: str = "made", cells: tuple[Cell, ...] = ()) -> Graph:
    return Graph(name, "A study", cells, steps)


def raw_data(folder: Path, rows: int = 60) -> Path:
    """Raw files that data-prep made up."""
    app(["invent", "--out", str(folder), "--rows", str(rows)], standalone_mode=False)
    return folder


def spec(path: Path, sizes: Mapping[str, int]) -> Path:
    """A spec of mixes 1:1 of such raw files, by name and size."""
    domains = ("general", "tcm", "western")
    content = {
        "sources": [
            {"name": f"made_{each}", "domain": each, "licence": "Apache-2.0", "path": f"tiny/{each}.jsonl"}
            for each in domains
        ],
        "decontaminate": {"exams": ["mini"]},
        "mixes": {
            name: {"size": size, "ratio": "1:1", "medical": {"tcm": 1, "western": 1}} for name, size in sizes.items()
        },
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def mix(name: str, spec: Path, data: Path) -> Step:
    return step("mix", name, what={"spec": str(spec), "mix": name, "data": str(data), "sources": {}})


def examinee() -> Step:
    return step("base", "examinee", what={"examinee": ""})
