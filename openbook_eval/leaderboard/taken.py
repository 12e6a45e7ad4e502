"""Runs and their items together, and which of several runs of one name stands."""

from collections.abc import Iterable
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

        One that was read twice is taken as it was first. Runs come in the order of conditions, models and dates.
        """
        by_id: dict[str, tuple[Run, pl.DataFrame]] = {}
        for run, items in read:
            by_id.setdefault(run.id, (run, items))
        newest: dict[tuple[object, ...], Run] = {}
        older = []
        for run in sorted((run for run, _ in by_id.values()), key=attrgetter("date", "id")):
            place = (run.model, key(run))
            if place in newest:
                older.append((newest[place], place))
            newest[place] = run
        superseded = [
            f"{run.results}: {run.model}, {run.condition}, of {run.date or 'no date'}: an older run of one name; "
            f"the newest stands ({newest[place].date or 'no date'}); give models names of their own to compare them"
            for run, place in older
        ]
        runs = sorted(newest.values(), key=lambda run: (CONDITIONS.index(run.condition), run.model, run.date, run.id))
        frames = [by_id[run.id][1] for run in runs]
        return cls(tuple(runs), pl.concat([pl.DataFrame(schema=ITEMS), *frames]), (*refused, *superseded))
