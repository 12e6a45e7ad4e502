"""Turns of a conversation, in the shapes that data sets give them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import orjson

from data_prep.sources.batch import Row
from data_prep.sources.fields import RowError, find, plain
from data_prep.sources.json_lines import kind

# Where the turns are, and how a turn is laid out, if the source does not say.
_TURNS = ("conversations", "messages", "conversation", "dialogue", "turns", "data", "history")
_ROLE, _CONTENT = ("role", "from"), ("content", "value")
_ROLES = {
    "system": "system",
    **dict.fromkeys(("user", "human", "patient", "问", "患者", "用户"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "doctor", "答", "医生", "助手"), "assistant"),
}
# HuatuoGPT-sft-data-v1 writes who speaks into the texts of its lists.
_SPEAKERS = tuple(re.compile(rf"\s*{side}[:：]") for side in "问答")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says; the role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Speech:
    """The key of the list of turns, and those of role and content in a turn; none where the usual ones are tried.

    Turns are objects with role and content, pairs of question and answer, or texts by user and assistant in turn. In a
    table, where a cell is a text, they are that in JSON.
    """

    turns: str | None = None
    role: str | None = None
    content: str | None = None

    def read(self, row: Row) -> list[Turn]:
        """The turns of a row. Raises RowError where there is no list of turns, or one cannot be understood."""
        key = self.turns or next((name for name in _TURNS if name in row), "")
        value = _from_cell(find(row, key))
        if not isinstance(value, list):
            what = f"key {key!r} is {kind(value)}, not a list of turns" if key in row else "no list of turns is there"
            raise RowError(f"{what}; name its key by turns ({self.turns or ', '.join(_TURNS)})")
        return list(self._turns(value))

    def _turns(self, values: Sequence[Any]) -> Iterator[Turn]:
        kinds = {type(value) for value in values}
        if kinds == {dict}:
            yield from (self._named(value, number) for number, value in enumerate(values, 1))
        elif kinds == {str}:
            yield from _alternating(values)
        elif kinds == {list} and all(len(value) == 2 for value in values):
            yield from _alternating([plain(part, "turns") for pair in values for part in pair])
        elif values:
            raise RowError("the turns are neither objects, nor texts, nor pairs of texts")

    def _named(self, value: Row, number: int) -> Turn:
        role = next((key for key in ([self.role] if self.role else _ROLE) if key in value), None)
        content = next((key for key in ([self.content] if self.content else _CONTENT) if key in value), None)
        if role is None or content is None:
            wanted = "/".join([self.role or "role", self.content or "content"])
            raise RowError(f"turn {number} lacks {wanted}; it has {', '.join(value)[:200] or 'no key'}")
        said = str(value[role]).strip().lower()
        if said not in _ROLES:
            raise RowError(f"turn {number} has the role {said[:50]!r}; known are {', '.join(_ROLES)}")
        return Turn(_ROLES[said], plain(value[content], content))


def _from_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _alternating(texts: Sequence[str]) -> Iterator[Turn]:
    speakers = list(zip(texts, cycle(_SPEAKERS), cycle(("user", "assistant")), strict=False))
    if all(speaker.match(text) for text, speaker, _ in speakers):
        yield from (Turn(role, speaker.sub("", text, count=1)) for text, speaker, role in speakers)
    else:
        yield from (Turn(role, text) for text, _, role in speakers)
