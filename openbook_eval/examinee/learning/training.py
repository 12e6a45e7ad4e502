"""Trains the examinee through the course, with progress, and goes on where it was cut off."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbook_eval.examinee.learning import course
from openbook_eval.examinee.learning.characters import tokenizer
from openbook_eval.examinee.learning.learner import Learner, Standing
from openbook_eval.examinee.learning.supply import Supply

_RATE, _WARM_UP, _COOL_DOWN = 1e-3, 100, 0.25
_KEPT, _TOLD = 500, 50


@dataclass(frozen=True, slots=True)
class Order:
    """What to train: optimiser steps, `times` as many lessons a step as the course says, on a device, with workers."""

    steps: int
    seed: int = 0
    times: int = 1
    device: str = "cpu"
    workers: int = 0

    @property
    def course(self) -> dict[str, int]:
        """What makes it this course: another device or more workers may go on with it."""
        return {"steps": self.steps, "seed": self.seed, "times": self.times}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the course stands, with the loss of the last step and the seconds since this start."""

    at: Standing
    loss: float
    seconds: float


def train(order: Order, state: Path, tell: Callable[[Progress], None]) -> Any:
    """A model that went through the course, on the CPU; what was begun and kept in the file `state` goes on.

    Raises OpenbookError where that is of another course.
    """
    learner, begun = Learner(order.seed, order.device), time.monotonic()
    if state.is_file():
        learner.take_up(state, order.course)
    at = learner.at
    with closing(Supply(order.seed, order.times, order.workers)) as supply:
        while at.step < order.steps:
            batch = supply.get(at.stage, at.step).to(order.device)
            loss = learner.step(batch, _RATE * _pace(at.step, order.steps))
            if at.stage < len(course.STAGES) - 1 and _is_done(at, order.steps):
                at.next_stage()
            if at.step % _KEPT == 0:
                learner.keep(state, order.course)
            if at.step % _TOLD == 0 or at.step == order.steps:
                tell(Progress(at, loss, time.monotonic() - begun))
    return learner.model.eval().cpu()


def _is_done(at: Standing, steps: int) -> bool:
    is_mastered = at.since > course.AT_LEAST and at.right > course.MASTERED
    return is_mastered or at.since > course.STAGES[at.stage].at_most * steps


def _pace(step: int, steps: int) -> float:
    """The learning rate as a share of its height: a short rise, a long plain, a fall to zero at the end."""
    return min(1.0, (step + 1) / _WARM_UP, (steps - step) / (_COOL_DOWN * steps))


def save(model: Any, folder: Path) -> None:
    """Writes model and tokenizer as transformers loads them."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
