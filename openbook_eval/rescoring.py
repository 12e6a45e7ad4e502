"""Marks a run's responses again under every matcher, and tells whether the order of the models hangs on it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from openbook_eval.matching.others import MATCHERS, Matcher
from openbook_eval.responses import Sample


@dataclass(frozen=True, slots=True)
class Difference:
    """A response that matchers read differently: what each of them reads."""

    sample: Sample
    readings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rescored:
    """Scores (shares of 1) and ranks (1 is best, equals share one) by matcher and model, and what differs."""

    scores: Mapping[str, Mapping[str, float]]
    ranks: Mapping[str, Mapping[str, int]]
    differences: tuple[Difference, ...]
    samples: int

    @property
    def order_depends_on_matcher(self) -> bool:
        """Whether two matchers rank the models differently."""
        return len({tuple(sorted(ranks.items())) for ranks in self.ranks.values()}) > 1


def rescore(samples: Sequence[Sample], matchers: Sequence[Matcher] = MATCHERS) -> Rescored:
    """Reads every response with every matcher. `samples` may be of several models."""
    right: dict[str, list[bool]] = {matcher.name: [] for matcher in matchers}
    differences = []
    for sample in samples:
        readings = {m.name: m.read(sample.response, sample.options, sample.qtype) for m in matchers}
        for matcher in matchers:
            right[matcher.name].append(matcher.is_right(readings[matcher.name], sample.answer))
        if len({frozenset(letters) for letters in readings.values()}) > 1:
            differences.append(Difference(sample, readings))
    scores = {name: _by_model(samples, marks, name == "cmb") for name, marks in right.items()}
    ranks = {name: _ranks(of_models) for name, of_models in scores.items()}
    return Rescored(scores, ranks, tuple(differences), len(samples))


def _by_model(samples: Sequence[Sample], marks: Sequence[bool], over_classes: bool) -> dict[str, float]:
    """Share of right marks; CMB averages its subclasses, every one with equal weight."""
    cells: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for sample, mark in zip(samples, marks, strict=True):
        cells[sample.model][sample.exam_class if over_classes else ""].append(mark)
    return {model: fmean(fmean(cell) for cell in classes.values()) for model, classes in cells.items()}


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {model: 1 + sum(other > score for other in scores.values()) for model, score in scores.items()}
