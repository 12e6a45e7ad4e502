"""A cell with the real programs: mix, training, merge and exam, killed in the midst of the training."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from openbook_eval.scores import read_runs
from openbook_eval.study.file.study_file import read_study
from openbook_eval.study.planning.graphs import graph_of
from openbook_eval.study.steps import RECEIPT, Graph
from openbook_eval.training.recipes import cells
from openbook_eval.training.recipes import recipe_text as recipe
from openbook_eval.training.record import read_record
from tests.study import steps_made
from tests.training.conftest import train_python  # noqa: F401

pytestmark = [pytest.mark.engine, pytest.mark.training]

_SCRIPT = """
import sys
from pathlib import Path
from openbook_eval.study.running.run import Options, run
from openbook_eval.study.steps import Graph
graph = Graph.from_json(Path(sys.argv[1]).read_bytes())
sys.exit(run(graph, Options(Path(sys.argv[2]), jobs=1, training_env=Path(sys.argv[3]))))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """One cell: the examinee on 96 rows, once, with a checkpoint every few steps."""
    folder = tmp_path_factory.mktemp("study")
    steps_made.raw_data(folder / "data")
    steps_made.spec(folder / "made.yml", {"small": 96})
    (tiny,) = (cell for cell in cells() if cell.name == "tiny_lora")
    config = yaml.safe_load(recipe(tiny)) | {"num_epochs": 1, "saves_per_epoch": 4}
    (folder / "short.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    content = {
        "title": "One cell",
        "seeds": [3],
        "exam": "mini",
        "conditions": ["openbook"],
        "data": {"spec": "made.yml", "folder": "data"},
        "engine": {"model_args": {"max_model_len": 2048, "enforce_eager": True}},
        "groups": [{"table": 4, "recipes": ["short.yml"], "mixes": ["small"]}],
    }
    (folder / "one.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return graph_of(read_study(folder / "one.yml"))


def test_a_cell_that_is_killed_in_its_training_goes_on_and_ends(
    study: Graph,
    tmp_path: Path,
    train_python: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "graph.json").write_text(study.to_json())
    work = tmp_path / "work"
    named = [tmp_path / "graph.json", work, train_python.parents[1]]
    command = [sys.executable, "-c", _SCRIPT, *map(str, named)]

    process = subprocess.Popen(command, start_new_session=True)
    while not any(work.glob("train/*/output/checkpoint-*/trained_on.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(work.glob(f"train/*/{RECEIPT}"))
    # As of an exam that was cut off after its results, and before its receipt.
    stale = work / study.steps[-1].id / "results" / "model" / "results_2026-01-02T03-04-05.000000.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    assert subprocess.run(command, check=False).returncode == 0

    assert len(list(work.glob(f"*/*/{RECEIPT}"))) == len(study.steps) == 5
    (trained,) = work.glob("train/*/output")
    record = read_record(trained)
    assert record is not None
    assert (record.finished, record.sessions, record.seed) == (True, 2, 3)
    assert record.base_model.startswith("../../base/examinee-")
    assert not list(trained.glob("checkpoint-*"))
    assert not (trained.parent / "prepared").exists()
    (exam,) = work.glob("exam/*")
    (scores,) = read_runs(exam / "results")[0]
    (results,) = (exam / "results").rglob("results_*.json")
    content = json.loads(results.read_bytes())
    (merged,) = work.glob("merge/*/model")
    assert content["config"]["model_args"]["pretrained"] == str(merged)
    (answers,) = (exam / "answers").glob("*.jsonl")
    assert len(answers.read_bytes().splitlines()) == 1 + sum(each.questions for each in scores.exams)
    receipt = json.loads((exam / RECEIPT).read_bytes())
    assert len(receipt["outputs"]) == 7
