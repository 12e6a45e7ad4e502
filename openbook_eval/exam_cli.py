"""The commands `openbook-eval exam ...`: look into an exam file, its entries, its books and its faults."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from openbook_eval import report
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.exams import ExamFile, load_exam

exam_app = typer.Typer(no_args_is_help=True, help="Look into exam files.")

_Exam = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A file, folder or zip (Apollo: FILE#SOURCE), OWNER/DATASET on the hub, or mini, cmb, cmb-val.",
    ),
]


_Entries = Annotated[
    str | None,
    typer.Option(
        "--entries",
        metavar="PROVIDER",
        help="given, statement, passage, an entry file, or JSON as for --metadata (tasks/README.md).",
    ),
]


def _read_exam(exam: str) -> ExamFile:
    try:
        return load_exam(exam or None)
    except ExamError as error:
        raise OpenbookError(error.report) from error


@exam_app.command("show")
def show(
    exam: _Exam = "",
) -> None:
    """Read an exam and print its counts, its first prompt as the model sees it, and what is odd about it."""
    console = Console()
    for part in report.exam_report(_read_exam(exam)):
        if isinstance(part, str):
            print(part)
        else:
            console.print(part, soft_wrap=isinstance(part, Text))


@exam_app.command("audit")
def audit(
    exam: _Exam = "",
    provider: _Entries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every id.")] = False,
) -> None:
    """Look for faults of an exam itself, and say what a reader without understanding would score on it."""
    from openbook_eval.audit import audit as look_for_faults
    from openbook_eval.books.providers import provide

    exam_file = _read_exam(exam)
    entries = provide(exam_file.questions, _parsed(provider)).entries
    found = look_for_faults(exam_file.questions, entries, exam_file.unmarkable, exam_file.notices)
    if as_json:
        print(report.audit_json(exam_file, found))
        return
    console = Console()
    for part in report.audit_report(exam_file, found):
        console.print(part)


@exam_app.command("books")
def books(
    exam: _Exam = "",
    entries: _Entries = None,
    fill: Annotated[str | None, typer.Option(help="Another exam, whose entries fill up books.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Ask all questions on the longest books.")] = False,
    book_seed: Annotated[int, typer.Option(help="Seed of the order of questions and entries.")] = 0,
) -> None:
    """Lay the books of the reading exam and print what it comes to: items, books, characters, unique text."""
    from openbook_eval.books.preparation import Settings, overviews, prepare

    settings = Settings(exam=exam or None, entries=_parsed(entries), fill=fill, full=full, book_seed=book_seed)
    prepared = prepare(settings)
    console = Console()
    for part in report.books_report(prepared, overviews(prepared, full=full)):
        console.print(part, soft_wrap=isinstance(part, Text))


@exam_app.command("entries")
def entries(
    exam: _Exam = "",
    provider: _Entries = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("entries.jsonl"),
) -> None:
    """Write the entries of an exam's questions to a file: to read and mend them, or to hand them on."""
    from openbook_eval.books.providers import provide, write_entry_file

    provided = provide(_read_exam(exam).questions, _parsed(provider))
    write_entry_file(output, provided.entries.values())
    for notice in provided.notices:
        print(f"notice: {notice}", file=sys.stderr)
    print(f'{output}: {len(provided.entries)} entries; take them with --metadata \'{{"entries": "{output}"}}\'')


def _parsed(entries: str | None) -> object:
    """The setting as `--metadata` would have it: a name as it is, an object or a list from JSON."""
    import orjson

    if entries is None or not entries.lstrip().startswith(("[", "{")):
        return entries
    try:
        return orjson.loads(entries)
    except orjson.JSONDecodeError as error:
        raise OpenbookError(f"--entries: not JSON ({error}); a name needs no brackets") from error
