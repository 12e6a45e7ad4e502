"""Recompute the figures of claims, in their publisher's way and in ours, and say where they differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import polars as pl

from openbook_eval.errors import some
from openbook_eval.files import sha256_file
from openbook_eval.leaderboard.claims import (
    ITEMS,
    MEANS,
    READINGS,
    Answers,
    Arithmetic,
    FigureClaim,
    Files,
    Mean,
    NotHereError,
    Validation,
)
from openbook_eval.leaderboard.export import INTERVAL, NONE, Sheet, percents
from openbook_eval.leaderboard.stats import share_interval
from openbook_eval.matching.others import OURS, Matcher
from openbook_eval.results.responses import WrittenResponse, read_answers

OUTCOMES = MET, NOT_MET, NOT_CHECKABLE = "met", "not met", "not checkable here"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a claim: `recomputed` in the publisher's way, `ours` in our own, both in its unit; and why."""

    claim: FigureClaim
    outcome: str
    recomputed: Decimal | None = None
    ours: Decimal | None = None
    items: int | None = None
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Validated:
    """A file of claims, what came of each, and the digests of what was read for them by its address."""

    validation: Validation
    checked: Sequence[Checked]
    read: Mapping[str, str]

    @property
    def sheet(self) -> Sheet:
        """Lay out a row a claim, and below them the reasons, the source, and what was read."""
        heads = ("claim", "outcome", "published", INTERVAL, "recomputed", "ours", "difference")
        source, notes = self.validation.source, []
        for reason, names in self._reasons().items():
            notes.append(f"{some(names, 3)}: {reason}")
        place = " ".join(filter(None, (source.repository, source.commit[:12], source.file)))
        notes.append(f"source: {place}; licence of the answers: {source.licence}")
        notes += [f"read: {address}, sha256 {digest[:16]}" for address, digest in self.read.items()]
        return Sheet(self.validation.title, heads, [_row(each) for each in self.checked], notes, texts=2)

    def _reasons(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self.checked:
            for reason in each.reasons:
                found.setdefault(reason, []).append(each.claim.name)
        return found


def _row(checked: Checked) -> list[str]:
    claim, items = checked.claim, checked.items or checked.claim.items
    interval = difference = NONE
    if claim.value is not None:
        share = float(claim.value) / (100 if claim.unit == "percent" else 1)
        interval = percents(share_interval(share, items)) if items and 0 <= share <= 1 else NONE
        difference = NONE if checked.recomputed is None else f"{_like(claim, checked.recomputed) - claim.value:+}"
    figures = [NONE if each is None else str(_like(claim, each)) for each in (checked.recomputed, checked.ours)]
    return [claim.name, checked.outcome, claim.published, interval, *figures, difference]


def _like(claim: FigureClaim, value: Decimal) -> Decimal:
    """Round a figure to the places of the published one."""
    return value if claim.value is None else value.quantize(claim.value)


def check(validation: Validation, files: Files) -> Validated:
    """Check every claim of a file. Raises OpenbookError where its answers are there and cannot be read."""
    read: dict[str, str] = {}

    def find(address: str) -> Path:
        path = files.find(address)
        read[address] = sha256_file(path)
        return path

    given: _Given | str = ""
    if validation.answers:
        try:
            given = _Given.read(validation.answers, find)
        except NotHereError as error:
            given = str(error)
    checked = []
    for claim in validation.claims:
        if claim.arithmetic:
            checked.append(_by_arithmetic(claim, claim.arithmetic))
        elif isinstance(given, str):
            checked.append(Checked(claim, NOT_CHECKABLE, reasons=(given,)))
        else:
            checked.append(given.check(claim))
    return Validated(validation, checked, read)


def _by_arithmetic(claim: FigureClaim, by: Arithmetic) -> Checked:
    if by.falls:
        pairs = list(zip(by.falls, by.falls[1:], strict=False))
        rises = [f"{one} is not above {next_one}" for one, next_one in pairs if one <= next_one]
        return Checked(claim, NOT_MET if rises else MET, reasons=rises)
    if by.at_most is not None:
        above = [] if claim.value is not None and claim.value <= by.at_most else [f"it is above {by.at_most}"]
        return Checked(claim, NOT_MET if above else MET, reasons=above)
    exact = by.difference[0] - by.difference[1] if by.difference else by.equals
    return _compared(claim, Decimal(exact or 0))


def _compared(
    claim: FigureClaim, exact: Decimal, ours: Decimal | None = None, items: int = 0, why: Sequence[str] = ()
) -> Checked:
    """Hold a recomputed figure against the published one: met within half a unit of its last place."""
    published = claim.value or Decimal(0)
    step = Decimal(1).scaleb(int(published.as_tuple().exponent))
    if abs(exact - published) <= step / 2:
        return Checked(claim, MET, exact, ours, items, why)
    cut = exact.quantize(step, ROUND_DOWN) == published
    more = f"recomputed it is {exact:.4f}" + (", which is the published figure where it is cut off" if cut else "")
    return Checked(claim, NOT_MET, exact, ours, items, (more, *why))


@dataclass(frozen=True, slots=True)
class _Given:
    """The raw answers of a file and those absent from it, by its key, and again by another where there is one."""

    answers: Sequence[WrittenResponse]
    absent: Sequence[WrittenResponse]
    by_other_key: "_Given | None" = None

    @classmethod
    def read(cls, given: Answers, find: Callable[[str], Path]) -> "_Given":
        file = find(given.file)
        other = cls(*read_answers(file, find(given.other_key), given.response)) if given.other_key else None
        return cls(*read_answers(file, find(given.key) if given.key else None, given.response), other)

    def items(self, claim: FigureClaim) -> pl.DataFrame:
        """Return the items of a figure as its publisher reads them."""
        absent = self.absent if claim.absent == "wrong" else ()
        return _items(claim, [*self.answers, *absent], READINGS[claim.read])

    def check(self, claim: FigureClaim) -> Checked:
        """Recompute a figure in both ways, and say which items make the difference."""
        theirs, ours = self.items(claim), _items(claim, self.answers, OURS)
        if ours.is_empty():
            return Checked(claim, NOT_CHECKABLE, reasons=("no answer is of its exam and class",))
        scale = 100 if claim.unit == "percent" else 1
        our_mean = claim.mean if claim.mean == "macro_f1" else "items" if claim.exam else "exams"
        figures = _figure(MEANS[claim.mean], scale, theirs), _figure(MEANS[our_mean], scale, ours)
        why = [*_read_otherwise(claim, theirs, ours)]
        if self.absent:
            names = some([each.id for each in self.absent])
            why.append(f"questions without an answer, {claim.absent}, by us left out: {len(self.absent)} ({names})")
        if self.by_other_key:
            again = self.by_other_key.items(claim)
            changed = theirs.unique("id").join(again, on="id").filter(pl.col("answer") != pl.col("answer_right")).height
            other = _figure(MEANS[claim.mean], scale, again)
            why.append(f"by the other key it is {other:.2f}; answers that differ: {changed}")
        return _compared(claim, *figures, theirs.height, why)


def _figure(mean: Mean, scale: int, items: pl.DataFrame) -> Decimal:
    return Decimal(repr(scale * mean(items)))


def _items(claim: FigureClaim, answers: Sequence[WrittenResponse], matcher: Matcher) -> pl.DataFrame:
    rows = []
    for each in answers:
        exam, _, its_class = each.exam_class.partition(" ")
        if claim.exam in (None, exam) and claim.exam_class in (None, its_class):
            letters = each.ranked or matcher.read(each.text, each.options, each.qtype)
            rows.append((each.id, exam, its_class, each.answer, letters, matcher.is_right(letters, each.answer)))
    return pl.DataFrame(rows, schema=ITEMS, orient="row")


def _read_otherwise(claim: FigureClaim, theirs: pl.DataFrame, ours: pl.DataFrame) -> Iterator[str]:
    both = theirs.head(ours.height).hstack(ours.select(pl.all().name.suffix("_ours")))
    differing = both.filter(pl.col("right") != pl.col("right_ours"))
    if differing.height:
        shown = [
            f"{row['id']} ({row['letters'] or NONE}, by us {row['letters_ours'] or NONE}, right {row['answer']})"
            for row in differing.head(3).to_dicts()
        ]
        yield f"counted otherwise by {OURS.name} than by {claim.read}: {differing.height} ({some(shown, 3)})"
