"""What a run of the reading exam says of a model, laid out for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.report.cells import caveats, percent
from openbook_eval.scores import Reading
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS

# So that eight exams stand in a terminal of 80 columns.
_SHORT = dict(zip(EXAM_NAMES, ("physic", "nursing", "pharm", "techn", "profess", "postgr", "other"), strict=True))

Measures = Mapping[str, Any]


def reading_report(reading: Reading) -> Iterator[Table | Text]:
    """Right answers by condition and exam, then gain, retention, abstention and faithfulness; all in percent."""
    yield Text(f"{reading.model}, reading exam\nexam {reading.exam_file}; run {reading.date}", "italic")
    yield from caveats(reading.limited, reading.truncation, reading.gaps)
    measures = reading.measures
    if not measures:
        yield Text(f"no measures: {reading.reason}")
        return
    yield _by_condition(measures)
    if gain := measures["context_gain"]:
        yield Text(
            f"reading gain {_signed(gain['gain'])}: open {percent(gain['open'])}, closed {percent(gain['closed'])}; "
            f"{_counts(gain, 'open', 'closed')}"
        )
    if measures["retention"]:
        yield _by_length(measures["retention"])
    yield from _abstention(measures["abstention"])
    if faithfulness := measures["context_faithfulness"]:
        yield Text(
            f"where the book says otherwise, {percent(faithfulness['follows_context'])} followed the book, "
            f"{percent(faithfulness['follows_memory'])} memory, {percent(faithfulness['follows_neither'])} neither"
        )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _by_condition(measures: Measures) -> Table:
    """A row a condition: right answers of each exam, their plain mean where all six are there, and of all items."""
    exams = [exam for exam in EXAM_NAMES if exam in measures["by_exam"]]
    six = set(SIX_EXAMS) <= set(exams)
    means = ["six", "all"] if six else ["all"]
    table = _table("correct", "items", *(_SHORT[exam] for exam in exams), *means)
    for name in (
        name
        for name in map(str.removeprefix, CONDITIONS, ["reading_"] * len(CONDITIONS))
        if name in measures["conditions"]
    ):
        shares = {exam: _share(measures["by_exam"][exam], name) for exam in exams}
        mean = _mean([shares[exam] for exam in SIX_EXAMS]) if six else None
        row = [*shares.values(), *([mean] if six else []), measures["conditions"][name]["correct"]]
        table.add_row(name, str(measures["conditions"][name]["items"]), *map(_short, row))
    return table


def _share(measures: Measures, condition: str) -> float | None:
    shares = measures["conditions"].get(condition)
    return shares["correct"] if shares else None


def _mean(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if len(known) == len(shares) else None


def _by_length(retention: Measures) -> Table:
    """A row a library: what is kept of the open book's right answers, in all and by the entry's depth in percent."""
    fifths = [f"{part * 20}-{part * 20 + 20}" for part in range(5)]
    table = _table("retention", "items", "open", "library", "kept", *fifths)
    for name, kept in retention.items():
        if kept:
            parts = {round(part["from"] * 5): part["retention"] for part in kept["by_depth"]}
            shares = [kept["open"], kept["library"], kept["retention"], *(parts.get(part) for part in range(5))]
            table.add_row(name, str(kept["items"]), *map(_short, shares))
    return table


def _abstention(abstention: Measures) -> Iterator[Text]:
    if abstention["unanswerable"] is not None:
        yield Text(f"abstained where the book does not tell: {percent(abstention['unanswerable'])}")
    if abstention["false"]:
        false = ", ".join(f"{name} {percent(share)}" for name, share in abstention["false"].items())
        yield Text(f"abstained where the material tells: {false}")


def _counts(pairs: Measures, first: str, second: str) -> str:
    return (
        f"of {pairs['items']} items {pairs['both']} right in both, {pairs['first_only']} only {first}, "
        f"{pairs['second_only']} only {second}, {pairs['neither']} in neither"
    )


def _short(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}"
