"""Lessons as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from openbook_eval.examinee.learning.characters import END, START, numbers
from openbook_eval.examinee.learning.lessons import Lesson


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of a step.

    tokens: (lessons, longest) whole texts, filled up with zeros behind; rows, places, answers: (answer tokens) where
    each is to be said, and what; firsts: (answer tokens) whether it is the first of its answer; told_rows, told_places,
    told: (characters of options) whether the option stands in the book, 1 or 0.
    """

    tokens: Any
    rows: Any
    places: Any
    answers: Any
    firsts: Any
    told_rows: Any
    told_places: Any
    told: Any

    def to(self, device: str) -> "Batch":
        """The same on a device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def encode(text: str) -> list[int]:
    """The tokens of a text of known characters, one each."""
    known = numbers()
    return [known[character] for character in text]


def whole(lesson: Lesson, chat: bool) -> tuple[list[int], int, list[int]]:
    """Tokens of a lesson before its answer, the place of the prompt in them, and the tokens of the answer."""
    known = numbers()
    answer = [*encode(lesson.answer), known[END]]
    if not chat:
        return encode(lesson.prompt), 0, answer
    head = [known[START], *encode("user\n")]
    tail = [known[END], *encode("\n"), known[START], *encode("assistant\n")]
    return [*head, *encode(lesson.prompt), *tail], len(head), answer


def batch(lessons: Sequence[tuple[Lesson, bool]]) -> Batch:
    """The lessons, each with whether it is asked as a chat, as one batch."""
    import torch

    texts, answers, told = [], [], []
    for row, (lesson, chat) in enumerate(lessons):
        before, start, answer = whole(lesson, chat)
        texts.append([*before, *answer])
        answers += [(row, len(before) - 1 + n, token, n == 0) for n, token in enumerate(answer)]
        told += [(row, start + at, is_told) for one, end, is_told in lesson.told for at in range(one, end)]
    longest = max(map(len, texts))
    tokens = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])
    asked = torch.tensor(answers).reshape(-1, 4)
    marks = torch.tensor(told).reshape(-1, 3)
    rows, places, tokens_said, firsts = asked.T
    told_rows, told_places, is_told = marks.T
    return Batch(tokens, rows, places, tokens_said, firsts.bool(), told_rows, told_places, is_told.float())
