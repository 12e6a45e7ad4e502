"""The commands `openbook-eval exam ...`: look into an exam file, its entries, its books and its faults."""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openbook_eval.errors import ExamError, OpenbookError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table
    from rich.text import Text

    from openbook_eval.books.preparation import Overview, PreparedExam
    from openbook_eval.exams import ExamFile

# Characters that move the cursor or change the terminal; a line break and a tab are as the model sees them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

exam_app = typer.Typer(no_args_is_help=True, help="Look into exam files.")

_Exam = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A file, folder or zip (FILE#CLASS: one class of it), OWNER/DATASET on the hub, or mini, cmb, cmb-val.",
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


def _read_exam(exam: str) -> "ExamFile":
    from openbook_eval.exams import load_exam

    try:
        return load_exam(exam or None)
    except ExamError as error:
        raise OpenbookError(error.report) from error


@exam_app.command("show")
def show(exam: _Exam = "") -> None:
    """Read an exam and print its counts, its first prompt as the model sees it, and what is odd about it."""
    from openbook_eval.console import show as print_parts
    from openbook_eval.prompt import build_prompt
    from openbook_eval.types import Book

    found = _read_exam(exam)
    print_parts(_exam_report(found))
    first = found.questions[0]
    print(f"The first prompt (question {first.id}), as the model sees it:\n")
    print(_CONTROL.sub(lambda character: repr(character.group())[1:-1], build_prompt(first, Book.of(first))))


def _exam_report(exam: "ExamFile") -> "Iterator[Table | Text]":
    """Lay out origin, counts by exam, class and type, where the entries come from, and notices."""
    from openbook_eval.console import line, table
    from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES

    questions = (*exam.questions, *exam.unmarkable)
    given = sum(bool(question.knowledge) for question in exam.questions)
    yield line(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield line(f"{len(questions)} questions read, {len(exam.questions)} to be asked")
    yield line(f"entries: {given} given by the file, {len(exam.questions) - given} made from question and answer")
    yield from (line(f"notice: {notice}") for notice in exam.notices)
    counts = Counter((question.exam, question.exam_class, question.qtype) for question in questions)
    rows = []
    for name in EXAM_NAMES:
        for exam_class in dict.fromkeys(question.exam_class for question in questions if question.exam == name):
            single, multi = counts[name, exam_class, "single"], counts[name, exam_class, "multi"]
            rows.append((f"{name} {CHINESE_NAMES[name]}", exam_class, *map(str, (single, multi, single + multi))))
    single, multi = (sum(question.qtype == qtype for question in questions) for qtype in ("single", "multi"))
    rows += [(), ("all", "", str(single), str(multi), str(single + multi))]
    yield table(("exam", "class", "single", "multi", "all"), rows)


@exam_app.command("audit")
def audit(
    exam: _Exam = "",
    provider: _Entries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every id.")] = False,
) -> None:
    """Look for faults of an exam itself, and say what a reader without understanding would score on it."""
    import orjson

    from openbook_eval.audit import audit as look_for_faults
    from openbook_eval.audit import audit_report
    from openbook_eval.books.providers import provide
    from openbook_eval.console import show as print_parts

    exam_file = _read_exam(exam)
    entries = provide(exam_file.questions, _parsed(provider)).entries
    found = look_for_faults(exam_file.questions, entries, exam_file.unmarkable, exam_file.notices)
    if as_json:
        record = {"exam": exam_file.provenance, **found.as_dict()}
        print(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
    else:
        print_parts(audit_report(exam_file, found))


@exam_app.command("books")
def books(
    exam: _Exam = "",
    entries: _Entries = None,
    fill: Annotated[str | None, typer.Option(help="Another exam, whose entries fill up books.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Ask all questions on the longest books.")] = False,
    book_seed: Annotated[int, typer.Option(help="Seed of the order of questions and entries.")] = 0,
) -> None:
    """Make the books of the reading exam and print what it comes to: items, books, characters, unique text."""
    from openbook_eval.books.preparation import ExamSettings, overviews, prepare
    from openbook_eval.console import show as print_parts

    settings = ExamSettings(exam=exam or None, entries=_parsed(entries), fill=fill, full=full, book_seed=book_seed)
    prepared = prepare(settings)
    print_parts(_books_report(prepared, list(overviews(prepared, full=full))))


def _books_report(prepared: "PreparedExam", overviews: "list[Overview]") -> "Iterator[Table | Text]":
    """Lay out who gave the entries, a row for each condition, the unique share of all prompts, and refusals."""
    from openbook_eval.console import line, table

    file = prepared.file
    yield line(f"{file.name}, version {file.version}, sha256 {file.sha256}")
    for provider in prepared.provided.providers:
        settings = ", ".join(f"{key} {value}" for key, value in provider.items() if key not in ("provider", "entries"))
        yield line(f"entries: {provider['entries']} {provider['provider']}{f' ({settings})' if settings else ''}")
    yield from (line(f"notice: {notice}") for notice in (*file.notices, *prepared.provided.notices))
    asked = [overview for overview in overviews if not overview.refusal]
    rows: list[tuple[str, ...]] = []
    for each in asked:
        books = (f"{each.books:,}", f"{each.shortest:,} to {each.longest:,}") if each.longest else ("-", "-")
        share = f"{each.unique / each.characters:.1%}" if each.characters else "-"
        rows.append((each.condition, f"{each.items:,}", *books, f"{each.characters:,}", share))
    items, characters, unique = (sum(getattr(each, key) for each in asked) for key in ("items", "characters", "unique"))
    share = f"{unique / characters:.1%}" if characters else "-"
    rows += [(), ("all", f"{items:,}", "", "", f"{characters:,}", share)]
    yield table(("condition", "items", "books", "characters a book", "of all prompts", "unique"), rows)
    yield from (line(f"{each.condition}: {each.refusal}") for each in overviews if each.refusal)


@exam_app.command("entries")
def entries(
    exam: _Exam = "",
    provider: _Entries = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("entries.jsonl"),
) -> None:
    """Write the entries of an exam's questions to a file: to read and correct them, or to hand them on."""
    from openbook_eval.books.providers import provide, write_entry_file

    provided = provide(_read_exam(exam).questions, _parsed(provider))
    write_entry_file(output, provided.entries.values())
    for notice in provided.notices:
        print(f"notice: {notice}", file=sys.stderr)
    print(f'{output}: {len(provided.entries)} entries; take them with --metadata \'{{"entries": "{output}"}}\'')


def _parsed(entries: str | None) -> object:
    """Return the setting as `--metadata` would have it: a name as it is, an object or a list from JSON."""
    import orjson

    if entries is None or not entries.lstrip().startswith(("[", "{")):
        return entries
    try:
        return orjson.loads(entries)
    except orjson.JSONDecodeError as error:
        raise OpenbookError(f"--entries: not JSON ({error}); a name needs no brackets") from error
