"""An audit laid out for the terminal, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.audit import Audit, Finding
from openbook_eval.exams import ExamFile
from openbook_eval.report.cells import line, percent
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES

_SHOWN = 5
_LONGEST = 40


def audit_json(exam: ExamFile, found: Audit) -> str:
    """One JSON object: `exam` (`name`, `version`, `sha256`) and the keys of `Audit.as_dict`."""
    return orjson.dumps({"exam": exam.provenance, **found.as_dict()}, option=orjson.OPT_INDENT_2).decode()


def audit_report(exam: ExamFile, found: Audit) -> Iterator[Table | Text]:
    """Origin, notices, each finding with its share and first ids, letter balance, and what needs no understanding."""
    yield line(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield line(f"{found.questions} questions: {_counts(found.by_exam)}")
    for notice in found.notices:
        yield line(f"notice: {notice}")
    for finding in found.findings:
        if finding.ids:
            yield from _finding(finding)
    if clean := [_title(finding) for finding in found.findings if not finding.ids]:
        yield Text(f"\nnone found: {', '.join(clean)}")
    if found.letter_balance:
        yield _balance_table(found)
    if found.set_sizes:
        yield Text(f"right letters of multiple choice: {_sizes(found.set_sizes)}\n")
    yield _baselines_table(found)


def _finding(finding: Finding) -> Iterator[Text]:
    count = f"{len(finding.ids)} of {finding.of} ({percent(finding.share)} %)"
    yield Text.assemble("\n", (_title(finding), "bold"), f": {count}")
    yield Text(finding.meaning)
    if len(finding.by) > 1 or finding.name == "missing_background":
        yield line(_counts(finding.by))
    clusters = (*finding.within, *finding.across)
    yield line(f"ids: {_some([' = '.join(map(_short, ids)) for ids in clusters] or [*map(_short, finding.ids)])}")


def _title(finding: Finding) -> str:
    return finding.name.replace("_", " ")


def _counts(counts: Mapping[str, int]) -> str:
    return _some([f"{_short(name.replace('_', ' '))} {count}" for name, count in counts.items()], 30)


def _some(names: Sequence[str], shown: int = _SHOWN) -> str:
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def _sizes(sizes: Mapping[int, int]) -> str:
    return ", ".join(f"{size} in {count}" for size, count in sizes.items())


def _table(title: str, caption: str = "") -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
    )


def _balance_table(found: Audit) -> Table:
    table = _table("\nright letters of single choice")
    for name in ("options", "questions", "commonest %"):
        table.add_column(name, justify="right")
    table.add_column("each letter %", overflow="fold")
    for row in found.letter_balance:
        shares = "  ".join(f"{letter} {100 * count / row.questions:.1f}" for letter, count in row.right.items())
        table.add_row(str(row.options), str(row.questions), percent(row.majority_share), shares)
    return table


def _baselines_table(found: Audit) -> Table:
    caption = "expected share of right answers in percent; lexical reader: longest overlap with the entry"
    table = _table("readers without understanding", caption)
    table.add_column("exam", no_wrap=True)
    for baseline in found.baselines:
        table.add_column(baseline.name, justify="right")
    for exam in EXAM_NAMES:
        if any(exam in baseline.by_exam for baseline in found.baselines):
            cells = (percent(baseline.by_exam.get(exam)) for baseline in found.baselines)
            table.add_row(f"{exam} {CHINESE_NAMES[exam]}", *cells)
    table.add_section()
    table.add_row("all questions", *(percent(baseline.overall) for baseline in found.baselines))
    if any(baseline.average is not None for baseline in found.baselines):
        table.add_row("Avg.(All exams)", *(percent(baseline.average) for baseline in found.baselines))
    return table
