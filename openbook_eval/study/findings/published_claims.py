"""What the published figures say of the paper's own claims: averages of single trainings, one number a setting.

Neither marks nor seeds are published. So models, or settings, are what chance is taken to have drawn, and where neither
repeat, questions: intervals of two independent shares of 11,200.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
from scipy import stats

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.published import PublishedRow
from openbook_eval.leaderboard.stats import LEVEL, Interval, Numbers, holm
from openbook_eval.study.findings.evidence import Evidence, no_worse

_ONE_TRAINING = "one training a setting: what chance does in training is not published"


def by_ratio() -> Evidence:
    """Table 4: the trend test of E. B. Page, J. Am. Stat. Assoc. 58 (1963), 216-230, with models as blocks."""
    models, shares = _table_4()
    ranks = np.arange(shares.shape[1]) - (shares.shape[1] - 1) / 2
    changes = shares @ ranks / (ranks**2).sum() * (shares.shape[1] - 1)
    one_sided = [stats.page_trend_test(way, method="exact").pvalue for way in (shares, shares[:, ::-1])]
    p = min(1.0, 2 * float(min(one_sided)))
    return _over_models(changes, models, "Page's trend test over four models", p)


def four_to_one() -> Evidence:
    """Table 4: 4:1 less 9:1, four models; its p is that of being no worse."""
    models, shares = _table_4()
    apart = shares[:, 1] - shares[:, 0]

    def p(null: float) -> float:
        return float(stats.ttest_1samp(apart, null).pvalue)

    return _over_models(apart, models, "one-sided t-test over four models", no_worse(float(apart.mean()), p))


def medical_alone_less_mixes() -> Evidence:
    """Table 5 less the rows of table 4 that are of the same model: Welch's t-test of settings."""
    alone = _shares(_rows(5))
    mixes = _shares([row for row in _rows(4) if row.model == _rows(5)[0].model])
    return _welch(alone, mixes, "Welch's t-test of 8 and 5 settings of one model")


def by_size() -> Evidence:
    """Table 5: Kendall's rank correlation; the change is that of the line through the sizes in their order."""
    shares = _shares(_rows(5))
    steps = np.arange(len(shares))
    line: Any = stats.linregress(steps, shares)
    last, reach = len(shares) - 1, stats.t.ppf((1 + LEVEL) / 2, len(shares) - 2) * line.stderr
    change = float(line.slope) * last
    p = float(stats.kendalltau(steps, shares).pvalue)
    return Evidence(change, _around(change, float(reach * last)), p, "Kendall's test of 8 sizes", 0, (), _ONE_TRAINING)


def neighbouring_sizes() -> Evidence:
    """Table 5, its smaller half: the neighbours that differ most, as shares of independent questions.

    No p: each is one training, and what a second one with the same data would give is not known.
    """
    rows = _rows(5)[: (len(_rows(5)) + 1) // 2]
    apart = np.array([high.share - low.share for low, high in pairwise(rows)])
    variance = np.array([row.share * (1 - row.share) / published.ITEMS for row in rows])
    errors = np.sqrt(variance[1:] + variance[:-1])
    adjusted = holm(2 * stats.norm.sf(np.abs(apart) / errors))
    at = int(adjusted.argmin())
    name = f"{rows[at].model}, {rows[at].medical_pairs:,} to {rows[at + 1].medical_pairs:,} rows"
    return Evidence(
        value=float(apart[at]),
        interval=_around(float(apart[at]), float(stats.norm.ppf((1 + LEVEL) / 2) * errors[at])),
        p=nan,
        test="two shares of 11,200 questions",
        seeds=0,
        by_model=((name, float(apart[at])),),
        note=f"{_ONE_TRAINING}; by the choice of questions alone p would be {adjusted[at]:.3f} (Holm over pairs)",
    )


def general_after_medical() -> Evidence:
    """Table 3: after less before, t-test over six models."""
    rows = _rows(3)
    gains = np.array([row.share - row.before for row in rows if row.before is not None])
    p = float(stats.ttest_1samp(gains, 0.0).pvalue)
    return _over_models(gains, [row.model for row in rows], "t-test over six models", p)


def medical_less_general_models() -> Evidence:
    """Table 2 less table 1: Welch's t-test of models."""
    return _welch(_shares(_rows(2)), _shares(_rows(1)), "Welch's t-test of 6 and 5 models")


def _rows(number: int) -> Sequence[PublishedRow]:
    return next(table.rows for table in published.tables() if table.number == number)


def _shares(rows: Sequence[PublishedRow]) -> Numbers:
    return np.array([row.share for row in rows])


def _table_4() -> tuple[list[str], Numbers]:
    """The models, and their shares from 9:1 to 1:9."""
    models = list(dict.fromkeys(row.model for row in _rows(4)))
    return models, np.stack([_shares([row for row in _rows(4) if row.model == model]) for model in models])


def _around(value: float, reach: float) -> Interval:
    return Interval(value - reach, value + reach)


def _over_models(changes: Numbers, models: Sequence[str], test: str, p: float) -> Evidence:
    """A mean over models with its t interval."""
    value = float(changes.mean())
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(changes) - 1) * stats.sem(changes))
    by_model = tuple((model, float(change)) for model, change in zip(models, changes, strict=True))
    return Evidence(value, _around(value, reach), p, test, 0, by_model, _ONE_TRAINING)


def _welch(one: Numbers, other: Numbers, test: str) -> Evidence:
    found: Any = stats.ttest_ind(one, other, equal_var=False)
    interval = found.confidence_interval(LEVEL)
    value = float(one.mean() - other.mean())
    p = float(found.pvalue)
    return Evidence(value, Interval(float(interval.low), float(interval.high)), p, test, 0, (), _ONE_TRAINING)
