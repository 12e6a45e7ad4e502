"""The marks of one response."""

from dataclasses import dataclass

from openbook_eval.choice import Choice
from openbook_eval.question import Question


@dataclass(frozen=True, slots=True)
class Verdict:
    """`correct`: exactly the right letters. `answered`: committed to any. `partial_credit`: None for single choice."""

    correct: bool
    answered: bool
    partial_credit: float | None


def mark(choice: Choice, question: Question) -> Verdict:
    """Marks a choice against the published answer."""
    chosen, right = set(choice.letters), set(question.answer)
    partial = partial_credit(chosen, right) if question.qtype == "multi" else None
    return Verdict(correct=chosen == right, answered=bool(chosen), partial_credit=partial)


def partial_credit(chosen: set[str], right: set[str]) -> float:
    """Share of the right letters that were found, 0 where a wrong one is among them.

    The custom of Chinese examinations with partial marks: an incomplete answer scores in part, a wrong letter voids it.
    """
    return len(chosen) / len(right) if chosen <= right else 0.0
