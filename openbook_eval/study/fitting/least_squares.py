"""Weighted least squares of a law, for any number of draws at once, with what each setting alone is predicted to be.

Once its exponents are given, a law is linear, and its coefficients and the residuals of all fits without one setting
have a closed form (Allen 1974, Technometrics 16, 125-127). So the exponents alone are searched, on a grid (variable
projection: Golub and Pereyra 1973, SIAM J. Numer. Anal. 10, 413-432): it has no starts and ends in no side minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openbook_eval.leaderboard.stats import Codes, Numbers
from openbook_eval.study.fitting.gathering import Settings
from openbook_eval.study.fitting.laws import Law
from openbook_eval.study.fitting.values import Place

_SINGULAR = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A law fitted to the errors of m draws of n settings.

    `coefficients` (m, columns) belong to the law's exponents number `exponents` (m). `left_out` (m, n) is the squared
    error with which each setting is predicted by the fit to all others, exponents included.
    """

    law: Law
    models: tuple[str, ...]
    unit: int
    exponents: Codes
    coefficients: Numbers
    left_out: Numbers

    def predict(self, places: Sequence[Place]) -> Numbers:
        """The errors (m, places), as the law goes on: they may lie below 0 and above 1."""
        bases = np.stack(list(self.law.bases(places, self.models, self.unit)))
        predicted = np.empty((len(self.exponents), len(places)))
        for number in np.unique(self.exponents):
            own = self.exponents == number
            predicted[own] = self.coefficients[own] @ bases[number].T
        return predicted


def fit_law(law: Law, settings: Settings, weights: Numbers, errors: Numbers) -> Fitted | None:
    """Fits to `errors` (m, n) with `weights` (n); None where a setting alone tells one of the parameters."""
    unit = settings.usual.rows
    roots = np.sqrt(weights)
    target = errors * roots
    shape = errors.shape
    least, chosen = np.full(shape[0], np.inf), np.zeros(shape[0], dtype=int)
    fold_least, out = np.full(shape, np.inf), np.zeros(shape)
    solvers: dict[int, Numbers] = {}
    for number, basis in enumerate(law.bases(settings.places, settings.models, unit)):
        q, r = np.linalg.qr(basis * roots[:, None])
        leverage = np.square(q).sum(axis=1)
        diagonal = np.abs(np.diag(r))
        if diagonal.min() < _SINGULAR * diagonal.max() or leverage.max() > 1 - _SINGULAR:
            continue
        solvers[number] = np.linalg.solve(r, q.T)
        residuals = target - target @ q @ q.T
        squares = np.square(residuals).sum(axis=1)
        # What is left of the sum of squares when a setting is taken out, and the error of predicting it then.
        folds = squares[:, None] - np.square(residuals) / (1 - leverage)
        better, fold_better = squares < least, folds < fold_least
        least, chosen = np.where(better, squares, least), np.where(better, number, chosen)
        fold_least = np.where(fold_better, folds, fold_least)
        out = np.where(fold_better, residuals / (1 - leverage) / roots, out)
    if not solvers:
        return None
    coefficients = np.empty((shape[0], len(settings.models) + law.coefficients))
    for number in np.unique(chosen):
        own = chosen == number
        coefficients[own] = target[own] @ solvers[number].T
    left_out = np.square(errors - np.clip(errors - out, 0.0, 1.0))
    return Fitted(law, settings.models, unit, chosen, coefficients, left_out)
