"""Jobs: what is run for a step, what it leaves, which GPUs it holds, and the one line that says why it failed."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.study import jobs
from openbook_eval.study.jobs import held_gpus, reason, visible_gpus

# Stands for every program: keeps what it was asked, and leaves results.
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
    """A study's folder, in which every program is that above."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(jobs.GPUS, raising=False)
    program(tmp_path / "program", _PROGRAM.format(asked=tmp_path / "asked"))
    monkeypatch.setattr(jobs, "_program", lambda _: tmp_path / "program")
    return folder


def configure(work: Path, kind: str, digests: Mapping[str, str], **task: Any) -> None:
    step = {"digests": digests, "task": {"command": ["openbook-eval", "run"], **task}, "gpus": 0}
    (work / jobs.CONFIG).write_text(json.dumps({"origin": str(work), "steps": {f"{kind}/cell": step}}))


def evaluate(work: Path, **digests: str) -> dict[str, Any]:
    configure(work, "evaluate", digests, exam="mini")
    jobs.do("evaluate", "cell")
    return jobs.read_json(work / "evaluate" / "cell" / jobs.RECORD)["parts"]  # type: ignore[no-any-return]


def asked(work: Path) -> list[str]:
    lines = (work.parent / "asked").read_text("utf-8").splitlines()
    return [line.partition("--tasks ")[2].partition(" ")[0] for line in lines]


def test_conditions_are_one_run_and_only_those_that_are_new_or_changed_run_again(work: Path) -> None:
    first = evaluate(work, openbook="1", closedbook="2")
    assert {name: part["digest"] for name, part in first.items()} == {"openbook": "1", "closedbook": "2"}
    (line,) = (work.parent / "asked").read_text("utf-8").splitlines()
    assert line.startswith("run --tasks cmed_closedbook,cmed_openbook --output_path")
    assert line.endswith(f"/{first['openbook']['results']} exam=mini")
    more = evaluate(work, openbook="1", closedbook="2", reading_open="3")
    assert first.items() < more.items()
    for _ in range(2):
        last = evaluate(work, openbook="changed", closedbook="2")
    assert asked(work) == ["cmed_closedbook,cmed_openbook", "cmed_reading_open", "cmed_openbook"]
    # Results of nothing that is wanted are removed.
    folders = [path.relative_to(work / "evaluate" / "cell").as_posix() for path in work.glob("evaluate/cell/results/*")]
    assert sorted(folders) == sorted(part["results"] for part in last.values())


def test_a_training_goes_on_from_its_own_checkpoints_and_from_no_others(work: Path) -> None:
    script = """#!/bin/sh
    ls output/checkpoint-1 >> {seen} 2>&1; mkdir -p output/checkpoint-1
    echo x > output/checkpoint-1/state; echo x > output/model.safetensors
    [ $(wc -l < {seen}) -ge 4 ]
    """
    program(work.parent / "program", script.format(seen=work.parent / "seen"))
    for digest in ("1", "1", "2", "2"):
        configure(work, "train", {"train": digest}, recipe={"seed": 1}, here={"output_dir": "output"})
        jobs.main(["train", "cell"])
    seen = (work.parent / "seen").read_text("utf-8").splitlines()
    assert [line == "state" for line in seen] == [False, True, False, True]
    # Once it is done the weights stay, and what only a training that goes on needs is removed.
    folder = work / "train" / "cell"
    assert [path.name for path in (folder / "output").iterdir()] == ["model.safetensors"]
    assert json.loads((folder / "recipe.yml").read_bytes()) == {"seed": 1, "output_dir": "output"}
    assert not (folder / jobs.FAILURE).exists()


def test_a_merge_that_was_cut_off_begins_anew(work: Path) -> None:
    configure(work, "merge", {"merge": "1"})
    program(work.parent / "program", "#!/bin/sh\nmkdir merge/cell/model && [ -e again ]\n")
    assert jobs.main(["merge", "cell"]) == 1
    (work / "again").touch()
    assert jobs.main(["merge", "cell"]) == 0


def test_a_failure_leaves_its_reason_in_one_line_and_its_log(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(work.parent / "program", "#!/bin/sh\necho 'openbook-eval: no such \x1b[2J model'; exit 2\n")
    configure(work, "evaluate", {"openbook": "1"}, exam="mini")
    assert jobs.main(["evaluate", "cell"]) == 1
    failure = json.loads((work / "evaluate" / "cell" / jobs.FAILURE).read_bytes())
    assert failure == {"reason": r"no such \x1b[2J model", "log": "evaluate/cell/log.txt"}
    assert capsys.readouterr().err == "evaluate cell: no such \\x1b[2J model\n"
    assert not (work / "evaluate" / "cell" / jobs.RECORD).exists()
    # An exam without results has failed.
    program(work.parent / "program", "#!/bin/sh\n")
    with pytest.raises(OpenbookError, match="left no results"):
        jobs.do("evaluate", "cell")


def test_the_training_environment_is_that_which_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.TRAINING_ENV, str(tmp_path))
    with pytest.raises(OpenbookError, match=f"^{tmp_path}/bin/accelerate: no training environment"):
        jobs.accelerate()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "accelerate").touch()
    assert jobs.accelerate() == tmp_path / "bin" / "accelerate"


@pytest.mark.parametrize(
    ("log", "code", "told"),
    [
        ("openbook-eval: one\nTraceback\nValueError: two", 2, "one"),
        ("data-prep: a.yml: 2 faults:\n  first\n  second", 2, "a.yml: 2 faults: first"),
        ("x\ntorch.OutOfMemoryError: CUDA out of memory. Tried 2 GB\nValueError: y", 1,
         "torch.OutOfMemoryError: CUDA out of memory. Tried 2 GB"),
        ("OSError: [Errno 28] No space left on device: 'x'", 1, "OSError: [Errno 28] No space left on device: 'x'"),
        ("ValueError: bad\nsubprocess.CalledProcessError: Command", 1, "ValueError: bad"),
        ("ValueError: bad", -9, "was ended by the signal SIGKILL; the machine may have run out of memory"),
        ("now this\n", 3, "ended with exit code 3: now this"),
        ("", 3, "ended with exit code 3: and said nothing"),
    ],
)  # fmt: skip
def test_the_reason_is_the_line_that_helps_most(log: str, code: int, told: str) -> None:
    assert reason(log, code) == told


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
    for child_seconds, name in (("60", "0"), ("", "1")):
        process = holder(1, tmp_path, *filter(None, [child_seconds]))
        assert told(process) == name
        process.kill()
        process.communicate()
        with held_gpus(1, ["0", "1"], tmp_path) as taken:
            assert list(taken) == ["1"]


@pytest.mark.parametrize(
    ("named", "found"),
    [("2, 3", ["2", "3"]), ("", []), ("-1", []), ("GPU-8a1b,GPU-9c2d", ["GPU-8a1b", "GPU-9c2d"]), (None, ["0", "1"])],
)
def test_cuda_visible_devices_says_which_gpus_there_are_else_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, found: list[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == []
    program(tmp_path / "nvidia-smi", "#!/bin/sh\n[ $1 = --query-gpu=index ] && printf '0\\n1\\n'\n")
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == found
