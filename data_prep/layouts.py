"""What of a row is the question and what the answer: texts under keys, templates, or turns of a conversation."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, groupby
from typing import Any, Final, TypeAlias

import orjson
import polars as pl

from data_prep.clean import where
from data_prep.formats import Row, kind
from data_prep.spec import Fields, Format, Source
from openbook_eval.errors import some
from openbook_eval.matching.response import without_thought

# What one side says: its role, which is system, user or assistant, and its content.
Message: TypeAlias = dict[str, str]
# Question, answer and, where there is more than these, the conversation in JSON.
Texts: TypeAlias = tuple[str, str, str | None]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_LETTER = re.compile(r"[A-Z]")
_DEEPEST = 8
_ABSENT: Final = object()  # no value, as opposed to null

# Where the turns are, and how a turn is laid out, if the source does not say.
_TURNS = ("conversations", "messages", "conversation", "dialogue", "turns", "data", "history")
_ROLE, _CONTENT, _REASONING = ("role", "from"), ("content", "value"), ("reasoning_content", "thinking")
_ROLES = {
    "system": "system",
    **dict.fromkeys(("user", "human", "patient", "问", "患者", "用户"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "doctor", "moss", "答", "医生", "助手"), "assistant"),
}
# Keys of a turn that holds what both sides say.
_SIDES = {
    **_ROLES,
    **dict.fromkeys(("input", "question", "query", "prompt", "instruction"), "user"),
    **dict.fromkeys(("output", "answer", "response"), "assistant"),
}
# MOSS writes who speaks, and that he ends, into its texts.
_MOSS = re.compile(r"\A\s*<\|\w{1,20}\|>[:：]?|<eo[a-z]>\s*\Z")
# HuatuoGPT-sft-data-v1 writes who speaks into the texts of its lists.
_SPEAKERS = tuple(re.compile(rf"\s*{side}[:：]") for side in "问答")
_IN_TURN = re.compile("(system )?user assistant( user assistant)*")
# 76. or 76、 in front of a question.
_NUMBER = r"\A\d{1,5}\s*[.．、]\s*"
# What translations of Alpaca say where an instruction has no input.
_NO_INPUT = r"(?i)\n[<(（\[]?(?:无(?:需)?输入|没有输入|不需要输入|不适用|no ?input|n/a|none)[>)）\]]?[。.]?\z"


class RowError(ValueError):
    """A row whose fields are not what they should be; the message names the key."""


@dataclass(frozen=True, slots=True)
class Text:
    """Keys and templates, whose texts are joined by line breaks; of `needed`, else of all, one must be there."""

    items: tuple[str, ...]
    needed: tuple[str, ...] = ()

    def joined(self) -> pl.Expr:
        """Return what `read` does as an expression, for columns of plain texts; a null is an empty text."""
        joined, *others = (pl.col(key).fill_null("") for key in self.items)
        for other in others:
            joined = pl.when((joined != "") & (other != "")).then(joined + "\n" + other).otherwise(joined + other)
        return joined

    def lacking(self) -> pl.Expr:
        """Return whether a key that is needed is null, which it may be because it is not there."""
        return pl.all_horizontal(pl.col(self.needed or self.items).is_null())

    def read(self, row: Row) -> str:
        """Return the text of a row; raise RowError where what must be there is missing, or is no text."""
        found = {item: text for item in self.items if (text := _item(row, item)) is not None}
        needed = self.needed or self.items
        if not any(item in found for item in needed):
            wanted = " or ".join(map(repr, needed))
            raise RowError(f"key {wanted} is missing; the row has {some(list(row))[:200] or 'none'}")
        return "\n".join(filter(None, found.values()))


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are read: by texts for question and answer, by a conversation, or by both where one came before them.

    `turns` is the key of the list of turns, empty where there is none, and none where the usual keys are tried.
    Reasoning stands in front of its answer, between `<think>` and `</think>`, or is cut away.
    """

    texts: tuple[Text, Text] | None
    turns: str | None
    source: Source
    is_alpaca: bool = False

    @classmethod
    def of(cls, source: Source, format_: Format) -> "Layout":
        """Return the layout of a source; plain text has questions and answers whatever is declared."""
        fields, layout = source.fields, "qa" if format_ == "text" else source.layout
        if layout == "chat":
            return cls(None, fields.turns, source)
        if is_alpaca := layout == "alpaca":
            question, answer = Text(("instruction", "input"), needed=("instruction",)), Text(("output",))
        else:
            question, answer = Text(("question",)), Text(("answer",))
        texts = _declared(fields.question) or question, _declared(fields.answer) or answer
        return cls(texts, fields.turns or ("history" if is_alpaca else ""), source, is_alpaca)

    @property
    def _fields(self) -> Fields:
        return self.source.fields

    def read(self, row: Row) -> Texts:
        """Return question, answer and conversation; raise RowError where one is missing or cannot be understood."""
        system = _optional(row, self._fields.system)
        before = [_message("system", system)] if system.strip() else []
        if not self.texts:
            return _laid_out([*before, *self._turns(row)])
        question, answer = (text.read(row) for text in self.texts)
        answer = self._reasoned(answer, _optional(row, self._fields.reasoning))
        if self.turns and _find(row, self.turns) not in (_ABSENT, None, "", []):
            before += self._turns(row)
        if before:
            return _laid_out([*before, _message("user", question), _message("assistant", answer)])
        return question, answer, None

    def read_at_once(self, block: bytes) -> pl.DataFrame | None:
        """Return question, answer and turns of lines of JSON, or none where they must be looked at one by one."""
        keys = list(dict.fromkeys(key for text in self.texts or () for key in text.items))
        special = self._fields.system or self._fields.reasoning or self.source.reasoning == "drop"
        if not self.texts or special or any(sign in key for key in (*keys, self.turns or "") for sign in "{."):
            return None
        # As strings polars would take numbers and lists; a category is a text or an error. They have a pool of their
        # own, which goes with them.
        schema: dict[str, pl.DataType] = dict.fromkeys(keys, pl.Categorical(pl.Categories.random()))
        try:
            table = pl.read_ndjson(block, schema=schema | ({self.turns: pl.String()} if self.turns else {}))
        except (pl.exceptions.PolarsError, OSError):  # OSError where it begins as a compressed file does
            return None
        texts = table.select(pl.col(keys).cast(pl.String()))
        # Blank lines are no rows, but are counted. A NUL may be half a surrogate pair.
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        unsure = [text.lacking() for text in self.texts] + [pl.col(keys).str.contains("\0", literal=True)]
        if table.height != lines or texts.select(pl.any_horizontal(unsure).any()).item():
            return None
        if self.turns and not table[self.turns].fill_null("").is_in(["", "[]"]).all():
            return None
        question, answer = (text.joined() for text in self.texts)
        return texts.select(question=question, answer=answer, turns=pl.lit(None, pl.String))

    def finish(self) -> list[pl.Expr]:
        """Return the expressions of texts without white space around them, a word for no input, and what is untidy.

        What is said in a conversation stays as it is.
        """
        question, answer = (pl.col(name).str.strip_chars() for name in ("question", "answer"))
        if self.is_alpaca:
            # Two lines are few; the pattern alone would read every text.
            two_lines = question.str.contains("\n", literal=True)
            shorter = where(two_lines, question).str.replace(_NO_INPUT, "")
            question = pl.when(two_lines).then(shorter).otherwise(question)
        single = pl.col("turns").is_null()
        if "numbers" in self.source.tidy:
            question = pl.when(single).then(question.str.replace(_NUMBER, "")).otherwise(question)
        if "lists" in self.source.tidy:
            is_list = single & answer.str.starts_with("[")
            joined = where(is_list, answer).map_elements(_joined, return_dtype=pl.String())
            answer = pl.when(is_list).then(joined).otherwise(answer)
        return [question.alias("question"), answer.alias("answer")]

    def _turns(self, row: Row) -> list[Message]:
        key = self.turns or next((name for name in _TURNS if name in row), "")
        value = _find(row, key)
        if isinstance(value, str):  # a cell of a table
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
        if isinstance(value, dict):  # turn_1, turn_2 ...; those that a row of a table lacks are null
            value = [turn for turn in value.values() if turn is not None]
        if not isinstance(value, list):
            there = value is not _ABSENT
            what = f"key {key!r} is {kind(value)}, not a list of turns" if there else "no list of turns is there"
            raise RowError(f"{what}; name its key by turns ({self.turns or ', '.join(_TURNS)})")
        return list(self._messages(value))

    def _messages(self, values: Sequence[Any]) -> Iterator[Message]:
        """Yield turns of objects with role and content or with both sides, pairs, or texts by both sides in turn."""
        kinds = {type(value) for value in values}
        if kinds == {dict}:
            for number, value in enumerate(values, 1):
                yield from self._named(value, number)
        elif kinds == {str}:
            yield from _alternating(values)
        elif kinds == {list} and all(len(value) == 2 for value in values):
            yield from _alternating([_text(part, "turns") for pair in values for part in pair])
        elif values:
            raise RowError("the turns are neither objects, nor texts, nor pairs of texts")

    def _named(self, value: Row, number: int) -> Iterator[Message]:
        usual = {"role": _ROLE, "content": _CONTENT, "reasoning": _REASONING}
        keys = [[own] if (own := getattr(self._fields, name)) else known for name, known in usual.items()]
        role, content, reasoning = (next((key for key in some if key in value), "") for some in keys)
        if not role and not content and {"user", "assistant"} <= {_SIDES.get(key.lower()) for key in value}:
            yield from _sides(value)
            return
        if not role or not content:
            has = ", ".join(value)[:200] or "no key"
            raise RowError(f"turn {number} lacks {keys[0][0]}/{keys[1][0]}; it has {has}")
        said = str(value[role]).strip().lower()
        if said not in _ROLES:
            raise RowError(f"turn {number} has the role {said[:50]!r}; known are {', '.join(_ROLES)}")
        text = _text(_parts(value[content], number), content)
        if _ROLES[said] == "assistant":
            text = self._reasoned(text, _text(value.get(reasoning), reasoning))
        yield _message(_ROLES[said], text)

    def _reasoned(self, answer: str, thought: str) -> str:
        """Return an answer with its reasoning in front of it, as models write it, or without any."""
        if self.source.reasoning == "keep":
            return f"<think>\n{thought.strip()}\n</think>\n\n{answer.strip()}" if thought.strip() else answer
        if (rest := without_thought(answer)) is None:
            raise RowError("the reasoning in the answer does not end")
        return rest


def _declared(items: str | list[str] | None) -> Text | None:
    return None if items is None else Text((items,) if isinstance(items, str) else tuple(items))


# --- Texts under keys


def _item(row: Row, item: str) -> str | None:
    """Return the text of a key or template; none where it, or any value that a template wants, is not there."""
    if "{" not in item or not (paths := _PLACEHOLDER.findall(item)):
        value = _find(row, item)
        return None if value is _ABSENT else _text(value, item)
    values = {path: _find(row, path) for path in paths}
    if _ABSENT in values.values():
        return None
    # In one go: what looks like a placeholder inside a value is part of that value.
    return _PLACEHOLDER.sub(lambda found: _written(values[found[1]]), item)


def _joined(text: str) -> str:
    """Return the texts of a list in Python's notation, such as ['桂枝', '白芍'], joined; all else as it is."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of unknown escapes
            parts = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return "、".join(parts) if parts and all(isinstance(part, str) for part in parts) else text


def _optional(row: Row, item: str | None) -> str:
    return (_item(row, item) if item else None) or ""


def _find(row: Row, path: str) -> Any:
    """Return the value under a key, else under keys, numbers of a list (from 0) or * for all of it, between dots."""
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
    """Return a text, or a list of texts on a line each; null is empty."""
    parts = value if isinstance(value, list) else [value or ""] if isinstance(value, str | None) else [value]
    if others := [part for part in parts if not isinstance(part, str)]:
        holds = "a list that holds " if isinstance(value, list) else ""
        raise RowError(f"key {key!r} is {holds}{kind(others[0])}, not text; if that is meant, write '{{{key}}}'")
    return "\n".join(parts)


def _written(value: Any, depth: int = 0) -> str:
    """Return a value as text: a line for each part of a list or object, as `key：value` or `A. value`."""
    if depth > _DEEPEST:
        raise RowError(f"a value is nested more than {_DEEPEST} deep")
    if isinstance(value, Mapping):
        # Arrow gives every row the keys of all rows; those that a row lacks are null.
        parts = ((key, _written(part, depth + 1)) for key, part in value.items() if part is not None)
        return "\n".join(f"{key}. {part}" if _LETTER.fullmatch(key) else f"{key}：{part}" for key, part in parts)
    if isinstance(value, list):
        return "\n".join(_written(part, depth + 1) for part in value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- Turns of a conversation


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _sides(value: Row) -> list[Message]:
    """Return what both sides say in one object, and the system before them."""
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for key in value:
        if (side := _SIDES.get(key.lower())) and (text := _MOSS.sub("", _text(value[key], key))).strip():
            said[side].append(text)
    # A system message may be blank in all turns but the first.
    return [_message(side, "\n".join(texts)) for side, texts in said.items() if texts or side != "system"]


def _parts(content: Any, turn: int) -> Any:
    """Return content as it is, or the texts of OpenAI's parts of content."""
    if not isinstance(content, list) or not content or not all(isinstance(part, dict) for part in content):
        return content
    if others := [part.get("type") for part in content if not isinstance(part.get("text"), str)]:
        raise RowError(f"turn {turn} holds a part of type {str(others[0])[:50]!r}, which is no text")
    return [part["text"] for part in content]


def _alternating(texts: Sequence[str]) -> Iterator[Message]:
    speakers = list(zip(texts, cycle(_SPEAKERS), cycle(("user", "assistant")), strict=False))
    marked = all(speaker.match(text) for text, speaker, _ in speakers)
    return (_message(role, speaker.sub("", text, count=1) if marked else text) for text, speaker, role in speakers)


def _laid_out(turns: Sequence[Message]) -> Texts:
    """Return the texts of turns, those of one side after another made one."""
    grouped = groupby(turns, lambda turn: turn["role"])
    said = [_message(role, "\n".join(turn["content"].strip() for turn in group)) for role, group in grouped]
    if said[:1] == [_message("system", "")]:
        said = said[1:]
    roles = " ".join(turn["role"] for turn in said)
    if not _IN_TURN.fullmatch(roles):
        raise RowError(f"the conversation is not of user and assistant in turn, but of {roles[:200] or 'nobody'}")
    question = "\n".join(turn["content"] for turn in said if turn["role"] != "assistant")
    answer = "\n".join(turn["content"] for turn in said if turn["role"] == "assistant")
    if len(said) == 2:
        return question, answer, None
    if empty := next((number for number, turn in enumerate(said, 1) if not turn["content"]), None):
        raise RowError(f"turn {empty} of the conversation is empty")
    return question, answer, orjson.dumps(said).decode()
