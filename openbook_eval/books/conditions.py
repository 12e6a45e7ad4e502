"""Under which condition a question is asked: CONDITIONS is the registry, an entry a condition.

Every condition asks the same items; it says what book they come with and what answer is right on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

from openbook_eval.books.shared_books import LENGTHS, Group, Item, Material, counterfactual, library, unanswerable
from openbook_eval.prompt import Frame
from openbook_eval.sampling import apportion_sample
from openbook_eval.scoring import Scope
from openbook_eval.types import Book, ExamName, Question

# From this length on, in characters, a sample is asked unless all are wanted: one prompt costs as much as a hundred
# short ones.
_SAMPLED_FROM = 64_000
SAMPLE = 600

Ask = Callable[[Material, ExamName, bool], list[Item]]


@dataclass(frozen=True, slots=True)
class Condition:
    """How a question is asked.

    `title` and `meaning` are shown to users. `ask` makes the items of one exam, of the longest books a sample unless
    its last argument is true, or raises ExamError. `frame` is the prompt's; `scope` says which metrics there are.
    `ranked`: letters are ranked, nothing is generated. `control` names the condition that asks the same without a book.
    `is_library`: its retention of `reading_open` is measured. `is_sampled`: a sample is asked unless all are wanted.
    """

    title: str
    meaning: str
    ask: Ask
    frame: Frame = "reading"
    scope: Scope = "reading"
    ranked: bool = False
    control: str | None = None
    has_book: bool = True
    is_library: bool = False
    is_sampled: bool = False


def _own_entry(material: Material, question: Question) -> Item:
    entry = material.entries[question.id]
    return Item(question, entry, Book((entry,)), question.answer, depth=0.0)


def _paper_open(material: Material, exam: ExamName, _: bool) -> list[Item]:
    """Ask in the file's order."""
    return [_own_entry(material, question) for question in material.questions if question.exam == exam]


def _open(material: Material, exam: ExamName, _: bool) -> list[Item]:
    return [_own_entry(material, question) for question in material.of(exam)]


def _closed(ask: Ask, material: Material, exam: ExamName, full: bool) -> list[Item]:
    return [replace(item, book=Book(), depth=None) for item in ask(material, exam, full)]


def _shared(
    lay: Callable[[Material, ExamName, int], list[Group]], length: int, material: Material, exam: ExamName, full: bool
) -> list[Item]:
    """Ask the groups of shared books in their order; of the longest books a sample unless `full`."""
    groups = lay(material, exam, length)
    if length >= _SAMPLED_FROM and not full:
        groups = _sample(material, exam, groups)
    return [item for group in groups for item in group]


def _sample(material: Material, exam: ExamName, groups: list[Group]) -> list[Group]:
    """Return the first groups that come nearest to the exam's share; of a larger group its first questions."""
    sizes = {name: len(material.of(name)) for name in material.clusters}
    share = max(1, apportion_sample(SAMPLE, sizes)[exam])
    if len(groups[0]) > share:
        return [groups[0][:share]]
    sums = list(accumulate(map(len, groups)))
    nearest = min(range(len(groups)), key=lambda number: abs(sums[number] - share))
    return groups[: nearest + 1]


def _library(name: str, length: int) -> Condition:
    meaning = f"the entry somewhere in a shared book of {length:,} characters"
    ask = partial(_shared, library, length)
    return Condition(f"library {name}", meaning, ask, is_library=True, is_sampled=length >= _SAMPLED_FROM)


CONDITIONS: Mapping[str, Condition] = {
    "openbook": Condition("open book", "the question's own entry", _paper_open, "paper", "paper", control="closedbook"),
    "closedbook": Condition("closed book", "no book", partial(_closed, _paper_open), "paper", "paper", has_book=False),
    "openbook_ranked": Condition(
        "open book, letters ranked", "the question's own entry", _paper_open, "paper", "ranked", ranked=True
    ),
    "reading_open": Condition("open", "the question's own entry", _open, control="reading_closed"),
    "reading_closed": Condition("closed", "no book", partial(_closed, _open), has_book=False),
    **{f"reading_library_{name}": _library(name, length) for name, length in LENGTHS.items()},
    "reading_unanswerable": Condition(
        "unanswerable",
        "a shared book without any entry that answers: right is to say so",
        partial(_shared, unanswerable, LENGTHS["4k"]),
    ),
    "reading_counterfactual": Condition(
        "counterfactual",
        "a shared book that says otherwise than the truth: right is the book's answer",
        partial(_shared, counterfactual, LENGTHS["4k"]),
        scope="counterfactual",
    ),
}
