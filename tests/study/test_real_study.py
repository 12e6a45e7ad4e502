"""A study from raw rows to results, with the real trainer and the real engine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openbook_eval.study import jobs
from tests.study.folders import write, write_recipe

ROOT = Path(__file__).parents[2]
ENGINE = {"model_args": {"max_model_len": 1024, "enforce_eager": True}}


def questions(path: Path) -> None:
    exams = ("physician", "nursing", "pharmacist", "technician", "professional", "postgraduate")
    row = {"stem": "甲是什么？", "options": {"A": "一", "B": "二"}, "answer": "A", "knowledge": "甲是一。"}
    rows = [{"id": exam, "exam": exam, **row} for exam in exams]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.engine
@pytest.mark.training
def test_a_cell_is_built_trained_merged_and_evaluated_and_another_condition_leaves_all_that(tmp_path: Path) -> None:
    subprocess.run(
        [Path(sys.executable).parent / "data-prep", "invent", "--out", tmp_path / "raw", "--rows", "40"], check=True
    )
    questions(tmp_path / "exam.jsonl")
    changes = {"exam": "exam.jsonl", "seeds": [1], "engine": ENGINE, "models": []}
    changes |= {"groups": [{"table": 4, "recipes": ["own.yml"], "mixes": ["small"]}]}

    def run(*conditions: str) -> "subprocess.CompletedProcess[str]":
        path = write(tmp_path, **changes, conditions=list(conditions))
        spec = (tmp_path / "spec.yml").read_text("utf-8")
        for name in ("general", "tcm/*", "western"):
            spec = spec.replace(f"{name}.jsonl", f"tiny/{name.removesuffix('/*')}.jsonl")
        (tmp_path / "spec.yml").write_text(f"{spec}  small: {{size: 16, ratio: 1:1}}\n", encoding="utf-8")
        write_recipe(tmp_path / "own.yml", num_epochs=1)
        program = "from openbook_eval.cli import main; main()"
        command = [sys.executable, "-c", program, "study", "run", str(path), "--work", str(tmp_path / "work")]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    first = run("openbook")
    assert first.returncode == 0, first.stdout + first.stderr
    record = tmp_path / "work" / "train" / "own_small-seed1" / jobs.RECORD
    trained = record.stat().st_mtime_ns
    second = run("openbook", "closedbook")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.startswith("1 of 4 steps to do")
    assert record.stat().st_mtime_ns == trained
    parts = jobs.read_json(tmp_path / "work" / "evaluate" / "own_small-seed1" / jobs.RECORD)["parts"]
    assert len({part["results"] for part in parts.values()}) == 2
