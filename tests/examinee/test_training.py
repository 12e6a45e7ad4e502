"""The course goes on where it was cut off, with any number of workers, and what came of it reads."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.examinee import examinee_dir
from openbook_eval.examinee.learning import course, training
from openbook_eval.examinee.learning.examining import scores
from openbook_eval.examinee.learning.learner import Learner, Standing
from openbook_eval.examinee.learning.training import Order, Progress, train

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


class CutOffError(Exception):
    """As a kill would."""


def weights(model: Any) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in model.state_dict().items()}


def cut_off_at(step: int) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        if progress.at.step == step:
            raise CutOffError

    return tell


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little batches, kept and told often."""
    monkeypatch.setattr(course, "STAGES", tuple(course.Stage(each.grade, 4) for each in course.STAGES))
    monkeypatch.setattr(training, "_KEPT", 2)
    monkeypatch.setattr(training, "_TOLD", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("other", [Order(steps=8), Order(steps=6, seed=1), Order(steps=6, times=2)])
def test_another_course_does_not_go_on_with_it(tmp_path: Path, other: Order) -> None:
    with pytest.raises(CutOffError):
        train(Order(steps=6), tmp_path / "state.pt", cut_off_at(3))
    message = (
        r"state.pt: is of another course \(steps 6, seed 0, times 1\); go on with that, remove it, or name another"
    )
    with pytest.raises(OpenbookError, match=message):
        train(other, tmp_path / "state.pt", lambda _: None)


def test_a_broken_state_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"half")
    with pytest.raises(OpenbookError, match=r"state.pt: cannot be gone on from \(.+\); remove it"):
        train(Order(steps=6), tmp_path / "state.pt", lambda _: None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "FILE"], "FILE: cannot be written to (File exists); name another --out"),
        (["--out", "new", "--device", "nope"], "--device nope: there is none here"),
        (["--out", "new", "--workers", "-1"], "Invalid value for '--workers'"),
        (["--out", "new", "--seed", "10000000000"], "Invalid value for '--seed'"),
    ],
)
def test_wrong_options_are_told_and_nothing_is_left(tmp_path: Path, options: list[str], told: str) -> None:
    (tmp_path / "FILE").write_text("")
    line = [sys.executable, "-m", "openbook_eval.examinee.learning", "--steps", "1", *options]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


@pytest.mark.usefixtures("small")
def test_a_course_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    straight = train(Order(steps=6), tmp_path / "straight.pt", lambda _: None)
    with pytest.raises(CutOffError):
        train(Order(steps=6), tmp_path / "cut.pt", cut_off_at(5))
    told: list[int] = []
    resumed = train(Order(steps=6), tmp_path / "cut.pt", lambda progress: told.append(progress.at.step))
    assert told == [5, 6]
    assert weights(resumed) == weights(straight)


def test_workers_change_nothing(tmp_path: Path) -> None:
    alone = train(Order(steps=2), tmp_path / "alone.pt", lambda _: None)
    helped = train(Order(steps=2, workers=1), tmp_path / "helped.pt", lambda _: None)
    assert weights(helped) == weights(alone)


def test_a_stage_ends_when_it_is_mastered_and_not_before_its_time() -> None:
    assert training._is_done(Standing(step=300, stage=0, since=101, right=0.94), steps=1000)
    assert not training._is_done(Standing(step=300, stage=0, since=101, right=0.93), steps=1000)
    assert not training._is_done(Standing(step=300, stage=0, since=100, right=0.94), steps=1000)
    assert training._is_done(Standing(step=300, stage=2, since=151, right=0.5), steps=1000)


def test_a_model_begins_by_looking_for_its_like() -> None:
    layers = Learner(0, "cpu").model.model.layers
    alike = [bool((layer.self_attn.q_proj.weight == layer.self_attn.k_proj.weight).all()) for layer in layers]
    assert alike == [True, True, False, False]


def test_a_learner_gets_better_at_what_it_is_shown_again() -> None:
    from openbook_eval.examinee.learning.batches import batch

    learner, lessons = Learner(0, "cpu"), batch(course.lessons(0, 0, 0)[:8])
    losses = [learner.step(lessons, 1e-3) for _ in range(12)]
    assert losses[-1] < losses[0] / 2
    assert learner.at.step == 12


def test_the_kept_model_answers_lessons_that_it_never_saw() -> None:
    from transformers import AutoModelForCausalLM

    found = scores(AutoModelForCausalLM.from_pretrained(examinee_dir()), count=160)
    assert min(found["single, plain"], found["single, chat"]) > 0.8
    assert min(found["multiple, plain"], found["multiple, chat"]) > 0.8
    assert found["missing, plain"] > 0.8
    assert found["closed, plain"] < 0.5
