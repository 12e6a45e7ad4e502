"""The fit: laws of accuracy by ratio and size, the best ratio, and the cell to train next; from points alone."""

from openbook_eval.study.fitting.fits import fit
from openbook_eval.study.fitting.values import Fit

__all__ = ["Fit", "fit"]
