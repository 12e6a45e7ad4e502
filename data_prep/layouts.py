"""What of a row is the question and what the answer: texts under keys, templates, or turns of a conversation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, groupby
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
import polars as pl

from data_prep.spec import Fields, Format, Source
from data_prep.tokens import where
from openbook_eval.errors import some

Row: TypeAlias = Mapping[str, Any]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_LETTER = re.compile(r"[A-Z]")
_DEEPEST = 8
_ABSENT: Final = object()  # no value, as opposed to null

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
# What translations of Alpaca say where an instruction has no input.
_NO_INPUT = r"(?i)\n[<(（\[]?(?:无(?:需)?输入|没有输入|不需要输入|不适用|no ?input|n/a|none)[>)）\]]?[。.]?\z"


class RowError(ValueError):
    """A row whose fields are not what they should be; the message names the key."""


class Turn(NamedTuple):
    """What one side says; the role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Text:
    """What of a row is joined by line breaks: keys and templates, of which one must be there, or `needed` if named."""

    items: tuple[str, ...]
    needed: str | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The items of which one must be there."""
        return (self.needed,) if self.needed else self.items

    def joined(self) -> pl.Expr:
        """Return what `read` does as an expression, for columns of plain texts; a null is an empty text."""
        joined, *others = (pl.col(key).fill_null("") for key in self.items)
        for other in others:
            joined = pl.when((joined != "") & (other != "")).then(joined + "\n" + other).otherwise(joined + other)
        return joined

    def read(self, row: Row) -> str:
        """Return the text of a row; raise RowError where what must be there is missing, or is no text."""
        found = [text for item in self.items if (text := _item(row, item)) is not None]
        if not found or (self.needed and self.needed not in row):
            wanted = " or ".join(map(repr, self.wanted))
            raise RowError(f"key {wanted} is missing; the row has {some(list(row))[:200] or 'none'}")
        return "\n".join(filter(None, found))


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are read: by texts for question and answer, by a conversation, or by both where one came before them.

    `turns` is the key of the list of turns, empty where there is none, and none where the usual keys are tried.
    """

    question: Text | None
    answer: Text | None
    turns: str | None
    fields: Fields
    is_alpaca: bool

    @classmethod
    def of(cls, source: Source, format_: Format) -> "Layout":
        """Return the layout of a source; plain text has questions and answers whatever is declared."""
        fields, layout = source.fields, "qa" if format_ == "text" else source.layout
        if layout == "chat":
            return cls(None, None, fields.turns, fields, is_alpaca=False)
        if is_alpaca := layout == "alpaca":
            question, answer = Text(("instruction", "input"), needed="instruction"), Text(("output",))
        else:
            question, answer = Text(("question",)), Text(("answer",))
        turns = fields.turns or ("history" if is_alpaca else "")
        return cls(_declared(fields.question) or question, _declared(fields.answer) or answer, turns, fields, is_alpaca)

    @property
    def plain(self) -> tuple[Text, ...]:
        """Question and answer where all items are plain keys, so that whole columns can be read; else nothing."""
        sides = tuple(side for side in (self.question, self.answer) if side)
        return () if any(sign in item for side in sides for item in side.items for sign in "{.") else sides

    def read(self, row: Row) -> tuple[str, str, str | None]:
        """Return question, answer and conversation in JSON, none where there is no more than these.

        Raises RowError where a key is missing, is no text, or the conversation cannot be understood.
        """
        if not self.question or not self.answer:
            return _laid_out(self._turns(row))
        question, answer = self.question.read(row), self.answer.read(row)
        if self.turns and row.get(self.turns):
            return _laid_out([*self._turns(row), Turn("user", question), Turn("assistant", answer)])
        return question, answer, None

    def finish(self) -> list[pl.Expr]:
        """Return the expressions that take white space off texts, and off Alpaca's what says that there is no input."""
        question = pl.col("question").str.strip_chars()
        if self.is_alpaca:
            # Two lines are few; the pattern alone would read every text.
            two_lines = question.str.contains("\n", literal=True)
            shorter = where(two_lines, question).str.replace(_NO_INPUT, "")
            question = pl.when(two_lines).then(shorter).otherwise(question)
        return [question.alias("question"), pl.col("answer").str.strip_chars()]

    def _turns(self, row: Row) -> list[Turn]:
        key = self.turns or next((name for name in _TURNS if name in row), "")
        value = _find(row, key)
        if isinstance(value, str):  # a cell of a table
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
        if not isinstance(value, list):
            what = f"key {key!r} is {kind(value)}, not a list of turns" if key in row else "no list of turns is there"
            raise RowError(f"{what}; name its key by turns ({self.turns or ', '.join(_TURNS)})")
        return list(_turns(value, self.fields))


def _declared(items: str | list[str] | None) -> Text | None:
    return None if items is None else Text((items,) if isinstance(items, str) else tuple(items))


def _item(row: Row, item: str) -> str | None:
    """The text of an item, none where it is not there: of a template, where any of its values is not."""
    if "{" not in item or not (paths := _PLACEHOLDER.findall(item)):
        value = _find(row, item)
        return None if value is _ABSENT else _text(value, item)
    values = {path: _find(row, path) for path in paths}
    if _ABSENT in values.values():
        return None
    # In one go: what looks like a placeholder inside a value is part of that value.
    return _PLACEHOLDER.sub(lambda found: _written(values[found[1]]), item)


def _find(row: Row, path: str) -> Any:
    """The value under a key, else under keys, numbers of a list (from 0) or * for all of it, between dots."""
    return row.get(path, _ABSENT) if path in row or "." not in path else _step(row, path.split("."))


def _step(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return value
    step, further = steps[0], steps[1:]
    if isinstance(value, Mapping):
        return _step(value[step], further) if step in value else _ABSENT
    if isinstance(value, list) and step == "*":
        return [found for part in value if (found := _step(part, further)) is not _ABSENT]
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return _step(value[int(step)], further)
    return _ABSENT


def _text(value: Any, key: str) -> str:
    """A text, or a list of texts on a line each; null is empty. Raises RowError for any other value."""
    if isinstance(value, str) or value is None:
        return value or ""
    others = [part for part in value if not isinstance(part, str)] if isinstance(value, list) else [value]
    if others:
        holds = "a list that holds " if isinstance(value, list) else ""
        wanted = "texts" if holds else "a text"
        raise RowError(f"key {key!r} is {holds}{kind(others[0])}, not {wanted}; if that is meant, write '{{{key}}}'")
    return "\n".join(value)


def _written(value: Any, depth: int = 0) -> str:
    """Any value as text: a line for each part of a list or object, as `key：value`, or `A. value` after one letter."""
    if depth > _DEEPEST:
        raise RowError(f"a value is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Mapping):
        # Arrow gives every row the keys of all rows; those that a row lacks are null.
        parts = ((key, _written(part, depth + 1)) for key, part in value.items() if part is not None)
        return "\n".join(f"{key}. {part}" if _LETTER.fullmatch(key) else f"{key}：{part}" for key, part in parts)
    if isinstance(value, list):
        return "\n".join(_written(part, depth + 1) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind(value: object) -> str:
    """Return what a value of JSON is called."""
    names = {
        str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
    }  # fmt: skip
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _turns(values: Sequence[Any], fields: Fields) -> Iterator[Turn]:
    """Turns of objects with role and content, pairs of question and answer, or texts by user and assistant in turn."""
    kinds = {type(value) for value in values}
    if kinds == {dict}:
        yield from (_named(value, number, fields) for number, value in enumerate(values, 1))
    elif kinds == {str}:
        yield from _alternating(values)
    elif kinds == {list} and all(len(value) == 2 for value in values):
        yield from _alternating([_text(part, "turns") for pair in values for part in pair])
    elif values:
        raise RowError("the turns are neither objects, nor texts, nor pairs of texts")


def _named(value: Row, number: int, fields: Fields) -> Turn:
    role = next((key for key in ([fields.role] if fields.role else _ROLE) if key in value), None)
    content = next((key for key in ([fields.content] if fields.content else _CONTENT) if key in value), None)
    if role is None or content is None:
        wanted = f"{fields.role or 'role'}/{fields.content or 'content'}"
        raise RowError(f"turn {number} lacks {wanted}; it has {', '.join(value)[:200] or 'no key'}")
    said = str(value[role]).strip().lower()
    if said not in _ROLES:
        raise RowError(f"turn {number} has the role {said[:50]!r}; known are {', '.join(_ROLES)}")
    return Turn(_ROLES[said], _text(value[content], content))


def _alternating(texts: Sequence[str]) -> Iterator[Turn]:
    speakers = list(zip(texts, cycle(_SPEAKERS), cycle(("user", "assistant")), strict=False))
    marked = all(speaker.match(text) for text, speaker, _ in speakers)
    return (Turn(role, speaker.sub("", text, count=1) if marked else text) for text, speaker, role in speakers)


def _laid_out(turns: Sequence[Turn]) -> tuple[str, str, str | None]:
    """Question, answer and conversation of turns, those of one side after another made one.

    Raises RowError where they do not begin with the user and end with the assistant, or one says nothing.
    """
    grouped = groupby(turns, lambda turn: turn.role)
    said = [Turn(role, "\n".join(turn.content.strip() for turn in group)) for role, group in grouped]
    if said[:1] == [Turn("system", "")]:
        said = said[1:]
    body = said[1:] if said and said[0].role == "system" else said
    if not body:
        raise RowError("the conversation has no turn")
    if any(turn.role == "system" for turn in body):
        raise RowError("the conversation has a system turn that is not its first")
    if body[0].role != "user" or body[-1].role != "assistant":
        raise RowError(f"the conversation begins with the {body[0].role} and ends with the {body[-1].role}")
    question = "\n".join(turn.content for turn in said if turn.role != "assistant")
    answer = "\n".join(turn.content for turn in body if turn.role == "assistant")
    if len(said) == 2:
        return question, answer, None
    if empty := next((number for number, turn in enumerate(said, 1) if not turn.content), None):
        raise RowError(f"turn {empty} of the conversation is empty")
    return question, answer, orjson.dumps([turn._asdict() for turn in said]).decode()
