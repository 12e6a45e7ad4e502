"""Running a study: its graph is handed to Snakemake, and what becomes of its steps is told as they end."""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.study.hashing import write_whole
from openbook_eval.study.running import cards, submissions
from openbook_eval.study.running.doing import receipts, train
from openbook_eval.study.running.invocation import Invocation
from openbook_eval.study.running.progress import Progress
from openbook_eval.study.steps import Graph, Step, done

_SNAKEFILE = Path(__file__).parent / "Snakefile"
# Seconds between two looks at the steps, on one machine and where a cluster's file system is asked; seconds that a run
# which is ended leaves its steps, and a cluster to take its jobs back.
_LOOK, _LOOK_FAR, _GRACE, _GRACE_FAR = 0.2, 5.0, 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a study is run. `work` is the folder of all steps.

    `jobs` are steps at once: without a profile as many as there are processors, else as the profile says. `profile`
    hands steps to a cluster: slurm, kubernetes, or a folder with a profile of Snakemake's. `training_env` is the folder
    of the environment that holds Axolotl.
    """

    work: Path
    jobs: int | None = None
    profile: str | None = None
    dry_run: bool = False
    training_env: Path | None = None


def run(graph: Graph, options: Options) -> int:
    """Does what is not done of a study, and returns the number of steps that failed; the others are not stopped.

    With `dry_run` it prints what would be done, and how it would be submitted. Raises OpenbookError where nothing can
    be begun: no cards, no training environment, another run in the same folder.
    """
    profile = submissions.profile(options.profile) if options.profile else None
    shared = () if profile else cards.cards()
    graph = graph if profile else cards.fitted(graph, shared)
    work = options.work.absolute()
    steps = to_do(graph, work)
    if options.dry_run:
        for step in steps:
            print(submissions.told(step, profile))
        return 0
    call = Invocation(work, options.jobs, profile, shared, _launcher(steps, options, profile))
    if find_spec("snakemake") is None:
        raise OpenbookError("studies are run by Snakemake, which is not installed: pip install 'openbook-eval[study]'")
    with _alone(work):
        # Another run may have done some of it while this one was made ready.
        steps = to_do(graph, work)
        files = _write_down(graph, steps, work)
        if not steps:
            print(f"nothing is left to do: {len(graph.steps)} steps are done")
            return 0
        progress = Progress(steps, work, lambda line: print(line, flush=True))
        log = work / "logs" / f"{graph.study}-{time.strftime('%Y%m%d-%H%M%S')}.log"
        _follow(call.command(*files), call.environment(), log, progress, far=profile is not None)
        progress.close(log)
        return len(progress.failed)


def to_do(graph: Graph, work: Path) -> tuple[Step, ...]:
    """The steps that are to be done, in the graph's order: exams that are not done, and what they need and is not.

    Exams are the last steps, whatever their kind. What only a done step needs may be missing: it is not done again.
    """
    wanted = {step.id for step in graph.steps} - {need for step in graph.steps for need in step.needs}
    found = []
    for step in reversed(graph.steps):
        if step.id in wanted and not done(step, work):
            found.append(step)
            wanted.update(step.needs)
    return tuple(reversed(found))


def _launcher(steps: Sequence[Step], options: Options, profile: submissions.Profile | None) -> Path | None:
    """The launcher of the training environment, where one is needed; that of an image is not to be seen from here."""
    if (profile and profile.executor == "kubernetes") or not any(step.kind == "train" for step in steps):
        return None
    return train.accelerate(options.training_env)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Holds the folder for this run; the lock ends with the process, however that ends."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = (work / ".lock").open("w")
    except OSError as error:
        raise OpenbookError(f"{work}: cannot be written to ({error.strerror}); name another folder: --work") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OpenbookError(f"{work}: another run is at work there; wait for it, or end it") from error
        yield


def _write_down(graph: Graph, steps: Sequence[Step], work: Path) -> tuple[Path, Path, Path]:
    """Writes the graph, what is to be done of it and the Snakefile, where all machines see them; returns the files."""
    folder = work / "graphs"
    paths = folder / f"{graph.study}.json", folder / f"{graph.study}.to_do.json", folder / "Snakefile"
    try:
        for name in ("graphs", "logs"):
            (work / name).mkdir(parents=True, exist_ok=True)
        write_whole(paths[0], graph.to_json().encode("utf-8", "surrogatepass"))
        write_whole(paths[1], json.dumps([step.id for step in steps]).encode())
        write_whole(paths[2], _SNAKEFILE.read_bytes())
    except OSError as error:
        raise OpenbookError(f"{work}: cannot be written to ({error.strerror}); name another folder: --work") from error
    for step in steps:
        receipts.forget(work / step.id)
    return paths


def _follow(command: Sequence[str], environment: Mapping[str, str], log: Path, progress: Progress, far: bool) -> None:
    """Runs Snakemake to its end; where this process is stopped, Snakemake and all steps end first."""
    with _stopped_by_term(), log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            # Nothing is ever said: it ends with this process, and tells those who work on this machine that it has.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            while process.poll() is None:
                progress.look()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_FAR if far else _LOOK)
        finally:
            _end(process, far)


def _end(process: "subprocess.Popen[Any]", far: bool) -> None:
    """Ends Snakemake and its steps, if they have not ended; interrupted, it takes its jobs back from a cluster."""
    gently = (signal.SIGINT, _GRACE_FAR) if far else (signal.SIGTERM, _GRACE)
    for number, grace in (gently, (signal.SIGKILL, _GRACE)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)


def _end_with_parent() -> None:
    """Where the system can (Linux), a kill of the runner kills Snakemake, which would begin further steps."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@contextmanager
def _stopped_by_term() -> Iterator[None]:
    """Makes kill -TERM end the run as Ctrl-C does."""

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
