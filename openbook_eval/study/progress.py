"""How far a run is: a line for every step that begins, is done or fails."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from openbook_eval.errors import visible
from openbook_eval.study.doing.process import RUNNING
from openbook_eval.study.steps import FAILURE, RECEIPT, Step


class Progress:
    """Watches the folders of steps: on a cluster there is nothing else of a step to be seen from here."""

    def __init__(self, waiting: Sequence[Step], steps: int, work: Path) -> None:
        """Of `waiting` of all `steps`; what is there of earlier runs is not told again."""
        self._waiting, self._steps, self._work = list(waiting), steps, work
        self._begun: set[str] = set()
        self._old = {step.id: self._time(step) for step in waiting}

    def tell(self) -> None:
        """Prints what has changed since it was last called."""
        for step in list(self._waiting):
            folder = self._work / step.id
            if step.id not in self._begun and (folder / RUNNING).is_file():
                self._begun.add(step.id)
                self._print(f"{step.kind} {step.name}: begun")
            if (folder / RECEIPT).is_file():
                self._waiting.remove(step)
                self._print(f"{step.kind} {step.name}: done in {_told(folder / RECEIPT, 'seconds')} s")
            elif (folder / FAILURE).is_file() and self._time(step) != self._old[step.id]:
                self._waiting.remove(step)
                self._print(f"{step.kind} {step.name}: FAILED: {_told(folder / FAILURE, 'reason')}")

    def _print(self, text: str) -> None:
        done = self._steps - len(self._waiting)
        print(visible(f"[{done} of {self._steps}] {text}"), file=sys.stderr, flush=True)

    def _time(self, step: Step) -> int:
        with suppress(OSError):
            return (self._work / step.id / FAILURE).stat().st_mtime_ns
        return 0


def _told(file: Path, key: str) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(file.read_bytes())[key])
    return "?"
