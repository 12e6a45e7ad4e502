"""What a study found, laid out for the terminal: cells, claims, what is missing, and where the files lie."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.console import line

if TYPE_CHECKING:
    from openbook_eval.leaderboard.export import Sheet
    from openbook_eval.study.findings.reporting import Report
    from openbook_eval.study.workflow import Workflow

_SHOWN = 20
_STYLES = {"replicates": "green", "contradicts": "bold red"}


def study_report(workflow: "Workflow", work: Path) -> Iterator[Table | Text]:
    """Writes the report of a study (`study.findings.reporting.write`, whose errors it raises), and lays it out.

    Raises ImportError at once where a package is lacking.
    """
    from openbook_eval.study.findings import reporting

    return lay_out(reporting.write(workflow, work))


def lay_out(report: "Report") -> Iterator[Table | Text]:
    """A table for each of the paper's tables, one of the claims, and of the cells that have no result."""
    from openbook_eval.study.findings import sheets

    yield line(f"{report.title}: {report.done} of {report.cells} cells are examined{_unread(report.unread)}")
    for sheet in sheets.setting_sheets(report.settings):
        yield from _sheet(sheet)
    if report.settings:
        yield Text(sheets.INTERVALS, "table.caption")
    yield from _sheet(sheets.claim_sheet(report.outcomes))
    if report.undone:
        yield from _sheet(sheets.undone_sheet(report.undone))
    for refused in report.refused[:_SHOWN]:
        yield line(f"in no figure: {refused}")
    if len(report.refused) > _SHOWN:
        yield Text(f"and {len(report.refused) - _SHOWN} more, in the report")
    yield line(f"{report.folder / 'report.md'}")
    if report.paged:
        yield line(f"{report.folder / 'index.html'}")


def _unread(cells: int) -> str:
    return f", and of {cells} the exam cannot be read" if cells else ""


def _sheet(sheet: "Sheet") -> Iterator[Table | Text]:
    yield Text.assemble("\n", (line(sheet.title).plain, "bold"))
    yield _table(sheet.heads, sheet.rows[:_SHOWN] if sheet.texts == len(sheet.heads) else sheet.rows, sheet.texts)
    for note in sheet.notes:
        yield Text(line(note).plain, "table.caption")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for place, head in enumerate(heads):
        # Figures stand whole, words give way.
        if place < texts:
            table.add_column(head, overflow="fold")
        else:
            table.add_column(head.removeprefix("95 % "), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(line(cell).plain, _STYLES.get(cell, "")) for cell in row))
    return table
