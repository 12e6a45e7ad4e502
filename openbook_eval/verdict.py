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


def partial_credit(chosen: set[str], right: set[str]) -> float:
    """Share of the right letters that were found, 0 where a wrong one is among them.

    The custom of Chinese examinations with partial marks: an incomplete answer scores in part, a wrong letter voids it.
    """
    return len(chosen) / len(right) if chosen <= right else 0.0
