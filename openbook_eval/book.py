"""The book an examinee is handed: entries of knowledge, each answering one question."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from openbook_eval.question import Question

Provider = Literal["given", "statement"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of knowledge that answers a question; `provider` says whose it is."""

    question_id: str
    text: str
    provider: Provider


@dataclass(frozen=True, slots=True)
class Book:
    """The entries put into one prompt, in order; an empty book makes the exam closed-book."""

    entries: tuple[Entry, ...] = ()

    @property
    def text(self) -> str:
        """The entries, a line each."""
        return "\n".join(entry.text for entry in self.entries)


def statement(question: Question) -> str:
    """The question turned into a statement, by the rule of the paper's authors.

    The blank (`( )。` or `()。`) leaves the stem, the text of each right option is appended, then `。`
    (data set wangrongsheng/open-book-CMB-exam, CMB-test/test-book.json).
    """
    stem = question.stem.replace("( )。", "").replace("()。", "")
    return stem + "".join(question.right_texts) + "。"


def own_entry(question: Question) -> Entry:
    """The question's own entry: what its file gives, else the statement."""
    if question.knowledge:
        return Entry(question.id, question.knowledge, "given")
    return Entry(question.id, statement(question), "statement")


def open_book(question: Question) -> Book:
    """The book of the paper's exam: the question's own entry and no other."""
    return Book((own_entry(question),))


def providers(questions: Iterable[Question]) -> dict[Provider, int]:
    """How many questions have their entry from whom."""
    counts: dict[Provider, int] = {"given": 0, "statement": 0}
    for question in questions:
        counts["given" if question.knowledge else "statement"] += 1
    return counts
