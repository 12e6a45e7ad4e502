"""The conditions of the reading exam laid out for the terminal: items, books, unique text."""

from collections.abc import Iterable, Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.books.preparation import Overview, PreparedExam


def books_report(prepared: PreparedExam, conditions: Iterable[Overview]) -> Iterator[Table | Text]:
    """Who gave the entries, a row for each condition, the unique share of all prompts, and what cannot be asked."""
    file = prepared.file
    yield Text(f"{file.name}, version {file.version}, sha256 {file.sha256}")
    for provider in prepared.provided.providers:
        settings = ", ".join(f"{key} {value}" for key, value in provider.items() if key not in ("provider", "entries"))
        yield Text(f"entries: {provider['entries']} {provider['provider']}{f' ({settings})' if settings else ''}")
    for notice in (*file.notices, *prepared.provided.notices):
        yield Text(f"notice: {notice}")
    shown = list(conditions)
    yield _table([condition for condition in shown if not condition.refusal])
    for condition in shown:
        if condition.refusal:
            yield Text(f"{condition.condition}: {condition.refusal}")


def _table(conditions: list[Overview]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("condition", no_wrap=True)
    for name in ("items", "books", "characters a book", "of all prompts", "unique"):
        table.add_column(name, justify="right")
    for one in conditions:
        book = f"{one.shortest:,} to {one.longest:,}" if one.longest else "-"
        _add(
            table, one.condition, one.items, f"{one.books:,}" if one.longest else "-", book, one.characters, one.unique
        )
    table.add_section()
    items, characters, unique = (
        sum(getattr(one, key) for one in conditions) for key in ("items", "characters", "unique")
    )
    _add(table, "all", items, "", "", characters, unique)
    return table


def _add(table: Table, name: str, items: int, books: str, book: str, characters: int, unique: int) -> None:
    share = f"{unique / characters:.1%}" if characters else "-"
    table.add_row(name, f"{items:,}", books, book, f"{characters:,}", share)
