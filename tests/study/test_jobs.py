"""Jobs: what is run for a step, what it leaves, which GPUs it holds, and the one line that says why it failed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.study import jobs
from openbook_eval.study.jobs import Job, held_gpus, reason, shared_out, visible_gpus
from openbook_eval.tiny_model import tiny_model_dir

TASK: Mapping[str, Any] = {
    "exam": "mini",
    "engine": "vllm-openbook",
    "model_args": {"max_model_len": 2048},
    "chat_template": True,
    "batch_size": "auto",
}
# Stands for `openbook-eval run`: keeps what it was asked, and leaves results.
_PROGRAM = """#!/bin/sh
echo "$@" "exam=$OPENBOOK_EXAM" >> {asked}
while [ $# -gt 0 ]; do
  if [ "$1" = --output_path ]; then mkdir -p "$2" && echo '{{}}' > "$2/results_now.json"; fi
  shift
done
"""


def program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder, in which openbook-eval is the program above."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(jobs.GPUS, raising=False)
    program(tmp_path / "openbook-eval", _PROGRAM.format(asked=tmp_path / "asked"))
    monkeypatch.setattr(jobs, "_ours", lambda name: tmp_path / name)
    return folder


def configure(work: Path, kind: str, digests: Mapping[str, str], task: Mapping[str, Any]) -> None:
    step = {"digests": digests, "task": task, "gpus": 0}
    (work / jobs.CONFIG).write_text(json.dumps({"origin": str(work), "steps": {f"{kind}/cell": step}}))


def evaluate(work: Path, **digests: str) -> dict[str, Any]:
    configure(work, "evaluate", digests, {**TASK, "model": {"pretrained": "a/b"}})
    jobs.do("evaluate", "cell")
    return jobs.read_json(work / "evaluate" / "cell" / jobs.RECORD)["parts"]  # type: ignore[no-any-return]


def asked(work: Path) -> list[str]:
    lines = (work.parent / "asked").read_text("utf-8").splitlines()
    return [line.partition("--tasks ")[2].partition(" ")[0] for line in lines]


def test_all_conditions_are_one_run(work: Path) -> None:
    parts = evaluate(work, openbook="1", closedbook="2")
    assert {name: part["digest"] for name, part in parts.items()} == {"openbook": "1", "closedbook": "2"}
    (line,) = (work.parent / "asked").read_text("utf-8").splitlines()
    assert line.startswith(
        'run --model vllm-openbook --model_args {"max_model_len": 2048, "pretrained": "a/b"} '
        "--tasks cmed_closedbook,cmed_openbook --batch_size auto --apply_chat_template --output_path"
    )
    assert line.endswith("--log_samples exam=mini")


def test_another_condition_does_not_run_the_others_again(work: Path) -> None:
    before = evaluate(work, openbook="1", closedbook="2")
    after = evaluate(work, openbook="1", closedbook="2", reading_open="3")
    assert asked(work) == ["cmed_closedbook,cmed_openbook", "cmed_reading_open"]
    assert before.items() < after.items()
    assert all((work / "evaluate" / "cell" / part["results"] / "results_now.json").is_file() for part in after.values())


def test_only_the_condition_that_changed_runs_again(work: Path) -> None:
    evaluate(work, openbook="1", closedbook="2")
    evaluate(work, openbook="changed", closedbook="2")
    evaluate(work, openbook="changed", closedbook="2")
    assert asked(work) == ["cmed_closedbook,cmed_openbook", "cmed_openbook"]


def test_results_of_nothing_that_is_wanted_are_removed(work: Path) -> None:
    evaluate(work, openbook="1")
    (part,) = evaluate(work, openbook="2").values()
    folders = [path.relative_to(work / "evaluate" / "cell").as_posix() for path in work.glob("evaluate/cell/results/*")]
    assert folders == [part["results"]]


def test_a_training_goes_on_from_its_own_checkpoints_and_from_no_others(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def train(job: Job) -> dict[str, Any]:
        checkpoint = job.folder / "output" / "checkpoint-1"
        seen.append(checkpoint.is_dir())
        checkpoint.mkdir(parents=True, exist_ok=True)
        (job.folder / "output" / "model.safetensors").write_bytes(b"weights")
        if len(seen) < 4:
            raise OpenbookError("cut off")
        return {}

    monkeypatch.setitem(jobs._KINDS, "train", train)
    for digest in ("1", "1", "2", "2"):
        configure(work, "train", {"train": digest}, {})
        jobs.main(["train", "cell"])
    assert seen == [False, True, False, True]
    # Once it is done the weights stay, and what only a training that goes on needs is removed.
    assert [path.name for path in (work / "train" / "cell" / "output").iterdir()] == ["model.safetensors"]
    assert not (work / "train" / "cell" / jobs.FAILURE).exists()


def test_a_failure_leaves_its_reason_in_one_line_and_its_log(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(work.parent / "openbook-eval", "#!/bin/sh\necho 'openbook-eval: no such \x1b[2J model'; exit 2\n")
    configure(work, "evaluate", {"openbook": "1"}, {**TASK, "model": {"pretrained": "a/b"}})
    assert jobs.main(["evaluate", "cell"]) == 1
    failure = json.loads((work / "evaluate" / "cell" / jobs.FAILURE).read_bytes())
    assert failure == {"reason": r"no such \x1b[2J model", "log": "evaluate/cell/log.txt"}
    assert capsys.readouterr().err == "evaluate cell: no such \\x1b[2J model\n"
    assert not (work / "evaluate" / "cell" / jobs.RECORD).exists()


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ({"profile": "wingpt2-7b"}, ["--profile", "wingpt2-7b", "--model_args", '{"max_model_len": 2048}']),
        ({"endpoint": "glm-4"}, ["--model", "api-openbook", "--model_args", '{"profile": "glm-4"}']),
    ],
)
def test_a_profile_and_an_endpoint_bring_their_model(model: Mapping[str, str], options: list[str]) -> None:
    assert jobs._model_options({**TASK, "model": model}) == options


def test_an_adapter_is_evaluated_beside_its_base_with_room_for_its_rank(work: Path) -> None:
    model = {"pretrained": "models/tiny", "adapter": "train/cell/output", "rank": 20}
    assert json.loads(jobs._model_options({**TASK, "model": model})[-1]) == {
        "max_model_len": 2048,
        "pretrained": str(tiny_model_dir()),
        "enable_lora": True,
        "lora_local_path": str(work / "train" / "cell" / "output"),
        "max_lora_rank": 32,
    }


@given(st.integers(1, 16), st.integers(1, 16), st.sampled_from([2, 3, 4, 8]))
def test_a_step_has_as_many_texts_on_several_gpus(micro: int, accumulated: int, gpus: int) -> None:
    recipe = {"micro_batch_size": micro, "gradient_accumulation_steps": accumulated}
    if micro * accumulated % gpus:
        with pytest.raises(OpenbookError, match="cannot share evenly"):
            shared_out(recipe, gpus)
        return
    found = shared_out(recipe, gpus)
    assert found["micro_batch_size"] * found["gradient_accumulation_steps"] * gpus == micro * accumulated
    assert found["micro_batch_size"] <= micro
    assert Path(found["deepspeed"]).is_file()
    assert "deepspeed" not in shared_out({**recipe, "fsdp": ["x"]}, gpus)


def test_the_training_environment_is_that_which_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("told", "variable"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "accelerate").write_text("")
    monkeypatch.setenv(jobs.TRAINING_ENV, str(tmp_path / "variable"))
    assert jobs.accelerate() == tmp_path / "variable" / "bin" / "accelerate"
    assert jobs.accelerate(tmp_path / "told") == tmp_path / "told" / "bin" / "accelerate"
    with pytest.raises(OpenbookError, match="no training environment"):
        jobs.accelerate(tmp_path / "missing")


@pytest.mark.parametrize(
    ("log", "code", "told"),
    [
        ("openbook-eval: one\nTraceback\nValueError: two", 2, "one"),
        ("data-prep: a.yml: 2 faults:\n  first\n  second", 2, "a.yml: 2 faults: first"),
        ("x\ntorch.OutOfMemoryError: CUDA out of memory. Tried 2 GB\nmore", 1,
         "torch.OutOfMemoryError: CUDA out of memory. Tried 2 GB"),
        ("OSError: [Errno 28] No space left on device: 'x'", 1, "OSError: [Errno 28] No space left on device: 'x'"),
        ("ValueError: bad\nsubprocess.CalledProcessError: Command", 1, "ValueError: bad"),
        ("ValueError: bad", -9, "was ended by the signal SIGKILL; the machine may have run out of memory"),
        ("now this", 3, "ended with exit code 3: now this"),
        ("", 3, "ended with exit code 3: and said nothing"),
    ],
)  # fmt: skip
def test_the_reason_is_the_line_that_helps_most(log: str, code: int, told: str) -> None:
    assert reason(log, code) == told


@given(st.text(), st.integers(-31, 255).filter(lambda code: code != 0))
def test_there_is_a_reason_whatever_the_log(log: str, code: int) -> None:
    assert reason(log, code)


# Holds GPUs of a list, tells which, and keeps them until its input ends; so does a child of it, where one is asked for.
_HOLDER = """
import subprocess, sys
from pathlib import Path
from openbook_eval.study.jobs import held_gpus
with held_gpus(int(sys.argv[1]), ["0", "1"], Path(sys.argv[2])) as taken:
    if sys.argv[3:]:
        subprocess.Popen(["sleep", sys.argv[3]], pass_fds=taken.values(), stdout=subprocess.DEVNULL)
    print(",".join(taken), flush=True)
    sys.stdin.read()
"""


def holder(count: int, folder: Path, *child_seconds: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _HOLDER, str(count), str(folder), *child_seconds]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_never_have_one_gpu_and_who_waits_holds_none(tmp_path: Path) -> None:
    first = holder(1, tmp_path)
    assert told(first) == "0"
    waiting = holder(2, tmp_path)
    time.sleep(1)
    with held_gpus(1, ["0", "1"], tmp_path) as taken:
        assert list(taken) == ["1"]
    first.communicate()
    assert told(waiting) == "0,1"
    waiting.communicate()


def test_a_gpu_is_free_again_when_a_killed_holder_and_its_children_have_ended(tmp_path: Path) -> None:
    first = holder(1, tmp_path, "60")
    assert told(first) == "0"
    first.kill()
    first.communicate()
    with held_gpus(1, ["0", "1"], tmp_path) as taken:
        assert list(taken) == ["1"]
    second = holder(1, tmp_path)
    assert told(second) == "1"
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    with held_gpus(1, ["0", "1"], tmp_path) as taken:
        assert list(taken) == ["1"]


def test_more_gpus_than_there_are_are_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="needs 3 GPUs, and this machine has 2"), held_gpus(3, "01", tmp_path):
        pass


@pytest.mark.parametrize(
    ("named", "found"),
    [("0", ("0",)), ("2, 3", ("2", "3")), ("", ()), ("-1", ()), ("GPU-8a1b,GPU-9c2d", ("GPU-8a1b", "GPU-9c2d"))],
)
def test_cuda_visible_devices_says_which_gpus_there_are(named: str, found: tuple[str, ...]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": named}) == found


def test_else_nvidia_smi_counts_them_and_not_the_parts_of_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == ()
    listed = "GPU 0: H100 (UUID: GPU-a)\n  MIG 1g.10gb Device 0: (UUID: MIG-b)\nGPU 1: H100 (UUID: GPU-c)\n"
    program(tmp_path / "nvidia-smi", f"#!/bin/sh\n[ $1 = -L ] && printf '{listed}'\n")
    assert visible_gpus({}) == ("0", "1")
