"""Our own exam format: JSONL, one question a line, for anybody's exam (docs/exam_format.md)."""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbook_eval.errors import validation_message
from openbook_eval.exams.exam_file import ExamFile, ExamSource, as_published, build
from openbook_eval.files import decode
from openbook_eval.types import ExamName, Question, sorted_letters


class Row(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    exam: ExamName = "other"
    # "class" is a word of Python's.
    exam_class: str = Field(default="", alias="class")
    subject: str = ""
    qtype: Literal["single", "multi"] = "single"
    stem: str
    options: dict[str, str]
    answer: str = Field(pattern="^[A-Z]+$")
    knowledge: str | None = None
    explanation: str | None = None

    def question(self) -> Question:
        """The row as a question; letters of the answer sorted, each once."""
        answers = {"answer": sorted_letters(self.answer), "published": as_published(self.answer)}
        return Question(**{**self.model_dump(), **answers})


_KEYS = [field.alias or name for name, field in Row.model_fields.items()]


def read(source: ExamSource, name: str) -> ExamFile:
    """Reads the file called `name`; raises ExamError with all its faults."""
    label = source.label(name)
    text = decode(source.read(name), label)
    return build(source, label, _rows(text))


def _rows(text: str) -> Iterator[tuple[str, Question | str]]:
    # Not splitlines: it also breaks at characters such as U+2028 that JSON allows inside a string.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _question(line)


def _question(line: str) -> Question | str:
    try:
        return Row.model_validate_json(line).question()
    except ValidationError as error:
        return "; ".join(validation_message(dict(fault), _KEYS) for fault in error.errors())
