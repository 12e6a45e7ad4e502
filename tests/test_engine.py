"""The front doors with the real engine: vLLM generates, nothing is replaced."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openbook_eval import install
from openbook_eval.exams import load_exam
from openbook_eval.results import Scores, read_runs
from openbook_eval.types import SIX_EXAMS
from tests.conftest import cmb_row, write

pytestmark = pytest.mark.engine
BIN = Path(sys.executable).parent


def sit(command: str, *arguments: str, output: Path, **settings: str) -> None:
    """Runs a program of the environment; what vLLM and the hub client are told by variables is the user's affair."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VLLM_", "OPENBOOK_", "HF_"))}
    line = [str(BIN / command), *arguments, "--batch_size", "auto", "--output_path", str(output), "--log_samples"]
    result = subprocess.run(line, env={**kept, **settings}, capture_output=True, text=True, check=False, timeout=900)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]


def read(output: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The results file of a run, and its samples by task."""
    (file,) = output.rglob("results_*.json")
    samples: dict[str, list[dict[str, Any]]] = {}
    for path in output.rglob("samples_*.jsonl"):
        task = path.name.removeprefix("samples_").rpartition("_")[0]
        samples[task] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return json.loads(file.read_text(encoding="utf-8")), samples


@pytest.fixture(scope="session")
def tiny_model() -> str:
    return subprocess.run(
        [BIN / "openbook-eval", "tiny-model"], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def linked() -> Iterator[None]:
    was_linked = install._target().is_dir()
    install.link()
    yield
    if not was_linked:
        install.unlink()


@pytest.mark.usefixtures("linked")
def test_plain_lm_eval_sits_the_bundled_exam_after_link(tiny_model: str, tmp_path: Path) -> None:
    model_args = f"pretrained={tiny_model},max_model_len=2048"
    arguments = ["--tasks", "cmed_openbook,cmed_closedbook", "--model", "vllm", "--model_args", model_args]
    sit("lm_eval", *arguments, output=tmp_path, OPENBOOK_EXAM="mini")
    results, samples = read(tmp_path)
    exam = load_exam("mini")
    assert set(samples) == {f"cmed_{book}book_{name}" for book in ("open", "closed") for name in SIX_EXAMS}
    assert {sample["doc"]["id"] for rows in samples.values() for sample in rows} == {q.id for q in exam.questions}
    for task, rows in samples.items():
        assert results["configs"][task]["metadata"]["exam_file"] == exam.record
        assert results["versions"][task] == 1.0
        assert len(results["task_hashes"][task]) == 64
        assert all(json.loads(row["filtered_resps"][0])["rule"] for row in rows)
    found = read_runs(tmp_path)
    opened, closed = (Scores.of(found.items_of(run)) for run in found.runs)
    for scores, group in ((opened, "cmed_openbook"), (closed, "cmed_closedbook")):
        assert scores.exams.select("exam", "questions").rows() == [(name, 43) for name in SIX_EXAMS]
        assert scores.average == pytest.approx(results["groups"][group]["correct,choice"])
    # The tiny model reads, and knows nothing.
    assert (opened.average or 0) > 0.8
    assert (closed.average or 1) < 0.25


def test_our_own_run_asks_an_exam_file_over_chat(tiny_model: str, tmp_path: Path) -> None:
    rows = [*(cmb_row(n, answer="B") for n in range(1, 13)), cmb_row(13, question="如图所示，诊断是", answer="B"), {}]
    exam = write(tmp_path / "CMB-val-merge.json", rows)
    arguments = ["--tasks", "cmed_openbook,cmed_closedbook", "--model", "vllm", "--apply_chat_template"]
    model_args = f"pretrained={tiny_model},max_model_len=512,enforce_eager=True"
    choice = ["--metadata", json.dumps({"exam": str(exam)}), "--gen_kwargs", "max_gen_toks=16"]
    sit("openbook-eval", "run", *arguments, "--model_args", model_args, *choice, output=tmp_path / "out")
    results, samples = read(tmp_path / "out")
    assert {task: len(rows) for task, rows in samples.items()} == {
        f"cmed_{condition}_{name}": 2 for condition in ("openbook", "closedbook") for name in SIX_EXAMS
    }
    prompt = samples["cmed_openbook_nursing"][0]["arguments"]["gen_args_0"]["arg_0"]
    assert prompt == (
        "<|im_start|>user\n【材料】\n第2题的正确说法是乙2。\n\n【要求】\n"
        "请只根据上面的材料回答下面的单项选择题，不做任何分析和解释，直接输出正确选项的字母。\n\n"
        "【题目】\n第2题的正确说法是( )。\nA. 甲2\nB. 乙2\nC. 丙2\n\n答案：<|im_end|>\n<|im_start|>assistant\n"
    )
    assert results["configs"]["cmed_openbook_nursing"]["metadata"]["exam_file"] == results["openbook"]["exam"]
    assert results["openbook"]["exam"]["name"] == "CMB-val-merge.json"
    assert results["openbook"]["exam"]["not_asked"] == {"faulty": 1, "no_picture": 1}
    assert [run.condition for run in read_runs(tmp_path / "out").runs] == ["openbook", "closedbook"]
