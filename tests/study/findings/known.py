"""Settings of which the truth is known, and what is judged of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from openbook_eval.leaderboard.stats import Numbers
from openbook_eval.study.findings.claims import Outcome, judge
from openbook_eval.study.findings.settings import Setting
from tests.study.made import BASE, setting

RATIOS = ("9:1", "4:1", "1:1", "1:4", "1:9")
FALLING = dict(zip(RATIOS, (0.8, 0.75, 0.65, 0.55, 0.45), strict=True))
FLAT = dict.fromkeys(RATIOS, 0.6)


def marks(share: float, seeds: int = 3, items: int = 240, draw: int = 0) -> Numbers:
    """The same questions are hard everywhere; draw by draw other answers are given."""
    hard = np.random.default_rng(7).random(items)
    noise = np.random.default_rng([draw, round(share * 1000), seeds]).normal(0, 0.15, (seeds, items))
    return (hard + noise < share).astype(np.float64)


def mixes(
    shares: Mapping[str, float], *, seeds: int = 3, model: str = BASE, condition: str = "openbook"
) -> list[Setting]:
    return [
        setting(marks(share, seeds, draw=place), ratio, model=model, condition=condition)
        for place, (ratio, share) in enumerate(shares.items())
    ]


def alone(shares: Sequence[float], seeds: int = 3) -> list[Setting]:
    """Medical data alone, of 100, 200, 300 rows and so on."""
    return [
        setting(marks(share, seeds, draw=9 + place), "0:1", table=5, rows=100 * (place + 1))
        for place, share in enumerate(shares)
    ]


def outcome(key: str, settings: Sequence[Setting]) -> Outcome:
    return next(each for each in judge(settings) if each.claim.key == key)
