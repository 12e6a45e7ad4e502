"""Where a step is done: its folder, those of the steps before it, and the commands that it runs there."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running.cards import VISIBLE, Held
from openbook_eval.study.running.doing.reasons import reason
from openbook_eval.study.running.doing.receipts import LOG
from openbook_eval.study.steps import Graph, Kind, Step

# So much of a log's end is searched for the reason of a failure, in bytes.
_END = 200_000


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a graph in the folder `work`.

    `held` are the cards that it was given, None where a scheduler gives them; `origin` is the folder that
    the study was started from, where relative paths begin.
    """

    graph: Graph
    step: Step
    work: Path
    held: Held | None
    origin: Path

    @property
    def folder(self) -> Path:
        """The step's own folder."""
        return self.work / self.step.id

    @property
    def gpus(self) -> int:
        """How many cards the step works on."""
        return self.step.resources.gpus if self.held is None else len(self.held.names)

    def before(self, kind: Kind) -> Step | None:
        """The step of this kind that this one rests on, directly or through others; None where there is none."""
        steps = {step.id: step for step in self.graph.steps}
        waiting = list(self.step.needs)
        for need in waiting:
            if steps[need].kind == kind:
                return steps[need]
            waiting += steps[need].needs
        return None

    def folder_of(self, kind: Kind) -> Path:
        """The folder of the step of this kind that this one rests on; raises OpenbookError where there is none."""
        if (step := self.before(kind)) is None:
            raise OpenbookError(f"{self.step.id}: needs a step {kind}, and the graph has none; have it planned again")
        return self.work / step.id

    def call(
        self, command: Sequence[str | Path], more: Mapping[str, str | None] | None = None, cwd: Path | None = None
    ) -> None:
        """Runs a command in the step's folder, or in `cwd`, to its end; what it prints goes to the step's log.

        `more` changes the environment, None takes a variable out. Raises OpenbookError with the reason of a failure.
        """
        log = self.folder / LOG
        environment = {**os.environ, **self._cards(), **(more or {})}
        files = self.held.files if self.held else ()
        with log.open("ab") as file:
            start = file.tell()
            done = subprocess.run(  # noqa: S603
                [str(part) for part in command],
                cwd=cwd or self.folder,
                env={name: value for name, value in environment.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A card is not given away while one of its children lives.
                pass_fds=files,
                check=False,
            )
        if done.returncode:
            raise OpenbookError(reason(_end_of(log, start), done.returncode))

    def _cards(self) -> dict[str, str]:
        return {} if self.held is None else {VISIBLE: ",".join(self.held.names)}


def ours(name: str) -> Path:
    """A command of the environment that runs this."""
    return Path(sys.executable).parent / name


def _end_of(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _END))
        return file.read().decode("utf-8", errors="replace")
