"""Read the five tables of the paper, to stand beside one's own runs.

Q. Yang, R. Wang, J. Chen, R. Su, T. Tan: Fine-Tuning Medical Language Models for Enhanced Long-Contextual Understanding
and Domain Expertise, Workshop on Long-Context Foundation Models, Vienna 2024. Its figures lie in published.csv.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import fmean

import polars as pl

from openbook_eval.console import percent
from openbook_eval.leaderboard.board import Board
from openbook_eval.leaderboard.export import INTERVAL, NONE, Sheet, percents
from openbook_eval.leaderboard.stats import Estimate, Interval, are_told_apart, share_interval

# CMB-Exam's test, 28 classes of 400 questions (Wang et al. 2023, arXiv:2308.08833). Whether all were asked is not
# published.
ITEMS = 11_200
APPROXIMATION = (
    f"intervals of the paper are approximate: Wilson's for a share of {ITEMS:,} questions, while the paper gives the "
    "mean of six exams and does not say how many questions it asked"
)
LIKE = "not told apart from"
OF_CMB = (
    "the paper's tables are of CMB-Exam's test set, open book: they are not shown beside other runs, but without any"
)
# Questions of CMB's test, exam by exam in our order, and those of them whose answer holds an E or F (its key of
# February 2024, github.com/FreedomIntelligence/CMB).
BEYOND_D = ((2000, 417), (1600, 342), (3200, 610), (1200, 231), (1600, 353), (1600, 128))
CEILING = fmean(1 - beyond / asked for asked, beyond in BEYOND_D)
CEILING_NOTE = (
    f"ceiling of {percent(CEILING, 2)}: {sum(beyond for _, beyond in BEYOND_D):,} of {ITEMS:,} answers hold an E or F, "
    "and scripts of the paper's authors show options A to D; whether its open-book prompt did is not published"
)
_TITLES = (
    "General models",
    "Medical models",
    "Medical models, fine-tuned on general data",
    "Qwen1.5, fine-tuned on general and medical data by ratio",
    "Qwen1.5-7B, fine-tuned on medical data alone by number of pairs",
)


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of the paper: what the model was, and its plain mean of the six exams as a share of 1.

    Ratios are parts of general and of medical data, `medical_pairs` question and answer pairs; None where the table
    does not say. `before` is the share before fine-tuning: of table 3 only, which prints it and the improvement.
    """

    model: str
    params: str | None
    setting: str
    general_ratio: int | None
    medical_ratio: int | None
    medical_pairs: int | None
    share: float
    before: float | None
    note: str

    @property
    def x(self) -> str | int:
        """Where the row stands in its table: its number of pairs, else its ratio."""
        return self.medical_pairs or f"{self.general_ratio}:{self.medical_ratio}"

    @property
    def interval(self) -> Interval:
        """An approximate interval, see `APPROXIMATION`."""
        return share_interval(self.share, ITEMS)

    @property
    def estimate(self) -> Estimate:
        """The share with its interval."""
        return Estimate(self.share, self.interval, ITEMS)


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One of the paper's tables; the title is ours."""

    number: int
    title: str
    rows: tuple[PublishedRow, ...]

    def like(self, row: PublishedRow) -> list[str]:
        """Name the rows that cannot be told apart from one: of other models, or of the same model trained otherwise.

        As if both were of other questions: raw answers to the same ones, which are not published, would tell more.
        """
        by_model = self.number <= 3
        others = [each for each in self.rows if each is not row and (by_model or each.model == row.model)]
        near = [each for each in others if not are_told_apart(row.share, each.share, ITEMS)]
        return [each.model if by_model else f"{each.x:,}" if each.medical_pairs else str(each.x) for each in near]


@cache
def tables() -> tuple[PublishedTable, ...]:
    """Return the paper's tables 1 to 5, rows in the paper's order."""
    read = pl.read_csv((files("openbook_eval.leaderboard") / "published.csv").read_bytes())
    # Rounded, so that 68.2 % is 0.682 and nothing beside it.
    shares = {name: (pl.col(of) / 100).round(6) for name, of in (("share", "percent"), ("before", "percent_before"))}
    frame = read.with_columns(pl.col("note").fill_null(""), **shares).drop("percent", "percent_before")
    rows = [(cells.pop("table"), PublishedRow(**cells)) for cells in frame.to_dicts()]
    return tuple(
        PublishedTable(number, title, tuple(row for table, row in rows if table == number))
        for number, title in enumerate(_TITLES, 1)
    )


def is_papers(board: Board) -> bool:
    """Return whether a board is of the paper's exam, read by name or as a file, and its condition."""
    run = board.group.runs[0]
    return run.condition == "openbook" and (run.exam.name == "cmb" or run.exam.name.startswith("CMB-test-"))


def sheets() -> Iterator[Sheet]:
    """Return the tables to be read, without columns that have nothing but dashes."""
    heads = ("model", "general : medical", "pairs", "before", "percent", INTERVAL, LIKE)
    for table in tables():
        ceiling = ("ceiling of options A to D", NONE, NONE, NONE, percent(CEILING, 2), NONE, NONE)
        rows = [(*_cells(row), ", ".join(table.like(row)) or NONE) for row in table.rows]
        columns = list(zip(heads, *rows, ceiling, strict=True))
        head, *shown = zip(*(column for column in columns if set(column[1:]) != {NONE}), strict=True)
        yield Sheet(f"The paper's table {table.number}: {table.title}", head, shown)


def _cells(row: PublishedRow) -> tuple[str, ...]:
    ratio = NONE if row.general_ratio is None else f"{row.general_ratio}:{row.medical_ratio}"
    pairs = f"{row.medical_pairs:,}" if row.medical_pairs else NONE
    return row.model, ratio, pairs, percent(row.before, 2), percent(row.share, 2), percents(row.interval)
