"""The five tables of the paper, to stand beside one's own runs.

Q. Yang, R. Wang, J. Chen, R. Su, T. Tan: Fine-Tuning Medical Language Models for Enhanced Long-Contextual Understanding
and Domain Expertise, Workshop on Long-Context Foundation Models, Vienna 2024. Its figures lie in published.csv.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from openbook_eval.leaderboard.statistics.values import Interval

# CMB-Exam's test, 28 classes of 400 questions (Wang et al. 2023, arXiv:2308.08833). Whether all were asked is not
# published.
ITEMS = 11_200
APPROXIMATION = (
    f"intervals of the paper are approximate: Wilson's for a share of {ITEMS:,} questions, while the paper gives the "
    "mean of six exams and does not say how many questions it asked"
)

_TITLES: Mapping[int, str] = {
    1: "General models",
    2: "Medical models",
    3: "Medical models, fine-tuned on general data",
    4: "Qwen1.5, fine-tuned on general and medical data by ratio",
    5: "Qwen1.5-7B, fine-tuned on medical data alone by number of pairs",
}


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of the paper: what the model was, and its plain mean of the six exams as a share of 1.

    Ratios are parts of general and of medical data, `medical_pairs` question and answer pairs; None where the table
    does not say. `interval` is approximate, see `APPROXIMATION`. `before` is the share before fine-tuning: of table 3
    only, which prints it and the improvement.
    """

    model: str
    params: str | None
    setting: str
    general_ratio: int | None
    medical_ratio: int | None
    medical_pairs: int | None
    share: float
    interval: Interval
    before: float | None
    note: str


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One of the paper's tables; the title is ours."""

    number: int
    title: str
    rows: tuple[PublishedRow, ...]


@cache
def tables() -> tuple[PublishedTable, ...]:
    """The paper's tables 1 to 5, rows in the paper's order."""
    frame = pl.read_csv((files("openbook_eval.leaderboard") / "published.csv").read_bytes())
    return tuple(
        PublishedTable(number, title, tuple(map(_row, frame.filter(table=number).iter_rows(named=True))))
        for number, title in _TITLES.items()
    )


def _row(cells: Mapping[str, object]) -> PublishedRow:
    # Loads scipy, which the command line starts without.
    from openbook_eval.leaderboard.statistics import proportions

    told = {name: value for name, value in cells.items() if name not in ("table", "percent", "percent_before", "note")}
    share, before = _share(cells["percent"]), cells["percent_before"]
    return PublishedRow(
        **told,  # type: ignore[arg-type]
        share=share,
        interval=proportions.interval(share, ITEMS),
        before=None if before is None else _share(before),
        note=str(cells["note"] or ""),
    )


def _share(percent: object) -> float:
    # Rounded, so that 68.2 % is 0.682 and nothing beside it.
    return round(float(str(percent)) / 100, 6)
