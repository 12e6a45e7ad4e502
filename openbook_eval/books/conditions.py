"""Under which condition a question is asked: CONDITIONS is the registry, an entry a condition.

Every condition asks the same items; it says what book they come with and what answer is right on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

from openbook_eval.books.grouping import LENGTHS, Material
from openbook_eval.books.shared_books import QuestionGroup, counterfactual, counterfactual_answer, library, unanswerable
from openbook_eval.prompt import Frame
from openbook_eval.sampling import apportion_sample
from openbook_eval.scoring import Scope
from openbook_eval.types import Book, Entry, ExamName, Question

# From this length on, in characters, a sample is asked unless all are wanted: one prompt costs as much as a hundred
# short ones.
_SAMPLED_FROM = 64_000
SAMPLE = 600


@dataclass(frozen=True, slots=True)
class Item:
    """A question under a condition.

    `entry` is the question's own, as the book holds it. `expected` are the letters that are right under this condition,
    "" where right is to abstain. `group` names the group that shares the book. `depth` is where the entry begins in the
    book, from 0 to 1, None where it is missing. `book_length` is what a shared book is filled up to, in characters.
    """

    question: Question
    entry: Entry
    book: Book
    expected: str
    group: str | None = None
    depth: float | None = None
    book_length: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """How a question is asked.

    `title` and `meaning` are shown to users. `ask` makes the items of one exam, of the longest books a sample unless
    its last argument is true, or raises ExamError. `frame` is the prompt's; `scope` says which metrics there are.
    `ranked`: letters are ranked, nothing is generated. `control` names the condition that asks the same without a book.
    `is_library`: its retention of `reading_open` is measured.
    """

    title: str
    meaning: str
    ask: Callable[[Material, ExamName, bool], list[Item]]
    frame: Frame = "reading"
    scope: Scope = "reading"
    ranked: bool = False
    control: str | None = None
    has_book: bool = True
    is_library: bool = False


def _in_file_order(material: Material, exam: ExamName) -> list[Question]:
    spare = {question.id for question in material.spare}
    return [q for q in material.questions.values() if q.exam == exam and q.id not in spare]


def _alone(
    order: Callable[[Material, ExamName], list[Question]],
    has_book: bool,
    material: Material,
    exam: ExamName,
    _: bool,
) -> list[Item]:
    """Ask each question on its own entry, or without a book."""
    asked = [(question, material.entries[question.id]) for question in order(material, exam)]
    if has_book:
        return [Item(question, entry, Book((entry,)), question.answer, depth=0.0) for question, entry in asked]
    return [Item(question, entry, Book(), question.answer) for question, entry in asked]


def _shared(
    lay: Callable[[Material, ExamName, int], list[QuestionGroup]],
    length: int,
    expected: Callable[[Question, int], str],
    material: Material,
    exam: ExamName,
    full: bool,
) -> list[Item]:
    """Ask the groups of shared books in their order; of the longest books a sample unless `full`."""
    groups = lay(material, exam, length)
    if length >= _SAMPLED_FROM and not full:
        groups = _sample(material, exam, groups)
    items = []
    for group in groups:
        depths = group.book.depths()
        for question in group.questions:
            entry, answer = group.own[question.id], expected(question, material.seed)
            items.append(Item(question, entry, group.book, answer, group.name, depths.get(entry.text), length))
    return items


def _sample(material: Material, exam: ExamName, groups: Sequence[QuestionGroup]) -> list[QuestionGroup]:
    """Return the first groups that come nearest to the exam's share; of a larger group its first questions."""
    share = max(1, apportion_sample(SAMPLE, material.sizes)[exam])
    if len(groups[0].questions) > share:
        return [replace(groups[0], questions=groups[0].questions[:share])]
    sums = list(accumulate(len(group.questions) for group in groups))
    nearest = min(range(len(groups)), key=lambda number: abs(sums[number] - share))
    return list(groups[: nearest + 1])


def _library(name: str, length: int) -> Condition:
    ask = partial(_shared, library, length, lambda question, _: question.answer)
    meaning = f"the entry somewhere in a shared book of {length:,} characters"
    return Condition(f"library {name}", meaning, ask, is_library=True)


_open = partial(_alone, Material.of, True)
_PAPER_OPEN = partial(_alone, _in_file_order, True)
CONDITIONS: Mapping[str, Condition] = {
    "openbook": Condition("open book", "the question's own entry", _PAPER_OPEN, "paper", "paper", control="closedbook"),
    "closedbook": Condition(
        "closed book", "no book", partial(_alone, _in_file_order, False), "paper", "paper", has_book=False
    ),
    "openbook_ranked": Condition(
        "open book, letters ranked", "the question's own entry", _PAPER_OPEN, "paper", "ranked", ranked=True
    ),
    "reading_open": Condition("open", "the question's own entry", _open, control="reading_closed"),
    "reading_closed": Condition("closed", "no book", partial(_alone, Material.of, False), has_book=False),
    **{f"reading_library_{name}": _library(name, length) for name, length in LENGTHS.items()},
    "reading_unanswerable": Condition(
        "unanswerable",
        "a shared book without any entry that answers: right is to say so",
        partial(_shared, unanswerable, LENGTHS["4k"], lambda *_: ""),
    ),
    "reading_counterfactual": Condition(
        "counterfactual",
        "a shared book that says otherwise than the truth: right is the book's answer",
        partial(_shared, counterfactual, LENGTHS["4k"], counterfactual_answer),
        scope="counterfactual",
    ),
}
