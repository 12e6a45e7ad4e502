"""The nouns of the exam as frozen, typed values: Question, Entry, Book, Choice, Score."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, Self, get_args

from openbook_eval.files import sha256

ExamName = Literal["physician", "nursing", "pharmacist", "technician", "professional", "postgraduate", "other"]
QType = Literal["single", "multi"]
State = Literal["stated", "implied", "asked", "cut_off", "none"]

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

# What the reading exam's prompt asks for where the book does not tell: no option of an exam reads so.
ABSTENTION = "材料未提及"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One exam item.

    `options` maps single capital letters to their texts, in the file's order. `answer` may be given as the file writes
    it and becomes the sorted set of right letters, "" where none are published; `published` keeps what the file writes
    where that is unsorted or repeats a letter. `knowledge` is the text that the file gives to answer from.
    """

    id: str
    exam: ExamName = "other"
    exam_class: str = ""
    subject: str = ""
    qtype: QType = "single"
    stem: str
    options: Mapping[str, str]
    answer: str
    knowledge: str | None = None
    explanation: str | None = None
    published: str = ""

    def __post_init__(self) -> None:
        """Sort the letters of the answer."""
        if (letters := sorted_letters(self.answer)) != self.answer:
            object.__setattr__(self, "published", self.answer)
            object.__setattr__(self, "answer", letters)

    @property
    def right_texts(self) -> list[str]:
        """Return the texts of the right options, in the order of their letters."""
        return [self.options[letter] for letter in self.answer]

    def statement(self, letters: str | None = None) -> str:
        """Turn the question into a statement of its right options, or of the options called `letters`.

        The rule is that of the paper's authors: the blank (`( )。` or `()。`) leaves the stem, the text of each right
        option is appended, then `。` (data set wangrongsheng/open-book-CMB-exam, CMB-test/test-book.json).
        """
        stem = self.stem.replace("( )。", "").replace("()。", "")
        return stem + "".join(self.options[letter] for letter in (self.answer if letters is None else letters)) + "。"

    def faults(self) -> Iterator[str]:
        """Say what makes the question impossible to ask or to score; nothing where it is sound."""
        if not self.stem.strip():
            yield "the question has no text"
        if len(self.options) < 2:
            yield f"needs at least two options, has {len(self.options)}"
        if stray := [letter for letter in self.options if not re.fullmatch("[A-Z]", letter)]:
            yield f"option names must be single letters A to Z, not {', '.join(map(repr, stray))}"
        if blank := [letter for letter, text in self.options.items() if not text.strip()]:
            yield f"option {', '.join(blank)} has no text"
        if self.knowledge is not None and not self.knowledge.strip():
            yield "knowledge is blank; leave it out, then question and answer are made into a statement"
        if missing := sorted(set(self.answer) - set(self.options)):
            yield f"answer {', '.join(missing)} is not among the options {', '.join(sorted(self.options)) or '(none)'}"
        if self.qtype == "single" and len(self.answer) > 1:
            yield f"a single-choice question has {len(self.answer)} right letters: {self.answer}"

    def to_doc(self) -> dict[str, Any]:
        """Return the question as a row of an Arrow table.

        Options become a list: of a mapping Arrow keeps neither the order nor which letters a question has.
        """
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return row | {"options": [{"letter": letter, "text": text} for letter, text in self.options.items()]}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Self:
        """Read the question back from a row of `to_doc`, whatever else the row holds."""
        values = {field.name: doc[field.name] for field in fields(cls)}
        return cls(**values | {"options": {option["letter"]: option["text"] for option in doc["options"]}})


def sorted_letters(text: str) -> str:
    """Return the capital letters of `text`, each once, in order: published answers are at times unsorted."""
    return "".join(sorted(set(re.findall("[A-Z]", text))))


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of knowledge that answers a question.

    `provider` says where it comes from: `given` (the exam's file), `statement` (the authors' rule), `passage`,
    `retrieved`, `generated`, or the name of an entry file. `removed` are the leaked answers cut from its text.
    """

    question_id: str
    text: str
    provider: str
    removed: tuple[str, ...] = ()

    @classmethod
    def given_or_statement(cls, question: Question) -> Self:
        """Return the knowledge that the exam's file gives, else the statement of question and right answer."""
        if question.knowledge:
            return cls(question.id, question.knowledge, "given")
        return cls(question.id, question.statement(), "statement")


@dataclass(frozen=True)  # without slots: what many questions ask of one book is kept
class Book:
    """The entries put into one prompt, in order; an empty book makes the exam closed-book."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, question: Question) -> Self:
        """Return the book of the paper's exam: the question's own entry and no other."""
        return cls((Entry.given_or_statement(question),))

    @cached_property
    def text(self) -> str:
        """Return the entries, a line each."""
        return "\n".join(entry.text for entry in self.entries)

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the text."""
        return sha256(self.text)

    def depths(self) -> dict[str, float]:
        """Return where each entry begins, by its text: 0 at the front of the book, near 1 at its back."""
        starts = accumulate((len(entry.text) + 1 for entry in self.entries), initial=0)
        whole = max(1, len(self.text))
        return {entry.text: start / whole for entry, start in zip(self.entries, starts, strict=False)}


@dataclass(frozen=True, slots=True)
class Choice:
    """The letters that a response commits to, or none with the reason.

    `letters` is a sorted set of option letters. `state` is `stated` (named as the answer), `implied` (an option's text
    without its letter, or the only letters there), `asked` (the model was asked again, `probability` is what the
    chosen letters have of that of all), `cut_off` (ended in mid-thought) or `none`. `rule` names the rule that read it,
    or the reason for nothing; among these are `abstention_only` (nothing but the words that the reading exam asks for
    where its book does not tell) and `abstention` (says so in other words). `ranked` is a choice from the probabilities
    of letters, without a response.
    """

    letters: str
    state: State
    rule: str
    probability: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields that it has."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def format_followed(self) -> bool:
        """Return whether the response was nothing but the letters, as the prompt demands."""
        return self.rule == "letters_only"

    @property
    def abstained(self) -> bool:
        """Return whether the response says that the book does not tell."""
        return self.rule in {"abstention_only", "abstention"}


@dataclass(frozen=True, slots=True)
class Score:
    """The metrics of one response, by the names of `scoring.METRICS`; None where the response has no such number."""

    metrics: Mapping[str, float | None]

    def __getitem__(self, name: str) -> float | None:
        """Return one metric. Raises KeyError for one that responses of this kind do not have."""
        return self.metrics[name]


class Unanswered(str):
    """The response to a question that got none: empty text that knows why, handed on by lm-eval, never scored."""

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, reason: str) -> "Unanswered":
        """Make the response; `reason` is a word or two."""
        text = super().__new__(cls, "")
        text.reason = reason
        return text


class Marked(str):
    """A response that knows more than its text, handed on by lm-eval.

    `cut_off`: it ended in mid-thought. `logprobs` are those of the letters where the model was asked again.
    """

    __slots__ = ("cut_off", "logprobs")
    cut_off: bool
    logprobs: Mapping[str, float] | None

    def __new__(cls, text: str, *, cut_off: bool = False, logprobs: Mapping[str, float] | None = None) -> "Marked":
        """Mark a text."""
        marked = super().__new__(cls, text)
        marked.cut_off, marked.logprobs = cut_off, logprobs
        return marked
