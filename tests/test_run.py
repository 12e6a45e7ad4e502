"""What a run of ours checks before lm-eval takes over, and what reaches the terminal."""

import io
import json
import os
import re
import resource
import subprocess
import sys
from argparse import Namespace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.loggers
import pytest

from openbook_eval import run as running
from openbook_eval.errors import OpenbookError
from openbook_eval.install import tasks_dir
from openbook_eval.models.endpoints import EndpointSettings
from openbook_eval.tiny_model import tiny_model_dir

# Writes as lm-eval, an engine, a library and its bar do.
PROGRAM = """
import logging, os, subprocess, sys, warnings
from pathlib import Path
from tqdm import tqdm
from openbook_eval.console import run_program
from openbook_eval.run import quiet

def work():
    logging.basicConfig()
    with quiet(Path(sys.argv[1]) / "logs" / "run.log") as printed:
        print("a table")
        logging.warning("a log")
        warnings.warn("a warning")
        os.write(2, b"an engine\\n")
        subprocess.run(["echo", "a process"])
        for _ in tqdm(range(3), desc="Loading weights"): pass
        for _ in tqdm(range(3), desc="Running generate_until requests"): pass
        if sys.argv[2:]:
            print("openbook-eval: " + sys.argv[2], file=sys.stderr)
            raise SystemExit(2)
    print("after:", "".join(printed).strip())

run_program("openbook-eval", work)
"""
LOGGED = ("a table", "a log", "a warning", "an engine", "a process", "Loading weights", "Running generate_until")


def quietly(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_all_but_the_bar_goes_to_the_log(tmp_path: Path) -> None:
    done = quietly(str(tmp_path))
    assert done.returncode == 0, done.stderr
    log = tmp_path / "logs" / "run.log"
    assert done.stdout.splitlines() == [f"log: {log}", "after: a table"]
    (bar,) = done.stderr.splitlines()
    assert bar.startswith("Running generate_until requests: 100%|")
    assert all(words in log.read_text(encoding="utf-8") for words in LOGGED)


def test_the_last_words_of_a_program_that_ends_itself_are_shown(tmp_path: Path) -> None:
    done = quietly(str(tmp_path), "the exam is broken")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "openbook-eval: the exam is broken"
    assert "after" not in done.stdout


def test_a_run_reports_its_use_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    running.run(["--help"], lambda _: None)
    assert (os.environ["VLLM_NO_USAGE_STATS"], os.environ["DO_NOT_TRACK"]) == ("1", "1")


def test_the_help_names_our_command_models_flags_and_all_settings_of_endpoints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    running.run(["-h"], lambda _: None)
    told = capsys.readouterr().out
    assert told.startswith("usage: openbook-eval run --model MODEL ")
    own = {"--profile", "--dry-run", "vllm-openbook", "api-openbook", "--apply_chat_template", "--output_path"}
    assert own <= set(re.findall(r"[\w-]+", told))
    hidden = {"needs_key", "price_date", "price_source", "dry_run"}
    assert set(re.findall(r"^  (\w+)= +\w", told, re.MULTILINE)) == EndpointSettings.model_fields.keys() - hidden
    assert "  max_retries=          times that a failed request is sent again (6)\n" in told


def test_where_nobody_watches_a_run_says_once_a_minute_what_it_waits_for() -> None:
    terminal = io.StringIO()
    bar = running._Bar(terminal)
    for share in ("1%", "2%"):
        bar.tell(f"\rQuestions answered: {share}, sent again: 3 rate limit (429: slow down)]")
    assert terminal.getvalue() == "Questions answered: 1%, sent again: 3 rate limit (429: slow down)]\n"


def check_tasks(*asked: str) -> tuple[list[str], bool]:
    tasks, only_ours = running._check_tasks(Namespace(tasks=list(asked), metadata={"exam": "mini"}))
    return [task.task_name for task in tasks], only_ours


def test_tasks_of_ours_are_built_and_others_left_to_lm_eval() -> None:
    ours = ["cmed_closedbook_nursing", "cmed_openbook_nursing"]
    assert check_tasks("cmed_closedbook_nursing", "cmed_openbook_n*", "cmed_openbook_nursing") == (ours, True)
    assert check_tasks("cmed_closedbook_nursing", "arc_easy", "cmed_openbook_n*") == (ours, False)
    assert check_tasks("arc_easy") == ([], False)


def test_lm_evals_own_tasks_are_indexed_only_where_they_are_asked_for() -> None:
    import lm_eval.tasks

    whole = lm_eval.tasks.TaskManager
    with running._replaced(lm_eval.tasks, {"TaskManager": partial(whole, include_defaults=False)}):
        assert lm_eval.tasks.TaskManager(include_path=str(tasks_dir())).match_tasks(["arc_easy"]) == []
    assert lm_eval.tasks.TaskManager is whole


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("cmed_openbook_nursin", "no task 'cmed_openbook_nursin'; did you mean 'cmed_openbook_nursing'"),
        ("cmed_openbook cmed_openbook_nursing", "--tasks .*: Duplicate task 'cmed_openbook_nursing': .*; name it once"),
    ],
)
def test_tasks_that_lm_eval_would_stumble_over_are_reported_before_it_starts(asked: str, message: str) -> None:
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
        "openbook-eval: 2 of 258 prompts do not fit: the longest, of cmed_openbook_physician, has 322 tokens and 512 "
        "are kept for the answer, but max_model_len is 830; set max_model_len=834 in --model_args"
    )
    assert "Traceback" not in result.stderr
    assert "Initializing vllm model" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_of_other_tasks_alone_prints_lm_evals_own_table(tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "Which is x?", "choices": ["x", "y"], "answer": "A"}\n', encoding="utf-8")
    task = {
        "task": "tiny_choice",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(questions)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (tmp_path / "tiny_choice.yaml").write_text(json.dumps(task), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "openbook-eval"), "run", "--model", "dummy", "--tasks", "tiny_choice"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(
        [*command, "--include_path", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "|tiny_choice|Yaml   |none  |     0|exact_match|↑  |    0|±  |   N/A|" in result.stdout.splitlines()


class Harness:
    """Writes results as lm-eval does, at the same time as another run into the same folder."""

    def execute(self, namespace: Namespace) -> None:
        (namespace.output_path / "model").mkdir()
        (namespace.output_path / "model" / "results_2026-12-01T00-00-00.000001.json").write_text("{}")
        tracker = lm_eval.loggers.EvaluationTracker(output_path=str(namespace.output_path))
        tracker.general_config_tracker.model_name_sanitized = "model"
        tracker.save_results_aggregated({"of": "this run"})


def test_a_run_completes_only_the_file_that_it_wrote(tmp_path: Path) -> None:
    _, files = running._execute(Harness(), Namespace(output_path=tmp_path), None, False, "dummy", False)
    assert [json.loads(file.read_bytes())["of"] for file in files] == ["this run"]
    assert len(list((tmp_path / "model").iterdir())) == 2


@pytest.mark.parametrize(
    ("logger", "settings", "message"),
    [
        ("TrackioLogger", {"init_args": {"project": "x"}}, "--trackio_args: .*; mend that, or leave it out"),
        (
            "EvaluationTracker",
            {"hub_result_org": "x"},
            "--hf_hub_log_args: .* unexpected keyword argument 'hub_result_",
        ),
    ],
)
def test_a_logger_that_cannot_begin_is_one_line(logger: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=f"^{message}") as caught:
        running._begin(getattr(lm_eval.loggers, logger), running._LOGGERS[logger], {}, **settings)
    assert "\n" not in str(caught.value)


def test_a_place_that_takes_no_results_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(OpenbookError, match=r"a file/out: results cannot be written there \(Not a directory; 16 MB"):
        running._log_file(str(tmp_path / "a file" / "out"))
    assert running._log_file(str(tmp_path / "X.json")).parent == tmp_path
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))  # as a full disk, but with another reason
    try:
        with pytest.raises(
            OpenbookError, match=r"File too large; 16 MB are wanted\); name another folder as --output_p"
        ):
            running._log_file(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_profile_brings_our_model_and_the_chat_format() -> None:
    flags, others = running._own_flags(["--tasks", "cmed_openbook", "--profile", "pulse-7b", "--limit", "2"])
    assert (flags.profile, flags.dry_run) == ("pulse-7b", False)
    assert others == [
        *("--tasks", "cmed_openbook", "--limit", "2"),
        *("--model", "vllm-openbook", "--apply_chat_template"),
    ]


def test_without_our_flags_lm_evals_are_left_as_they_are() -> None:
    arguments = ["--tasks", "a,b", "--model", "vllm", "--model_args", "pretrained=x,profile=y"]
    assert running._own_flags([*arguments, "--dry-run"])[1] == arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((["--profile", "pulse-7b", *model.split()], "leave out --model") for model in ("-M hf", "--model=hf")),
        (["--tasks", "cmed_openbook", "--profile"], "name a profile such as"),
    ],
)
def test_a_profile_has_a_name_and_is_for_our_own_model(arguments: list[str], message: str) -> None:
    with pytest.raises(OpenbookError, match=message):
        running._own_flags(arguments)


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


@pytest.mark.engine
@pytest.mark.parametrize(("tasks", "ends"), [("cmed_openbook", 2), ("hellaswag", 0)])
def test_plain_lm_eval_with_our_tasks_is_refused_before_vllm_reads_a_model(tasks: str, ends: int) -> None:
    program = "from vllm.plugins import load_general_plugins; load_general_plugins()"
    command = ["-c", f"import sys; sys.argv = ['bin/lm_eval', *sys.argv[1:]]; {program}", "--model", "vllm"]
    asked = [*command, "--tasks", tasks, "--num_fewshot", "5"]
    result = subprocess.run([sys.executable, *asked], capture_output=True, text=True, check=False)
    assert result.returncode == ends, result.stderr
    assert ("openbook-eval: --num_fewshot 5: these exams show no" in result.stderr) == bool(ends)


@pytest.mark.parametrize(("model", "arguments"), [("hf", "foo=1"), ("vllm", "foo=1"), ("hf", "dtype=float17")])
def test_a_model_that_cannot_be_loaded_is_one_line(model: str, arguments: str) -> None:
    kind, loading = running._loading(model, {})
    given = {"pretrained": str(tiny_model_dir()), **dict([arguments.split("=")])}
    reason = "module 'torch' has no attribute 'float17'" if "float17" in arguments else ".* keyword argument 'foo'"
    refused = pytest.raises(
        OpenbookError, match=f"^--model {model} --model_args: {reason}; mend that, or leave it out$"
    )
    with refused, running._replaced(kind, loading):
        kind.create_from_arg_obj(given, {"batch_size": 1})  # type: ignore[attr-defined]
