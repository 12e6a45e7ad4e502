"""The progress of a study that runs: what each step has come to, seen from its folder, told in a line."""

from collections.abc import Callable, Iterable
from pathlib import Path

from openbook_eval.errors import visible
from openbook_eval.study.running.doing import receipts
from openbook_eval.study.running.doing.reasons import reason
from openbook_eval.study.steps import FAILURE, RECEIPT, Step


class Progress:
    """Tells of each of `steps` once that it has begun, and once that it is done or has failed.

    Folders are looked into, so that a step may be done anywhere: here, or on another machine of a cluster.
    """

    def __init__(self, steps: Iterable[Step], work: Path, say: Callable[[str], object]) -> None:
        """`say` is handed each line."""
        self._steps = {step.id: step for step in steps}
        self._waiting = dict(self._steps)
        self._begun: set[str] = set()
        self._work, self._say = work, say
        self.failed: dict[str, str] = {}

    def look(self) -> None:
        """Tells what has changed since the last look."""
        for step in list(self._waiting.values()):
            folder = self._work / step.id
            if (folder / RECEIPT).is_file():
                self._over(step, f"done in {_told(receipts.read(folder / RECEIPT).get('seconds'))}")
            elif failure := receipts.read(folder / FAILURE):
                self._fail(step, str(failure.get("reason", "failed")))
        # What begins does so because something else is over: that is told first.
        for step in self._waiting.values():
            if step.id not in self._begun and (self._work / step.id / receipts.BEGUN).is_file():
                self._begun.add(step.id)
                self._tell(step, "begun")

    def close(self, log: Path) -> None:
        """Tells of the steps that could have been done and were not, without a word; `log` is the runner's own."""
        self.look()
        for step in list(self._waiting.values()):
            if not any(need in self._waiting or need in self.failed for need in step.needs):
                self._fail(step, self._silent(step, log))
        if self._waiting:
            self._say(f"{_counted(len(self._waiting))} not begun, for what they need has failed")

    def _silent(self, step: Step, log: Path) -> str:
        try:
            if receipts.full(self._work):
                return receipts.NO_SPACE
            if step.id in self._begun:
                return f"ended without a word; see {step.id}/{receipts.LOG}"
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return error.strerror or str(error)
        return f"could not be begun: {reason(text, 1)} (see {log.relative_to(self._work).as_posix()})"

    def _fail(self, step: Step, reason: str) -> None:
        self.failed[step.id] = reason
        self._over(step, f"failed: {reason}")

    def _over(self, step: Step, how: str) -> None:
        # One that was over before it was looked at has begun as well.
        self._begun.add(step.id)
        del self._waiting[step.id]
        self._tell(step, how)

    def _tell(self, step: Step, how: str) -> None:
        total = len(self._steps)
        over = total - len(self._waiting)
        self._say(visible(f"{over:>{len(str(total))}} of {total}  {step.kind} {step.name}: {how}"))


def _counted(steps: int) -> str:
    return "1 step was" if steps == 1 else f"{steps} steps were"


def _told(seconds: object) -> str:
    return f"{seconds:.1f} s" if isinstance(seconds, int | float) else "unknown time"
