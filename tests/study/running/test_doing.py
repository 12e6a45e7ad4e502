"""Doing a step: what is run for it, what it leaves, and the one line that says why it failed."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running.cards import Held, held
from openbook_eval.study.running.doing import exam, receipts, train
from openbook_eval.study.running.doing.place import Place
from openbook_eval.study.running.doing.reasons import reason
from openbook_eval.study.steps import RECEIPT, Resources, Step
from tests.study import steps_made
from tests.study.steps_made import examinee, graph, step

_RECIPE: Mapping[str, Any] = {
    "base_model": "{base}",
    "datasets": [{"path": "{mix}/train.jsonl", "type": "chat_template"}],
    "adapter": "lora",
    "lora_r": 20,
    "micro_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "seed": 2,
}
DOING = (sys.executable, "-P", "-m", "openbook_eval.study.running.doing")
MIX = step("mix", "mix41", what={"mix": "mix41"})


def trained(*needs: Step, gpus: int = 0, **changes: Any) -> Step:
    return step("train", "cell", *needs, what={"recipe": {**_RECIPE, **changes}}, resources=Resources(gpus, 1, 1, 1))


def examined(*needs: Step, subject: str = "merged", **changes: Any) -> Step:
    what = {
        "exam": "mini",
        "tasks": ["cmed_openbook", "cmed_closedbook"],
        "model": "vllm-openbook",
        "model_args": {"max_model_len": 2048},
        "subject": subject,
        "name": "Qwen/Qwen1.5-7B",
        "chat_template": True,
        "batch_size": "auto",
    }
    return step("exam", "cell", *needs, what={**what, **changes})


def place(own: Step, *others: Step, work: Path = Path("/steps"), held: Held | None = None) -> Place:
    return Place(graph(*others, own), own, work, held, work)


def asked(place: Place) -> tuple[list[str], dict[str, Any]]:
    """The flags of an exam's model before --model_args, and those arguments."""
    flags = exam._model(place)
    return flags[:-2], json.loads(flags[-1]) if flags[-2:-1] == ["--model_args"] else {}


# The exam


def test_a_merged_model_is_examined_by_its_own_folder() -> None:
    merge = step("merge", "cell", trained(MIX))
    own = examined(merge)
    flags, arguments = asked(place(own, MIX, trained(MIX), merge))
    assert flags == ["--model", "vllm-openbook"]
    assert arguments == {"pretrained": f"/steps/{merge.id}/model", "max_model_len": 2048}


def test_a_model_of_which_all_weights_were_trained_is_examined_where_it_lies() -> None:
    _, arguments = asked(place(examined(trained(MIX)), MIX, trained(MIX)))
    assert arguments["pretrained"] == f"/steps/{trained(MIX).id}/output"


def test_an_adapter_is_examined_beside_its_base_with_room_for_its_rank() -> None:
    training = trained(MIX, examinee())
    _, arguments = asked(place(examined(training, subject="adapter"), MIX, examinee(), training))
    assert arguments == {
        "pretrained": f"/steps/{examinee().id}/model",
        "enable_lora": True,
        "lora_local_path": f"/steps/{training.id}/output",
        "max_lora_rank": 32,
        "max_model_len": 2048,
    }


def test_the_code_of_a_models_authors_is_run_where_the_recipe_lets_it() -> None:
    training = trained(MIX, trust_remote_code=True)
    assert asked(place(examined(training), MIX, training))[1]["trust_remote_code"] is True


def test_a_model_as_it_is_is_examined_by_its_name() -> None:
    assert asked(place(examined(subject="hub")))[1] == {"pretrained": "Qwen/Qwen1.5-7B", "max_model_len": 2048}


def test_the_examinee_is_examined_where_it_was_put() -> None:
    own = examined(examinee(), subject="base")
    assert asked(place(own, examinee()))[1]["pretrained"] == f"/steps/{examinee().id}/model"


def test_a_profile_brings_its_model_and_its_chat_format() -> None:
    own = examined(subject="profile", name="wingpt2-7b", model_args={})
    assert exam._model(place(own)) == ["--profile", "wingpt2-7b"]
    assert "--apply_chat_template" not in exam._flags(place(own))


def test_an_endpoint_is_asked_through_its_own_model() -> None:
    own = examined(subject="endpoint", model="api-openbook", model_args={"profile": "glm-4"})
    assert asked(place(own)) == (["--model", "api-openbook"], {"profile": "glm-4"})


def test_all_conditions_are_one_run() -> None:
    assert exam._flags(place(examined())) == [
        "--tasks",
        "cmed_openbook,cmed_closedbook",
        "--batch_size",
        "auto",
        "--apply_chat_template",
    ]


# The training


def test_paths_of_a_recipe_are_seen_from_the_steps_folder() -> None:
    own = trained(MIX, examinee())
    recipe = train._recipe(place(own, MIX, examinee()))
    assert recipe["base_model"] == f"../../{examinee().id}/model"
    assert recipe["datasets"] == [{"path": f"../../{MIX.id}/mix41/train.jsonl", "type": "chat_template"}]
    assert (recipe["output_dir"], recipe["dataset_prepared_path"], recipe["seed"]) == ("output", "prepared", 2)


@pytest.mark.parametrize(("gpus", "micro", "accumulated"), [(2, 4, 1), (4, 2, 1), (8, 1, 1)])
def test_on_several_cards_a_step_has_as_many_texts(gpus: int, micro: int, accumulated: int) -> None:
    own = trained(MIX, gpus=gpus, base_model="Qwen/Qwen1.5-14B")
    recipe = train._recipe(place(own, MIX))
    assert (recipe["micro_batch_size"], recipe["gradient_accumulation_steps"]) == (micro, accumulated)
    assert Path(recipe["deepspeed"]).name == "zero3.json"
    assert Path(recipe["deepspeed"]).is_file()


def test_a_recipe_that_shares_its_model_out_itself_is_left_to_it() -> None:
    own = trained(MIX, gpus=2, base_model="Qwen/Qwen1.5-14B", deepspeed="own.json")
    assert train._recipe(place(own, MIX))["deepspeed"] == "own.json"


def test_texts_that_cannot_be_dealt_out_evenly_are_refused() -> None:
    with pytest.raises(OpenbookError, match="8 texts, which 3 cards cannot share evenly"):
        train._recipe(place(trained(MIX, examinee(), gpus=3), MIX, examinee()))


@given(st.integers(1, 16), st.integers(1, 16), st.sampled_from([2, 3, 4, 8]))
def test_the_texts_of_a_step_are_never_more_or_fewer(micro: int, accumulated: int, gpus: int) -> None:
    recipe = {"micro_batch_size": micro, "gradient_accumulation_steps": accumulated, "deepspeed": "x"}
    if micro * accumulated % gpus:
        with pytest.raises(OpenbookError):
            train._shared_out(recipe, gpus)
    else:
        found = train._shared_out(recipe, gpus)
        assert found["micro_batch_size"] * found["gradient_accumulation_steps"] * gpus == micro * accumulated
        assert found["micro_batch_size"] <= micro


def test_a_training_that_is_done_keeps_its_weights_and_not_its_checkpoints(tmp_path: Path) -> None:
    own = trained(MIX)
    output = tmp_path / own.id / "output"
    for folder in (output / "checkpoint-3", tmp_path / own.id / "prepared"):
        folder.mkdir(parents=True)
    (output / "adapter_model.safetensors").write_bytes(b"weights")
    train.tidy(place(own, MIX, work=tmp_path))
    assert [path.name for path in output.iterdir()] == ["adapter_model.safetensors"]
    assert not (tmp_path / own.id / "prepared").exists()


def test_the_training_environment_is_that_which_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("told", "variable"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "accelerate").write_text("")
    monkeypatch.setenv("OPENBOOK_TRAINING_ENV", str(tmp_path / "variable"))
    assert train.accelerate() == tmp_path / "variable" / "bin" / "accelerate"
    assert train.accelerate(tmp_path / "told") == tmp_path / "told" / "bin" / "accelerate"
    with pytest.raises(OpenbookError, match="no training environment"):
        train.accelerate(tmp_path / "missing")


# Commands


def test_a_command_sees_the_cards_that_the_step_holds_and_no_others(tmp_path: Path) -> None:
    own = step("mix", "any")
    (tmp_path / own.id).mkdir(parents=True)
    for cards, seen in ((Held(("1", "3"), ()), "1,3"), (Held((), ()), "")):
        place(own, work=tmp_path, held=cards).call(["sh", "-c", "echo cards:$CUDA_VISIBLE_DEVICES: > seen"])
        assert (tmp_path / own.id / "seen").read_text() == f"cards:{seen}:\n"


def test_a_command_holds_the_cards_itself(tmp_path: Path) -> None:
    own = step("mix", "any")
    (tmp_path / own.id).mkdir(parents=True)
    with (tmp_path / "lock").open("w") as file:
        cards = Held(("1",), (file.fileno(),))
        place(own, work=tmp_path, held=cards).call(["readlink", f"/proc/self/fd/{file.fileno()}"])
    assert (tmp_path / own.id / "log.txt").read_text() == f"{tmp_path / 'lock'}\n"


def test_the_reason_is_looked_for_in_what_this_start_has_printed(tmp_path: Path) -> None:
    own = step("mix", "any")
    (tmp_path / own.id).mkdir(parents=True)
    (tmp_path / own.id / "log.txt").write_text("openbook-eval: an older fault\n")
    with pytest.raises(OpenbookError, match=r"^ended with exit code 3: now this$"):
        place(own, work=tmp_path).call(["sh", "-c", "echo now this; exit 3"])
    assert (tmp_path / own.id / "log.txt").read_text() == "openbook-eval: an older fault\nnow this\n"


_TRACEBACK = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
ValueError: the inner fault
Traceback (most recent call last):
subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.
"""


@pytest.mark.parametrize(
    ("log", "code", "told"),
    [
        ("x\nopenbook-eval: exam.jsonl: no such file\nmore\n", 2, "exam.jsonl: no such file"),
        ("data-prep: 2 shares are larger:\n  mix a: 3 too few\n", 2, "2 shares are larger: mix a: 3 too few"),
        (_TRACEBACK, 1, "ValueError: the inner fault"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\nRuntimeError: Engine failed\n",
            1,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        ),
        (
            "OSError: [Errno 28] No space left on device: 'a'\nRuntimeError: could not save\n",
            1,
            "OSError: [Errno 28] No space left on device: 'a'",
        ),
        ("half a line", -9, "was ended by the signal SIGKILL; the machine may have run out of memory"),
        ("half a line", -15, "was ended by the signal SIGTERM"),
        ("", 1, "ended with exit code 1: and said nothing"),
        ("nothing known\n\n", 7, "ended with exit code 7: nothing known"),
    ],
)
def test_the_most_telling_line_is_the_reason(log: str, code: int, told: str) -> None:
    assert reason(log, code) == told


@given(st.text(), st.sampled_from([1, 2, -9]))
def test_any_log_has_a_reason_of_one_line(log: str, code: int) -> None:
    found = reason(log, code)
    assert found.strip()
    assert len(found.splitlines()) == 1


# What a step leaves


def test_a_receipt_tells_what_was_made_and_how_long_it_took(tmp_path: Path) -> None:
    own = step("mix", "any", cells=("a", "b"))
    (tmp_path / "made").write_bytes(b"rows")
    receipts.begin(own, tmp_path)
    assert json.loads((tmp_path / "begun.json").read_bytes())["step"] == own.id
    receipts.end(own, tmp_path, [tmp_path / "made"], "2026-01-02T03:04:05+00:00", 1.23456)
    assert json.loads((tmp_path / RECEIPT).read_bytes()) == {
        "step": own.id,
        "kind": "mix",
        "cells": ["a", "b"],
        "seconds": 1.235,
        "started": "2026-01-02T03:04:05+00:00",
        "outputs": {"made": hashlib.sha256(b"rows").hexdigest()},
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", RECEIPT]


def test_what_begins_again_has_not_failed(tmp_path: Path) -> None:
    own = step("mix", "any")
    receipts.fail(own, tmp_path, "once")
    receipts.begin(own, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["begun.json"]


@given(st.text(max_size=2000))
def test_a_reason_is_one_line_of_bounded_length_whatever_was_said(text: str) -> None:
    own = step("mix", "any")
    with tempfile.TemporaryDirectory() as name:
        receipts.fail(own, Path(name), text)
        line = json.loads((Path(name) / "failed.json").read_bytes())["reason"]
    assert len(line) <= 604
    assert len(line.splitlines()) <= 1
    assert line.replace("\u3000", " ").isprintable()


def do(work: Path, own: Step) -> "subprocess.CompletedProcess[str]":
    (work / "graphs").mkdir(exist_ok=True)
    (work / "graphs" / "made.json").write_text(graph(own).to_json())
    command = [
        sys.executable,
        "-P",
        "-m",
        "openbook_eval.study.running.doing",
        str(work / "graphs" / "made.json"),
        own.id,
    ]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def test_a_step_starts_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    own = step("base", "done")
    (tmp_path / own.id).mkdir(parents=True)
    (tmp_path / own.id / RECEIPT).write_text("{}")
    seconds = []
    for _ in range(3):
        before = time.monotonic()
        assert do(tmp_path, own).returncode == 0
        seconds.append(time.monotonic() - before)
    assert min(seconds) < 0.6


def test_no_more_steps_work_at_once_than_may_whatever_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = steps_made.examinee()
    monkeypatch.setenv("OPENBOOK_STUDY_CARDS", "")
    monkeypatch.setenv("OPENBOOK_STUDY_JOBS", "1")
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "made.json").write_text(graph(own).to_json())
    command = [
        sys.executable,
        "-P",
        "-m",
        "openbook_eval.study.running.doing",
        str(tmp_path / "graphs" / "made.json"),
        own.id,
    ]
    with held(1, ["0"], tmp_path / "jobs"):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        time.sleep(1.5)
        assert process.poll() is None
        assert not (tmp_path / own.id / "begun.json").exists()
    assert process.wait() == 0
    assert process.stdin is not None
    process.stdin.close()
    assert (tmp_path / own.id / RECEIPT).exists()


def test_a_step_imports_nothing_heavy() -> None:
    code = "import sys, openbook_eval.study.running.doing.__main__; print(*sorted(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert loaded.isdisjoint({"numpy", "polars", "torch", "transformers", "lm_eval", "typer", "rich"})


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, less than the examinee has; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
        while file.write(b"0" * 4096):
            pass


_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own")


@_ROOT
def test_what_does_not_fit_on_the_disk_fails_for_that_reason(full_disk: Path) -> None:
    own = steps_made.examinee()
    done = do(full_disk, own)
    assert done.returncode == 1
    assert done.stderr == f"{own.id}: No space left on device\n"
    failure = json.loads((full_disk / own.id / "failed.json").read_bytes())
    assert failure["reason"] == "No space left on device"


@_ROOT
def test_a_receipt_that_cannot_be_written_is_a_failure_whose_reason_has_room(full_disk: Path) -> None:
    own = step("mix", "any")
    (full_disk / "made").write_bytes(b"rows")
    assert not receipts.full(full_disk / "not" / "there")
    receipts.begin(own, full_disk)
    fill(full_disk)
    assert receipts.full(full_disk / "not" / "there")
    with pytest.raises(OSError, match="No space left on device"):
        receipts.end(own, full_disk, [full_disk / "made"], receipts.now(), 1.0)
    receipts.fail(own, full_disk, "No space left on device")
    assert not (full_disk / RECEIPT).exists()
    assert not (full_disk / "begun.json").exists()
    assert json.loads((full_disk / "failed.json").read_bytes())["reason"] == "No space left on device"
