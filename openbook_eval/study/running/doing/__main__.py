"""The command that the runner gives for a step: python -m openbook_eval.study.running.doing GRAPH STEP."""

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running import cards
from openbook_eval.study.running.doing import CARDS, JOBS, ORIGIN, base, exam, merge, mix, receipts, train
from openbook_eval.study.running.doing.place import Place
from openbook_eval.study.steps import Graph, Kind, Step, done

# Seconds that are left to others to end themselves once the runner has ended.
_GRACE = 10.0
_RUNNER_GONE = threading.Event()

_KINDS: Mapping[Kind, Callable[[Place], Iterable[Path]]] = {
    "mix": mix.do,
    "base": base.do,
    "train": train.do,
    "merge": merge.do,
    "exam": exam.do,
}


def main(arguments: list[str]) -> int:
    """Does the step of this id in the graph of this file, whose folder lies in WORK; 0 when it is done, else 1."""
    path, name = Path(arguments[0]).absolute(), arguments[1]
    graph = Graph.from_json(path.read_bytes())
    step = next((step for step in graph.steps if step.id == name), None)
    if step is None:
        raise OpenbookError(f"{path}: has no step {name}; have the study planned again")
    if CARDS in os.environ:
        signal.signal(signal.SIGTERM, _ended)
        threading.Thread(target=_end_with_the_runner, daemon=True).start()
    else:
        signal.signal(signal.SIGTERM, _stopped)
    return _done_once(graph, step, path.parent.parent)


def _end_with_the_runner() -> None:
    """Ends all processes of the run when the runner is gone: it alone holds the other end of our standard input."""
    while os.read(0, 1):
        pass
    _RUNNER_GONE.set()
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


def _ended(number: int, _: object) -> None:
    # Our own signal to all: what we wait for ends by it, and if not, we are still there to see to that.
    if not _RUNNER_GONE.is_set():
        sys.exit(128 + number)


def _stopped(*_: object) -> None:
    raise OpenbookError("was stopped by the scheduler: see whether its time or memory ran out")


def _done_once(graph: Graph, step: Step, work: Path) -> int:
    folder = work / step.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if done(step, work):
                return 0
            _do(graph, step, work)
    except (OpenbookError, OSError) as error:
        if _RUNNER_GONE.is_set():
            # Ended, not failed.
            return 1
        reason = _told(error, folder)
        receipts.fail(step, folder, reason)
        print(f"{step.id}: {reason}", file=sys.stderr)
        return 1
    return 0


def _told(error: Exception, folder: Path) -> str:
    reason = str(error)
    if isinstance(error, OSError):
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or reason
    # Libraries tell of a full disk at length, or not at all where their words have no room either.
    return receipts.NO_SPACE if receipts.NO_SPACE in reason or receipts.full(folder) else reason


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until nobody else does this step, such as a job of an earlier run that a cluster has not ended."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _do(graph: Graph, step: Step, work: Path) -> None:
    origin = Path(os.environ.get(ORIGIN) or work)
    with _turn(step, work) as held:
        receipts.begin(step, work / step.id)
        place = Place(graph, step, work, held, origin)
        started, before = receipts.now(), time.monotonic()
        outputs = _KINDS[step.kind](place)
        receipts.end(step, place.folder, outputs, started, time.monotonic() - before)
    if step.kind == "train":
        train.tidy(place)


@contextmanager
def _turn(step: Step, work: Path) -> Iterator[cards.Held | None]:
    """Waits for a place among those who work at once on this machine, and for cards; a cluster sees to both itself.

    Snakemake counts too few where a single step is ready to begin (9.15, JobScheduler.job_selector), and begins others
    beside it.
    """
    shared = os.environ.get(CARDS)
    if shared is None:
        yield None
        return
    names = [name for name in shared.split(",") if name]
    places = [str(number) for number in range(int(os.environ.get(JOBS, "1")))]
    with (
        cards.held(1, places, work / "jobs") as place,
        cards.held(step.resources.gpus, names, work / "cards") as held,
    ):
        yield cards.Held(held.names, (*place.files, *held.files))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
