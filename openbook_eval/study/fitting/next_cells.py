"""Which cell next: the one whose result is expected to narrow the interval most.

Draws of the ensemble are taken for the truth in turn, and a result of the cell is made from each; the draws count by
how likely they make that result, and the interval is that of the draws so weighed. Its mean width over truths is what
is to be expected (preposterior analysis: H. Raiffa and R. Schlaifer, Applied Statistical Decision Theory, 1961).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from openbook_eval.leaderboard.stats import Numbers
from openbook_eval.sampling import seeded_draw
from openbook_eval.study.fitting.ensemble import TAILS, Ensemble, interval
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.optimum import Trade
from openbook_eval.study.fitting.values import Candidate, Next, Place, Varies

_TRUTHS = 400
_SHOWN = 3
SEEDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many seeds of a cell are tried; a study has fewer."""


def next_cells(trade: Trade, goal: Numbers, target: Place | None, seed: int) -> Next:
    """The cells to train next for `goal` (draws): the best ratios, or the predictions at `target`."""
    settings = trade.reading.settings
    trained = dict(zip(settings.places, map(int, settings.seeds), strict=True))
    found = interval(goal)
    width = found.high - found.low
    outlook = Outlook.of(trade, goal, seeded_draw(seed, "truths", *settings.models))
    cells = sorted(
        (Candidate(place, trained.get(place, 0), outlook.width(place, 1)) for place in candidates(settings)),
        key=lambda cell: (cell.width, cell.place),
    )
    untrained = tuple(cell for cell in cells if not cell.seeds)[:_SHOWN]
    enough = (count for count in SEEDS if untrained and outlook.width(untrained[0].place, count) <= width / 2)
    again = next((cell for cell in cells if cell.seeds), None)
    return Next(target, width, untrained, again, next(enough, None) if width else None, SEEDS[-1])


def candidates(settings: Settings) -> Iterator[Place]:
    """The cells of the paper's tables and of the study in what varies: each with each, of each model."""
    varies = settings.varies
    ratios = {place.medical for place in settings.places}
    sizes = {place.rows for place in settings.places}
    if varies is not Varies.SIZE:
        ratios |= set(_paper_ratios())
    if varies is not Varies.RATIO:
        low, high = min(sizes), max(sizes)
        # A law is not stretched further than to half and double of what it was fitted to.
        sizes |= {size for size in _paper_sizes() if low / 2 <= size <= 2 * high} | {max(1, low // 2), 2 * high}
    yield from (Place(ratio, rows, name) for name in settings.models for ratio in ratios for rows in sizes)


def _paper_ratios() -> Iterator[Fraction]:
    from openbook_eval.leaderboard import published

    yield from (Fraction(0), Fraction(1))
    for table in published.tables():
        for row in table.rows:
            if row.general_ratio and row.medical_ratio:
                yield Fraction(row.medical_ratio, row.general_ratio + row.medical_ratio)


def _paper_sizes() -> Iterable[int]:
    from openbook_eval.leaderboard import published

    return (row.medical_pairs for table in published.tables() for row in table.rows if row.medical_pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What to expect of one more cell. `order` sorts the draws by `goal`, both (draws); `noise` is (truths, parts)."""

    ensembles: tuple[Ensemble, ...]
    goal: Numbers
    truths: "np.ndarray[tuple[int], np.dtype[np.int_]]"
    noise: Numbers

    @classmethod
    def of(cls, trade: Trade, goal: Numbers, seed: int) -> "Outlook":
        """For all conditions that a training is examined in."""
        ensembles = tuple(each for _, each in trade.parts)
        truths = np.unique(np.linspace(0, len(goal) - 1, min(_TRUTHS, len(goal))).astype(int))
        noise = np.random.default_rng(seed).standard_normal((len(truths), len(ensembles)))
        return cls(ensembles, goal, truths, noise)

    def width(self, place: Place, seeds: int) -> float:
        """The expected width of the 95 % interval of `goal` after so many seeds of a cell there."""
        unlikely = np.zeros((len(self.truths), len(self.goal)))
        for each, noise in zip(self.ensembles, self.noise.T, strict=True):
            shares = each.shares_of_asked([place])[:, 0]
            variance = float(each.scatter.of(seeds))
            results = shares[self.truths] + np.sqrt(variance) * noise
            unlikely += np.square(results[:, None] - shares) / variance
        weights = np.exp(-(unlikely - unlikely.min(axis=1, keepdims=True)) / 2)
        return float(_widths(weights, self.goal).mean())


def _widths(weights: Numbers, values: Numbers) -> Numbers:
    """The widths of the weighed 95 % intervals of `values` (draws), a row of `weights` (truths, draws) each."""
    order = values.argsort(kind="stable")
    sums = weights[:, order].cumsum(axis=1)
    sums /= sums[:, -1:]
    low, high = ((sums < tail).sum(axis=1) for tail in TAILS)
    return np.asarray(values[order[high]] - values[order[low]])


def wanted(settings: Settings, size: int | None) -> Place:
    """Where a prediction by size is wanted: at `size` rows, else at the largest that was trained."""
    return replace(settings.usual, rows=size or max(place.rows for place in settings.places))
