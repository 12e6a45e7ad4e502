"""Measure the leaderboard's statistics beside scipy's bootstrap: 60 runs of 11,200 items.

    .venv/bin/python benchmarks/leaderboard_statistics.py [--runs 60] [--items 11200] [--draws 10000]

Three designs: independent items, groups of sixteen that share a book, and 28 classes as clusters. Prints the seconds of
all that a board needs (averages with intervals, p-values of all pairs, ranks, what can be detected) and peak memory;
then, for one run's average, the interval in closed form and that of scipy.stats.bootstrap over the clusters.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from scipy import stats

from openbook_eval.leaderboard.stats import Codes, Design, Numbers, averages, p_of_pairs, ranks, sensitivity

_SHARES = (0.30, 0.25, 0.15, 0.12, 0.10, 0.08)
_CLASSES = 28

Found = TypeVar("Found")


def timed(step: Callable[[], Found]) -> tuple[float, Found]:
    """Return the seconds of a step, and what it found."""
    started = time.perf_counter()
    found = step()
    return time.perf_counter() - started, found


def exams_of(items: int) -> Codes:
    """Return six exams of about the sizes that the paper's have to each other."""
    return np.searchsorted(np.cumsum(_SHARES), (np.arange(items) + 0.5) / items)


def designs(items: int) -> dict[str, Design]:
    """Return the three ways that items may belong together."""
    exams, places = exams_of(items), np.arange(items)
    classes, none = places % _CLASSES // 6, np.zeros_like(exams)
    return {
        "items": Design(exams, classes, places),
        "groups": Design(exams, none, places // 16),
        "classes": Design(exams, none, classes),
    }


def measure(name: str, scores: Numbers, design: Design, draws: int) -> None:
    """Print the seconds of a board of these runs, and both intervals of the first run's share of all items."""
    averaging, found = timed(lambda: averages(scores, design))
    testing, p = timed(lambda: p_of_pairs(scores, design))
    means = np.array([run.macro.value for run in found])
    ranking, _ = timed(lambda: ranks(means, p))
    pairs = list(zip(range(len(scores) - 1), range(1, len(scores)), strict=True))
    detecting, _ = timed(lambda: sensitivity(scores, design, pairs))
    total = averaging + testing + ranking + detecting
    print(
        f"{name:>8}: averages {averaging:5.2f} s, pairs {testing:5.2f} s, ranks {ranking:5.2f} s, power "
        f"{detecting:5.2f} s; together {total:5.2f} s for {len(scores)} runs"
    )
    ours = found[0].micro.interval
    seconds, (low, high) = timed(lambda: bootstrap(scores[0], design, draws))
    if ours:
        both = f"closed form {ours.low:.4f} to {ours.high:.4f}; scipy {low:.4f} to {high:.4f}"
        print(f"          {both}, {seconds:.2f} s a run")


def bootstrap(scores: Numbers, design: Design, draws: int) -> tuple[float, float]:
    """Return scipy's percentile interval of the share of all items, by draws of clusters."""
    clusters = np.unique(np.stack([design.exams, design.clusters]), axis=1, return_inverse=True)[1]
    sums, sizes = np.bincount(clusters, weights=scores), np.bincount(clusters)

    def share(right: Numbers, items: Numbers, axis: int) -> Numbers:
        found: Numbers = right.sum(axis=axis) / items.sum(axis=axis)
        return found

    found = stats.bootstrap(
        (sums, sizes), share, paired=True, n_resamples=draws, method="percentile", batch=100, rng=0, vectorized=True
    )
    return found.confidence_interval.low, found.confidence_interval.high


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 60), ("items", 11_200), ("draws", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shares = generator.uniform(0.5, 0.9, (options.runs, 1))
    scores = (generator.random((options.runs, options.items)) < shares).astype(np.float64)
    for name, design in designs(options.items).items():
        measure(name, scores, design, options.draws)
    print(f"    peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
