"""Apollo's Chinese test file (FreedomIntelligence/ApolloMoEBench, zh.json): several exams in one, told by `source`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openbook_eval.errors import ExamError
from openbook_eval.exams.exam_file import ExamFile, ExamSource, as_published, build
from openbook_eval.types import Question, sorted_letters

# "(A) 后鼻道狭窄.": Apollo puts the letter in brackets and a full stop after each option.
_OPTION = re.compile(r"\(([A-Z])\)[ \t]*(.*?)\.?\s*", re.DOTALL)
_NEXT_OPTION = re.compile(r"\n(?=\([A-Z]\))")
_ANSWER = re.compile(r"\(([A-Z]+)\)")
Rows = Sequence[Mapping[str, Any]]
_KEYS = ("question", "options", "answer", "source")


def fits(row: Mapping[str, Any]) -> bool:
    """Whether the row has Apollo's shape."""
    return isinstance(row.get("options"), str) and "question" in row and "source" in row


def from_rows(source: ExamSource, label: str, rows: Rows, part: str | None) -> ExamFile:
    """The exam of the rows whose `source` is `part`, or of all; raises ExamError with all faults of the file."""
    parts = sorted({str(row.get("source")) for row in rows})
    if part is not None and part not in parts:
        raise ExamError(f"{label}: no questions of source {part!r}; it has {', '.join(parts)}")
    return build(source, label, _rows(rows, part))


def _rows(rows: Rows, part: str | None) -> Iterator[tuple[str, Question | str]]:
    for number, row in enumerate(rows, 1):
        if part is None or row.get("source") == part:
            yield f"row {number}", _question(row, number)


def _question(row: Mapping[str, Any], number: int) -> Question | str:
    if missing := [key for key in _KEYS if not isinstance(row.get(key), str)]:
        return f"keys missing or not text: {', '.join(missing)}"
    answer = _ANSWER.fullmatch(row["answer"].strip())
    if not answer:
        return f"answer {row['answer']!r} is not of the form (A) or (ACD)"
    options: dict[str, str] = {}
    for line in _NEXT_OPTION.split(row["options"]):
        found = _OPTION.fullmatch(line)
        if not found:
            return f"option {line!r} is not of the form (A) text."
        if found.group(1) in options:
            return f"option {found.group(1)} is there twice"
        options[found.group(1)] = found.group(2)
    letters = sorted_letters(answer.group(1))
    return Question(
        id=f"{row['source']}-{number}",
        # Apollo keeps no exam type: all its questions are "other", and the source tells them apart.
        exam="other",
        exam_class=row["source"],
        subject="",
        qtype="single" if len(letters) == 1 else "multi",
        stem=row["question"],
        # CMB's questions with four options come with an empty fifth, "(E) .".
        options={letter: text for letter, text in options.items() if text.strip()},
        answer=letters,
        published=as_published(answer.group(1)),
    )
