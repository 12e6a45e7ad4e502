"""Compare what each of the paper's claims is about, and draw the conclusion that a study's own arms allow.

Differences are tested over questions and seeds (`results.contrast`), p corrected by Holm's method over the claims that
a study can test. Only arms that are alike in all but what the claim is about are compared, and only directions: the
level of a study's averages is that of its own models, exam and prompt.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import isnan, nan
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from openbook_eval.files import load_yaml
from openbook_eval.leaderboard.stats import ALPHA, Interval, holm
from openbook_eval.study.results import CLOSED, OPEN, Arm, Contrast, Setting, contrast, under

Conclusion = Literal["replicates", "contradicts", "undecided"]
_Arms = Sequence[Arm]
_Weighed = list[tuple[float, Arm]]
_Kind = Callable[[Setting], bool]

# An average is no worse than another where it is lower by less, a share of 1. The paper's 9:1 and 4:1 differ by 0.007
# at most.
MARGIN = 0.01
_TEST = "t over questions and seeds"
_TOO_FEW = "undecided, for chance in training is not known: each arm needs two seeds, one that is trained alone three"
_UNLIKE_ROWS = "no medical data alone have as many rows as a mix: the difference is one of rows as well"
_GUESSING = "closed-book averages at or below guessing tell of answering in form, not of knowledge"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A difference of averages, a share of 1, and what it says of a claim.

    `interval` is of 95 %, None where nothing is known of chance; p is NaN then, and where seeds are too few. `adjusted`
    is p by Holm's method. `seeds` is the least number in a trained arm, 0 where none was trained or none is published.
    `by_model` has the difference of each model.
    """

    value: float
    interval: Interval | None
    p: float
    test: str
    seeds: int = 0
    by_model: tuple[tuple[str, float], ...] = ()
    note: str = ""
    adjusted: float = nan
    conclusion: Conclusion = "undecided"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper as claims.yml tells it; `paper` is None where no figures are published."""

    key: str
    where: str
    text: str
    expected: Literal[-1, 0, 1] | None
    compared: str
    needs: str
    paper: Evidence | None


def judge(arms: _Arms) -> list[tuple[Claim, Evidence | None]]:
    """Return every claim with what a study says of it by its arms of all conditions; None where it has none for it."""
    books = under(arms, OPEN), under(arms, CLOSED)
    expected = [claim.expected for claim in claims()]
    own = _judged([COMPARISONS[claim.key](*books) for claim in claims()], expected)
    return list(zip(claims(), own, strict=True))


@cache
def claims() -> list[Claim]:
    """Return the claims in the order of their file, with what the published figures say of each."""
    stored = load_yaml(Path(__file__).with_name("claims.yml"))
    paper = _judged(
        [_published(each.get("paper")) for each in stored.values()], [each["expected"] for each in stored.values()]
    )
    return [Claim(key, **{**each, "paper": found}) for (key, each), found in zip(stored.items(), paper, strict=True)]


def _published(stored: Mapping[str, Any] | None) -> Evidence | None:
    if stored is None:
        return None
    note = "one training a setting: what chance does in training is not published"
    ends, models = Interval(stored["low"], stored["high"]), tuple(stored.get("models", {}).items())
    return Evidence(stored["value"], ends, stored["p"], stored["test"], 0, models, note)


def _judged(found: Sequence[Evidence | None], expected: Sequence[int | None]) -> list[Evidence | None]:
    """Return evidence with its p corrected over all, and the conclusion that this allows."""
    adjusted = holm([each.p if each else nan for each in found]).tolist()
    every = zip(found, adjusted, expected, strict=True)
    return [
        replace(each, adjusted=p, conclusion=_conclusion(each.value, p, sign)) if each else None
        for each, p, sign in every
    ]


def _conclusion(value: float, p: float, expected: int | None) -> Conclusion:
    if isnan(p) or p >= ALPHA:
        return "undecided"
    holds = value > -MARGIN if expected == 0 else value * (expected or value) > 0
    return "replicates" if holds else "contradicts"


def _evidence(
    compared: Mapping[str, _Weighed], p: Callable[[Contrast], float] = Contrast.p, test: str = _TEST, note: str = ""
) -> Evidence | None:
    """Return the mean over models of what is compared, by base or name; None where nothing is.

    p is NaN, and the note says why, where seeds are too few to decide anything.
    """
    parts = [(weight / len(compared), arm) for own in compared.values() for weight, arm in own if weight]
    if not parts:
        return None
    seeds = [len(arm.scores) for _, arm in parts if arm.setting.mix]
    fewest = min(seeds, default=0)
    try:
        whole = contrast(parts)
    except ValueError as error:
        return Evidence(nan, None, nan, test, fewest, note=_joined(str(error), note))
    titles = {arm.setting.base: arm.setting.model for _, arm in parts}
    by_model = tuple((titles.get(name, name), contrast(own).value) for name, own in compared.items() if name)
    # The t of a single degree of freedom finds differences of nothing far more than 5 times in 100.
    if 1 in seeds or seeds == [2]:
        return Evidence(whole.value, whole.interval, nan, test, fewest, by_model, _joined(_TOO_FEW, note))
    return Evidence(whole.value, whole.interval, p(whole), test, fewest, by_model, note)


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _by(arms: Iterable[Arm], name: str) -> dict[Any, list[Arm]]:
    """Return arms by what their settings say, in order."""
    found, value = dict[Any, list[Arm]](), attrgetter(f"setting.{name}")
    for arm in arms:
        found.setdefault(value(arm), []).append(arm)
    return dict(sorted(found.items()))


def _mean(arms: _Arms, weight: float = 1.0) -> _Weighed:
    return [(weight / len(arms), arm) for arm in arms]


def _less(arms: _Arms, one: _Kind, other: _Kind, alike: str = "base") -> dict[str, _Weighed]:
    """Return by base model the mean of arms of one kind less that of another; of those that are alike in something
    the mean over what there is.
    """
    found = dict[str, _Weighed]()
    for base, own in _by((arm for arm in arms if one(arm.setting) or other(arm.setting)), "base").items():
        sides = [
            [[arm for arm in group if kind(arm.setting)] for kind in (one, other)] for group in _by(own, alike).values()
        ]
        if pairs := [pair for pair in sides if all(pair)]:
            weight = 1 / len(pairs)
            found[base] = [part for more, less in pairs for part in (*_mean(more, weight), *_mean(less, -weight))]
    return found


_Lines = list[list[list[Arm]]]  # a level that was trained in several ways has several arms


def _lines(arms: _Arms, table: int) -> dict[str, _Lines]:
    """Return by base model the arms of table 4 by rising share at equal rows, or of 5 by rising rows at one share."""
    level, alike = ("medical_share", "mix.rows") if table == 4 else ("mix.rows", "medical_share")
    found = {}
    for base, own in _by(
        (arm for arm in arms if arm.setting.table == table and arm.setting.mix is not None), "base"
    ).items():
        lines = [list(_by(group, level).values()) for group in _by(own, alike).values()]
        found[base] = [line for line in lines if len(line) > 1]
    return {base: lines for base, lines in found.items() if lines}


def _trends(lines: Mapping[str, _Lines], sign: float = 1.0) -> dict[str, _Weighed]:
    """Return the mean over lines of the change from first to last level, by least squares through them in order."""
    found = dict[str, _Weighed]()
    for base, own in lines.items():
        for levels in own:
            ranks = np.arange(len(levels)) - (len(levels) - 1) / 2
            weights = sign / len(own) * ranks / (ranks**2).sum() * (len(levels) - 1)
            found.setdefault(base, []).extend(
                part for weight, level in zip(weights.tolist(), levels, strict=True) for part in _mean(level, weight)
            )
    return found


def _four_to_one(own: _Arms) -> Evidence | None:
    """Test that the difference lies above `-MARGIN`, where it does, else that it lies below (one- and two-sided).

    D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680.
    """
    of_table = [arm for arm in own if arm.setting.table == 4]
    found = _less(of_table, lambda of: of.ratio == "4:1", lambda of: of.ratio == "9:1", "mix.rows")
    return _evidence(found, lambda whole: whole.p(-MARGIN) / (2 if whole.value > -MARGIN else 1), f"one-sided {_TEST}")


def _alone_less_mixes(own: _Arms) -> Evidence | None:
    """Compare equal rows where any model has such, else all."""
    kinds: tuple[_Kind, _Kind] = (lambda of: of.medical_share == 1, lambda of: of.medical_share not in (None, 0, 1))
    return _evidence(_less(own, *kinds, "mix.rows")) or _evidence(_less(own, *kinds), note=_UNLIKE_ROWS)


def _after_less_before(own: _Arms, wanted: _Kind) -> Evidence | None:
    return _evidence(_less(own, wanted, lambda of: of.mix is None))


def _neighbouring_sizes(own: _Arms) -> Evidence | None:
    """Of the smaller half of the sizes take the neighbours that differ most surely; p by Holm over all pairs."""
    found = list[Evidence]()
    for lines in _lines(own, 5).values():
        for line in lines:
            for low, high in pairwise(line[: max(2, (len(line) + 1) // 2)]):
                of, (less, more) = low[0].setting, (arms[0].setting.mix for arms in (low, high))
                rows = f"{less.rows:,} to {more.rows:,} rows" if less and more else ""
                name = f"{of.model}, {rows}{f' of {of.ratio}' if len(lines) > 1 else ''}"
                found += filter(None, [_evidence({name: [*_mean(high), *_mean(low, -1.0)]})])
    adjusted = holm([each.p for each in found]).tolist()
    corrected = [replace(each, p=p) for each, p in zip(found, adjusted, strict=True)]
    # Neighbours that seeds are too few to tell apart are taken only where there are no others.
    return min(corrected, key=lambda each: (isnan(each.p), each.p, each.by_model), default=None)


def _medical_less_general_models(own: _Arms) -> Evidence | None:
    of_tables = [[arm for arm in own if arm.setting.mix is None and arm.setting.table == table] for table in (1, 2)]
    if min(len(_by(models, "base")) for models in of_tables) < 2:
        return None
    general, medical = of_tables
    return _evidence({"": [*_mean(medical), *_mean(general, -1.0)]}, note="of these models, not of others")


def _knowledge_by_ratio(own: _Arms, closed: _Arms) -> Evidence | None:
    """Decide nothing where neither end surely reads worse: what was lost is not known then."""
    read, known = _lines(own, 4), _lines(closed, 4)
    reading = _evidence(_trends({base: lines for base, lines in read.items() if base in known}))
    side = -1.0 if reading and reading.value > 0 else 1.0
    found = _evidence(_trends({base: lines for base, lines in known.items() if base in read}, side))
    if reading is None or found is None:
        return None
    sure = reading.p < ALPHA
    worse = f"with the book the most {'general' if side < 0 else 'medical'} mix reads worse"
    note = worse if sure else f"{worse}, but not surely: whether reading was lost is not known"
    return replace(found, p=found.p if sure else nan, note=_joined(found.note, note, _GUESSING))


# By claim, what is compared of the arms with an open and with a closed book, all of one condition each.
COMPARISONS: Mapping[str, Callable[[_Arms, _Arms], Evidence | None]] = {
    "ratio": lambda own, _: _evidence(_trends(_lines(own, 4))),
    "four-to-one": lambda own, _: _four_to_one(own),
    "alone-mixes": lambda own, _: _alone_less_mixes(own),
    "alone-base": lambda own, _: _after_less_before(own, lambda of: of.medical_share == 1),
    "size": lambda own, _: _evidence(_trends(_lines(own, 5))),
    "small-sizes": lambda own, _: _neighbouring_sizes(own),
    "restored": lambda own, _: _after_less_before(own, lambda of: of.table == 3 and of.medical_share == 0),
    "kinds": lambda own, _: _medical_less_general_models(own),
    "trade-off": _knowledge_by_ratio,
}
