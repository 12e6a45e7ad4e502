"""The commands `openbook-eval exam ...`: look into an exam file, its entries, its books and its faults."""

import re
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from openbook_eval import console
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.prompt import build_prompt
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES, Book

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table
    from rich.text import Text

    from openbook_eval.books.preparation import PreparedExam
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
    found = _read_exam(exam)
    console.show(_exam_report(found))
    first = found.questions[0]
    print(f"The first prompt (question {first.id}), as the model sees it:\n")
    print(_CONTROL.sub(lambda character: repr(character.group())[1:-1], build_prompt(first, Book.of(first))))


def _exam_report(exam: "ExamFile") -> "Iterator[Table | Text]":
    """Lay out origin, counts by exam, class and type, where the entries come from, notices, and each faulty row."""
    questions = (*exam.questions, *(each.question for each in exam.dropped if each.question))
    given = sum(bool(question.knowledge) for question in exam.questions)
    yield console.line(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield console.line(f"{len(questions)} questions read, {len(exam.questions)} to be asked")
    yield console.line(
        f"entries: {given} given by the file, {len(exam.questions) - given} made from question and answer"
    )
    yield from (console.line(f"notice: {notice}") for notice in exam.notices)
    yield from (console.line(f"not asked: {each.name}: {each.fault}") for each in exam.dropped if each.fault)
    counts = Counter((question.exam, question.exam_class, question.qtype) for question in questions)
    classes = sorted(dict.fromkeys((q.exam, q.exam_class) for q in questions), key=lambda key: EXAM_NAMES.index(key[0]))
    single = [counts[name, exam_class, "single"] for name, exam_class in classes]
    multi = [counts[name, exam_class, "multi"] for name, exam_class in classes]
    rows: list[tuple[str, ...]] = [
        (f"{name} {CHINESE_NAMES[name]}", exam_class, str(ones), str(sets), str(ones + sets))
        for (name, exam_class), ones, sets in zip(classes, single, multi, strict=True)
    ]
    rows += [(), ("all", "", str(sum(single)), str(sum(multi)), str(len(questions)))]
    yield console.table(("exam", "class", "single", "multi", "all"), rows)


@exam_app.command("audit")
def audit(
    exam: _Exam = "",
    provider: _Entries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every id.")] = False,
) -> None:
    """Look for faults of an exam itself, and say what a reader without understanding would score on it."""
    from openbook_eval.audit import audit as look_for_faults
    from openbook_eval.audit import audit_report
    from openbook_eval.books.preparation import provide_for

    exam_file = _read_exam(exam)
    found = look_for_faults(exam_file, provide_for(exam_file, _parsed(provider)).entries)
    if as_json:
        record = {"exam": exam_file.record, **asdict(found)}
        print(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
    else:
        console.show(audit_report(exam_file, found))


@exam_app.command("books")
def books(
    exam: _Exam = "",
    entries: _Entries = None,
    fill: Annotated[str | None, typer.Option(help="Another exam, whose entries fill up books.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Ask all questions on the longest books.")] = False,
    book_seed: Annotated[int, typer.Option(help="Seed of the order of questions and entries.")] = 0,
) -> None:
    """Make the books of the reading exam and print what it comes to: items, books, characters, unique text."""
    from openbook_eval.books.preparation import ExamSettings, prepare

    settings = ExamSettings(exam=exam or None, entries=_parsed(entries), fill=fill, full=full, book_seed=book_seed)
    console.show(_books_report(prepare(settings), full))


def _books_report(prepared: "PreparedExam", full: bool) -> "Iterator[Table | Text]":
    """Lay out who gave the entries, a row for each condition, the unique share of all prompts, and refusals."""
    from openbook_eval.books.conditions import CONDITIONS

    file, material = prepared.file, prepared.material
    yield console.line(f"{file.name}, version {file.version}, sha256 {file.sha256}")
    for provider in prepared.provided.providers:
        settings = ", ".join(f"{key} {value}" for key, value in provider.items() if key not in ("provider", "entries"))
        yield console.line(
            f"entries: {provider['entries']} {provider['provider']}{f' ({settings})' if settings else ''}"
        )
    yield from (console.line(f"notice: {notice}") for notice in (*file.notices, *prepared.provided.notices))
    rows: list[tuple[str, ...]] = []
    refusals = []
    sums: Counter[str] = Counter()
    for condition in (each for each in CONDITIONS.values() if each.frame == "reading"):
        try:
            items = [item for exam in material.clusters for item in condition.ask(material, exam, full)]
        except ExamError as error:
            refusals.append(console.line(f"{condition.title}: {error}"))
            continue
        lengths = {item.book.sha256: len(item.book.text) for item in items}
        characters = sum(len(build_prompt(item.question, item.book, condition.frame)) for item in items)
        # A book counts once however many prompts begin with it.
        unique = characters - sum(len(item.book.text) for item in items) + sum(lengths.values())
        longest = max(lengths.values())
        shown = (f"{len(lengths):,}", f"{min(lengths.values()):,} to {longest:,}") if longest else ("-", "-")
        rows.append(
            (condition.title, f"{len(items):,}", *shown, f"{characters:,}", f"{console.percent(unique / characters)}%")
        )
        sums.update(items=len(items), characters=characters, unique=unique)
    share = f"{console.percent(sums['unique'] / sums['characters'])}%"
    rows += [(), ("all", f"{sums['items']:,}", "", "", f"{sums['characters']:,}", share)]
    yield console.table(("condition", "items", "books", "characters a book", "of all prompts", "unique"), rows)
    yield from refusals


@exam_app.command("entries")
def entries(
    exam: _Exam = "",
    provider: _Entries = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("entries.jsonl"),
) -> None:
    """Write the entries of an exam's questions to a file: to read and correct them, or to hand them on."""
    from openbook_eval.books.preparation import provide_for
    from openbook_eval.books.providers import write_entry_file

    provided = provide_for(_read_exam(exam), _parsed(provider))
    write_entry_file(output, provided.entries.values())
    for notice in provided.notices:
        print(f"notice: {notice}", file=sys.stderr)
    print(f'{output}: {len(provided.entries)} entries; take them with --metadata \'{{"entries": "{output}"}}\'')


def _parsed(entries: str | None) -> object:
    """Return the setting as `--metadata` would have it: an object or a list from JSON, a name as it is."""
    try:
        return orjson.loads(entries or "null")
    except orjson.JSONDecodeError:
        return entries
