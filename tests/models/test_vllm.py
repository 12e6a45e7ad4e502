"""The model with the real engine: lm-eval's own answers, fewer tokens, nothing asked twice, nothing lost by a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.results import Scores, read_runs
from openbook_eval.types import SIX_EXAMS
from tests.test_engine import BIN, read, sit, tiny_model  # noqa: F401 - a fixture

pytestmark = pytest.mark.engine

ENGINE = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "OPENBOOK_EXAM": "mini",
}


@pytest.fixture(scope="module")
def probed(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:  # noqa: F811
    """What tests/models/probe.py found out."""
    command = [sys.executable, "-m", "tests.models.probe", tiny_model, str(tmp_path_factory.mktemp("cache"))]
    root = Path(__file__).parents[2]
    run = subprocess.run(
        command, env={**os.environ, **ENGINE}, cwd=root, capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return dict(json.loads(run.stdout.splitlines()[-1]))


def test_responses_are_those_of_lm_evals_own_model_in_its_order(probed: dict[str, Any]) -> None:
    found = probed["generated"]
    assert len(found["ours"]) == 62
    assert found["ours"] == found["theirs"]


def test_what_was_asked_once_is_not_asked_again(probed: dict[str, Any]) -> None:
    first, again = probed["generated"]["cost"], probed["generated"]["again"]
    assert (first["prompts"], first["kept"]) == (60, 0)
    assert (again["prompts"], again["kept"], again["computed_tokens"], again["tokens_per_second"]) == (0, 60, 0, None)


def test_what_was_kept_in_16_bits_may_differ_from_one_run(probed: dict[str, Any]) -> None:
    exact = "cost: 0 prompts of 0 tokens (and 3 answers taken from None)"
    hint = "; in bfloat16 one run might have answered some of them in other words)"
    assert probed["lines"] == [exact, exact, exact[:-1] + hint]


@pytest.mark.parametrize("kind", ["plain", "chat", "others"])
def test_log_probabilities_are_those_of_lm_evals_own_model(probed: dict[str, Any], kind: str) -> None:
    found = probed["ranked"][kind]
    assert len(found["ours"]) == len(found["theirs"]) > 4
    for (ours, ours_greedy), (theirs, theirs_greedy) in zip(found["ours"], found["theirs"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)
        assert ours_greedy == theirs_greedy


def test_what_no_rule_decides_is_ranked_behind_its_own_response(probed: dict[str, Any]) -> None:
    found = probed["asked_again"]
    assert found["ours"] == pytest.approx(found["theirs"], abs=1e-3)
    assert len(found["ours"]) > 3
    # One token is no end of thinking where a mark of its end is waited for.
    assert found["cut_off"] is True


def test_a_question_is_ranked_in_one_pass(probed: dict[str, Any]) -> None:
    cost = probed["ranked"]["plain"]["cost"]
    assert (cost["prompts"], cost["generated_tokens"]) == (60, 60)
    # lm-eval counts the line break before a chat's answer to the options: this model does not write it by itself.
    assert probed["ranked"]["chat"]["cost"]["prompts"] == 120


def test_no_token_is_computed_twice_in_a_cache_of_few_prompts(probed: dict[str, Any]) -> None:
    cost = probed["small_cache"]
    assert (cost["prompts"], cost["generated_tokens"]) == (120, 120 * 48)
    assert cost["prompt_tokens"] > 4 * cost["least_block_tokens"]
    assert cost["computed_tokens"] == cost["least_block_tokens"]


def test_drawn_answers_differ_and_do_not_hang_on_what_else_is_asked(probed: dict[str, Any]) -> None:
    found = probed["sampled"]
    assert len(set(found["first"])) == 3
    assert (found["kept"], found["alone"]) == (3, found["first"][0])


def test_a_prompt_that_does_not_fit_is_refused_and_nothing_cut(probed: dict[str, Any]) -> None:
    assert probed["refused"].startswith("1 of 2 prompts do not fit with their answers: the longest needs ")
    assert probed["refused"].endswith("in --model_args")


def command(tiny_model: str, model: str, output: Path) -> list[str]:  # noqa: F811
    model_args = f"pretrained={tiny_model},max_model_len=2048,enforce_eager=True,dtype=float32,max_num_seqs=4"
    tasks = "cmed_openbook,cmed_openbook_ranked"
    asked = ["--model", model, "--tasks", tasks, "--model_args", model_args, "--gen_kwargs", "max_gen_toks=24"]
    return ["run", *asked, "--output_path", str(output)]


def kill_midway(line: list[str], cache: Path) -> int:
    """Starts a run and kills it when some answers are kept; returns how many."""
    process = subprocess.Popen(line, env={**os.environ, **ENGINE}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if (kept := sum(path.read_bytes().count(b"\n") for path in cache.glob("*.jsonl"))) > 20:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return kept
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the run ended with {process.wait()} before it could be killed")


@pytest.fixture(scope="module")
def runs(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:  # noqa: F811
    """A run that was killed and started again, and one of lm-eval's own model."""
    folder = tmp_path_factory.mktemp("runs")
    ours = command(tiny_model, "vllm-openbook", folder / "ours")
    ENGINE["OPENBOOK_CACHE"] = str(folder / "cache")
    kept = kill_midway([str(BIN / "openbook-eval"), *ours], folder / "cache")
    sit("openbook-eval", *ours, output=folder / "ours", **ENGINE)
    sit("openbook-eval", *command(tiny_model, "vllm", folder / "theirs"), output=folder / "theirs", **ENGINE)
    return {"folder": folder, "kept": kept, "ours": read(folder / "ours"), "theirs": read(folder / "theirs")}


def test_a_killed_run_ends_as_lm_evals_own_does(runs: dict[str, Any]) -> None:
    (ours, our_samples), (theirs, their_samples) = runs["ours"], runs["theirs"]
    assert our_samples.keys() == their_samples.keys()
    assert len(our_samples) == 12
    assert ours["openbook"]["completions"] == theirs["openbook"]["completions"] == {"stops": ["\n\n", "\n【"]}
    for task, rows in our_samples.items():
        if "ranked" not in task:
            assert [row["resps"] for row in rows] == [row["resps"] for row in their_samples[task]]
    for key in ("correct,choice", "correct_strict,choice", "answered,choice"):
        assert ours["groups"]["cmed_openbook"][key] == theirs["groups"]["cmed_openbook"][key]


def test_nothing_is_asked_twice_after_a_kill(runs: dict[str, Any]) -> None:
    cost = runs["ours"][0]["openbook"]["cost"]
    # Beside what was kept there is the line of the cache's identity, and a last one that may be torn.
    assert runs["kept"] - 2 <= cost["kept"] < 516
    assert cost["prompts"] + cost["kept"] == 516
    assert (cost["dtype"], cost["batch_invariant"]) == ("float32", False)
    # The prompts that are ranked were read when they were answered.
    assert cost["computed_tokens"] < cost["least_block_tokens"]


def test_ranked_choices_are_those_of_lm_evals_multiple_choice(runs: dict[str, Any]) -> None:
    for exam in SIX_EXAMS:
        task = f"cmed_openbook_ranked_{exam}"
        for ours, theirs in zip(runs["ours"][1][task], runs["theirs"][1][task], strict=True):
            pairs = zip(ours["filtered_resps"], theirs["filtered_resps"], strict=True)
            assert all(float(one) == pytest.approx(float(other), abs=1e-3) for (one, _), (other, _) in pairs)
            assert ours["correct"] == theirs["correct"]
    for name in ("correct,choice", "letter_mass,choice"):
        ours, theirs = (runs[whose][0]["groups"]["cmed_openbook_ranked"][name] for whose in ("ours", "theirs"))
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_ranked_runs_have_scores_and_were_checked_for_truncation(runs: dict[str, Any]) -> None:
    found = read_runs(runs["folder"] / "ours")
    assert [run.condition for run in found.runs] == ["openbook", "openbook_ranked"]
    ranked = found.runs[1]
    scores = Scores.of(found.items_of(ranked))
    assert scores.average is not None
    assert scores.exams["correct_strict"].null_count() == 6
    assert (ranked.truncation.checked, ranked.truncation.cut, ranked.truncation.prompts) == (True, 0, 258)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no/such-model", "pretrained=no/such-model: vLLM cannot load it"),
        ("TINY_MODEL,data_parallel_size=2", "replicas are vLLM's own: start vllm serve MODEL --data-parallel-size N"),
        ("TINY_MODEL,batch_invariant=True", "has no such mode on this machine (it is for NVIDIA GPUs of compute"),
        (
            "TINY_MODEL,num_gpu_blocks_override=10",
            "where memory is short lower max_model_len, raise gpu_memory_utilization",
        ),
        # In the environment, as vLLM's own documentation says it.
        ("TINY_MODEL VLLM_BATCH_INVARIANT=1", "has no such mode on this machine (it is for NVIDIA GPUs of compute"),
        (
            "TINY_MODEL --gen_kwargs temperature=0.7,do_sample=True",
            "vLLM cannot draw answers on a CPU while it splits prompts; add enable_chunked_prefill=False to ",
        ),
    ],
)
def test_what_the_engine_cannot_do_is_told_in_one_line(tiny_model: str, model: str, message: str) -> None:  # noqa: F811
    name, *more = model.replace("TINY_MODEL", tiny_model).split()
    settings = f"pretrained={name},max_model_len=2048,enforce_eager=True,dtype=float32"
    variables = dict(each.split("=") for each in more if each.startswith("VLLM_"))
    line = [str(BIN / "openbook-eval"), "run", "--model", "vllm-openbook", "--tasks", "cmed_openbook_nursing"]
    asked = [*line, "--model_args", settings, *(more if not variables else ())]
    run = subprocess.run(asked, env={**os.environ, **ENGINE, **variables}, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert message in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
