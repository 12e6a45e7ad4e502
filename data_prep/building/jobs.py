"""Pass 1 cut into jobs: some parts of one source, of which one process reads all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from data_prep.sources import Part, parts
from data_prep.spec import Source
from openbook_eval.errors import OpenbookError

_LEAST, _MOST = 4 << 20, 64 << 20
# No more than this, so that the shards can all be open at once.
_JOBS = 400


@dataclass(frozen=True, slots=True)
class Job:
    """Parts of one source, in the order of their files; `number` is unique within a build."""

    number: int
    source: Source
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """What there is to read."""
        return sum(map(_size, self.parts))


def all_parts(sources: Sequence[Source], data: Path) -> list[Part]:
    """The parts of all sources by name of source and file; raises OpenbookError with every source's fault at once."""
    found: list[Part] = []
    faults: list[str] = []
    for source in sources:
        try:
            found += parts(source, data)
        except OpenbookError as error:
            faults.append(str(error))
    if faults:
        head = [f"{len(faults)} sources cannot be read:"] if len(faults) > 1 else []
        raise OpenbookError("\n  ".join([*head, *faults]))
    return sorted(found, key=lambda part: (part.source.name, part.label, part.start))


def jobs(parts_in_order: Sequence[Part]) -> list[Job]:
    """The same jobs however many processes there are: their sizes follow from the sum of all parts."""
    total = sum(map(_size, parts_in_order))
    most = max(min(_MOST, max(_LEAST, total // 8)), total // _JOBS)
    cut = (piece for _, group in groupby(parts_in_order, _source_name) for piece in _cut(list(group), most))
    return [Job(number, piece[0].source, tuple(piece)) for number, piece in enumerate(cut)]


def _source_name(part: Part) -> str:
    return part.source.name


def _size(part: Part) -> int:
    return part.end - part.start


def _cut(parts_of_source: Sequence[Part], most: int) -> Iterator[list[Part]]:
    piece: list[Part] = []
    for part in parts_of_source:
        if piece and sum(map(_size, piece)) + _size(part) > most:
            yield piece
            piece = []
        piece.append(part)
    if piece:
        yield piece
