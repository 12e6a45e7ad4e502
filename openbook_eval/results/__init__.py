"""Results: what lm-eval and we have written down of runs, read in one way for everything that looks at them."""

from openbook_eval.results.metrics import Rescored, Scores, reading_metrics, reading_runs, rescore
from openbook_eval.results.reader import Progress, read_runs
from openbook_eval.results.runs import (
    Group,
    Run,
    Runs,
    comparable,
    comparable_groups,
    why_not_comparable,
)
from openbook_eval.results.samples import ITEMS, ItemText, has_texts, item_texts

__all__ = [
    "ITEMS",
    "Group",
    "ItemText",
    "Progress",
    "Rescored",
    "Run",
    "Runs",
    "Scores",
    "comparable",
    "comparable_groups",
    "has_texts",
    "item_texts",
    "read_runs",
    "reading_metrics",
    "reading_runs",
    "rescore",
    "why_not_comparable",
]
