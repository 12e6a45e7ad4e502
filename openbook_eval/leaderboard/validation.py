"""Recompute the figures of claims, in their publisher's way and in ours, and say where they differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import partial
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
from openbook_eval.leaderboard.export import NONE, Sheet, percents
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
        heads = ("claim", "published", "95 % interval", "recomputed", "ours", "difference", "outcome")
        source, notes = self.validation.source, []
        for reason, names in self._reasons().items():
            notes.append(f"{some(names, 3)}: {reason}")
        place = " ".join(filter(None, (source.repository, source.commit[:12], source.file)))
        notes.append(f"source: {place}; licence of the answers: {source.licence}")
        notes += [f"read: {address}, sha256 {digest[:16]}" for address, digest in self.read.items()]
        return Sheet(self.validation.title, heads, [_row(each) for each in self.checked], notes)

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
    return [claim.name, claim.published, interval, *figures, difference, checked.outcome]


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
    """The raw answers of a file and those absent from it, by its key and by the other one, where there is one."""

    answers: Sequence[WrittenResponse]
    absent: Sequence[WrittenResponse]
    by_other_key: Sequence[WrittenResponse]

    @classmethod
    def read(cls, given: Answers, find: Callable[[str], Path]) -> "_Given":
        file, key = find(given.file), find(given.key) if given.key else None
        other = read_answers(file, find(given.other_key), given.response) if given.other_key else ([], [])
        return cls(*read_answers(file, key, given.response), [each for part in other for each in part])

    def check(self, claim: FigureClaim) -> Checked:
        """Recompute a figure in both ways, and say which items make the difference."""
        ours = _items(claim, self.answers, OURS)
        absent = self.absent if claim.absent == "wrong" else ()
        theirs = _items(claim, [*self.answers, *absent], READINGS[claim.read])
        if ours.is_empty():
            return Checked(claim, NOT_CHECKABLE, reasons=("no answer is of its exam and class",))
        scale = 100 if claim.unit == "percent" else 1
        figure = partial(_figure, MEANS[claim.mean], scale)
        our_mean = claim.mean if claim.mean == "macro_f1" else "items" if claim.exam else "exams"
        return _compared(
            claim,
            figure(theirs),
            _figure(MEANS[our_mean], scale, ours),
            theirs.height,
            [*_read_otherwise(claim, theirs, ours), *self._left_out(claim, theirs, figure)],
        )

    def _left_out(
        self, claim: FigureClaim, theirs: pl.DataFrame, figure: Callable[[pl.DataFrame], Decimal]
    ) -> Iterator[str]:
        if self.absent:
            names = some([each.id for each in self.absent])
            yield f"questions without an answer, {claim.absent}, by us left out: {len(self.absent)} ({names})"
        if self.by_other_key:
            again = _items(claim, self.by_other_key, READINGS[claim.read])
            changed = (
                theirs.unique("id")
                .join(again, on="id", suffix="_again")
                .filter(pl.col("answer") != pl.col("answer_again"))
            )
            yield f"by the other key, which differs in {changed.height} items, it is {figure(again):.2f}"


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
        yield f"{differing.height} items count otherwise by {OURS.name} than by {claim.read}: {some(shown, 3)}"
