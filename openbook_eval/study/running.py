"""Runs a graph on Snakemake, on this machine or on a cluster, and says how far it is."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.study import cards
from openbook_eval.study.doing import commands
from openbook_eval.study.doing.process import die_with_parent
from openbook_eval.study.progress import Progress
from openbook_eval.study.steps import FAILURE, Graph, Step, done

_HERE = Path(__file__).parent
_CLUSTERS = _HERE / "clusters"
_PAUSE, _GRACE = 0.5, 40.0
# Jobs of a cluster that may be handed in at a time.
_SUBMITTED = 100


@dataclass(frozen=True, slots=True)
class Options:
    """Where and how: `work` is the folder of the steps, `jobs` how many at a time on this machine.

    `profile` is a cluster's name or a folder with a profile of Snakemake, `training_env` the folder of the environment
    that trains.
    """

    work: Path
    jobs: int = 1
    profile: str | None = None
    dry_run: bool = False
    training_env: Path | None = None


def run(graph: Graph, options: Options) -> int:
    """Does what is not done of a graph; returns how many of its steps failed.

    Raises OpenbookError where it cannot begin: another one runs in the same folder, cards or programs are missing, or
    Snakemake itself fails.
    """
    work = options.work.absolute()
    if options.training_env:
        os.environ[commands.TRAINING_ENV] = str(options.training_env.absolute())
    waiting = [step for step in graph.steps if not done(step, work)]
    profile = _profile(options.profile)
    if waiting and not options.dry_run:
        _check(waiting, on_cluster=profile is not None)
    with _alone(work) as lock:
        file = _written(graph, work)
        line = _snakemake(file, work, options, profile)
        if options.dry_run:
            subprocess.run(line, check=False)  # noqa: S603 (no shell, and the line is ours)
            return 0
        log = work / "logs" / f"{graph.study}.txt"
        code = _watched(line, log, lock, Progress(waiting, len(graph.steps), work)) if waiting else 0
    failed = [step for step in graph.steps if not done(step, work) and (work / step.id / FAILURE).is_file()]
    if code and not failed:
        raise OpenbookError(f"Snakemake did not run the study; its last words: {_last_words(log)} (all: {log})")
    return len(failed)


def _profile(name: str | None) -> Path | None:
    """The folder of a profile: one of ours by name, else a folder of the user's."""
    if name is None:
        return None
    ours = {path.name: path for path in _CLUSTERS.iterdir() if path.is_dir()}
    found = ours.get(name, Path(name))
    if not found.is_dir():
        raise OpenbookError(f"--profile {name}: is no folder, and no profile of ours; {did_you_mean(name, ours)}")
    return found.absolute()


def _check(waiting: Sequence[Step], *, on_cluster: bool) -> None:
    """Raises OpenbookError for what would fail later: no environment to train in, fewer cards than a step wants."""
    if any(step.kind == "train" for step in waiting) and not on_cluster:
        commands.accelerate()
    most = max(waiting, key=lambda step: step.resources.gpus)
    if not on_cluster and most.resources.gpus > (there := len(cards.cards())):
        raise OpenbookError(
            f"{most.id} wants {_cards(most.resources.gpus)}, and this machine has {there or 'none'}; run it on one "
            "that has as many, or on a cluster: --profile slurm"
        )


def _cards(count: int) -> str:
    return f"{count} {'card' if count == 1 else 'cards'}"


@contextlib.contextmanager
def _alone(work: Path) -> Iterator[IO[str]]:
    """Holds the folder: a second run in it would do the same steps at the same time."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = (work / "run.lock").open("a+")
    except OSError as error:
        raise OpenbookError(f"{work}: cannot be written to ({error.strerror}); name another with --work") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OpenbookError(f"{work}: another run is at work there; wait for it, or end it") from None
        yield lock


def _written(graph: Graph, work: Path) -> Path:
    """The graph as a file that the rules read."""
    file = work / "graphs" / f"{graph.study}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{file.name}.part")
        beside.write_text(graph.to_json(), encoding="utf-8", newline="\n")
        return beside.replace(file)
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be written ({error.strerror})") from error


def _snakemake(file: Path, work: Path, options: Options, profile: Path | None) -> list[str]:
    """The command line. What is there is done: neither times nor Snakemake's own memory say otherwise."""
    line = [sys.executable, "-m", "snakemake", "exams", "--snakefile", str(_HERE / "Snakefile")]
    line += ["--directory", str(work), "--config", f"graph={file}", f"share_cards={int(profile is None)}"]
    line += ["--keep-going", "--nolock", "--ignore-incomplete", "--drop-metadata", "--rerun-triggers", "input"]
    if profile:
        return [*line, "--profile", str(profile), *(["--dry-run"] if options.dry_run else [])]
    # Without a card anywhere nothing waits for one; Snakemake wants to know of some all the same.
    line += ["--cores", str(options.jobs), "--resources", f"gpu={len(cards.cards())}", "--scheduler", "greedy"]
    return [*line, *(["--dry-run"] if options.dry_run else [])]


def _watched(line: Sequence[str], log: Path, lock: IO[str], progress: Progress) -> int:
    """Runs Snakemake to its end and tells how far it is; ends it where this process is asked to end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (no shell, and the line is ours)
            line,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # Whatever of it outlives this process still holds the folder.
            pass_fds=[lock.fileno()],
            preexec_fn=die_with_parent,
        )
        with _asked_to_end(process):
            while process.poll() is None:
                time.sleep(_PAUSE)
                progress.tell()
    progress.tell()
    return process.returncode


@contextlib.contextmanager
def _asked_to_end(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ctrl-C and kill end what was started too, and then this process."""

    def end(sign: int, _: object) -> None:
        print("openbook-eval: ending what runs; the same command goes on from here", file=sys.stderr)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        process.kill()
        sys.exit(128 + sign)

    before = {sign: signal.signal(sign, end) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "error" in line]
    return (telling or lines or ["nothing"])[-1]
