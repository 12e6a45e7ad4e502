"""One exam item as a typed value, and the names of the six exams."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

ExamName = Literal["physician", "nursing", "pharmacist", "technician", "professional", "postgraduate", "other"]
QType = Literal["single", "multi"]

EXAM_NAMES: tuple[ExamName, ...] = get_args(ExamName)
# The paper averages these; "other" holds questions that carry none of the six labels.
SIX_EXAMS: tuple[ExamName, ...] = EXAM_NAMES[:6]

# Category names of CMB-Exam (Wang et al. 2023, arXiv:2308.08833).
CHINESE_NAMES: Mapping[ExamName, str] = {
    "physician": "医师考试",
    "nursing": "护理考试",
    "pharmacist": "药师考试",
    "technician": "医技考试",
    "professional": "专业知识考试",
    "postgraduate": "医学考研",
    "other": "其他",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One exam item.

    `options` maps single capital letters to their texts, in the file's order. `answer` is the sorted set of right
    letters, "" where the file publishes none. `knowledge` is the text that the file gives to answer the question from.
    `published` is the answer as the file writes it, where that is unsorted or repeats a letter, else "".
    """

    id: str
    exam: ExamName
    exam_class: str
    subject: str
    qtype: QType
    stem: str
    options: Mapping[str, str]
    answer: str
    knowledge: str | None = None
    explanation: str | None = None
    published: str = ""

    @property
    def right_texts(self) -> list[str]:
        """Texts of the right options, in the order of their letters."""
        return [self.options[letter] for letter in self.answer]


def sorted_letters(text: str) -> str:
    """The capital letters of `text`, each once, in order: published answers are at times unsorted or repeated."""
    return "".join(sorted(set(re.findall("[A-Z]", text))))


def as_published(text: str) -> str:
    """`text` where it is not the sorted set of its letters, else "": what `Question.published` holds."""
    return "" if text == sorted_letters(text) else text


def faults(question: Question) -> Iterator[str]:
    """What makes the question impossible to ask or to mark; nothing where it is sound."""
    if not question.stem.strip():
        yield "the question has no text"
    if len(question.options) < 2:
        yield f"needs at least two options, has {len(question.options)}"
    if stray := [letter for letter in question.options if not re.fullmatch("[A-Z]", letter)]:
        yield f"option names must be single letters A to Z, not {', '.join(map(repr, stray))}"
    if blank := [letter for letter, text in question.options.items() if not text.strip()]:
        yield f"option {', '.join(blank)} has no text"
    if question.knowledge is not None and not question.knowledge.strip():
        yield "knowledge is blank; leave it out, then question and answer are made into a statement"
    if missing := set(question.answer) - set(question.options):
        yield (
            f"answer {', '.join(sorted(missing))} is not among the options "
            f"{', '.join(sorted(question.options)) or '(none)'}"
        )
    if question.qtype == "single" and len(question.answer) > 1:
        yield f"a single-choice question has {len(question.answer)} right letters: {question.answer}"
