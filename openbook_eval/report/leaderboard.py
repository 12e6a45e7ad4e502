"""Boards, comparisons and the paper's tables laid out for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.report.cells import line, percent
from openbook_eval.types import EXAM_NAMES

if TYPE_CHECKING:
    from openbook_eval.leaderboard.comparing import Comparison, Flip
    from openbook_eval.leaderboard.exporting import Sheet
    from openbook_eval.leaderboard.published import PublishedRow
    from openbook_eval.leaderboard.standings import Board

# So that six exams, all averages and names of models stand in a terminal of 100 columns.
_SHORT: Mapping[str, str] = {
    **dict(zip(EXAM_NAMES, ("phys", "nurs", "phar", "tech", "prof", "post", "other"), strict=True)),
    "average": "avg",
    "all items": "all",
    "answered": "answ",
}
_MEANING = (
    "percent; avg: plain mean of the six exams; all: of all items; interval: 95 %, of what the rank is by; strict: "
    "nothing but the right letters; format: nothing but letters; answ: any letter at all"
)
_WIDE = 100
_PAPER = ("model", "general : medical", "pairs", "before", "percent", "95 % interval")


def board_report(board: "Board", width: int) -> Iterator[Table | Text]:
    """A board in so many columns: places, exams, averages and marks; the last in a table below where it is narrow."""
    from openbook_eval.leaderboard.sheets import FORM, board_sheet

    sheet = board_sheet(board)
    places = range(len(sheet.heads))
    marks = places[-len(FORM) :]
    yield Text(f"\n{line(sheet.title)}", "bold")
    yield _table(sheet, places if width >= _WIDE else places[: -len(FORM)])
    if width < _WIDE:
        yield _table(sheet, [0, 1, *marks])
    yield Text(_MEANING, "table.caption")
    yield from _notes(sheet)


def comparison_report(comparison: "Comparison", shown: int) -> Iterator[Table | Text]:
    """What differs between A and B, who does better in words, and `shown` items that flipped each way."""
    from openbook_eval.leaderboard.sheets import comparison_sheet

    sheet = comparison_sheet(comparison)
    yield Text(f"\n{comparison.a.condition}, {line(comparison.a.exam.name)} {line(comparison.a.exam.version)}", "bold")
    for side, run in (("A", comparison.a), ("B", comparison.b)):
        yield line(f"{side}: {run.model}, run {run.date or 'without a date'}")
    yield _table(sheet, range(len(sheet.heads)))
    yield from _notes(sheet)
    for side, to_a in (("A", True), ("B", False)):
        flipped = [flip for flip in comparison.flipped if flip.a_correct is to_a]
        if flipped and shown:
            yield Text(f"\nright in {side} only: {len(flipped):,} items", "bold")
            yield _flip_table(flipped[:shown])
            if len(flipped) > shown:
                yield Text(f"and {len(flipped) - shown:,} more (--show)")


def paper_report() -> Iterator[Table | Text]:
    """The paper's rows, compact, with their approximate intervals."""
    from openbook_eval.leaderboard import published
    from openbook_eval.leaderboard.exporting import Sheet

    for table in published.tables():
        yield Text(f"\nThe paper's table {table.number}: {table.title}", "bold")
        shown = Sheet("", *_without_empty(_PAPER, [_paper_row(row) for row in table.rows]))
        yield _table(shown, range(len(shown.heads)))
    yield Text(published.APPROXIMATION, "table.caption")


def _paper_row(row: "PublishedRow") -> list[str]:
    from openbook_eval.leaderboard import notation

    ratio = notation.NONE if row.general_ratio is None else f"{row.general_ratio}:{row.medical_ratio}"
    pairs = notation.NONE if row.medical_pairs is None else f"{row.medical_pairs:,}"
    return [row.model, ratio, pairs, percent(row.before), percent(row.share), notation.percents(row.interval)]


def _without_empty(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Without the columns that have nothing but dashes."""
    kept = [place for place in range(len(heads)) if {row[place] for row in rows} != {"-"}]
    return [heads[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _table(sheet: "Sheet", places: Sequence[int]) -> Table:
    """Some columns of a sheet."""
    table = _columns([_SHORT.get(sheet.heads[place], sheet.heads[place]) for place in places], sheet.texts)
    for row in sheet.rows:
        table.add_row(*(line(row[place]) for place in places))
    return table


def _columns(heads: Sequence[str], texts: int) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=0)
    for place, head in enumerate(heads):
        # Figures stand whole, names give way.
        if head == "model":
            table.add_column(head, overflow="fold", min_width=10)
        else:
            table.add_column(head.removeprefix("95 % "), justify="left" if place < texts else "right", no_wrap=True)
    return table


def _flip_table(flips: "Sequence[Flip]") -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=0)
    for head in ("item", "exam", "class"):
        table.add_column(head, overflow="fold")
    for head in ("right", "A", "B"):
        table.add_column(head, no_wrap=True)
    for flip in flips:
        cells = (flip.id, flip.exam, flip.exam_class, flip.right, flip.a_letters, flip.b_letters)
        table.add_row(*(line(cell or "-") for cell in cells))
    return table


def _notes(sheet: "Sheet") -> Iterator[Text]:
    for note in sheet.notes:
        told = line(note)
        if note.startswith("TRUNCATED"):
            told.stylize("bold red")
        yield told
