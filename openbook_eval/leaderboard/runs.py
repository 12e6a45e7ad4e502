"""What a leaderboard is made of: runs, each a model under one condition, and the marks of their items as a table."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from openbook_eval.models.context_window import Truncation
from openbook_eval.training.record import TrainedOn
from openbook_eval.types import ExamName

# Conditions by their names in task files, in the order in which boards are shown.
CONDITIONS = (
    "openbook",
    "closedbook",
    "openbook_ranked",
    "reading_open",
    "reading_closed",
    "reading_library_4k",
    "reading_library_16k",
    "reading_library_64k",
    "reading_library_256k",
    "reading_missing",
    "reading_contrary",
)

# One line an item of a run. A mark is null where it does not exist: no response came, or letters were ranked.
ITEMS = pl.Schema(
    {
        "run": pl.String,
        "id": pl.String,
        "exam": pl.String,
        "exam_class": pl.String,
        "qtype": pl.String,  # single or multi
        "group": pl.String,  # of the questions that share a book; null where each has its own
        "depth": pl.Float64,  # where the entry begins in the book: 0 front, 1 back
        "book_length": pl.Int64,  # in characters
        "right": pl.String,  # the letters that are right, or "" where abstaining is
        "letters": pl.String,  # what was read out of the response
        "state": pl.String,  # openbook_eval.matching.Choice.state
        "rule": pl.String,  # by which rule it was read
        "correct": pl.Boolean,
        "correct_strict": pl.Boolean,
        "format_followed": pl.Boolean,
        "answered": pl.Boolean,
        "abstained": pl.Boolean,
        "partial_credit": pl.Float64,
        "followed": pl.String,  # book, memory or neither; of contrary books only
    }
)


# Runs come from files of others: figures that no run can have would stop a whole board later.
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Date = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?)?$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, revalidate_instances="always")


class ExamSource(_Model):
    """The file that the questions came from."""

    name: str
    version: str
    sha256: str


class SamplesFile(_Model):
    """The samples of one exam of a run, as lm-eval wrote them."""

    exam: ExamName
    path: str
    sha256: str
    items: _Count


class Run(_Model):
    """A model under one condition, examined once.

    `model_sha256` is that of the model's whole name, of which `model` may be a part: by it models are told apart. `id`
    is the first 16 digits of a sha256 over model, condition, date and the digests of the samples. `date` is that
    of lm-eval's file names, YYYY-MM-DDTHH-MM-SS. `items_sha256` is over the sorted ids and document hashes: what was
    asked. `asked` are all items, those without a response as well. `gaps` tells of these, "" where there are none.
    `cost` and `versions` are as the results tell, `trained_on` as the folder of the model did. `system_instruction` and
    `chat_template` are lm-eval's digests of them.
    """

    id: str
    model: str
    model_sha256: str
    condition: str
    date: _Date
    exam: ExamSource
    entries_sha256: str | None
    task_version: str
    items_sha256: str
    asked: _Count
    limited: bool
    shots: _Count
    system_instruction: str | None
    chat_template: str | None
    task_hashes: Mapping[str, str]
    truncation: Truncation
    gaps: str
    cost: Mapping[str, Any] | None
    profile: str | None
    trained_on: TrainedOn | None
    versions: Mapping[str, str]
    results: str
    samples: tuple[SamplesFile, ...]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.condition not in CONDITIONS:
            raise ValueError(f"there is no condition {self.condition!r}")
        told = self.truncation
        if not all(0 <= count <= 2**53 for count in (told.prompts, told.cut, told.longest, told.room)):
            raise ValueError("its truncation has figures that cannot be")
        return self
