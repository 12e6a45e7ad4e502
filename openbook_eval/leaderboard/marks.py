"""The marks of runs that were asked the same, item by item, and the design that says which items belong together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.exporting import sound
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.statistics.values import Design, Numbers
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS, ExamName

# What chance draws as a whole: the items of a shared book, where there is one, else each item ("auto"); each item
# whatever it shares; all items of a class.
Cluster = Literal["auto", "item", "class"]

# Of an item that has its own book, apart from any name of a group.
_ALONE = pl.concat_str(pl.lit("\0"), "id")
_NAMES = {"auto": pl.col("group").fill_null(_ALONE), "item": pl.col("id"), "class": pl.col("exam_class")}


@dataclass(frozen=True, slots=True)
class Marks:
    """The items of `runs` as `runs.ITEMS` has them, run by run, those of each in one order, by exam and id."""

    runs: tuple[Run, ...]
    exams: tuple[ExamName, ...]
    items: pl.DataFrame

    @classmethod
    def of(cls, runs: Sequence[Run], items: pl.DataFrame) -> "Marks":
        """Of runs that are alike. Raises OpenbookError where one has other items than the first."""
        places = {run.id: place for place, run in enumerate(runs)}
        place = pl.col("run").replace_strict(places, return_dtype=pl.Int64)
        own = items.filter(pl.col("run").is_in(list(places))).sort(place, "exam", "id")
        _refuse_others(runs, own)
        exams = set(own["exam"].unique())
        return cls(tuple(runs), tuple(exam for exam in EXAM_NAMES if exam in exams), own)

    @property
    def asked(self) -> pl.DataFrame:
        """The items of the first run, which are those of all."""
        return self.items.head(self.items.height // len(self.runs))

    @property
    def unanswered(self) -> dict[str, int]:
        """How many items of a run have no response, by its id; of runs that have such."""
        lacking = self.items.filter(pl.col("correct").is_null()).group_by("run").len()
        return dict(lacking.iter_rows())

    def only(self, exams: Collection[ExamName]) -> "Marks":
        """The marks in some of the exams."""
        kept = tuple(exam for exam in self.exams if exam in exams)
        return replace(self, exams=kept, items=self.items.filter(pl.col("exam").is_in(kept)))

    def table(self, mark: str) -> Numbers:
        """One mark of all runs, (runs, items); NaN where it does not exist."""
        marks: Numbers = self.items[mark].cast(pl.Float64).to_numpy().reshape(len(self.runs), -1)
        return marks

    def design(self, cluster: Cluster = "auto") -> Design:
        """How the items were chosen: exams in order, strata of exam and class; clusters, also of exams, by `cluster`.

        Where classes are the clusters, an exam is one stratum.
        """
        codes = {exam: code for code, exam in enumerate(self.exams)}
        stratum = pl.lit("") if cluster == "class" else pl.col("exam_class")
        # Numbers in the order of names, which the draws hang on. No exam's name holds a blank.
        columns = self.asked.select(
            exam=pl.col("exam").replace_strict(codes, return_dtype=pl.Int64),
            stratum=pl.concat_str("exam", stratum, separator=" ").rank("dense").cast(pl.Int64),
            cluster=pl.concat_str("exam", _NAMES[cluster], separator=" ").rank("dense").cast(pl.Int64),
        )
        return Design(*(columns[name].to_numpy() for name in ("exam", "stratum", "cluster")))


def averaged(exams: Sequence[ExamName]) -> tuple[ExamName, ...]:
    """The exams that averages are over: questions without a label stand beside the six, alone where there are none."""
    return tuple(exam for exam in exams if exam in SIX_EXAMS) or tuple(exams)


def pooled(design: Design) -> Design:
    """The same items as one exam, of which the plain mean is the share of all."""
    return replace(design, exams=np.zeros_like(design.exams))


def _refuse_others(runs: Sequence[Run], items: pl.DataFrame) -> None:
    hashes = items.select("run", item=pl.struct("exam", "id").hash())
    asked = {run: own["item"] for (run,), own in hashes.partition_by("run", as_dict=True).items()}
    for run in runs:
        if run.id not in asked or not asked[run.id].equals(asked[runs[0].id]):
            claim = f"{run.model} says that it was asked what {runs[0].model} was, but its items are others"
            raise OpenbookError(sound(f"{run.results}: {claim}; leave one of them out"))
