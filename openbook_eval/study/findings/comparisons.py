"""What the settings of a study have for each claim: only what is alike in all but what the claim is about."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import isnan, nan
from typing import Any

from openbook_eval.leaderboard.stats import LEVEL, holm
from openbook_eval.study.findings.differences import Compared, evidence_of, less, mean, notes, trends
from openbook_eval.study.findings.evidence import Evidence, no_worse
from openbook_eval.study.findings.points import title
from openbook_eval.study.findings.settings import CLOSED, OPEN, Setting, under

# Settings by rising levels of what is varied; a level that was trained in several ways has several.
_Levels = list[list[Setting]]

NO_WORSE = "one-sided t over questions and seeds"
_UNLIKE_ROWS = "no medical data alone have as many rows as a mix: what their number does is in it"
_THESE_MODELS = "of these models, not of others"
_GUESSING = "closed-book averages at or below guessing tell of answering in form, not of knowledge"


def by_ratio(settings: Sequence[Setting]) -> Evidence | None:
    """Reading from the least medical mix of table 4 to the most medical one, of equal rows."""
    own = under(settings, OPEN)
    return evidence_of({base: trends(lines) for base, lines in _ratios(own).items()}, own)


def knowledge_by_ratio(settings: Sequence[Setting]) -> Evidence | None:
    """Without the book, the end of the ratio line that reads worse less the end that reads better.

    Nothing is decided where neither end surely reads worse: what was lost is not known then.
    """
    own, closed = under(settings, OPEN), under(settings, CLOSED)
    read, known = _ratios(own), _ratios(closed)
    both = [base for base in read if base in known]
    reading = evidence_of({base: trends(read[base]) for base in both}, own)
    if reading is None:
        return None
    side = -1.0 if reading.value > 0 else 1.0
    found = evidence_of({base: trends(known[base], side) for base in both}, closed)
    if found is None:
        return None
    sure = reading.p < 1 - LEVEL
    worse = f"with the book the most {'general' if side < 0 else 'medical'} mix reads worse"
    told = worse if sure else f"{worse}, but not surely: whether reading was lost is not known"
    return replace(found, p=found.p if sure else nan, note=notes(found.note, told, _GUESSING))


def four_to_one(settings: Sequence[Setting]) -> Evidence | None:
    """4:1 less 9:1 of table 4, of equal rows; its p is that of being no worse."""
    own = under(settings, OPEN)
    found = {}
    for base, mixed in _by_base(each for each in own if each.table == 4 and each.trained).items():
        of_rows = [
            tuple([each for each in alike if each.medical_share == Fraction(1, parts)] for parts in (5, 10))
            for alike in _levels(mixed, lambda each: each.rows)
        ]
        if pairs := [(four, nine) for four, nine in of_rows if four and nine]:
            found[base] = less(pairs)
    return evidence_of(found, own, lambda whole: no_worse(whole.value, whole.p), NO_WORSE)


def medical_alone_less_mixes(settings: Sequence[Setting]) -> Evidence | None:
    """Medical data alone less mixes with general data; at equal rows where any model has such, else at all."""
    own = under(settings, OPEN)
    equal, every = {}, {}
    for base, trained in _by_base(each for each in own if each.trained).items():
        if pairs := _alone_and_mixed(_levels(trained, lambda each: each.rows)):
            equal[base] = less(pairs)
        if pairs := _alone_and_mixed([trained]):
            every[base] = less(pairs)
    return evidence_of(equal, own) if equal else evidence_of(every, own, note=_UNLIKE_ROWS)


def medical_alone_less_base(settings: Sequence[Setting]) -> Evidence | None:
    """Medical data alone less the model before training."""
    return _after_less_before(settings, lambda each: not each.general)


def general_after_medical(settings: Sequence[Setting]) -> Evidence | None:
    """Medical models after training on general data alone (table 3) less the same before."""
    return _after_less_before(settings, lambda each: each.table == 3 and not each.medical)


def by_size(settings: Sequence[Setting]) -> Evidence | None:
    """Reading from the fewest rows of table 5 to the most, of one ratio."""
    own = under(settings, OPEN)
    return evidence_of({base: trends(lines) for base, lines in _sizes(own).items()}, own)


def neighbouring_sizes(settings: Sequence[Setting]) -> Evidence | None:
    """Of the smaller half of table 5's sizes the two neighbours that differ most surely; p by Holm over all pairs.

    Neighbours that seeds are too few to tell apart are taken only where there are no others.
    """
    own = under(settings, OPEN)
    pairs: dict[str, Compared] = {}
    for base, lines in _sizes(own).items():
        for sizes in lines:
            of_ratio = f" of {sizes[0][0].ratio}" if len(lines) > 1 else ""
            for low, high in pairwise(sizes[: max(2, (len(sizes) + 1) // 2)]):
                name = f"{title(base)}, {low[0].rows:,} to {high[0].rows:,} rows{of_ratio}"
                pairs[f"{base} {name}"] = {name: [*mean(high), *mean(low, -1.0)]}
    found = {name: evidence for name, pair in pairs.items() if (evidence := evidence_of(pair, own))}
    if not found:
        return None
    adjusted = dict(zip(found, map(float, holm([each.p for each in found.values()])), strict=True))
    surest = min(found, key=lambda name: (isnan(found[name].p), found[name].p, name))
    return replace(found[surest], p=adjusted[surest])


def medical_less_general_models(settings: Sequence[Setting]) -> Evidence | None:
    """The medical models of table 2 less the general ones of table 1, two of each at least."""
    own = under(settings, OPEN)
    general, medical = ([each for each in own if not each.trained and each.table == table] for table in (1, 2))
    if min(len({each.base for each in side}) for side in (general, medical)) < 2:
        return None
    return evidence_of({"": less([(medical, general)])}, own, note=_THESE_MODELS)


def _after_less_before(settings: Sequence[Setting], wanted: Callable[[Setting], bool]) -> Evidence | None:
    """Trained settings of a kind less their models before training, all of a kind weighing the same."""
    own = under(settings, OPEN)
    found = {}
    for base, each in _by_base(own).items():
        after = [one for one in each if one.trained and wanted(one)]
        # A model before training is examined once, though a study may name it in several tables.
        before = [one for one in each if not one.trained][:1]
        if after and before:
            found[base] = less([(after, before)])
    return evidence_of(found, own)


def _alone_and_mixed(groups: Iterable[Sequence[Setting]]) -> list[tuple[list[Setting], list[Setting]]]:
    """Of each group medical data alone and mixes with general data, where it has both."""
    pairs = [
        (
            [each for each in group if not each.general],
            [each for each in group if each.general and each.medical],
        )
        for group in groups
    ]
    return [(alone, mixed) for alone, mixed in pairs if alone and mixed]


def _ratios(own: Iterable[Setting]) -> dict[str, list[_Levels]]:
    """By base model the lines of table 4: levels of the medical share, each line of equal rows."""
    trained = (each for each in own if each.table == 4 and each.trained)
    return _lines(trained, lambda each: each.medical_share, lambda each: each.rows)


def _sizes(own: Iterable[Setting]) -> dict[str, list[_Levels]]:
    """By base model the lines of table 5: levels of rows, each line of one ratio."""
    trained = (each for each in own if each.table == 5 and each.trained)
    return _lines(trained, lambda each: each.rows, lambda each: each.medical_share)


def _lines(
    settings: Iterable[Setting], level: Callable[[Setting], Any], alike: Callable[[Setting], Any]
) -> dict[str, list[_Levels]]:
    """By base model the lines that have two levels at least; all settings of a line are `alike`."""
    found = {
        base: [levels for group in _levels(each, alike) if len(levels := _levels(group, level)) > 1]
        for base, each in _by_base(settings).items()
    }
    return {base: lines for base, lines in found.items() if lines}


def _levels(settings: Iterable[Setting], by: Callable[[Setting], Any]) -> _Levels:
    found: dict[Any, list[Setting]] = {}
    for each in settings:
        found.setdefault(by(each), []).append(each)
    return [found[level] for level in sorted(found)]


def _by_base(settings: Iterable[Setting]) -> dict[str, list[Setting]]:
    found: dict[str, list[Setting]] = {}
    for each in settings:
        found.setdefault(each.base, []).append(each)
    return found
