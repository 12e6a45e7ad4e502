"""The marks of one response."""

from dataclasses import dataclass

from openbook_eval.choice import Choice
from openbook_eval.question import Question


@dataclass(frozen=True, slots=True)
class Verdict:
    """The marks that split a score into reading and obeying.

    `correct`: the response commits to exactly the right letters, in whatever form. `correct_strict`: it is nothing but
    these letters, as the prompt demands. `format_followed`: it is nothing but letters, right or wrong. `answered`: it
    commits to any. `partial_credit`: None for single choice.
    """

    correct: bool
    correct_strict: bool
    format_followed: bool
    answered: bool
    partial_credit: float | None


@dataclass(frozen=True, slots=True)
class ReadingVerdict(Verdict):
    """The marks of the reading exam, where right may be to say that the material does not tell.

    `correct` and `correct_strict` are meant so: the right letters, or where none are right the abstention. The words
    that the prompt asks for are a followed format as letters are. `abstained`: the response says that the material does
    not tell. Where the book says otherwise than the truth (None elsewhere): `followed_book` chooses the book's letters,
    `followed_memory` the true ones, `followed_neither` is all else.
    """

    abstained: bool
    followed_book: bool | None = None
    followed_memory: bool | None = None
    followed_neither: bool | None = None


def mark(choice: Choice, question: Question) -> Verdict:
    """Marks a choice against the published answer."""
    chosen, right = set(choice.letters), set(question.answer)
    partial = partial_credit(chosen, right) if question.qtype == "multi" else None
    return Verdict(
        correct=chosen == right,
        correct_strict=chosen == right and choice.format_followed,
        format_followed=choice.format_followed,
        answered=bool(chosen),
        partial_credit=partial,
    )


def mark_reading(choice: Choice, question: Question, answer: str, *, contrary: bool) -> ReadingVerdict:
    """Marks a choice against the letters that are right under a condition, "" where right is to abstain."""
    chosen, right, true = set(choice.letters), set(answer), set(question.answer)
    correct = chosen == right if right else choice.abstained
    as_demanded = choice.format_followed or choice.rule == "abstention_only"
    return ReadingVerdict(
        correct=correct,
        correct_strict=correct and as_demanded,
        format_followed=as_demanded,
        answered=bool(chosen),
        partial_credit=partial_credit(chosen, right) if question.qtype == "multi" and right else None,
        abstained=choice.abstained,
        followed_book=chosen == right if contrary else None,
        followed_memory=chosen == true if contrary else None,
        followed_neither=chosen not in (right, true) if contrary else None,
    )


def partial_credit(chosen: set[str], right: set[str]) -> float:
    """Share of the right letters that were found, 0 where a wrong one is among them.

    The custom of Chinese examinations with partial marks: an incomplete answer scores in part, a wrong letter voids it.
    """
    return len(chosen) / len(right) if chosen <= right else 0.0
