"""How far a long step is: a bar on a terminal, else a line of log every some seconds; nothing on a short step."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SHORT = 2.0
EVERY = 10.0

Advance = Callable[[float], None]


@contextmanager
def step(title: str, total: float | None = None) -> Iterator[Advance]:
    """Shows a step that lasts longer than two seconds, on the standard error; the value tells it how much was done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=total)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(bar, ended), daemon=True)
    watch.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        ended.set()
        watch.join()


def _watch(bar: Progress, ended: threading.Event) -> None:
    if ended.wait(SHORT):
        return
    if bar.console.is_terminal:
        with bar:
            ended.wait()
        return
    while not ended.wait(EVERY):
        print(_line(bar), file=sys.stderr, flush=True)


def _line(bar: Progress) -> str:
    (task,) = bar.tasks
    share = "" if task.total is None else f"{task.percentage:.0f} %, "
    return f"{task.description}: {share}{task.elapsed or 0:.0f} s"
