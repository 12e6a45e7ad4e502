"""Running a study: Snakemake decides what is done, a failure stops nothing else, and a kill costs nothing."""

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from data_prep.cli import app
from openbook_eval.errors import OpenbookError
from openbook_eval.study import jobs
from openbook_eval.study.runner import find_profile, run, show
from openbook_eval.study.workflow import Kind, Need, Step, Workflow
from tests.study.made import record, trained, workflow_of

_MIXES = {f"mix{size}": size for size in (8, 12, 16)}
_DOMAINS = ("general", "tcm", "western")


def step(kind: Kind, name: str, *needs: str, gpus: int = 0, digest: str = "1", command: Sequence[str] = ()) -> Step:
    part = "openbook" if kind == "evaluate" else kind
    return Step(kind, name, {part: digest}, needs, {"command": command}, Need(gpus, 0.0, 1e8, 1.0))


def workflow(*steps: Step) -> Workflow:
    return Workflow("made", "A study", (), {each.id: each for each in steps})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files that data-prep made up, and a spec of small mixes of them."""
    place = tmp_path_factory.mktemp("made")
    app(["invent", "--out", str(place / "raw"), "--rows", "60"], standalone_mode=False)
    sources = [
        {"name": f"made_{each}", "domain": each, "licence": "Apache-2.0", "path": f"tiny/{each}.jsonl"}
        for each in _DOMAINS
    ]
    mixes = {name: {"size": size, "ratio": "1:1", "medical": {"tcm": 1, "western": 1}} for name, size in _MIXES.items()}
    (place / "spec.yml").write_text(yaml.safe_dump({"sources": sources, "mixes": mixes}), encoding="utf-8")
    return place


def mix(folder: Path, work: Path, name: str, digest: str = "1") -> Step:
    command = ["data-prep", "build", str(folder / "spec.yml"), "--mix", name, "--data", str(folder / "raw")]
    return step("mix", name, digest=digest, command=[*command, "--out", f"{work}/mix/{name}"])


def outputs(work: Path) -> Mapping[str, object]:
    return {path.parent.name: path.read_bytes() for path in work.glob("mix/*/*/train.jsonl")}


def written(work: Path) -> Mapping[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in work.glob(f"mix/*/{jobs.RECORD}")}


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    work = tmp_path_factory.mktemp("undisturbed")
    assert run(workflow(*(mix(folder, work, name) for name in _MIXES)), work, 2) == 0
    return work


def test_a_change_of_params_reruns_exactly_what_is_affected(
    folder: Path, undisturbed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert set(outputs(undisturbed)) == set(_MIXES)
    before = written(undisturbed)
    # Times of files say nothing.
    for path in undisturbed.glob("mix/*/*/train.jsonl"):
        os.utime(path)
    changed = workflow(*(mix(folder, undisturbed, name, digest="2" if name == "mix12" else "1") for name in _MIXES))
    show(changed, undisturbed, "--dry-run")
    dry = capfd.readouterr()
    assert re.search(r"^mix +1$", dry.out + dry.err, re.MULTILINE)
    assert "Params have changed" in dry.out + dry.err
    show(changed, undisturbed, "--summary")
    rows = [line for line in capfd.readouterr().out.splitlines() if line.startswith("mix/")]
    assert sorted(row.split("\t")[0] for row in rows if "update pending" in row) == ["mix/mix12/done"]
    assert written(undisturbed) == before
    assert run(changed, undisturbed) == 0
    assert {name for name, at in written(undisturbed).items() if before[name] != at} == {"mix12"}


def test_a_failing_step_stops_no_other_and_what_needs_it_is_not_begun(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "accelerate").touch()
    monkeypatch.setenv(jobs.TRAINING_ENV, str(tmp_path / "env"))
    work = tmp_path / "work"
    bad = mix(folder, work, "unknown")
    after = step("train", "after", bad.id)
    last = step("evaluate", "after", after.id)
    assert run(workflow(bad, after, last, mix(folder, work, "mix8"), mix(folder, work, "mix12")), work, 2) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"5 of 5 steps to do; log: {tmp_path}/work/logs/")
    failure = json.loads((work / bad.id / jobs.FAILURE).read_bytes())
    assert "unknown" in failure["reason"]
    assert any(line.endswith(f"of 5  mix unknown: failed: {failure['reason']}") for line in lines)
    assert sum("  mix mix" in line and ": done in " in line for line in lines) == 2
    assert lines[-1] == "2 not begun, for what they need has failed"
    # The next run tries it again, and does nothing else.
    assert run(workflow(bad, mix(folder, work, "mix8")), work) == 1
    assert capsys.readouterr().out.startswith("1 of 2 steps to do")


_SCRIPT = """
import pickle, sys
from pathlib import Path
from openbook_eval.study.runner import run
run(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), 2, sys.argv[3] or None)
"""


def start(made: Workflow, work: Path, profile: str = "") -> "subprocess.Popen[bytes]":
    import pickle

    (work.parent / "made.pickle").write_bytes(pickle.dumps(made))
    command = [sys.executable, "-c", _SCRIPT, str(work.parent / "made.pickle"), str(work), profile]
    return subprocess.Popen(command, start_new_session=True)


def processes_in(work: Path) -> list[str]:
    found = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(work) in line and "ps axww" not in line]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_takes_its_steps_with_it_and_goes_on_to_the_same_result(
    folder: Path, undisturbed: Path, tmp_path: Path, number: int
) -> None:
    work = tmp_path / "work"
    made = workflow(*(mix(folder, work, name) for name in _MIXES))
    draw = random.Random(number)  # noqa: S311
    for _ in range(2):
        process = start(made, work)
        until = time.monotonic() + draw.uniform(3, 15)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        process.wait()
        deadline = time.monotonic() + 60
        while processes_in(work):
            assert time.monotonic() < deadline, processes_in(work)
            time.sleep(0.2)
    assert run(made, work, 2) == 0
    assert outputs(work) == outputs(undisturbed)


def test_a_killed_run_takes_steps_with_it_that_would_go_on_for_minutes(tmp_path: Path) -> None:
    work = tmp_path / "work"
    process = start(
        workflow(step("mix", "long", command=["python", "-c", "import time; time.sleep(300)", str(work)])), work
    )
    while not any("time.sleep(300)" in line for line in processes_in(work)):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while processes_in(work):
        assert time.monotonic() < deadline, processes_in(work)
        time.sleep(0.2)


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OpenbookError, match="another run is at work there; wait for it, or end it"):
            run(workflow(), tmp_path)


def test_what_only_a_done_step_needs_is_not_done_again(tmp_path: Path) -> None:
    cell = trained("4:1", 1)
    record(tmp_path, "evaluate", cell, ("openbook", "closedbook"))
    assert workflow_of([cell]).to_do(tmp_path) == []
    (tmp_path / "evaluate" / cell.name / jobs.RECORD).unlink()
    assert [each.kind for each in workflow_of([cell]).to_do(tmp_path)] == ["train", "evaluate"]


def test_a_step_that_wants_more_gpus_than_there_are_is_named_and_an_engine_is_given_one_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    steps = [step("evaluate", "asked", command=["--model", "api-openbook"]), step("evaluate", "own")]
    show(workflow(*steps), tmp_path, "--dry-run")
    config = jobs.read_json(tmp_path / jobs.CONFIG)
    assert [config["steps"][each.id]["gpus"] for each in steps] == [0, 1]
    told = r"^train cell needs 2 GPUs, and this machine has 1; run it where there are as many, or on a cluster"
    with pytest.raises(OpenbookError, match=told):
        show(workflow(step("train", "cell", gpus=2)), tmp_path, "--dry-run")


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(OpenbookError, match=r"^--profile slrum: no folder with a config.yaml; did you mean 'slurm'"):
        find_profile("slrum")
