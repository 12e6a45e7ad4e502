"""Results: what lm-eval and we have written down of runs, read in one way for everything that looks at them."""

from openbook_eval.results.metrics import Scores, reading_metrics, reading_runs
from openbook_eval.results.reader import read_runs
from openbook_eval.results.runs import ComparableGroup, Run, Runs, comparable, comparable_groups, why_not_comparable
from openbook_eval.results.samples import ITEMS, ItemText

__all__ = [
    "ITEMS",
    "ComparableGroup",
    "ItemText",
    "Run",
    "Runs",
    "Scores",
    "comparable",
    "comparable_groups",
    "read_runs",
    "reading_metrics",
    "reading_runs",
    "why_not_comparable",
]
