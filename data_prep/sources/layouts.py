"""What of a row is the question and what the answer, by the layout and the fields of its source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import orjson

from data_prep.sources.batch import Batch, Fault, Row
from data_prep.sources.conversations import Speech, Turn
from data_prep.sources.fields import RowError, Text
from data_prep.sources.json_lines import shown
from data_prep.spec import Format, Source

_INSTRUCTION = Text(("instruction", "input"), needed="instruction")
# What translations of Alpaca say where an instruction has no input.
_NO_INPUT = re.compile(
    r"\n[<(（\[]?(?:无(?:需)?输入|没有输入|不需要输入|不适用|no ?input|n/a|none)[>)）\]]?[。.]?\Z", re.IGNORECASE
)
_LONGEST_NO_INPUT = 12


def without_no_input(question: str) -> str:
    """An Alpaca question without an input that says that there is none."""
    return _NO_INPUT.sub("", question) if "\n" in question[-_LONGEST_NO_INPUT:] else question


@dataclass(frozen=True, slots=True)
class Columns:
    """Questions, answers and conversations in JSON (none where there is no more than these) of rows by their numbers.

    `faults` are the rows that are not whole, and those that have not what they should.
    """

    numbers: Sequence[int]
    question: Sequence[str]
    answer: Sequence[str]
    turns: Sequence[str | None]
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are read: by texts for question and answer, by a conversation, or by both where one came before them."""

    question: Text | None
    answer: Text | None
    speech: Speech | None

    @classmethod
    def of(cls, source: Source, format_: Format) -> "Layout":
        """The layout of a source's files; plain text has questions and answers whatever is declared."""
        fields = source.fields
        if source.layout == "chat" and format_ != "text":
            return cls(None, None, Speech(fields.turns, fields.role, fields.content))
        if source.layout == "alpaca" and format_ != "text":
            question, answer, usual = _INSTRUCTION, Text(("output",)), "history"
        else:
            question, answer, usual = Text(("question",)), Text(("answer",)), ""
        turns = fields.turns or usual
        return cls(
            Text.of(fields.question, question),
            Text.of(fields.answer, answer),
            Speech(turns, fields.role, fields.content) if turns else None,
        )

    def columns(self, batch: Batch) -> Columns:
        """What the rows of a batch say."""
        return self._all_at_once(batch) or self._one_by_one(batch)

    def _all_at_once(self, batch: Batch) -> Columns | None:
        """Columns of rows of plain texts, of which nothing is missing; none where one must be looked at by itself."""
        if not self.question or not self.answer:
            return None
        if self.speech and self.speech.turns and any(row.get(self.speech.turns) for row in batch.rows):
            return None
        question, answer = _joined(batch.rows, self.question), _joined(batch.rows, self.answer)
        if question is None or answer is None:
            return None
        return Columns(batch.numbers, question, answer, [None] * len(question), batch.faults)

    def _one_by_one(self, batch: Batch) -> Columns:
        rows: dict[int, tuple[str, str, str | None]] = {}
        faults = list(batch.faults)
        for number, row in zip(batch.numbers, batch.rows, strict=True):
            try:
                rows[number] = self.read(row)
            except RowError as error:
                faults.append(Fault(number, str(error), shown(row)))
        question, answer, turns = zip(*rows.values(), strict=True) if rows else ((), (), ())
        return Columns(list(rows), question, answer, turns, sorted(faults, key=lambda fault: fault.row))

    def read(self, row: Row) -> tuple[str, str, str | None]:
        """Question, answer and conversation of a row. Raises RowError where a key is missing or is no text."""
        if not self.question or not self.answer:
            return _laid_out(self.speech.read(row) if self.speech else [])
        question, answer = self.question.read(row), self.answer.read(row)
        if self.speech and row.get(self.speech.turns or ""):
            before = self.speech.read(row)
            return _laid_out([*before, Turn("user", question), Turn("assistant", answer)])
        return question, answer, None


def _joined(rows: Sequence[Row], text: Text) -> list[str] | None:
    """What `text` reads of every row, where it is keys of plain texts and nothing is missing; else none."""
    keys = text.keys
    if keys is None or any("." in key for key in keys):
        return None
    columns = {key: [row.get(key) for row in rows] for key in keys}
    kinds = {key: set(map(type, column)) for key, column in columns.items()}
    if any(kind - {str, type(None)} for kind in kinds.values()):
        return None
    sure = [text.needed] if text.needed else keys
    if not any(kinds[key] <= {str} for key in sure):
        return None
    joined: list[str] = []
    for column in columns.values():
        filled = [value or "" for value in column]
        joined = [f"{a}\n{b}" if a and b else a or b for a, b in zip(joined, filled, strict=True)] if joined else filled
    return joined


def _laid_out(turns: Sequence[Turn]) -> tuple[str, str, str | None]:
    """Question, answer and conversation of turns, those of one side after another made one.

    Raises RowError where they do not begin with the user and end with the assistant, or one says nothing.
    """
    said = [
        Turn(role, "\n".join(turn.content.strip() for turn in group))
        for role, group in groupby(turns, lambda turn: turn.role)
    ]
    if said and said[0].role == "system" and not said[0].content:
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
    return question, answer, orjson.dumps([{"role": turn.role, "content": turn.content} for turn in said]).decode()
