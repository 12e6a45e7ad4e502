"""How long the leaderboard's statistics take: 60 runs of 11,200 items, 10,000 draws.

    .venv/bin/python benchmarks/leaderboard_statistics.py [--runs 60] [--items 11200] [--draws 10000]

Three designs: items that stand for themselves, groups of sixteen that share a book, and 28 classes as clusters. Prints
seconds of each step, their sum as a share of the limit (20 s), and peak memory. Then one run's average by
scipy.stats.bootstrap, the peer: seconds, times our seconds for all runs, and both intervals.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from scipy import stats

from openbook_eval.leaderboard.statistics import paired, ranks, resampling
from openbook_eval.leaderboard.statistics.values import Codes, Design, Numbers

_LIMIT = 20.0
_SHARES = (0.30, 0.25, 0.15, 0.12, 0.10, 0.08)
_CLASSES = 28

Found = TypeVar("Found")


def timed(step: Callable[[], Found]) -> tuple[float, Found]:
    """Seconds, and what was found."""
    started = time.perf_counter()
    found = step()
    return time.perf_counter() - started, found


def exams_of(items: int) -> Codes:
    """Six exams of about the sizes that the paper's have to each other."""
    return np.searchsorted(np.cumsum(_SHARES), (np.arange(items) + 0.5) / items)


def designs(items: int) -> dict[str, Design]:
    """The three ways that items may belong together."""
    exams, places = exams_of(items), np.arange(items)
    classes = places % _CLASSES // 6
    return {
        "items": Design(exams, classes, places),
        "groups": Design(exams, np.zeros_like(exams), places // 16),
        "classes": Design(exams, np.zeros_like(exams), classes),
    }


def board(name: str, marks: Numbers, design: Design, draws: int) -> float:
    """Prints the seconds of all that a board of these runs needs; returns their sum."""
    drawing, drawn = timed(lambda: resampling.draw(design, draws))
    averaging, averages = timed(lambda: resampling.averages(marks, design, drawn))
    resampled, macro = timed(lambda: resampling.macro_draws(marks, design, drawn))
    testing, p = timed(lambda: paired.p_of_pairs(marks, design))
    ranking, _ = timed(lambda: ranks.ranks(np.array([run.macro.value for run in averages]), macro, p))
    total = drawing + averaging + resampled + testing + ranking
    print(
        f"{name:>8}: draws {drawing:5.2f} s, averages {averaging:5.2f} s, their draws {resampled:5.2f} s, "
        f"pairs {testing:5.2f} s, ranks {ranking:5.2f} s; together {total:5.2f} s, {total / _LIMIT:4.0%} of the limit"
    )
    return total


def peer(marks: Numbers, design: Design, draws: int, ours: float) -> None:
    """One run's micro average by scipy, which draws anew for each run and knows no exams."""
    seconds, found = timed(
        lambda: stats.bootstrap((marks,), np.mean, n_resamples=draws, method="percentile", batch=100, rng=0)
    )
    (averages,) = resampling.averages(marks[None, :], design, resampling.draw(design, 2))
    low, high = found.confidence_interval
    print(f"   scipy: {seconds:5.2f} s for one run, {seconds / ours:.2f} times ours for all; {low:.4f} to {high:.4f}")
    if averages.micro.interval is not None:
        print(f"    ours: {averages.micro.interval.low:.4f} to {averages.micro.interval.high:.4f}")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 60), ("items", 11_200), ("draws", resampling.DRAWS)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shares = generator.uniform(0.5, 0.9, (options.runs, 1))
    marks = (generator.random((options.runs, options.items)) < shares).astype(np.float64)
    seconds = {name: board(name, marks, design, options.draws) for name, design in designs(options.items).items()}
    print(f"    peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    peer(marks[0], designs(options.items)["items"], options.draws, seconds["items"])


if __name__ == "__main__":
    main()
