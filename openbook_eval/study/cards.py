"""Shares the cards of a machine out among the steps that run on it: no two have one card."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PAUSE = 0.5


def cards() -> list[str]:
    """The cards that may be used here, as CUDA_VISIBLE_DEVICES names them: those it names, else all there are."""
    if (named := os.environ.get(VISIBLE)) is not None:
        return [card.strip() for card in named.split(",") if card.strip() and card.strip() != "-1"]
    try:
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return []
    listed = [line for line in asked.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(listed))] if asked.returncode == 0 else []


@contextmanager
def held(folder: Path, count: int) -> Iterator[Mapping[str, str]]:
    """So many cards that no one else holds, as what to set in the environment; waits until there are as many.

    A card is held by a lock on a file in `folder`, which the system takes back from whoever ends, however it ends.
    """
    if not count:
        # A program that finds a card would take it.
        yield {VISIBLE: ""} if cards() else {}
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        while len(mine := _free(folder, count, locks)) < count:
            locks.close()
            time.sleep(_PAUSE)
        yield {VISIBLE: ",".join(mine)}


def _free(folder: Path, count: int, locks: ExitStack) -> list[str]:
    """Cards that were free, locked now; only one process at a time looks, so that two never hold half each."""
    with (folder / "looking.lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        mine: list[str] = []
        for card in cards():
            if len(mine) < count and _lock(folder / f"{card.replace('/', '-')}.lock", locks):
                mine.append(card)
        return mine


def _lock(path: Path, locks: ExitStack) -> bool:
    file: IO[str] = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    locks.callback(file.close)
    return True
