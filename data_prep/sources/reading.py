"""The rows of a part, as frames; what is broken in it is handed on beside them, or refused with the whole file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from data_prep.sources.batch import Batch
from data_prep.sources.content import lines, whole
from data_prep.sources.files import Part
from data_prep.sources.formats import format_of
from data_prep.sources.gathering import Chunk, Gathering
from data_prep.sources.json_array import read_array
from data_prep.sources.json_lines import read_lines
from data_prep.sources.layouts import Layout
from data_prep.sources.question_text import read_text
from data_prep.sources.separated import read_separated
from data_prep.sources.tables import read_parquet, read_workbook
from data_prep.spec import Format
from openbook_eval.errors import OpenbookError

_SHOWN = 20


@dataclass(slots=True)
class _Told:
    """Faults of a part: how many, and the first."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, faults: Sequence[str]) -> None:
        self.count += len(faults)
        self.first += faults[: _SHOWN - len(self.first)]

    def error(self, label: str) -> OpenbookError:
        way_out = "mend it or the source's fields, or say broken: salvage there to take all other rows"
        if self.count == 1:
            return OpenbookError(f"{label}: {self.first[0]}; {way_out}")
        more = [f"and {self.count - _SHOWN:,} more"] if self.count > _SHOWN else []
        head = f"{label}: {self.count:,} faults, nothing was taken; {way_out}:"
        return OpenbookError("\n  ".join([head, *self.first, *more]))


def read(part: Part) -> Iterator[Chunk]:
    """The rows of a part in frames of SCHEMA, of at most 20,000 rows, texts without white space around them.

    Where the source says `broken: refuse`, raises OpenbookError with all faults of the part, after the frames before
    the first of them. Raises it as well where the file cannot be read at all.
    """
    format_ = format_of(part.file, part.label, part.source.format)
    layout = Layout.of(part.source, format_)
    told, gathering = _Told(), Gathering(part)
    for batch in _batches(part, format_):
        columns = layout.columns(batch)
        if part.source.broken == "refuse":
            told.add([*batch.breaks, *(f"row {fault.row}: {fault.reason}" for fault in columns.faults)])
        if not told.count:
            if gathering.is_full(columns):
                yield gathering.chunk()
            gathering.add(columns, batch.breaks)
    if told.count:
        raise told.error(part.label)
    if gathering.holds_any:
        yield gathering.chunk()


def _batches(part: Part, format_: Format) -> Iterator[Batch]:
    match format_:
        case "jsonl":
            return read_lines(lines(part.file, part.start, part.end), part.first_row)
        case "json":
            return read_array(whole(part.file))
        case "csv":
            return read_separated(whole(part.file), ",", part.label)
        case "tsv":
            return read_separated(whole(part.file), "\t", part.label)
        case "text":
            return read_text(whole(part.file))
        case "xlsx":
            return read_workbook(part.file, part.label)
        case "parquet":
            return read_parquet(part.file, part.label)
