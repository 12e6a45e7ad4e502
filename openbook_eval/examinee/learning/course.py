"""The course: grades from short bare texts of two options to the exam's own prompts, each until it is mastered.

Beginning with the exam's long prompts and all kinds of lessons at once, a model of this size learns nothing for
hundreds of steps: looking a text up has to come first, on texts so short that chance finds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from openbook_eval.examinee.learning.lessons import Grade, Lesson, lesson

# The share of right letters at which a grade is mastered, and the steps it takes at least.
MASTERED, AT_LEAST = 0.93, 100
_HELD_OUT = "held out"


@dataclass(frozen=True, slots=True)
class Stage:
    """A grade, the lessons of a step, and the share of the course's steps that it may take at most."""

    grade: Grade
    batch: int
    at_most: float = 1.0


STAGES = (
    Stage(Grade(6, 2, 1, framed=False), 96),
    Stage(Grade(12, 4, 2, framed=False), 64),
    Stage(Grade(20, 5, 2, framed=False, half=0.2, shared=0.1), 48, 0.15),
    Stage(Grade(30, 5, 3, half=0.3, shared=0.15, chat=0.3), 32, 0.15),
    Stage(Grade(45, 5, 3, half=0.35, shared=0.3, multiple=0.25, copy=0.05, chat=0.4), 32, 0.3),
    Stage(Grade(70, 5, 4, half=0.35, shared=0.3, multiple=0.3, closed=0.08, missing=0.08, copy=0.08, chat=0.4), 32),
)


def lessons(seed: int, stage: int, step: int, times: int = 1) -> list[tuple[Lesson, bool]]:
    """The lessons of a step, each with whether it is asked as a chat; the same for the same numbers on any machine.

    `times` multiplies how many they are.
    """
    return list(_drawn(f"{seed} {stage} {step}", STAGES[stage].grade, STAGES[stage].batch * times))


def held_out(grade: Grade, count: int) -> list[tuple[Lesson, bool]]:
    """Lessons that no step has."""
    return list(_drawn(_HELD_OUT, grade, count))


def _drawn(name: str, grade: Grade, count: int) -> Iterator[tuple[Lesson, bool]]:
    for number in range(count):
        random = Random(f"{name} {number}")  # noqa: S311 - nothing secret is drawn
        yield lesson(random, grade), grade.framed and random.random() < grade.chat
