"""What a fit finds: laws, predictions, trends, the best ratio and the cells to train next. All shares are of 1."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from openbook_eval.leaderboard.stats import Interval


class Varies(Enum):
    """In what the settings of a group differ."""

    RATIO = "ratio"
    SIZE = "size"
    BOTH = "ratio and size"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A mix that was or could be trained on: the medical share of its rows, and how many; 0 where not published.

    `model` is None where no one of several models is meant, but their mean.
    """

    medical: Fraction
    rows: int
    model: str | None = None

    @property
    def ratio(self) -> str:
        """General to medical."""
        return f"{self.medical.denominator - self.medical.numerator}:{self.medical.numerator}"


@dataclass(frozen=True, slots=True)
class Tried:
    """A law and how it predicts settings that it was not fitted to.

    `error` is the mean of the squared errors with its standard error `spread`; both are None of a law that was not
    tried, and then `reason` tells why. `drawn` is the share of draws in which it was chosen.
    """

    name: str
    formula: str
    parameters: int
    error: float | None
    spread: float | None
    drawn: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The mean accuracy that the chosen law expects at a place, and what was `observed` there."""

    place: Place
    share: float
    interval: Interval
    observed: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """How accuracy changes along a straight line, whatever law was chosen.

    `slope` is the change from no medical data to nothing else, or for twice the rows; `p` that of a permutation of the
    settings, which could come out as `least` if they were in perfect order. `detectable` is the slope that so many
    settings with such a scatter find with a power of 80 %.
    """

    by: Varies
    slope: float
    interval: Interval
    p: float
    least: float
    detectable: float


@dataclass(frozen=True, slots=True)
class Condition:
    """All of one condition.

    `scatter` is the standard deviation between trainings on one mix, on `freedom` degrees, and `mixes` that of mixes
    around the law beside it; where no training was repeated, `mixes` is None and `scatter` holds both. `items` is the
    standard error that the choice of questions brings to all settings alike.
    """

    name: str
    settings: int
    trainings: int
    tried: tuple[Tried, ...]
    chosen: Tried
    scatter: float
    freedom: int
    mixes: float | None
    items: float
    predicted: tuple[Predicted, ...]
    trends: tuple[Trend, ...]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The medical share that is best for the wanted trade-off, and its value there with so many `rows`.

    `medical` is None where the chosen laws hold every ratio for equally good. `trained` is the range of shares that the
    study has; beyond it the law is extrapolated. `undecided` is the share of draws that prefer no ratio.
    """

    medical: float | None
    interval: Interval
    value: float
    value_interval: Interval
    trained: Interval
    rows: int
    undecided: float

    @property
    def at_edge(self) -> bool:
        """Whether the best is no mix at all, but one kind of data alone."""
        return self.medical in (0.0, 1.0)

    @property
    def untold(self) -> bool:
        """Whether the interval leaves every ratio open, but for a twentieth at each end."""
        return self.interval.low <= 0.05 and self.interval.high >= 0.95

    @property
    def extrapolated(self) -> bool:
        """Whether the best lies outside of what was trained."""
        return self.medical is not None and not self.trained.low <= self.medical <= self.trained.high


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cell to train next, `seeds` trainings that it has already, and the width of the interval expected after it."""

    place: Place
    seeds: int
    width: float


@dataclass(frozen=True, slots=True)
class Next:
    """Which cell next. The widths are of the interval of the best ratio, or of the prediction at `target`.

    `untrained` are the three best new cells, `again` the best to train with another seed. `halving` is how many seeds
    of the first cell would halve the width, None where not even `most` would.
    """

    target: Place | None
    width: float
    untrained: tuple[Candidate, ...]
    again: Candidate | None
    halving: int | None
    most: int


@dataclass(frozen=True, slots=True)
class Group:
    """The settings that are fitted together: one model's, or those of several models, each with a level of its own.

    `models` are base models, with the recipe where one was trained by several. Where there are runs of knowledge that
    cannot be fitted, `lacking` tells why.
    """

    source: str
    table: int | None
    models: tuple[str, ...]
    varies: Varies
    reading: Condition
    knowledge: Condition | None
    lacking: str
    optimum: Optimum | None
    next: Next


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted, and what could not be, with the reason. `weight` is that of reading in the trade-off."""

    weight: float
    draws: int
    seed: int
    groups: tuple[Group, ...]
    left_out: tuple[str, ...]
