"""Runs and their items together, and which of several runs of one name stands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

import polars as pl

from openbook_eval.leaderboard.likeness import key
from openbook_eval.leaderboard.runs import CONDITIONS, ITEMS, Run


@dataclass(frozen=True, slots=True)
class Taken:
    """`items` are those of all runs, as `runs.ITEMS` has them. `refused` says of what was left out why, a line each."""

    runs: tuple[Run, ...]
    items: pl.DataFrame
    refused: tuple[str, ...]

    @classmethod
    def of(cls, read: Iterable[tuple[Run, pl.DataFrame]], refused: Iterable[str]) -> "Taken":
        """Of runs alike in model, condition and likeness the newest stands; the others are named in `refused`.

        One that was read twice is taken as it was first. Where models share what is left of their names, these are told
        apart by the first digits of `model_sha256`. Runs come in the order of conditions, models and dates.
        """
        by_id: dict[str, tuple[Run, pl.DataFrame]] = {}
        for run, items in read:
            by_id.setdefault(run.id, (run, items))
        newest: dict[tuple[object, ...], Run] = {}
        older = []
        for run in sorted((run for run, _ in by_id.values()), key=attrgetter("date", "id")):
            place = (run.model_sha256, key(run))
            if place in newest:
                older.append((newest[place], place))
            newest[place] = run
        superseded = [
            f"{run.results}: {run.model}, {run.condition}, of {run.date or 'no date'}: an older run of one name; "
            f"the newest stands ({newest[place].date or 'no date'}); give models names of their own to compare them"
            for run, place in older
        ]
        runs = sorted(_told_apart(newest.values()), key=_place)
        frames = [by_id[run.id][1] for run in runs]
        return cls(tuple(runs), pl.concat([pl.DataFrame(schema=ITEMS), *frames]), (*refused, *superseded))


def _place(run: Run) -> tuple[int, str, str, str]:
    return CONDITIONS.index(run.condition), run.model, run.date, run.id


def _told_apart(runs: Iterable[Run]) -> Iterator[Run]:
    runs = tuple(runs)
    models = {(run.model, run.model_sha256) for run in runs}
    shared = {name for name, count in Counter(name for name, _ in models).items() if count > 1}
    for run in runs:
        name = f"{run.model} ({run.model_sha256[:6]})"
        yield run.model_copy(update={"model": name}) if run.model in shared else run
