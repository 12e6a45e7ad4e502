"""The book an examinee is handed: entries of knowledge, each answering one question."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from openbook_eval.question import Question


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of knowledge that answers a question.

    `provider` says who gave it: `given` (the exam's file), `statement` (the authors' rule), `passage`, `retrieved`,
    `generated`, or the name of an entry file. `taken_out` are the verdicts that were cut from its text.
    """

    question_id: str
    text: str
    provider: str
    taken_out: tuple[str, ...] = ()


@dataclass(frozen=True)  # without slots: what many questions ask of one book is kept
class Book:
    """The entries put into one prompt, in order; an empty book makes the exam closed-book."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def text(self) -> str:
        """The entries, a line each."""
        return "\n".join(entry.text for entry in self.entries)

    @cached_property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    def places(self) -> dict[str, float]:
        """Where each entry begins, by its text: 0 at the front of the book, near 1 at its back."""
        starts = accumulate((len(entry.text) + 1 for entry in self.entries), initial=0)
        whole = max(1, len(self.text))
        return {entry.text: start / whole for entry, start in zip(self.entries, starts, strict=False)}


def statement(question: Question, answer: str | None = None) -> str:
    """The question turned into a statement, by the rule of the paper's authors; of the letters of `answer` if given.

    The blank (`( )。` or `()。`) leaves the stem, the text of each right option is appended, then `。`
    (data set wangrongsheng/open-book-CMB-exam, CMB-test/test-book.json).
    """
    stem = question.stem.replace("( )。", "").replace("()。", "")
    letters = question.answer if answer is None else answer
    return stem + "".join(question.options[letter] for letter in letters) + "。"


def given_entry(question: Question) -> Entry | None:
    """The knowledge that the exam's file gives, as it is."""
    return Entry(question.id, question.knowledge, "given") if question.knowledge else None


def statement_entry(question: Question) -> Entry:
    """The statement that the authors' rule makes of question and right answer."""
    return Entry(question.id, statement(question), "statement")


def own_entry(question: Question) -> Entry:
    """The question's own entry: what its file gives, else the statement."""
    return given_entry(question) or statement_entry(question)


def open_book(question: Question) -> Book:
    """The book of the paper's exam: the question's own entry and no other."""
    return Book((own_entry(question),))


def providers(questions: Iterable[Question]) -> dict[str, int]:
    """How many questions have their entry from whom."""
    counts = {"given": 0, "statement": 0}
    for question in questions:
        counts["given" if question.knowledge else "statement"] += 1
    return counts
