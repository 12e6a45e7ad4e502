"""A study that runs: what is done is left alone, what fails stops nothing else, and a kill costs nothing."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running.invocation import Invocation
from openbook_eval.study.running.run import Options, run, to_do
from openbook_eval.study.steps import RECEIPT, Graph, Resources
from tests.study import steps_made
from tests.study.steps_made import examinee, graph, step

_MIXES = {f"mix{size}": size for size in (8, 12, 16, 20)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return steps_made.raw_data(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def mixes(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """Four mixes, and the examinee."""
    spec = steps_made.spec(tmp_path_factory.mktemp("spec") / "made.yml", _MIXES)
    return graph(*(steps_made.mix(name, spec, data) for name in _MIXES), examinee())


def receipts(work: Path) -> Mapping[str, Any]:
    return {path.parent.name: json.loads(path.read_bytes()) for path in work.glob(f"*/*/{RECEIPT}")}


def outputs(work: Path) -> Mapping[str, Any]:
    return {name: receipt["outputs"] for name, receipt in receipts(work).items()}


def mark_done(work: Path, *steps: str) -> None:
    for each in steps:
        (work / each).mkdir(parents=True)
        (work / each / RECEIPT).write_text("{}")


@pytest.fixture(scope="module")
def undisturbed(mixes: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    work = tmp_path_factory.mktemp("undisturbed")
    assert run(mixes, Options(work)) == 0
    return work


def test_to_be_done_is_what_is_not_done_and_what_that_needs(tmp_path: Path) -> None:
    first, second = step("mix", "first"), step("mix", "second")
    trained = step("train", "cell", first, second)
    exam = step("exam", "cell", trained)
    mark_done(tmp_path, first.id)
    assert to_do(graph(first, second, trained, exam), tmp_path) == (second, trained, exam)


def test_what_only_a_done_step_needs_is_not_done_again(tmp_path: Path) -> None:
    mix = step("mix", "first")
    exam = step("exam", "cell", step("train", "cell", mix))
    mark_done(tmp_path, exam.id)
    assert to_do(graph(mix, step("train", "cell", mix), exam), tmp_path) == ()


def test_every_step_leaves_a_receipt_of_what_it_made(undisturbed: Path, mixes: Graph) -> None:
    found = receipts(undisturbed)
    assert {receipt["step"] for receipt in found.values()} == {each.id for each in mixes.steps}
    assert all(receipt["seconds"] > 0 and len(receipt["outputs"]) >= 1 for receipt in found.values())
    assert Graph.from_json((undisturbed / "graphs" / "made.json").read_bytes()) == mixes


def test_a_run_leaves_nothing_in_the_folder_that_it_is_started_from(
    mixes: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run(graph(mixes.steps[-1]), Options(tmp_path / "work")) == 0
    assert list(here.iterdir()) == []


def test_what_is_done_is_not_touched_again_however_old_its_needs_are(
    undisturbed: Path, mixes: Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("*/*/*")}
    for path in undisturbed.glob("mix/*/*/train.jsonl"):
        os.utime(path)
    before |= {path: path.stat().st_mtime_ns for path in undisturbed.glob("mix/*/*/train.jsonl")}
    assert run(mixes, Options(undisturbed)) == 0
    assert capsys.readouterr().out == "nothing is left to do: 5 steps are done\n"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_step_that_fails_leaves_its_reason_and_the_others_go_on(
    mixes: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = step("mix", "unknown", what={**mixes.steps[0].what, "mix": "unknown"})
    after = step("train", "never", unknown, what={"recipe": {}})
    last = step("exam", "never", after)
    others = [step("base", "first")]
    # One after another, so that some have not begun when the first step fails.
    for number in range(8):
        others.append(step("base", f"later{number}", others[-1]))
    options = Options(tmp_path, jobs=2, training_env=_launcher(tmp_path))
    assert run(graph(unknown, after, last, *others), options) == 1
    failure = json.loads((tmp_path / unknown.id / "failed.json").read_bytes())
    assert failure["step"] == unknown.id
    assert failure["log"] == f"{unknown.id}/log.txt"
    assert "unknown" in failure["reason"]
    assert "\n" not in failure["reason"]
    assert {receipt["step"] for receipt in receipts(tmp_path).values()} == {each.id for each in others}
    lines = capsys.readouterr().out.splitlines()
    assert f"mix unknown: failed: {failure['reason']}" in "\n".join(lines)
    assert lines[-1] == "2 steps were not begun, for what they need has failed"
    assert not (tmp_path / after.id / "failed.json").exists()


def test_a_failure_is_forgotten_once_the_step_is_done(mixes: Graph, tmp_path: Path) -> None:
    done = mixes.steps[-1]
    (tmp_path / done.id).mkdir(parents=True)
    (tmp_path / done.id / "failed.json").write_text('{"reason": "once"}')
    assert run(graph(done), Options(tmp_path)) == 0
    assert not (tmp_path / done.id / "failed.json").exists()


def test_lines_tell_what_has_begun_and_what_is_done_of_how_many(
    mixes: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(graph(*mixes.steps[:1]), Options(tmp_path))
    begun, done = capsys.readouterr().out.splitlines()
    assert begun == "0 of 1  mix mix8: begun"
    assert done.startswith("1 of 1  mix mix8: done in ")
    assert done.endswith(" s")


def test_two_runs_do_not_work_in_one_folder_at_once(mixes: Graph, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OpenbookError, match="another run is at work there"):
            run(mixes, Options(tmp_path))


def test_a_folder_that_cannot_be_made_is_told_of(mixes: Graph, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenbookError, match=r"cannot be written to .*--work"):
        run(mixes, Options(tmp_path / "file" / "work"))


def test_without_a_training_environment_nothing_is_begun(tmp_path: Path, mixes: Graph) -> None:
    trained = step("train", "cell", mixes.steps[0], what={"recipe": {}})
    with pytest.raises(OpenbookError, match="no training environment; make it with `make train-env`"):
        run(graph(mixes.steps[0], trained), Options(tmp_path / "work", training_env=tmp_path))
    assert not (tmp_path / "work" / mixes.steps[0].id).exists()


def test_more_cards_than_there_are_are_told_of_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    huge = step("train", "huge", resources=Resources(4, 100, 10, 1))
    with pytest.raises(OpenbookError, match=r"train huge wants 4 cards, and this machine has 1 card; "):
        run(graph(huge), Options(tmp_path))


def test_a_dry_run_says_what_would_be_asked_for_and_does_nothing(
    mixes: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(graph(*mixes.steps[:1]), Options(tmp_path / "work", dry_run=True)) == 0
    assert capsys.readouterr().out == "mix mix8: 500 MB of memory, 5 minutes, 10 MB of disk\n"
    assert not (tmp_path / "work").exists()


def _launcher(folder: Path) -> Path:
    """A training environment by its looks."""
    (folder / "env" / "bin").mkdir(parents=True)
    (folder / "env" / "bin" / "accelerate").write_text("")
    return folder / "env"


_SCRIPT = """
import sys
from pathlib import Path
from openbook_eval.study.running.invocation import Invocation
from openbook_eval.study.running.run import Options, run
from openbook_eval.study.steps import Graph
sys.exit(run(Graph.from_json(Path(sys.argv[1]).read_bytes()), Options(Path(sys.argv[2]), jobs=2)))
"""


def start(mixes: Graph, work: Path) -> "subprocess.Popen[bytes]":
    path = work.parent / f"{work.name}.json"
    path.write_text(mixes.to_json())
    return subprocess.Popen([sys.executable, "-c", _SCRIPT, path, work], start_new_session=True)


def processes_of(work: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if str(work).encode() in command:
            found.append(int(entry.parent.name))
    return found


def wait_until_gone(work: Path, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while processes_of(work):
        assert time.monotonic() < end, "processes of a killed run live on"
        time.sleep(0.05)


def test_killed_three_times_at_random_moments_a_study_ends_as_one_that_was_not(
    mixes: Graph, undisturbed: Path, tmp_path: Path
) -> None:
    work = tmp_path / "killed"
    chance = random.Random()  # noqa: S311
    for _ in range(3):
        process = start(mixes, work)
        try:
            process.wait(chance.uniform(0.3, 5.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(mixes, work).wait() == 0
    assert outputs(work) == outputs(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_runner_is_stopped_its_steps_end_and_have_not_failed(
    mixes: Graph, tmp_path: Path, number: signal.Signals
) -> None:
    work = tmp_path / "stopped"
    process = start(mixes, work)
    while not (begun := list(work.glob("mix/*/begun.json"))):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() != 0
    wait_until_gone(work)
    assert not (begun[0].parent / RECEIPT).exists()
    assert list(work.glob("*/*/failed.json")) == []


def test_the_runner_itself_gives_no_word_of_snakemake(
    mixes: Graph, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(graph(mixes.steps[-1]), Options(tmp_path))
    shown = capfd.readouterr()
    assert shown.err == ""
    assert len(shown.out.splitlines()) <= 2
    (log,) = (tmp_path / "logs").iterdir()
    assert "base/examinee" in log.read_text()


def test_a_step_that_could_not_be_begun_has_failed(
    mixes: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = ["sh", "-c", "echo 'WorkflowError:'; echo no sbatch here; exit 1"]
    monkeypatch.setattr(Invocation, "command", lambda *_: failing)
    assert run(graph(mixes.steps[-1]), Options(tmp_path)) == 1
    assert "failed: could not be begun: WorkflowError: no sbatch here (see logs/made-" in capsys.readouterr().out
