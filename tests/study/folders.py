"""Folders of studies as people write them: a spec, raw files, a recipe, and the study itself."""

import json
from pathlib import Path
from typing import Any

import yaml

from openbook_eval.study import jobs
from openbook_eval.study.spec import read_study
from openbook_eval.study.workflow import Step, Workflow, workflow_of
from openbook_eval.training.recipes import cells, recipe_text

PAPER = Path(__file__).parents[2] / "studies" / "paper.yml"
SPEC = """
sources:
  - {name: general, domain: general, licence: Apache-2.0, path: general.jsonl}
  - {name: tcm, domain: tcm, licence: Apache-2.0, path: "tcm/*.jsonl"}
  - {name: western, domain: western, licence: Apache-2.0, path: western.jsonl}
mixes:
  mix91: {size: 40, ratio: 9:1}
  mix11: {size: 40, ratio: 1:1}
"""
STUDY: dict[str, Any] = {
    "title": "In miniature",
    "seeds": [1, 2],
    "exam": "mini",
    "data": {"spec": "spec.yml", "folder": "raw"},
    "models": [{"model": "models/tiny"}],
    "groups": [{"table": 4, "recipes": ["own.yml"], "mixes": ["mix91", "mix11"]}],
}
RAW = ("general.jsonl", "tcm/a.jsonl", "tcm/b.jsonl", "western.jsonl")


def write(folder: Path, **changes: Any) -> Path:
    """The study above with some keys changed; None leaves a key out."""
    for name in RAW:
        path = folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"instruction": "{name}?", "output": "{name}."}}\n', encoding="utf-8")
    (folder / "spec.yml").write_text(SPEC, encoding="utf-8")
    write_recipe(folder / "own.yml")
    path = folder / "mine.yml"
    content = {key: value for key, value in {**STUDY, **changes}.items() if value is not None}
    # Written apart: what is one object here would be an alias there.
    content = json.loads(json.dumps(content))
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def write_recipe(path: Path, name: str = "tiny_lora", **changes: Any) -> None:
    """A recipe of the table with some keys changed; None leaves a key out."""
    config = {**yaml.safe_load(recipe_text(cells()[name])), **changes}
    config = {key: value for key, value in config.items() if value is not None}
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def workflow(path: Path) -> Workflow:
    return workflow_of(read_study(path))


def digests(path: Path) -> dict[str, str]:
    """What names the content of every step, a condition of an evaluation by itself."""
    steps = workflow(path).steps.values()
    return {
        f"{step.id}{'' if part == step.kind else f'/{part}'}": digest
        for step in steps
        for part, digest in step.digests.items()
    }


def leave(work: Path, step: Step, reason: str = "") -> None:
    """What a step leaves that is done, or failed for this reason."""
    parts = {} if reason else {part: {"digest": digest, "results": "results"} for part, digest in step.digests.items()}
    (work / step.id).mkdir(parents=True, exist_ok=True)
    (work / step.id / jobs.RECORD).write_text(json.dumps({"parts": parts}), encoding="utf-8")
    failure = {"reason": reason, "log": f"{step.id}/{jobs.LOG}"}
    (work / step.id / jobs.FAILURE).write_text(json.dumps(failure), encoding="utf-8")
