"""What is found after a run, in files as lm-eval writes them, and with plain lm_eval and vLLM themselves."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from openbook_eval.exams import load_exam
from openbook_eval.install import tasks_dir
from openbook_eval.models.context_window import ContextWindow, Fit, Truncation
from openbook_eval.prompt import build_prompt
from openbook_eval.results import read_runs
from openbook_eval.results.samples import find_cut, find_truncation
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.types import Book
from tests.models.conftest import BIN, quiet_environment

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

OPEN, CLOSED = "cmed_openbook_nursing", "cmed_closedbook_nursing"
QUESTIONS = [question for question in load_exam("mini").questions if question.exam == "nursing"]
PROMPTS = {
    OPEN: [build_prompt(question, Book.of(question)) for question in QUESTIONS],
    CLOSED: [build_prompt(question, Book()) for question in QUESTIONS],
}


@pytest.fixture(scope="module")
def counts(tiny_model: str) -> dict[str, list[int]]:
    tokenizer = ContextWindow("hf", {"pretrained": tiny_model}).tokenizer
    return {task: [len(tokenizer(prompt)["input_ids"]) for prompt in prompts] for task, prompts in PROMPTS.items()}


def results(tiny_model: str, length: object, **config: Any) -> dict[str, Any]:
    def config_of(condition: str) -> dict[str, Any]:
        generation = {"max_gen_toks": 100, "until": ["<|im_end|>"]}
        return {"generation_kwargs": generation, "metadata": {"condition": condition, "exam_label": "nursing"}}

    return {
        "results": {OPEN: {}, CLOSED: {}, "arc_easy": {}},
        "configs": {OPEN: config_of("openbook"), CLOSED: config_of("closedbook"), "arc_easy": {}},
        "config": {"model": "vllm", "model_args": {"pretrained": tiny_model, "max_model_len": length}, **config},
        "max_length": length,
        "note": "不变",
    }


def row(number: int, prompt: object, filter_name: str = "choice") -> dict[str, Any]:
    arguments = {"gen_args_0": {"arg_0": prompt, "arg_1": {"max_gen_toks": 100}}}
    return {"doc_id": number, "arguments": arguments, "resps": [["A"]], "filter": filter_name}


def found(folder: Path, results: object, rows: dict[str, Sequence[object]] | None = None) -> Truncation:
    """What is found in a run with these results and samples; all prompts where `rows` names none."""
    rows = rows if rows is not None else {task: [row(*pair) for pair in enumerate(PROMPTS[task])] for task in PROMPTS}
    samples = {task: folder / f"samples_{task}.jsonl" for task in rows}
    for task, lines in rows.items():
        samples[task].write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n")
    return Truncation.from_json(json.loads(json.dumps(find_truncation(cast(Any, results), samples))))


def test_answers_as_long_as_they_may_be_are_counted_as_cut_off(tiny_model: str, tmp_path: Path) -> None:
    tokenizer = ContextWindow("hf", {"pretrained": tiny_model}).tokenizer
    texts = [tokenizer.decode(tokenizer("成人用药" * 100)["input_ids"][:length]) for length in (1, 90, 100, 103)]
    samples = tmp_path / f"samples_{OPEN}.jsonl"
    rows = [row(place, "prompt") | {"resps": [[text]]} for place, text in enumerate(texts)]
    samples.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    asked = results(tiny_model, 2048)
    asked["configs"].pop(CLOSED)
    assert find_cut(asked, {OPEN: samples}) == {"answers": 2}
    # An endpoint's tokens are not known here.
    assert find_cut(results(tiny_model, 2048, model="local-completions"), {OPEN: samples}) is None


@pytest.mark.parametrize("model", ["vllm", "hf", "vllm-ours"])
def test_the_prompts_that_were_cut_are_counted_task_by_task(
    tiny_model: str, counts: dict[str, list[int]], tmp_path: Path, model: str
) -> None:
    room = sorted(counts[OPEN])[-4]
    both = found(tmp_path, results(tiny_model, room + 100, model=model))
    assert (both.checked, both.reason) == (True, None)
    assert both.tasks == tuple(
        Fit(task, 43, sum(tokens > room for tokens in counts[task]), max(counts[task]), room) for task in (OPEN, CLOSED)
    )
    assert 0 < both.cut == sum(tokens > room for task in counts.values() for tokens in task) <= 3
    assert (both.prompts, both.longest, both.room) == (86, max(counts[OPEN]), room)
    assert both.only([CLOSED]).cut == 0
    # A question is counted once however many filters read it.
    rows = [row(number, PROMPTS[OPEN][0], name) for number in range(3) for name in ("choice", "none")]
    assert found(tmp_path, results(tiny_model, 2048, model=model), {OPEN: rows, CLOSED: rows[:2]}).prompts == 4
    assert not both.only([CLOSED, "another"]).checked


LINES: list[list[object]] = [[{}], [row(0, 7)], [row(0, "甲"), []], ["text"]]
BROKEN = "the results are not as lm-eval writes them ("


@pytest.mark.parametrize(
    ("changes", "rows", "reason"),
    [
        ({"model": "local-completions"}, None, "lm-eval's model local-completions has no tokenizer here"),
        ({"model_args": {"pretrained": "/no/such"}}, None, "the tokenizer of /no/such cannot be loaded: "),
        ({"model_args": 3}, None, f"{BROKEN}TypeError"),
        ({}, {OPEN: [row(0, "甲")]}, f"no samples of {CLOSED} beside the results"),
        *[({}, {OPEN: lines, CLOSED: []}, "samples_cmed_openbook_nursing.jsonl: line ") for lines in LINES],
    ],
)
def test_a_run_that_cannot_be_checked_says_why(
    tiny_model: str, tmp_path: Path, changes: dict[str, Any], rows: dict[str, Sequence[object]] | None, reason: str
) -> None:
    truncation = found(tmp_path, results(tiny_model, 2048, **changes), rows)
    assert not truncation.checked
    assert str(truncation.reason).startswith(reason)


def test_no_code_of_a_results_file_is_run(tiny_model: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"auto_map": {"AutoConfig": "evil.C"}, "model_type": "evil"}')
    tokenizer = {"auto_map": {"AutoTokenizer": ["evil.T", None]}, "tokenizer_class": "T"}
    (model / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (model / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    arguments = {"pretrained": str(model), "trust_remote_code": True}
    assert not found(tmp_path, results(tiny_model, 2048, model_args=arguments)).checked
    assert not (tmp_path / "ran").exists()


def call(folder: Path, command: str, length: int, output: str, *more: str) -> subprocess.CompletedProcess[str]:
    model_args = f"pretrained={tiny_model_dir()},max_model_len={length},enforce_eager=True,dtype=float32"
    line: list[Any] = [
        *(BIN / command, "run", "--model", "vllm", "--model_args", model_args, "--batch_size", "auto"),
        *("--apply_chat_template", "--log_samples", "--tasks", "cmed_openbook_nursing"),
        *("--gen_kwargs", "max_gen_toks=16", "--output_path", folder / output, *more),
    ]
    environment = quiet_environment(folder, OPENBOOK_EXAM="mini")
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=900)


@pytest.mark.engine
def test_what_lm_eval_cuts_is_refused_before_and_found_after(tmp_path: Path) -> None:
    refused = call(tmp_path, "openbook-eval", 270, "ours")
    assert refused.returncode == 2, refused.stderr[-3000:]
    error = refused.stderr.splitlines()[-1]
    told = re.fullmatch(
        r"openbook-eval: (\d+) of 43 prompts do not fit: the longest, of cmed_openbook_nursing, has (\d+) tokens and "
        r"16 are kept for the answer, but max_model_len is 270; set max_model_len=(\d+) in --model_args",
        error,
    )
    assert told, error
    assert "Initializing" not in refused.stderr
    assert not (tmp_path / "ours").exists()
    cut, longest, setting = map(int, told.groups())
    assert 0 < cut < 43

    plain = call(tmp_path, "lm_eval", 270, "plain", "--include_path", str(tasks_dir()))
    assert plain.returncode == 0, plain.stderr[-3000:]
    lengths = [int(text) for text in re.findall(r"Context length \((\d+)\) \+ max_gen_toks \(16\)", plain.stderr)]
    assert (len(lengths), max(lengths)) == (cut, longest)
    scores: list[str | Path] = [BIN / "openbook-eval", "scores", tmp_path / "plain"]
    shown = subprocess.run(scores, env=quiet_environment(tmp_path, COLUMNS="120"), capture_output=True, text=True)
    assert f"TRUNCATED: {cut} of 43 prompts did not reach the model whole" in shown.stdout
    (run,) = read_runs(tmp_path / "plain").runs
    assert run.truncation.tasks == (Fit("cmed_openbook_nursing", 43, cut, longest, 254),)

    followed = call(tmp_path, "openbook-eval", setting, "ours")
    assert followed.returncode == 0, followed.stderr[-3000:]
    assert "Truncating context" not in followed.stderr
    (run,) = read_runs(tmp_path / "ours").runs
    assert run.truncation.tasks == (Fit("cmed_openbook_nursing", 43, 0, longest, longest),)
