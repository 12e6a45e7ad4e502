"""What is asked under a condition: a question, the book it is asked on, and the answer that is right there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from openbook_eval.conditions.contrary import contrary_answer
from openbook_eval.conditions.material import LENGTHS, Material
from openbook_eval.conditions.shelves import Group, contrary, library, missing
from openbook_eval.sampling import apportion_sample
from openbook_eval.types import Book, Entry, ExamName, Question

Condition = Literal["open", "closed", "library", "missing", "contrary"]

# The conditions as tasks are named after them, with the length of the shared book in characters.
LAYOUTS: Mapping[str, tuple[Condition, int | None]] = {
    "open": ("open", None),
    "closed": ("closed", None),
    **{f"library_{name}": ("library", length) for name, length in LENGTHS.items()},
    "missing": ("missing", LENGTHS["4k"]),
    "contrary": ("contrary", LENGTHS["4k"]),
}

_LAY: Mapping[Condition, Callable[[Material, ExamName, int], list[Group]]] = {
    "library": library,
    "missing": missing,
    "contrary": contrary,
}
# From this length on, in characters, a sample is asked unless all are wanted: one prompt costs as much as a hundred
# short ones.
_SAMPLED_FROM = 64_000
SAMPLE = 600


@dataclass(frozen=True, slots=True)
class Item:
    """A question under a condition.

    `entry` is the question's own, as it stands in the book where it stands there. `answer` are the letters that are
    right under this condition, "" where right is to say that the material does not tell. `group` names the group that
    shares the book, None where the book is the question's alone. `depth` is where the entry begins in the book: 0 at
    the front, near 1 at the back, None where it is not in it. `book_length` is the length, in characters, that the
    shared book is filled up to: it is some shorter, where rewritten at times some longer.
    """

    question: Question
    condition: Condition
    entry: Entry
    book: Book
    answer: str
    group: str | None = None
    depth: float | None = None
    book_length: int | None = None


def ask(
    material: Material, exam: ExamName, condition: Condition, length: int | None = None, *, full: bool = False
) -> list[Item]:
    """The items of one exam under a condition; `length` is that of the shared book, in characters (4,000 if not said).

    They stand in the order in which questions are dealt into groups: the same under each condition, groups whole, any
    first part a stratified sample. Of books of 64,000 characters and more a sample is asked unless `full`: the exam's
    share of `SAMPLE`, in whole groups where a group is no larger. Raises ExamError where the exam cannot fill `length`.
    """
    if condition == "open":
        return [_alone(material, question, condition) for question in material.of(exam)]
    if condition == "closed":
        return [
            replace(_alone(material, question, condition), book=Book(), depth=None) for question in material.of(exam)
        ]
    length = length or LENGTHS["4k"]
    groups = _LAY[condition](material, exam, length)
    if length >= _SAMPLED_FROM and not full:
        groups = _sample(material, exam, groups)
    return [item for group in groups for item in _of_group(material, condition, group, length)]


def _alone(material: Material, question: Question, condition: Condition) -> Item:
    entry = material.entries[question.id]
    return Item(question, condition, entry, Book((entry,)), question.answer, depth=0.0)


def _of_group(material: Material, condition: Condition, group: Group, length: int) -> Iterator[Item]:
    places = group.book.depths()
    for question in group.questions:
        entry = group.own[question.id]
        answer = {"missing": "", "contrary": contrary_answer(question, material.seed)}.get(condition, question.answer)
        yield Item(question, condition, entry, group.book, answer, group.name, places.get(entry.text), length)


def _sample(material: Material, exam: ExamName, groups: Sequence[Group]) -> list[Group]:
    """The first groups that come nearest to the exam's share of the sample; of a larger group its first questions."""
    share = max(1, apportion_sample(SAMPLE, material.sizes)[exam])
    if len(groups[0].questions) > share:
        return [replace(groups[0], questions=groups[0].questions[:share])]
    sums = list(accumulate(len(group.questions) for group in groups))
    nearest = min(range(len(groups)), key=lambda number: abs(sums[number] - share))
    return list(groups[: nearest + 1])
