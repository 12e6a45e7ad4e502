"""Two runs on the same items: what differs between them, whether chance may do that, and which items flipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import fsum, nan

import numpy as np
import polars as pl

from openbook_eval.errors import OpenbookError, some
from openbook_eval.leaderboard.exporting import sound
from openbook_eval.leaderboard.likeness import unlike
from openbook_eval.leaderboard.marks import Cluster, Marks, averaged, pooled
from openbook_eval.leaderboard.notes import notes
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.sensitivity import of_pairs
from openbook_eval.leaderboard.standings import is_complete
from openbook_eval.leaderboard.statistics import paired, resampling
from openbook_eval.leaderboard.statistics.paired import PairedDifference
from openbook_eval.leaderboard.statistics.values import Design, Estimate, Numbers
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.types import ExamName


@dataclass(frozen=True, slots=True)
class Difference:
    """The mark `correct` of A less that of B: `a` and `b` are shares of the items that both have a mark of.

    `p` is NaN where nothing can be said. `adjusted` is p by Holm's method over the exams, None of an average.
    """

    a: float
    b: float
    estimate: Estimate
    p: float
    adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """An item that one of two runs got right; `right` are the letters that are right, "" where abstaining is."""

    id: str
    exam: str
    exam_class: str
    right: str
    a_letters: str
    b_letters: str
    a_correct: bool
    b_correct: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Of items: right in both runs, in one of them, in neither; `missing` have no mark in one of them."""

    both: int
    only_a: int
    only_b: int
    neither: int
    missing: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A less B, over the items of both.

    `macro` is of the plain mean of six exams, None where one of them lacks; `micro` of all items, questions without a
    label apart where there are others, and so are the counts of items. `test` is that of exams and micro; macro has the
    t-test of clusters always. `detectable` is the smallest difference that would be found, see `sensitivity`; `notes`
    say what is to be known of the two runs.
    """

    a: Run
    b: Run
    exams: tuple[ExamName, ...]
    of_exams: tuple[Difference, ...]
    macro: Difference | None
    micro: Difference
    test: str
    counts: Counts
    detectable: float | None
    flipped: tuple[Flip, ...]
    notes: tuple[str, ...] = ()

    @property
    def overall(self) -> Difference:
        """The difference that decides: of the plain mean of six exams, else of all items."""
        return self.macro or self.micro

    def differences(self) -> Iterator[tuple[str, Difference]]:
        """All differences with what they are of: the exams, the average of six where there is one, and all items."""
        yield from zip(self.exams, self.of_exams, strict=True)
        if self.macro:
            yield "average", self.macro
        yield "all items", self.micro


def compare(taken: Taken, a: Run, b: Run, *, cluster: Cluster = "auto", draws: int = resampling.DRAWS) -> Comparison:
    """The paired comparison of two runs of `taken`. Raises OpenbookError with the reasons where they are unlike."""
    if a.id == b.id:
        raise OpenbookError(sound(f"{a.model}, {a.condition}: one run cannot be compared with itself; name another"))
    if unlike(a, b):
        raise _refusal(a, b)
    marks = Marks.of([a, b], taken.items)
    counted = marks.only(averaged(marks.exams))
    correct, design = counted.table("correct"), counted.design(cluster)
    drawn = resampling.draw(design, draws)
    found = paired.difference(correct[0], correct[1], design, drawn)
    of_exams = _of_exams(correct, design, found)
    if others := set(marks.exams) - set(counted.exams):
        of_exams += _apart(marks.only(others), cluster, draws)
    macro = _of_six(of_exams[:6], found) if is_complete(marks.exams) else None
    if macro is None:
        design = pooled(design)
        drawn = resampling.draw(design, draws)
    return Comparison(
        a=a,
        b=b,
        exams=marks.exams,
        of_exams=_adjusted(of_exams),
        macro=macro,
        micro=Difference(*_shares(correct), found.averages.micro, found.p.micro),
        test=found.p.test,
        counts=Counts(found.both, found.only_one, found.only_other, found.neither, found.missing),
        detectable=of_pairs(correct, resampling.macro_draws(correct, design, drawn), [(0, 1)]).detectable,
        flipped=tuple(_flips(marks)),
        notes=tuple(notes(marks.runs, marks.exams, {})),
    )


def together(one: Taken, other: Taken) -> Taken:
    """The runs and items of both sides, as `compare` takes them; a run that is on both is there once."""
    ids = {run.id for run in one.runs}
    runs = (*one.runs, *(run for run in other.runs if run.id not in ids))
    items = [
        side.items.filter(pl.col("run").is_in(own)) for side, own in ((one, ids), (other, {r.id for r in runs} - ids))
    ]
    return Taken(runs, pl.concat(items), tuple(dict.fromkeys((*one.refused, *other.refused))))


def alike(one: Sequence[Run], other: Sequence[Run]) -> tuple[list[tuple[Run, Run]], list[str]]:
    """The pairs of runs of two sides that may be compared, a pair a condition, and why other conditions are left out.

    Raises OpenbookError where a condition has several models, and where no pair is alike or no condition in common.
    """
    pairs, left_out = [], []
    unlike_pairs: list[OpenbookError] = []
    for condition in dict.fromkeys(run.condition for run in (*one, *other)):
        sides = [[run for run in side if run.condition == condition] for side in (one, other)]
        if not all(sides):
            left_out.append(f"{condition}: only {'A' if sides[0] else 'B'} has it")
        elif (found := _alike(*sides)) is None:
            unlike_pairs.append(_refusal(sides[0][0], sides[1][0]))
        else:
            pairs.append(found)
    if not pairs:
        had = (", ".join(dict.fromkeys(run.condition for run in side)) for side in (one, other))
        none = OpenbookError("no condition in common: {} and {}; compare runs of one task".format(*had))
        raise next(iter(unlike_pairs), none)
    return pairs, [*map(str, unlike_pairs), *left_out]


def _alike(one: Sequence[Run], other: Sequence[Run]) -> tuple[Run, Run] | None:
    for side in (one, other):
        if len(models := sorted({run.model for run in side})) > 1:
            several = f"{some(models)}: several models, {side[0].condition}"
            raise OpenbookError(sound(f"{several}; name a file of one, or a model and --among"))
    return next(((a, b) for a in one for b in other if not unlike(a, b)), None)


def _refusal(a: Run, b: Run) -> OpenbookError:
    reasons = "; ".join(unlike(a, b))
    return OpenbookError(
        sound(f"{b.model} cannot be compared with {a.model}, {a.condition}: {reasons}; run them alike")
    )


def _of_exams(correct: Numbers, design: Design, found: PairedDifference) -> list[Difference]:
    tables = [correct[:, design.exams == exam] for exam in np.unique(design.exams)]
    return [
        Difference(*_shares(table), estimate, p)
        for table, estimate, p in zip(tables, found.averages.exams, found.p.exams, strict=True)
    ]


def _apart(marks: Marks, cluster: Cluster, draws: int) -> list[Difference]:
    """Of questions without a label, which are in no average."""
    correct, design = marks.table("correct"), marks.design(cluster)
    drawn = resampling.draw(design, draws)
    return _of_exams(correct, design, paired.difference(correct[0], correct[1], design, drawn))


def _of_six(exams: Sequence[Difference], found: PairedDifference) -> Difference:
    a, b = (fsum(shares) / len(exams) for shares in zip(*((each.a, each.b) for each in exams), strict=True))
    return Difference(a, b, found.averages.macro, found.p.macro)


def _adjusted(exams: Sequence[Difference]) -> tuple[Difference, ...]:
    adjusted = paired.holm([each.p for each in exams])
    return tuple(replace(each, adjusted=float(p)) for each, p in zip(exams, adjusted, strict=True))


def _shares(table: Numbers) -> tuple[float, float]:
    """Of the items that both have a mark of; NaN where there are none."""
    both = table[:, ~np.isnan(table).any(axis=0)]
    return (float(both[0].mean()), float(both[1].mean())) if both.size else (nan, nan)


def _flips(marks: Marks) -> Iterator[Flip]:
    """The items that one of the two got right, in the order of exams and ids."""
    asked = marks.asked.select("id", "exam", "exam_class", "right")
    sides = [
        marks.items.filter(run=run.id).select(pl.col("letters", "correct").name.prefix(f"{side}_"))
        for side, run in zip("ab", marks.runs, strict=True)
    ]
    table = pl.concat([asked, *sides], how="horizontal").filter(pl.col("a_correct") != pl.col("b_correct"))
    order = pl.col("exam").replace_strict({exam: place for place, exam in enumerate(marks.exams)})
    return (Flip(**row) for row in table.sort(order, maintain_order=True).iter_rows(named=True))
