"""How the settings of a study are compared for each claim: model by model, as weights of their averages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import nan
from typing import Any

from openbook_eval.leaderboard.statistics.paired import holm
from openbook_eval.study.findings.contrasts import Contrast, Part, contrast
from openbook_eval.study.findings.evidence import Evidence, likeness
from openbook_eval.study.findings.points import title
from openbook_eval.study.findings.settings import CLOSED, OPEN, Setting

# By base model the parts of a difference. All settings of a comparison are of one condition.
Compared = Mapping[str, Sequence[Part]]

TEST = "t over questions and seeds"
LIKENESS = "two one-sided t over questions and seeds"
_ONE_SEED = "nothing has two seeds: what chance does in training is not known"
_SOME_ONE_SEED = "a setting of one seed is taken to differ between seeds as the others do"


def by_ratio(settings: Sequence[Setting]) -> Evidence | None:
    """Reading from the least medical mix of table 4 to the most medical one."""
    return _tested(*_ratios(settings, OPEN))


def knowledge_by_ratio(settings: Sequence[Setting]) -> Evidence | None:
    """The same without the book."""
    return _tested(*_ratios(settings, CLOSED))


def four_to_one(settings: Sequence[Setting]) -> Evidence | None:
    """4:1 less 9:1 of table 4; its p is that of being alike."""
    own = _of(settings, OPEN)
    found = {}
    for base, mixed in _by_base(each for each in own if each.table == 4).items():
        four, nine = ([each for each in mixed if each.ratio == ratio] for ratio in ("4:1", "9:1"))
        if four and nine:
            found[base] = [*_mean(four), *_mean(nine, -1.0)]
    return _tested(found, own, lambda whole: likeness(whole.value, whole.p), LIKENESS)


def medical_alone_less_mixes(settings: Sequence[Setting]) -> Evidence | None:
    """Medical data alone less mixes with general data, all sizes and all ratios of a model weighing the same."""
    return _alone(settings, lambda each: each.trained and each.general > 0 and each.medical > 0)


def medical_alone_less_base(settings: Sequence[Setting]) -> Evidence | None:
    """Medical data alone less the model before training."""
    return _alone(settings, lambda each: not each.trained)


def by_size(settings: Sequence[Setting]) -> Evidence | None:
    """Reading from the fewest rows of table 5 to the most."""
    own, levels = _sizes(settings)
    return _tested({base: _trend(each) for base, each in levels.items()}, own)


def neighbouring_sizes(settings: Sequence[Setting]) -> Evidence | None:
    """Of the smaller half of table 5's sizes the two neighbours that differ most surely; p by Holm over all pairs."""
    own, levels = _sizes(settings)
    pairs = {
        f"{title(base)}, {low[0].rows:,} to {high[0].rows:,} rows": [*_mean(high), *_mean(low, -1.0)]
        for base, sizes in levels.items()
        for low, high in pairwise(sizes[: max(2, (len(sizes) + 1) // 2)])
    }
    found = {name: tested for name, parts in pairs.items() if (tested := _tested({name: parts}, own))}
    if not found:
        return None
    adjusted = dict(zip(found, map(float, holm([each.p for each in found.values()])), strict=True))
    surest = min(found, key=lambda name: (found[name].p, name))
    one = found[surest]
    return Evidence(one.value, one.interval, adjusted[surest], one.test, one.seeds, one.by_model, one.note)


def general_after_medical(settings: Sequence[Setting]) -> Evidence | None:
    """Medical models after training on general data (table 3) less the same before."""
    own = _of(settings, OPEN)
    found = {}
    for base, each in _by_base(own).items():
        after, before = [one for one in each if one.table == 3 and one.trained], _as_it_is(each)
        if after and before:
            found[base] = [*_mean(after), *_mean(before, -1.0)]
    return _tested(found, own)


def medical_less_general_models(settings: Sequence[Setting]) -> Evidence | None:
    """The medical models of table 2 less the general ones of table 1: of these models, not of others."""
    own = _of(settings, OPEN)
    general, medical = ([each for each in own if not each.trained and each.table == table] for table in (1, 2))
    return _tested({"": [*_mean(medical), *_mean(general, -1.0)]}, own) if general and medical else None


def _tested(
    compared: Compared,
    own: Sequence[Setting],
    p: Callable[[Contrast], float] = lambda whole: whole.p(),
    test: str = TEST,
) -> Evidence | None:
    """The mean over models of what is compared, of settings that are all of one condition; None where nothing is."""
    if not compared:
        return None
    design = own[0].design
    parts = [
        Part(part.weight / len(compared), part.marks, part.seeded)
        for each in compared.values()
        for part in each
        if part.weight
    ]
    seeds = [len(part.marks) for part in parts if part.seeded]
    try:
        whole = contrast(parts, design)
    except ValueError as error:
        return Evidence(nan, None, nan, test, min(seeds, default=0), note=str(error))
    unknown = bool(seeds) and max(seeds) == 1
    note = _ONE_SEED if unknown else _SOME_ONE_SEED if seeds and min(seeds) == 1 else ""
    return Evidence(
        value=whole.value,
        interval=whole.interval,
        p=nan if unknown else p(whole),
        test=test,
        seeds=min(seeds, default=0),
        by_model=tuple((title(base), contrast(each, design).value) for base, each in compared.items() if base),
        note=note,
    )


def _of(settings: Iterable[Setting], conditions: Sequence[str]) -> list[Setting]:
    """The settings under the first of some conditions that there are any of."""
    every = list(settings)
    had = {each.condition for each in every}
    first = next((name for name in conditions if name in had), None)
    return [each for each in every if each.condition == first]


def _by_base(settings: Iterable[Setting]) -> dict[str, list[Setting]]:
    found: dict[str, list[Setting]] = {}
    for each in settings:
        found.setdefault(each.base, []).append(each)
    return found


def _as_it_is(settings: Iterable[Setting]) -> list[Setting]:
    """A model before training: examined once, though a study may name it in several tables."""
    return [each for each in settings if not each.trained][:1]


def _levels(settings: Iterable[Setting], by: Callable[[Setting], Any]) -> list[list[Setting]]:
    """The settings by rising levels of what was varied; a level that was trained in several ways has several."""
    found: dict[Any, list[Setting]] = {}
    for each in settings:
        found.setdefault(by(each), []).append(each)
    return [found[level] for level in sorted(found)]


def _mean(settings: Sequence[Setting], weight: float = 1.0) -> list[Part]:
    return [each.part(weight / len(settings)) for each in settings]


def _trend(levels: Sequence[Sequence[Setting]]) -> list[Part]:
    """The change from the first level to the last by the line of least squares through the levels in their order."""
    middle = (len(levels) - 1) / 2
    squares = sum((rank - middle) ** 2 for rank in range(len(levels)))
    weights = [(rank - middle) / squares * (len(levels) - 1) for rank in range(len(levels))]
    return [part for weight, level in zip(weights, levels, strict=True) for part in _mean(level, weight)]


def _ratios(settings: Sequence[Setting], conditions: Sequence[str]) -> tuple[Compared, list[Setting]]:
    own = _of(settings, conditions)
    mixed = _by_base(each for each in own if each.table == 4 and each.trained)
    levels = {base: _levels(each, lambda setting: setting.medical_share) for base, each in mixed.items()}
    return {base: _trend(each) for base, each in levels.items() if len(each) > 1}, own


def _sizes(settings: Sequence[Setting]) -> tuple[list[Setting], dict[str, list[list[Setting]]]]:
    own = _of(settings, OPEN)
    sized = _by_base(each for each in own if each.table == 5 and each.trained)
    levels = {base: _levels(each, lambda setting: setting.rows) for base, each in sized.items()}
    return own, {base: each for base, each in levels.items() if len(each) > 1}


def _alone(settings: Sequence[Setting], against: Callable[[Setting], bool]) -> Evidence | None:
    own = _of(settings, OPEN)
    found = {}
    for base, each in _by_base(own).items():
        alone = [one for one in each if one.trained and not one.general]
        others = [one for one in each if one.trained and against(one)] or [
            one for one in _as_it_is(each) if against(one)
        ]
        if alone and others:
            found[base] = [*_mean(alone), *_mean(others, -1.0)]
    return _tested(found, own)
