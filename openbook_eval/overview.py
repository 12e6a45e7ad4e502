"""What the reading exam comes to on an exam: items, books, characters, and how much of the prompts' text is unique."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from openbook_eval.conditions import LAYOUTS, Item, ask
from openbook_eval.errors import ExamError
from openbook_eval.prompt import render
from openbook_eval.sitting import Sitting


@dataclass(frozen=True, slots=True)
class Overview:
    """One condition: `shortest` and `longest` book, all prompts and their unique text in characters.

    `unique` counts a book once however many prompts begin with it. `refusal` says why the exam cannot be asked so; then
    all figures are 0.
    """

    condition: str
    items: int = 0
    books: int = 0
    shortest: int = 0
    longest: int = 0
    characters: int = 0
    unique: int = 0
    refusal: str = ""


def overviews(sitting: Sitting, *, full: bool = False) -> Iterator[Overview]:
    """One for each condition, in the order of the tasks, over all exams of the file."""
    for name, (condition, length) in LAYOUTS.items():
        try:
            exams = sitting.material.clusters
            items = [item for exam in exams for item in ask(sitting.material, exam, condition, length, full=full)]
        except ExamError as error:
            yield Overview(name, refusal=str(error))
        else:
            yield _of(name, items)


def _of(name: str, items: Iterable[Item]) -> Overview:
    books: dict[str, int] = {}
    count = characters = apart = 0
    for item in items:
        length = len(item.book.text)
        books[item.book.sha256] = length
        size = len(render(item.question, item.book, "reading"))
        count, characters, apart = count + 1, characters + size, apart + size - length
    lengths = books.values()
    return Overview(name, count, len(books), min(lengths), max(lengths), characters, apart + sum(lengths))
