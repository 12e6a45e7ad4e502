"""Evidence for or against a claim: a difference with its interval and p, and the margin of what is no worse."""

from collections.abc import Callable
from dataclasses import dataclass

from openbook_eval.leaderboard.stats import Interval

# An average is no worse than another where it is lower by less, a share of 1.
# The paper's 9:1 and 4:1 differ by 0.007 at most.
MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Evidence:
    """A difference of averages, a share of 1; `interval` is of 95 %, None where nothing is known of chance.

    `p` is NaN then, and where seeds are too few to decide anything. `seeds` is the least number behind a trained
    setting, 0 where none was trained or none is told. `by_model` has the difference of each model.
    """

    value: float
    interval: Interval | None
    p: float
    test: str
    seeds: int
    by_model: tuple[tuple[str, float], ...] = ()
    note: str = ""


def no_worse(value: float, p: Callable[[float], float]) -> float:
    """The p of a difference lying above `-MARGIN`, one-sided, where it does, else that of it lying below.

    The lower of two one-sided tests (D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680): to be better is
    not to be worse. `p` gives the two-sided p of a value that the difference may have.
    """
    return p(-MARGIN) / 2 if value > -MARGIN else p(-MARGIN)
