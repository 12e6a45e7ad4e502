"""Cards: which there are, one job a card, and what a kill gives back."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running import cards
from openbook_eval.study.running.cards import fitted, held
from openbook_eval.study.steps import Resources
from tests.study.steps_made import graph, step

# Takes cards of a list, tells which, and keeps them until its input ends; so does a child of it where one is asked for.
_HOLDER = """
import subprocess, sys
from pathlib import Path
from openbook_eval.study.running.cards import held
with held(int(sys.argv[1]), ["0", "1"], Path(sys.argv[2])) as taken:
    if sys.argv[3:]:
        subprocess.Popen(["sleep", sys.argv[3]], pass_fds=taken.files, stdout=subprocess.DEVNULL)
    print(",".join(taken.names), flush=True)
    sys.stdin.read()
"""


def holder(count: int, folder: Path, *child_seconds: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(count), folder, *child_seconds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(*processes: "subprocess.Popen[str]") -> None:
    for process in processes:
        process.communicate()


def test_two_processes_never_have_one_card(tmp_path: Path) -> None:
    first, second = holder(1, tmp_path), holder(1, tmp_path)
    assert {told(first), told(second)} == {"0", "1"}
    end(first, second)


def test_who_finds_no_free_card_waits_until_one_is(tmp_path: Path) -> None:
    first, second = holder(2, tmp_path), None
    assert told(first) == "0,1"
    second = holder(1, tmp_path)
    assert second.stdout is not None
    os.set_blocking(second.stdout.fileno(), False)
    time.sleep(1.0)
    assert second.stdout.readline() == ""
    os.set_blocking(second.stdout.fileno(), True)
    end(first)
    assert told(second) == "0"
    end(second)


def test_who_waits_for_two_cards_keeps_none_of_them(tmp_path: Path) -> None:
    first, waiting = holder(1, tmp_path), None
    assert told(first) == "0"
    waiting = holder(2, tmp_path)
    time.sleep(0.7)
    with held(1, ["0", "1"], tmp_path) as taken:
        assert taken.names == ("1",)
    end(first)
    assert told(waiting) == "0,1"
    end(waiting)


def test_a_killed_holder_frees_its_card(tmp_path: Path) -> None:
    first = holder(2, tmp_path)
    assert told(first) == "0,1"
    first.kill()
    end(first)
    with held(2, ["0", "1"], tmp_path) as taken:
        assert taken.names == ("0", "1")


def test_a_card_is_not_free_while_a_child_of_a_killed_holder_works_on_it(tmp_path: Path) -> None:
    first = holder(1, tmp_path, "2")
    assert told(first) == "0"
    first.kill()
    end(first)
    with held(1, ["0", "1"], tmp_path) as taken:
        assert taken.names == ("1",)


def test_cards_are_free_again_at_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with held(1, ["7"], tmp_path) as taken:
            assert taken.names == ("7",)
            assert len(taken.files) == 1


def test_no_card_is_asked_of_a_machine_without_one(tmp_path: Path) -> None:
    with held(0, [], tmp_path / "cards") as taken:
        assert taken == cards.Held((), ())
    assert not (tmp_path / "cards").exists()


def test_more_cards_than_there_are_are_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="wants 3 cards, and this machine has 2"), held(3, ["0", "1"], tmp_path):
        pass


@pytest.mark.parametrize(
    ("named", "found"),
    [("0", ("0",)), ("2, 3", ("2", "3")), ("", ()), ("-1", ()), ("GPU-8a1b,GPU-9c2d", ("GPU-8a1b", "GPU-9c2d"))],
)
def test_cuda_visible_devices_says_which_cards_there_are(named: str, found: tuple[str, ...]) -> None:
    assert cards.cards({"CUDA_VISIBLE_DEVICES": named}) == found


def test_else_nvidia_smi_counts_them_and_not_the_parts_of_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "GPU 0: H100 (UUID: GPU-a)\n  MIG 1g.10gb Device 0: (UUID: MIG-b)\nGPU 1: H100 (UUID: GPU-c)\n"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n[ $1 = -L ] && printf '{listed}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cards.cards({}) == ("0", "1")


def test_without_nvidia_smi_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cards.cards({}) == ()


def test_a_step_that_wants_more_than_there_are_is_named_with_how_many_others() -> None:
    steps = [step("train", f"cell{gpus}", resources=Resources(gpus, 1, 1, 1)) for gpus in (1, 2, 4)]
    with pytest.raises(
        OpenbookError, match=r"^train cell4 wants 4 cards, and this machine has 1 card \(1 other step wants too many"
    ):
        fitted(graph(*steps), ["0"])
    with pytest.raises(OpenbookError, match=r"this machine has none \(2 other steps want too many as well\); "):
        fitted(graph(*steps), [])


def test_only_an_engine_that_is_built_for_cards_is_given_one_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    exam = step("exam", "cell", what={"model": "vllm-openbook"})
    behind = step("exam", "endpoint", what={"model": "api-openbook"})
    monkeypatch.setattr(cards, "version", lambda _: "0.32.0+cpu")
    assert fitted(graph(exam), ["0"]) == graph(exam)
    monkeypatch.setattr(cards, "version", lambda _: "0.32.0")
    assert [each.resources.gpus for each in fitted(graph(exam, behind), ["0"]).steps] == [1, 0]
    assert fitted(graph(exam), []) == graph(exam)
