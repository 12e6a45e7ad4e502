"""Boards that others hand runs in to: each is checked before it is ranked, and the board is a data set of the hub."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import exporting, reading, records, standings, store
from openbook_eval.leaderboard.requirements import faults
from openbook_eval.leaderboard.runs import ITEMS, Run
from openbook_eval.leaderboard.statistics import resampling
from openbook_eval.leaderboard.taken import Taken

_CARD = """---
pretty_name: openbook-eval leaderboard
language:
- zh
tags:
- medical
- open-book
- leaderboard
configs:
- config_name: runs
  data_files: runs.parquet
  default: true
- config_name: items
  data_files: "*/items.parquet"
---

# Leaderboard

Runs of the open-book exam by openbook-eval: {runs} runs on {boards} boards. Only runs that were asked the same stand on
one board.

- `runs`: a line a run, with its place, averages, 95 % intervals, and digests of what it was asked
- `items`: a line an item of a run, with what was read out of the response, and its marks
- `RUN/run.json`: all that is known of a run: cost, versions, what the model was trained on

To hand in a run: `openbook-eval submit RUN --board FOLDER` in a copy of this data set, then open a pull request with
the folder that it adds. Maintainers check it with `openbook-eval submit --check FOLDER`.

{tables}
"""

# Of a card of ours: its first two lines.
_HEAD = _CARD.index("language:")


def submit(paths: Sequence[Path], board: Path, *, progress: reading.Progress | None = None) -> tuple[int, Taken]:
    """Adds the runs in `paths` to a board; returns how many were new, and what was read of them.

    What cannot be read is named in `refused` of what was read. Raises OpenbookError with all faults of all runs, and
    then adds none, and where `board` is a folder of something else.
    """
    _refuse_foreign(board)
    taken = reading.read(paths, progress=progress)
    standing, broken = _standing(board) if board.is_dir() else (Taken((), taken.items.clear(), ()), [])
    new = {run.id for run in taken.runs}
    runs = (*taken.runs, *(run for run in standing.runs if run.id not in new))
    items = pl.concat([taken.items, standing.items.filter(~pl.col("run").is_in(list(new)))])
    _refuse(board, [*broken, *_faults(taken.runs, Taken(runs, items, ()))])
    added = store.add(board, taken)
    write_card(board)
    return added, taken


def check(board: Path) -> int:
    """How many runs a board has. Raises OpenbookError with all faults of all its runs."""
    if not board.is_dir():
        raise OpenbookError(f"{board}: no such folder; openbook-eval submit RUN --board {board} makes it")
    standing, broken = _standing(board)
    _refuse(board, [*broken, *_faults(standing.runs, standing)])
    if not standing.runs:
        raise OpenbookError(f"{board}: no runs; openbook-eval submit RUN --board {board} adds some")
    return len(standing.runs)


def write_card(board: Path, *, draws: int = resampling.DRAWS) -> None:
    """Writes what makes the folder a data set of the hub: README.md with its tables, and runs.parquet.

    Both are parquet: `datasets` takes all configurations of a folder for files of one form.
    """
    boards = standings.boards(store.read(board), draws=draws)
    what = records.of_boards(boards)
    tables = exporting.markdown(what.sheets)
    card = _CARD.format(runs=what.frame.height, boards=len(boards), tables=tables)
    exporting.export(what, [board / "runs.parquet"])
    exporting.write(board / "README.md", card.encode())


def _refuse_foreign(board: Path) -> None:
    """A card is written over README.md: the folder must be a board, a store of runs, or empty."""
    card = board / "README.md"
    try:
        if not board.exists() or not any(board.iterdir()):
            return
        own = card.read_text(encoding="utf-8").startswith(_CARD[:_HEAD]) if card.exists() else store.folders(board)
    except (OSError, ValueError):
        own = False
    if not own:
        raise OpenbookError(f"{board}: is there and is no board of runs; name a folder of its own with --board")


def _faults(runs: Sequence[Run], board: Taken) -> list[str]:
    return [f"{run.model}, {run.condition}: {fault}" for run in runs for fault in faults(run, board)]


def _refuse(board: Path, found: Sequence[str]) -> None:
    if found:
        head = f"{board}: {len(found)} {'fault' if len(found) == 1 else 'faults'}, nothing was ranked:"
        raise OpenbookError("\n  ".join([head, *map(exporting.sound, found)]))


def _standing(board: Path) -> tuple[Taken, list[str]]:
    """All runs of a board, older ones of a name as well, and those that are broken."""
    read, broken = [], []
    for folder in store.folders(board):
        try:
            read.append(store.read_run(folder))
        except OpenbookError as error:
            broken.append(str(error))
    items = pl.concat([pl.DataFrame(schema=ITEMS), *(items for _, items in read)])
    return Taken(tuple(run for run, _ in read), items, ()), broken
