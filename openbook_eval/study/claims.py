"""The paper's claims, each a difference with a direction, and the conclusion that a study's own arms allow on each.

Differences are tested over questions and seeds (`results.contrast`), p corrected by Holm's method over the claims that
a study can test. Only arms that are alike in all but what the claim is about are compared, and only directions: the
level of a study's averages is that of its own models, exam and prompt. The published figures are averages of single
trainings: there models, or settings, are what chance is taken to have drawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import isnan, nan
from typing import Any, Literal

import numpy as np
from scipy import stats

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.published import PublishedRow
from openbook_eval.leaderboard.stats import ALPHA, LEVEL, Interval, Numbers, holm
from openbook_eval.study.results import CLOSED, OPEN, Arm, ArmPart, Contrast, contrast, title, under

Conclusion = Literal["replicates", "contradicts", "undecided", "not in this study"]
# By base model the parts of a difference; all arms are of one condition.
_Compared = Mapping[str, Sequence[ArmPart]]
_Arms = Sequence[Arm]
# Arms by rising levels of what is varied; a level that was trained in several ways has several.
_Levels = list[list[Arm]]

# An average is no worse than another where it is lower by less, a share of 1. The paper's 9:1 and 4:1 differ by 0.007
# at most.
MARGIN = 0.01
_TEST, _NO_WORSE = "t over questions and seeds", "one-sided t over questions and seeds"
_UNLIKE_ROWS = "no medical data alone have as many rows as a mix: the difference is one of rows as well"
_THESE_MODELS = "of these models, not of others"
_GUESSING = "closed-book averages at or below guessing tell of answering in form, not of knowledge"
_ONE_TRAINING = "one training a setting: what chance does in training is not published"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A difference of averages, a share of 1; `interval` is of 95 %, None where nothing is known of chance.

    `p` is NaN then, and where seeds are too few. `seeds` is the least number in a trained arm, 0 where none was trained
    or none is published. `by_model` has the difference of each model.
    """

    value: float
    interval: Interval | None
    p: float
    test: str
    seeds: int = 0
    by_model: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper in our words, and where it stands there.

    `expected` is the sign of the difference that `compared` names; 0 says that it is not below `-MARGIN`, None that
    there is some. `needs` says what a study must have for it. `of_study` takes the arms with an open and with a closed
    book, all of one condition each. `of_paper` is None where the paper has no figures.
    """

    key: str
    where: str
    text: str
    expected: Literal[-1, 0, 1] | None
    compared: str
    needs: str
    of_study: Callable[[_Arms, _Arms], Evidence | None]
    of_paper: Callable[[], Evidence] | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What some figures say of a claim; `adjusted` is p by Holm's method, NaN where there is none."""

    conclusion: Conclusion
    found: Evidence | None
    adjusted: float


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """A claim, what a study says of it, and what the published figures themselves say."""

    claim: Claim
    study: Judgement
    paper: Judgement


def judge(arms: Sequence[Arm]) -> tuple[ClaimOutcome, ...]:
    """Return the outcome of every claim, for a study's arms of all conditions."""
    opened, closed = under(arms, OPEN), under(arms, CLOSED)
    own = _judged([claim.of_study(opened, closed) for claim in CLAIMS])
    paper = _judged([claim.of_paper() if claim.of_paper else None for claim in CLAIMS])
    return tuple(ClaimOutcome(*each) for each in zip(CLAIMS, own, paper, strict=True))


def _judged(found: Sequence[Evidence | None]) -> list[Judgement]:
    adjusted = map(float, holm([each.p if each else nan for each in found]))
    every = zip(CLAIMS, found, adjusted, strict=True)
    return [Judgement(_conclusion(claim, each, p), each, p) for claim, each, p in every]


def _conclusion(claim: Claim, found: Evidence | None, p: float) -> Conclusion:
    if found is None:
        return "not in this study"
    if isnan(p) or p >= ALPHA:
        return "undecided"
    if claim.expected is None:
        return "replicates"
    holds = found.value > -MARGIN if claim.expected == 0 else found.value * claim.expected > 0
    return "replicates" if holds else "contradicts"


def _evidence(
    compared: _Compared,
    arms: Sequence[Arm],
    p: Callable[[Contrast], float] = Contrast.p,
    test: str = _TEST,
    note: str = "",
) -> Evidence | None:
    """Return the mean over models of what is compared; None where nothing is.

    p is NaN, and the note says why, where seeds are too few to decide anything.
    """
    if not compared:
        return None
    design = arms[0].design
    parts = [replace(part, weight=part.weight / len(compared)) for own in compared.values() for part in own]
    parts = [part for part in parts if part.weight]
    seeds = [len(part.scores) for part in parts if part.seeded]
    fewest = min(seeds, default=0)
    try:
        whole = contrast(parts, design)
    except ValueError as error:
        return Evidence(nan, None, nan, test, fewest, note=_joined(str(error), note))
    too_few = _too_few(seeds)
    by_model = tuple((title(base), contrast(own, design).value) for base, own in compared.items() if base)
    certainty = nan if too_few else p(whole)
    return Evidence(whole.value, whole.interval, certainty, test, fewest, by_model, _joined(too_few, note))


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _too_few(seeds: Sequence[int]) -> str:
    """Return why seeds decide nothing, of the number in each trained arm; "" where they do, or nothing is trained."""
    if not seeds:
        return ""
    if max(seeds) == 1:
        return "nothing has two seeds: what chance does in training is not known"
    if min(seeds) < 2:
        return "undecided, for an arm has one seed; a conclusion needs two of each at least"
    # The t of a single degree of freedom finds differences of nothing far more than 5 times in 100.
    if seeds == [2]:
        return "undecided, for the only trained arm has two seeds; a conclusion needs three then"
    return ""


def _no_worse(value: float, p: Callable[[float], float]) -> float:
    """Return the one-sided p of a difference lying above `-MARGIN`, where it does, else that of it lying below.

    `p` gives the two-sided p of a value (D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680).
    """
    return p(-MARGIN) / 2 if value > -MARGIN else p(-MARGIN)


# What the arms of a study have for each claim.


def _mean(arms: Sequence[Arm], weight: float = 1.0) -> list[ArmPart]:
    return [arm.part(weight / len(arms)) for arm in arms]


def _less(pairs: Sequence[tuple[Sequence[Arm], Sequence[Arm]]]) -> list[ArmPart]:
    """Return the mean over pairs of the first's mean less the second's."""
    weight = 1 / len(pairs)
    return [part for one, other in pairs for part in (*_mean(one, weight), *_mean(other, -weight))]


def _trends(lines: Sequence[_Levels], weight: float = 1.0) -> list[ArmPart]:
    """Return the mean over lines of the change from first to last level, by least squares through them in order."""
    parts = []
    for levels in lines:
        ranks = np.arange(len(levels)) - (len(levels) - 1) / 2
        weights = weight / len(lines) * ranks / (ranks**2).sum() * (len(levels) - 1)
        parts += [part for own, level in zip(weights, levels, strict=True) for part in _mean(level, float(own))]
    return parts


def _levels(arms: Iterable[Arm], by: Callable[[Arm], Any]) -> _Levels:
    found: dict[Any, list[Arm]] = {}
    for arm in arms:
        found.setdefault(by(arm), []).append(arm)
    return [found[level] for level in sorted(found)]


def _by_base(arms: Iterable[Arm]) -> dict[str, list[Arm]]:
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.base, []).append(arm)
    return found


def _lines(arms: Iterable[Arm], table: int) -> dict[str, list[_Levels]]:
    """Return by base model the lines of table 4, by share at equal rows, or 5, by rows at one share."""
    level, alike = _share_and_rows if table == 4 else _share_and_rows[::-1]
    found = {
        base: [levels for group in _levels(own, alike) if len(levels := _levels(group, level)) > 1]
        for base, own in _by_base(arm for arm in arms if arm.table == table and arm.trained).items()
    }
    return {base: lines for base, lines in found.items() if lines}


_share_and_rows: tuple[Callable[[Arm], Any], ...] = (lambda arm: arm.medical_share, lambda arm: arm.rows)


def _by_ratio(own: _Arms, _closed: _Arms) -> Evidence | None:
    return _evidence({base: _trends(lines) for base, lines in _lines(own, 4).items()}, own)


def _by_size(own: _Arms, _closed: _Arms) -> Evidence | None:
    return _evidence({base: _trends(lines) for base, lines in _lines(own, 5).items()}, own)


def _knowledge_by_ratio(own: _Arms, closed: _Arms) -> Evidence | None:
    """Nothing is decided where neither end surely reads worse: what was lost is not known then."""
    read, known = _lines(own, 4), _lines(closed, 4)
    both = [base for base in read if base in known]
    reading = _evidence({base: _trends(read[base]) for base in both}, own)
    side = -1.0 if reading and reading.value > 0 else 1.0
    found = _evidence({base: _trends(known[base], side) for base in both}, closed)
    if reading is None or found is None:
        return None
    sure = reading.p < ALPHA
    worse = f"with the book the most {'general' if side < 0 else 'medical'} mix reads worse"
    told = worse if sure else f"{worse}, but not surely: whether reading was lost is not known"
    return replace(found, p=found.p if sure else nan, note=_joined(found.note, told, _GUESSING))


def _four_to_one(own: _Arms, _closed: _Arms) -> Evidence | None:
    found = {}
    for base, mixed in _by_base(arm for arm in own if arm.table == 4 and arm.trained).items():
        of_rows = [
            tuple([arm for arm in alike if arm.medical_share == Fraction(1, parts)] for parts in (5, 10))
            for alike in _levels(mixed, lambda arm: arm.rows)
        ]
        if pairs := [(four, nine) for four, nine in of_rows if four and nine]:
            found[base] = _less(pairs)
    return _evidence(found, own, lambda whole: _no_worse(whole.value, whole.p), _NO_WORSE)


def _alone_less_mixes(own: _Arms, _closed: _Arms) -> Evidence | None:
    """Equal rows are compared where any model has such, else all."""
    trained = _by_base(arm for arm in own if arm.trained)
    equal = {base: _alone_and_mixed(_levels(each, lambda arm: arm.rows)) for base, each in trained.items()}
    every = {base: _alone_and_mixed([each]) for base, each in trained.items()}
    pairs, note = (equal, "") if any(equal.values()) else (every, _UNLIKE_ROWS)
    return _evidence({base: _less(each) for base, each in pairs.items() if each}, own, note=note)


def _alone_and_mixed(groups: Iterable[Sequence[Arm]]) -> list[tuple[list[Arm], list[Arm]]]:
    pairs = [
        ([arm for arm in group if not arm.mix[0]], [arm for arm in group if arm.mix[0] and arm.mix[1]])
        for group in groups
    ]
    return [(alone, mixed) for alone, mixed in pairs if alone and mixed]


def _after_less_before(own: _Arms, wanted: Callable[[Arm], bool]) -> Evidence | None:
    """Compare trained arms of a kind with their models before training, all of a kind weighing the same."""
    sides = {
        base: ([arm for arm in each if arm.trained and wanted(arm)], [arm for arm in each if not arm.trained][:1])
        for base, each in _by_base(own).items()
    }
    return _evidence({base: _less([pair]) for base, pair in sides.items() if all(pair)}, own)


def _neighbouring_sizes(own: _Arms, _closed: _Arms) -> Evidence | None:
    """Of the smaller half of the sizes the neighbours that differ most surely; p by Holm over all pairs."""
    found = {}
    for base, lines in _lines(own, 5).items():
        for sizes in lines:
            of_ratio = f" of {sizes[0][0].ratio}" if len(lines) > 1 else ""
            for low, high in pairwise(sizes[: max(2, (len(sizes) + 1) // 2)]):
                name = f"{title(base)}, {low[0].rows:,} to {high[0].rows:,} rows{of_ratio}"
                found[f"{base} {name}"] = _evidence({name: [*_mean(high), *_mean(low, -1.0)]}, own)
    known = {name: each for name, each in found.items() if each}
    if not known:
        return None
    adjusted = dict(zip(known, map(float, holm([each.p for each in known.values()])), strict=True))
    # Neighbours that seeds are too few to tell apart are taken only where there are no others.
    surest = min(known, key=lambda name: (isnan(known[name].p), known[name].p, name))
    return replace(known[surest], p=adjusted[surest])


def _medical_less_general_models(own: _Arms, _closed: _Arms) -> Evidence | None:
    general, medical = ([arm for arm in own if not arm.trained and arm.table == table] for table in (1, 2))
    if min(len(_by_base(side)) for side in (general, medical)) < 2:
        return None
    return _evidence({"": _less([(medical, general)])}, own, note=_THESE_MODELS)


# What the published figures say.


def _rows(number: int, model: str | None = None) -> Sequence[PublishedRow]:
    return [row for row in published.tables()[number - 1].rows if model in (None, row.model)]


def _shares(rows: Iterable[PublishedRow]) -> Numbers:
    return np.array([row.share for row in rows])


def _table_4() -> tuple[list[str], Numbers]:
    """Return the models, and their shares from 9:1 to 1:9."""
    models = list(dict.fromkeys(row.model for row in _rows(4)))
    return models, np.stack([_shares(_rows(4, model)) for model in models])


def _around(value: float, reach: float) -> Interval:
    return Interval(value - reach, value + reach)


def _over_models(changes: Numbers, models: Sequence[str], test: str, p: float) -> Evidence:
    """Return a mean over models with its t interval."""
    value, reach = float(changes.mean()), float(stats.t.isf(ALPHA / 2, len(changes) - 1) * stats.sem(changes))
    by_model = tuple(zip(models, map(float, changes), strict=True))
    return Evidence(value, _around(value, reach), p, test, 0, by_model, _ONE_TRAINING)


def _published_by_ratio() -> Evidence:
    """Use the trend test of E. B. Page, J. Am. Stat. Assoc. 58 (1963), 216-230, with models as blocks."""
    models, shares = _table_4()
    ranks = np.arange(shares.shape[1]) - (shares.shape[1] - 1) / 2
    changes = shares @ ranks / (ranks**2).sum() * (shares.shape[1] - 1)
    one_sided = [float(stats.page_trend_test(way, method="exact").pvalue) for way in (shares, shares[:, ::-1])]
    return _over_models(changes, models, "Page's trend test over four models", min(1.0, 2 * min(one_sided)))


def _published_four_to_one() -> Evidence:
    models, shares = _table_4()
    apart = shares[:, 1] - shares[:, 0]
    p = _no_worse(float(apart.mean()), lambda null: float(stats.ttest_1samp(apart, null).pvalue))
    return _over_models(apart, models, "one-sided t-test over four models", p)


def _published_by_size() -> Evidence:
    shares = _shares(_rows(5))
    steps, last = np.arange(len(shares)), len(shares) - 1
    line: Any = stats.linregress(steps, shares)
    reach, change = float(stats.t.isf(ALPHA / 2, last - 1) * line.stderr) * last, float(line.slope) * last
    p = float(stats.kendalltau(steps, shares).pvalue)
    return Evidence(change, _around(change, reach), p, "Kendall's test of 8 sizes", note=_ONE_TRAINING)


def _published_neighbouring_sizes() -> Evidence:
    """Give no p: each is one training, and what a second one with the same data would give is not known."""
    rows = _rows(5)[: (len(_rows(5)) + 1) // 2]
    shares = _shares(rows)
    apart, variance = np.diff(shares), shares * (1 - shares) / published.ITEMS
    errors = np.sqrt(variance[1:] + variance[:-1])
    adjusted = holm(2 * stats.norm.sf(np.abs(apart) / errors))
    at = int(adjusted.argmin())
    value, reach = float(apart[at]), float(stats.norm.isf(ALPHA / 2) * errors[at])
    name = f"{rows[at].model}, {rows[at].medical_pairs:,} to {rows[at + 1].medical_pairs:,} rows"
    note = f"{_ONE_TRAINING}; by the choice of questions alone p would be {adjusted[at]:.3f} (Holm over pairs)"
    return Evidence(value, _around(value, reach), nan, "two shares of 11,200 questions", 0, ((name, value),), note)


def _published_restored() -> Evidence:
    rows = [row for row in _rows(3) if row.before is not None]
    gains = _shares(rows) - np.array([row.before for row in rows])
    p = float(stats.ttest_1samp(gains, 0.0).pvalue)
    return _over_models(gains, [row.model for row in rows], "t-test over six models", p)


def _welch(one: Iterable[PublishedRow], other: Iterable[PublishedRow], test: str) -> Evidence:
    sides = _shares(one), _shares(other)
    found: Any = stats.ttest_ind(*sides, equal_var=False)
    interval = found.confidence_interval(LEVEL)
    ends = Interval(float(interval.low), float(interval.high))
    return Evidence(float(sides[0].mean() - sides[1].mean()), ends, float(found.pvalue), test, note=_ONE_TRAINING)


CLAIMS = (
    Claim(
        "ratio", "section 4.4, table 4", "The more of the data is medical, the worse the fine-tuned model reads", -1,
        "open book: the most medical mix less the most general one, by the line through ratios of equal rows",
        "trainings of table 4 at two ratios or more, with equal rows", _by_ratio, _published_by_ratio,
    ),
    Claim(
        # The paper advises to keep "a certain proportion" of general data; which one is read from its table.
        "four-to-one", "section 4.4, table 4",
        f"A fifth of medical data costs nothing yet: 4:1 reads at most {100 * MARGIN:.0f} point worse than 9:1", 0,
        "open book: 4:1 less 9:1, of equal rows; to be better is no contradiction",
        "trainings of table 4 at 4:1 and at 9:1, with equal rows", _four_to_one, _published_four_to_one,
    ),
    Claim(
        "alone-mixes", "section 4.5, tables 4 and 5",
        "Trained on medical data alone, a model reads worse than trained on any mix", -1,
        "open book: medical data alone less mixes with general data, of equal rows where there are any",
        "trainings of one model on medical data alone and on mixes", _alone_less_mixes,
        lambda: _welch(_rows(5), _rows(4, _rows(5)[0].model), "Welch's t-test of 8 and 5 settings of one model"),
    ),
    Claim(
        "alone-base", "section 4.2", "Training on medical data alone costs reading that the model had before", -1,
        "open book: medical data alone less the model before training",
        "trainings on medical data alone, and the same model evaluated as it is",
        lambda own, _: _after_less_before(own, lambda arm: not arm.mix[0]), None,
    ),
    Claim(
        "size", "section 4.5, table 5", "With more medical data, reading improves steadily", 1,
        "open book: the most rows less the fewest, by the line through sizes of one ratio in their order",
        "trainings of table 5 at two sizes or more, with one ratio", _by_size, _published_by_size,
    ),
    Claim(
        "small-sizes", "section 4.5, table 5", "While data are few, another amount of them makes a difference", None,
        "open book: of the smaller half of the sizes the neighbours that differ most surely",
        "trainings of table 5 at two sizes or more, with one ratio", _neighbouring_sizes,
        _published_neighbouring_sizes,
    ),
    Claim(
        "restored", "section 4.3, table 3", "General data give a medical model some of its reading back", 1,
        "open book: medical models after training on general data alone less before",
        "trainings of table 3 on general data alone, and the same models evaluated as they are",
        lambda own, _: _after_less_before(own, lambda arm: arm.table == 3 and not arm.mix[1]), _published_restored,
    ),
    Claim(
        "kinds", "sections 4.1 and 4.2, tables 1 and 2", "Medical models read worse than general ones", -1,
        "open book: the models of table 2 less those of table 1", "two models or more of table 1 and of table 2",
        _medical_less_general_models,
        lambda: _welch(_rows(2), _rows(1), "Welch's t-test of 6 and 5 models"),
    ),
    Claim(
        "trade-off", "section 4.2", "What a model loses in reading it gains in knowledge", 1,
        "closed book: the end of the line through all ratios that reads worse less the end that reads better",
        "trainings of table 4 at two ratios or more, with equal rows, evaluated with and without the book",
        _knowledge_by_ratio, None,
    ),
)  # fmt: skip
