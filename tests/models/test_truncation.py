"""What is found after a run, in files as lm-eval writes them, and with plain lm_eval and vLLM themselves."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from openbook_eval.exams import load_exam
from openbook_eval.install import tasks_dir
from openbook_eval.models.context_window import ContextWindow, Fit, Truncation
from openbook_eval.prompt import build_prompt
from openbook_eval.results import read_runs
from openbook_eval.results.annotate import annotate
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.types import Book

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

DATE = "2026-01-02T03-04-05.678901"
OPEN, CLOSED = "cmed_openbook_nursing", "cmed_closedbook_nursing"
QUESTIONS = [question for question in load_exam("mini").questions if question.exam == "nursing"]
PROMPTS = {
    OPEN: [build_prompt(question, Book.of(question)) for question in QUESTIONS],
    CLOSED: [build_prompt(question, Book()) for question in QUESTIONS],
}


@pytest.fixture(scope="module")
def tiny_model() -> str:
    return str(tiny_model_dir())


@pytest.fixture(scope="module")
def counts(tiny_model: str) -> dict[str, list[int]]:
    tokenizer = ContextWindow("hf", {"pretrained": tiny_model}).tokenizer
    return {task: [len(tokenizer(prompt)["input_ids"]) for prompt in prompts] for task, prompts in PROMPTS.items()}


def results(tiny_model: str, length: object, **config: Any) -> dict[str, Any]:
    generation = {"max_gen_toks": 100, "until": ["<|im_end|>"]}
    return {
        "results": {OPEN: {}, CLOSED: {}, "arc_easy": {}},
        "configs": {OPEN: {"generation_kwargs": generation}, CLOSED: {"generation_kwargs": generation}, "arc_easy": {}},
        "config": {"model": "vllm", "model_args": {"pretrained": tiny_model, "max_model_len": length}, **config},
        "max_length": length,
        "note": "不变",
    }


def row(number: int, prompt: object, filter_name: str = "choice") -> dict[str, Any]:
    arguments = {"gen_args_0": {"arg_0": prompt, "arg_1": {"max_gen_toks": 100}}}
    return {"doc_id": number, "arguments": arguments, "filter": filter_name}


def write_run(folder: Path, content: object, rows: dict[str, Sequence[object]] | None = None) -> Path:
    rows = rows if rows is not None else {task: [row(*pair) for pair in enumerate(PROMPTS[task])] for task in PROMPTS}
    folder.mkdir(parents=True, exist_ok=True)
    for task, lines in rows.items():
        text = b"\n".join(map(orjson.dumps, lines)) + b"\n"
        (folder / f"samples_{task}_{DATE}.jsonl").write_bytes(text)
    path = folder / f"results_{DATE}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def found(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))["openbook"]["truncation"])


@pytest.mark.parametrize("model", ["vllm", "hf", "vllm-ours"])
def test_the_prompts_that_were_cut_are_counted_task_by_task(
    tiny_model: str, counts: dict[str, list[int]], tmp_path: Path, model: str
) -> None:
    room = sorted(counts[OPEN])[-4]
    path = write_run(tmp_path, results(tiny_model, room + 100, model=model))
    assert annotate(tmp_path) == [path]
    both = Truncation.from_json(found(path))
    assert (both.checked, both.reason) == (True, None)
    assert both.tasks == tuple(
        Fit(task, 43, sum(tokens > room for tokens in counts[task]), max(counts[task]), room) for task in (OPEN, CLOSED)
    )
    assert 0 < both.cut == sum(tokens > room for task in counts.values() for tokens in task) <= 3
    assert (both.prompts, both.longest, both.room) == (86, max(counts[OPEN]), room)
    assert both.only([CLOSED]).cut == 0


def test_the_file_is_otherwise_as_it_was_and_completed_once(tiny_model: str, tmp_path: Path) -> None:
    before = results(tiny_model, 2048, nan=float("inf"))
    path = write_run(tmp_path, before)
    path.chmod(0o640)
    assert annotate(path) == [path]
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after.pop("openbook").keys() == {"truncation"}
    assert after == before
    assert list(after) == list(before)
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n  "results": {\n    "cmed_openbook_nursing": {}')
    assert '"note": "不变"' in text
    assert path.stat().st_mode & 0o777 == 0o640
    assert annotate(tmp_path) == []
    assert path.read_text(encoding="utf-8") == text
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".jsonl", ".jsonl"]


def test_what_others_have_found_stays(tiny_model: str, tmp_path: Path) -> None:
    path = write_run(tmp_path, {**results(tiny_model, 2048), "openbook": {"reading": {"gain": 0.5}}})
    annotate(path)
    assert json.loads(path.read_text(encoding="utf-8"))["openbook"]["reading"] == {"gain": 0.5}
    assert found(path)["checked"] is True


def test_a_question_is_counted_once_however_many_filters_read_it(tiny_model: str, tmp_path: Path) -> None:
    rows = [row(number, PROMPTS[OPEN][0], name) for number in range(3) for name in ("choice", "none")]
    write_run(tmp_path, results(tiny_model, 2048), {OPEN: rows, CLOSED: rows[:2]})
    annotate(tmp_path)
    assert found(tmp_path / f"results_{DATE}.json")["prompts"] == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "local-completions"}, "lm-eval's model local-completions has no tokenizer here"),
        ({"model_args": {"pretrained": "/no/such"}}, "the tokenizer of /no/such cannot be loaded: "),
        ({"model_args": 3}, "the results or samples are not as lm-eval writes them (TypeError"),
    ],
)
def test_a_run_that_cannot_be_checked_says_why(
    tiny_model: str, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = write_run(tmp_path, results(tiny_model, 2048, **changes))
    annotate(path)
    assert found(path)["checked"] is False
    assert found(path)["reason"].startswith(reason)
    # Once it can be, it is.
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"] |= results(tiny_model, 2048)["config"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert annotate(path) == [path]
    assert found(path)["checked"] is True


@pytest.mark.parametrize(
    "lines", [[{}], [row(0, 7)], [row(0, "甲"), []], ["text"], [{**row(0, "甲"), "arguments": {"gen_args_0": None}}]]
)
def test_broken_samples_are_not_checked(tiny_model: str, tmp_path: Path, lines: list[object]) -> None:
    path = write_run(tmp_path, results(tiny_model, 2048), {OPEN: lines, CLOSED: []})
    annotate(path)
    assert found(path)["checked"] is False
    assert found(path)["reason"].startswith("the results or samples are not as lm-eval writes them")


def test_a_task_without_samples_is_not_checked(tiny_model: str, tmp_path: Path) -> None:
    path = write_run(tmp_path, results(tiny_model, 2048), {OPEN: [row(0, "甲")]})
    annotate(path)
    assert found(path)["reason"] == f"no samples of {CLOSED} beside the results"


def test_no_code_of_a_results_file_is_run(tiny_model: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"auto_map": {"AutoConfig": "evil.C"}, "model_type": "evil"}')
    tokenizer = {"auto_map": {"AutoTokenizer": ["evil.T", None]}, "tokenizer_class": "T"}
    (model / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (model / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    arguments = {"pretrained": str(model), "trust_remote_code": True}
    path = write_run(tmp_path, results(tiny_model, 2048, model_args=arguments))
    annotate(path)
    assert found(path)["checked"] is False
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[], {}, 3, {"configs": 3}, {"configs": {"arc": {}}}, {"configs": {OPEN: {}}}])
def test_files_that_are_no_results_of_ours_are_left_alone(tmp_path: Path, content: object) -> None:
    path = write_run(tmp_path, content, {})
    before = path.read_bytes()
    assert annotate(tmp_path) == []
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_is_warned_of(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_run(tmp_path, results(tiny_model, 2048))
    before = path.read_bytes()
    # What is written aside finds its name taken by a folder.
    (tmp_path / f".openbook-{os.getpid()}").mkdir()
    assert annotate(tmp_path) == []
    assert f"{path}: truncation cannot be added ([Errno 21] Is a directory" in caplog.text
    assert path.read_bytes() == before


def test_a_verdict_from_before_the_run_stands_where_none_was_found(tiny_model: str, tmp_path: Path) -> None:
    before = asdict(Truncation.of([Fit(OPEN, 43, 0, 200, 300)]))
    path = write_run(tmp_path, results(tiny_model, 2048), {})
    assert annotate(path) == []
    assert annotate(path, {"truncation": before}) == [path]
    assert found(path)["prompts"] == 43
    assert annotate(path, {"truncation": asdict(Truncation.of([Fit(OPEN, 1, 0, 2, 3)]))}) == []
    assert found(path)["prompts"] == 43


BIN = Path(sys.executable).parent


def call(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VLLM_", "OPENBOOK_", "HF_"))}
    environment = {**kept, "OPENBOOK_EXAM": "mini", "COLUMNS": "120", "HF_HUB_OFFLINE": "1"}
    line = [str(BIN / command), *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=900)


def run_arguments(tiny_model: str, length: int, output: Path) -> list[str]:
    model_args = f"pretrained={tiny_model},max_model_len={length},enforce_eager=True,dtype=float32"
    return [
        *("run", "--model", "vllm", "--model_args", model_args, "--batch_size", "auto", "--apply_chat_template"),
        *("--tasks", "cmed_openbook_nursing", "--gen_kwargs", "max_gen_toks=16", "--output_path", str(output)),
    ]


@pytest.mark.engine
def test_what_lm_eval_cuts_is_refused_before_and_found_after(tiny_model: str, tmp_path: Path) -> None:
    refused = call("openbook-eval", *run_arguments(tiny_model, 270, tmp_path / "ours"), "--log_samples")
    assert refused.returncode == 2, refused.stderr[-3000:]
    error = refused.stderr.splitlines()[-1]
    told = re.fullmatch(
        r"openbook-eval: (\d+) of 43 prompts of cmed_openbook_nursing do not fit: the longest has (\d+) tokens and 16 "
        r"are kept for the answer, but max_model_len is 270; set max_model_len=(\d+) in --model_args",
        error,
    )
    assert told, error
    assert "Initializing" not in refused.stderr
    assert not (tmp_path / "ours").exists()
    cut, longest, setting = map(int, told.groups())
    assert 0 < cut < 43

    plain = [*run_arguments(tiny_model, 270, tmp_path / "plain"), "--log_samples", "--include_path", str(tasks_dir())]
    done = call("lm_eval", *plain)
    assert done.returncode == 0, done.stderr[-3000:]
    lengths = [int(text) for text in re.findall(r"Context length \((\d+)\) \+ max_gen_toks \(16\)", done.stderr)]
    assert (len(lengths), max(lengths)) == (cut, longest)
    shown = call("openbook-eval", "scores", str(tmp_path / "plain"))
    assert f"TRUNCATED: {cut} of 43 prompts did not reach the model whole" in shown.stdout
    (scores,) = read_runs(tmp_path / "plain").runs
    assert scores.truncation.tasks == (Fit("cmed_openbook_nursing", 43, cut, longest, 254),)

    followed = call("openbook-eval", *run_arguments(tiny_model, setting, tmp_path / "ours"))
    assert followed.returncode == 0, followed.stderr[-3000:]
    assert "Truncating context" not in followed.stderr
    (scores,) = read_runs(tmp_path / "ours").runs
    assert scores.truncation.tasks == (Fit("cmed_openbook_nursing", 43, 0, longest, longest),)
