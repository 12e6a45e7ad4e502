"""A difference of settings, model by model, as weights of their averages; tested over questions and seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan

from openbook_eval.study.findings.contrasts import Contrast, Part, contrast
from openbook_eval.study.findings.evidence import Evidence
from openbook_eval.study.findings.points import title
from openbook_eval.study.findings.settings import Setting

# By base model the parts of a difference. All settings of a comparison are of one condition.
Compared = Mapping[str, Sequence[Part]]

TEST = "t over questions and seeds"
# Below these the t of seeds finds differences of nothing far more than 5 times in 100.
_SEEDS, _FREEDOM = 2, 2


def evidence_of(
    compared: Compared,
    own: Sequence[Setting],
    p: Callable[[Contrast], float] = lambda whole: whole.p(),
    test: str = TEST,
    note: str = "",
) -> Evidence | None:
    """The mean over models of what is compared, of settings that are all of one condition; None where nothing is.

    p is NaN, and the note says why, where seeds are too few to decide anything.
    """
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
        return Evidence(nan, None, nan, test, min(seeds, default=0), note=notes(str(error), note))
    too_few = _too_few(seeds)
    return Evidence(
        value=whole.value,
        interval=whole.interval,
        p=nan if too_few else p(whole),
        test=test,
        seeds=min(seeds, default=0),
        by_model=tuple((title(base), contrast(each, design).value) for base, each in compared.items() if base),
        note=notes(too_few, note),
    )


def notes(*said: str) -> str:
    """What is to be said, in one line."""
    return "; ".join(filter(None, said))


def mean(settings: Sequence[Setting], weight: float = 1.0) -> list[Part]:
    """The mean of settings, times a weight."""
    return [each.part(weight / len(settings)) for each in settings]


def less(pairs: Sequence[tuple[Sequence[Setting], Sequence[Setting]]]) -> list[Part]:
    """The mean over pairs of the first's mean less the second's."""
    weight = 1 / len(pairs)
    return [part for one, other in pairs for part in (*mean(one, weight), *mean(other, -weight))]


def trend(levels: Sequence[Sequence[Setting]], weight: float = 1.0) -> list[Part]:
    """The change from the first level to the last by the line of least squares through the levels in their order."""
    middle = (len(levels) - 1) / 2
    squares = sum((rank - middle) ** 2 for rank in range(len(levels)))
    weights = [weight * (rank - middle) / squares * (len(levels) - 1) for rank in range(len(levels))]
    return [part for own, level in zip(weights, levels, strict=True) for part in mean(level, own)]


def trends(lines: Iterable[Sequence[Sequence[Setting]]], weight: float = 1.0) -> list[Part]:
    """The mean change over several lines of levels."""
    every = list(lines)
    return [part for levels in every for part in trend(levels, weight / len(every))]


def _too_few(seeds: Sequence[int]) -> str:
    """Why seeds decide nothing, of the number behind each trained setting; "" where they do, or nothing is trained."""
    if not seeds:
        return ""
    if max(seeds) == 1:
        return "nothing has two seeds: what chance does in training is not known"
    if min(seeds) < _SEEDS:
        return "undecided, for a setting has one seed; a verdict needs two of each at least"
    if sum(seeds) - len(seeds) < _FREEDOM:
        return "undecided, for the only trained setting has two seeds; a verdict needs three then"
    return ""
