"""Does one step of a graph: runs its command, and leaves a receipt or the reason why there is none."""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from openbook_eval.errors import OpenbookError, visible
from openbook_eval.study.cards import held
from openbook_eval.study.doing import commands
from openbook_eval.study.doing.process import die_with_parent, run
from openbook_eval.study.doing.reasons import reason
from openbook_eval.study.doing.traces import LOG, Clock, leave_failure, leave_receipt
from openbook_eval.study.steps import Graph, Step, done


def main(graph_file: str, wanted: str, shared_cards: str) -> int:
    """Does the step of this id in the folder it is called from; `shared_cards` is "1" where cards are shared out here.

    Returns 0 when it is done, else 1.
    """
    die_with_parent()
    graph, work = Graph.from_json(Path(graph_file).read_bytes()), Path.cwd()
    steps = {step.id: step for step in graph.steps}
    step = steps[wanted]
    folder = work / step.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not done(step, work):
            _do(step, steps, work, shared_cards == "1")
    except (OpenbookError, OSError) as error:
        told = visible(str(error))
        # On a full disk not even this may be written; it is told all the same.
        with suppress(OSError):
            leave_failure(step, folder, told)
        print(f"{step.id}: {told}", file=sys.stderr)
        return 1
    return 0


def _do(step: Step, steps: dict[str, Step], work: Path, shares_cards: bool) -> None:
    clock, folder = Clock(), work / step.id
    needs = {steps[need].kind: steps[need] for need in step.needs}
    command = commands.command(step, needs, work)
    shared: AbstractContextManager[Mapping[str, str]] = nullcontext({})
    if shares_cards:
        shared = held(work / "cards", step.resources.gpus)
    with shared as cards:
        code = run(command.line, {**command.environment, **cards}, work, folder / LOG)
    if code:
        raise OpenbookError(reason(folder / LOG, code))
    _clear(step, folder)
    leave_receipt(clock.receipt(step, folder), folder)


def _clear(step: Step, folder: Path) -> None:
    """Takes away what only a training that goes on would want: it is many times the size of what came of it."""
    if step.kind == "train":
        for path in (folder / "prepared", *folder.glob(f"{commands.MODEL}/checkpoint-*")):
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    # What a step starts may look for programs by name.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    sys.exit(main(*sys.argv[1:]))
