"""Designs and scores of which the truth is known."""

import numpy as np

from openbook_eval.leaderboard.stats import Averages, Codes, Design, Estimate, Numbers


def alone(exams: Codes) -> Design:
    """Independent items, in one stratum an exam."""
    return Design(exams, np.zeros_like(exams), np.arange(len(exams)))


def six_exams(n: int) -> Codes:
    """The exam of each of n items, the exams unequal in size."""
    sizes = np.round(np.array([0.3, 0.25, 0.15, 0.12, 0.1, 0.08]) * n).astype(np.int_)
    sizes[0] += n - sizes.sum()
    return np.repeat(np.arange(6), sizes)


def grouped(sizes: Codes, exam_of_group: Codes) -> Design:
    """Groups of these sizes, in one stratum an exam."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    exams = exam_of_group[groups]
    return Design(exams, np.zeros_like(exams), groups)


def correlated(generator: np.random.Generator, runs: int, design: Design, share: float, correlation: float) -> Numbers:
    """Scores (runs, n) that are right with probability `share`, in a group with this correlation: beta-binomial."""
    scale = (1 - correlation) / correlation
    of_group = generator.beta(share * scale, (1 - share) * scale, (runs, int(design.clusters.max()) + 1))
    return (generator.random((runs, len(design.exams))) < of_group[:, design.clusters]).astype(np.float64)


def holding(estimates: list[Estimate], truth: float) -> float:
    """The share of intervals that hold the truth."""
    return sum(e.interval is not None and e.interval.low <= truth <= e.interval.high for e in estimates) / len(
        estimates
    )


def covered(found: list[Averages], truth: float) -> tuple[float, float, float]:
    """The shares of intervals that hold the truth, the same for all: of exams (all of them), of macro and of micro."""
    exams = [exam for run in found for exam in run.exams]
    return (
        holding(exams, truth),
        holding([run.macro for run in found], truth),
        holding([run.micro for run in found], truth),
    )
