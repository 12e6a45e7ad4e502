"""What a run of ours sets before lm-eval takes over."""

import os
import subprocess
import sys
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path

import pytest

from openbook_eval import harness
from openbook_eval.errors import OpenbookError
from openbook_eval.tiny_model import tiny_model_dir


def test_a_run_reports_its_use_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        harness.run(["--help"])
    assert (os.environ["VLLM_NO_USAGE_STATS"], os.environ["DO_NOT_TRACK"]) == ("1", "1")


def check_tasks(*asked: str) -> list[str]:
    return [task.task_name for task in harness._check_tasks(Namespace(tasks=list(asked), metadata={"exam": "mini"}))]


def test_tasks_of_ours_are_built_and_others_left_to_lm_eval() -> None:
    assert check_tasks("cmed_closedbook_nursing", "arc_easy", "cmed_openbook_n*", "cmed_openbook_nursing") == [
        "cmed_closedbook_nursing",
        "cmed_openbook_nursing",
    ]
    assert check_tasks("arc_easy") == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("cmed_nonsense", "no task 'cmed_nonsense'; groups of ours are cmed_closedbook, "),
        ("cmed_openbook cmed_openbook_nursing", "--tasks .*: Duplicate task 'cmed_openbook_nursing': .*; name it once"),
    ],
)
def test_tasks_that_lm_eval_would_stumble_over_are_told_before_it_starts(asked: str, message: str) -> None:
    with pytest.raises(OpenbookError, match=message) as caught:
        check_tasks(*asked.split())
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # transformers and torch warn of their own affairs
def test_prompts_that_do_not_fit_end_a_run_before_the_engine_starts(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "openbook-eval"), "run", "--model", "vllm", "--tasks", "cmed_openbook"]
    arguments = [
        "--model_args",
        f"pretrained={tiny_model_dir()},max_model_len=830",
        "--output_path",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "OPENBOOK_EXAM": "mini", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "openbook-eval: 2 of 258 prompts of cmed_openbook do not fit: the longest has 322 tokens and 512 are kept for "
        "the answer, but max_model_len is 830; set max_model_len=834 in --model_args"
    )
    assert "Traceback" not in result.stderr
    assert "Initializing vllm model" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.engine
@pytest.mark.parametrize(("set_before", "after"), [({}, "2"), ({"VLLM_CPU_KVCACHE_SPACE": "7"}, "7")])
def test_vllm_finds_our_plugin_and_what_the_user_set_holds(set_before: dict[str, str], after: str) -> None:
    program = (
        "import os; from vllm.plugins import load_general_plugins; load_general_plugins(); "
        "print('cache', os.environ.get('VLLM_CPU_KVCACHE_SPACE'))"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VLLM_")}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env={**kept, **set_before}, capture_output=True, text=True, check=True)
    on_cpu = version("vllm").endswith("+cpu")
    expected = after if on_cpu or set_before else "None"
    assert result.stdout.splitlines()[-1] == f"cache {expected}"
