"""Which law: all that the settings allow, by leave-one-setting-out, the simplest within one standard error of the best.

The rule of one standard error is that of L. Breiman, J. Friedman, R. Olshen, C. Stone, Classification and Regression
Trees, 1984, section 3.4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openbook_eval.leaderboard.stats import Codes, Numbers
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.laws import Law, laws
from openbook_eval.study.fitting.least_squares import Fitted, fit_law
from openbook_eval.study.fitting.values import Place

_EQUAL = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The laws fitted to m draws, and which of them each draw chose.

    `mean` and `spread` (m, laws) are of the squared errors and their standard error; `refused` tells of each law that
    was not fitted why.
    """

    fitted: tuple[Fitted, ...]
    refused: tuple[tuple[Law, str], ...]
    mean: Numbers
    spread: Numbers
    chosen: Codes

    def predict(self, places: Sequence[Place]) -> Numbers:
        """The errors (m, places) by the law that each draw chose; they may lie below 0 and above 1."""
        predicted = np.empty((len(self.chosen), len(places)))
        for number in np.unique(self.chosen):
            own = self.chosen == number
            predicted[own] = self.fitted[number].predict(places)[own]
        return predicted


def choose(settings: Settings, weights: Numbers, errors: Numbers) -> Choice:
    """The choice for each of the draws `errors` (m, settings)."""
    fitted, refused = [], []
    for law in laws(settings.varies):
        if reason := _too_many(law, settings):
            refused.append((law, reason))
        elif each := fit_law(law, settings, weights, errors):
            fitted.append(each)
        else:
            refused.append((law, "one setting alone would tell a parameter"))
    left_out = np.stack([each.left_out for each in fitted], axis=1)
    mean = left_out.mean(axis=2)
    spread = left_out.std(axis=2, ddof=1) / np.sqrt(left_out.shape[2])
    draws = np.arange(len(mean))
    best = mean.argmin(axis=1)
    within = mean <= (mean[draws, best] + spread[draws, best] + _EQUAL)[:, None]
    # The first, for laws are in the order of their parameters; among equals the better.
    parameters = np.array([each.law.parameters() for each in fitted])
    cost = np.where(within, parameters + mean / (1 + mean.max()), np.inf)
    return Choice(tuple(fitted), tuple(refused), mean, spread, cost.argmin(axis=1))


def _too_many(law: Law, settings: Settings) -> str:
    # A fit without one setting must have one more left than it has parameters.
    parameters, needed = law.parameters(len(settings.models)), law.parameters(len(settings.models)) + 2
    if len(settings.places) >= needed:
        return ""
    return f"{parameters} parameters need {needed} settings, there are {len(settings.places)}"
