"""Have Snakemake do the steps of a study that are not done, here or on a cluster, and tell what becomes of them."""

import ctypes
import fcntl
import getpass
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from openbook_eval.errors import OpenbookError, did_you_mean, visible
from openbook_eval.files import load_yaml, write_atomic
from openbook_eval.study import jobs
from openbook_eval.study.workflow import Step, Workflow, state_of

SNAKEFILE = Path(__file__).with_name("Snakefile")
PROFILES = Path(__file__).with_name("profiles")
# Seconds between two looks at the steps, here and on a cluster's file system; seconds that Snakemake has to end.
_LOOK, _LOOK_FAR, _GRACE, _GRACE_FAR = 0.2, 5.0, 10.0, 60.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a study is run: `work` is its folder, `jobs` are steps at once."""

    work: Path
    jobs: int | None = None
    profile: str | None = None
    training_env: Path | None = None


def find_profile(name: str) -> tuple[Path, str]:
    """Return the folder of a profile, which may be a shipped one, and the executor it names. Raises OpenbookError."""
    known = sorted(path.name for path in PROFILES.iterdir() if path.is_dir())
    folder = PROFILES / name if name in known else Path(name).absolute()
    file = next((path for each in ("config.v8+.yaml", "config.yaml") if (path := folder / each).is_file()), None)
    if file is None:
        raise OpenbookError(f"--profile {name}: no folder with a config.yaml; {did_you_mean(name, known)}")
    executor = load_yaml(file).get("executor")
    if not isinstance(executor, str):
        raise OpenbookError(f"{file}: names no executor; write executor: slurm, or that of your cluster")
    return folder, executor


def show(workflow: Workflow, options: RunOptions, *flags: str) -> None:
    """Have Snakemake print its dry run or its summary, whichever `flags` ask for."""
    command, environment = _prepare(workflow, options)
    code = subprocess.run([*command, *flags], env=environment, check=False).returncode  # noqa: S603
    if code:
        raise OpenbookError(f"Snakemake ended with exit code {code}; see above")


def run(workflow: Workflow, options: RunOptions) -> int:
    """Do what is not done and return the number of steps that failed; these stop no others.

    Raises OpenbookError where nothing can be begun: no GPUs, no training environment, another run in the same folder.
    """
    work, console = options.work.absolute(), Console(highlight=False, soft_wrap=True)
    with _alone(work):
        todo = to_do(workflow, work)
        # That of an image cannot be seen from here.
        in_image = options.profile is not None and find_profile(options.profile)[1] == "kubernetes"
        if any(step.kind == "train" for step in todo) and not in_image:
            jobs.accelerate(options.training_env)
        command, environment = _prepare(workflow, options)
        for step in todo:
            (work / step.id / jobs.FAILURE).unlink(missing_ok=True)
        log = work / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        log.parent.mkdir(exist_ok=True)
        console.print(f"{len(todo)} of {len(workflow.steps)} steps to do; log: {log}", markup=False)
        left = _follow(command, environment, log, todo, work, console, far=bool(options.profile))
        failed = sum(bool(state_of(step, work).reason) for step in todo)
        silent = [step for step in left if all(state_of(workflow.steps[need], work).done for need in step.needs)]
        for step in silent:
            console.print(visible(f"{step.kind} {step.name}: failed: ended without a word; see {log}"), markup=False)
        if not_begun := len(left) - len(silent):
            console.print(f"{not_begun} not begun, for what they need has failed")
        return failed + len(silent)


def to_do(workflow: Workflow, work: Path) -> list[Step]:
    """Return the steps that are not done, without those that only a done step needs."""
    wanted = set(workflow.steps) - {need for step in workflow.steps.values() for need in step.needs}
    found = []
    for step in reversed(list(workflow.steps.values())):
        if step.id in wanted and not state_of(step, work).done:
            found.append(step)
            wanted.update(step.needs)
    return found[::-1]


def _prepare(workflow: Workflow, options: RunOptions) -> tuple[list[str], dict[str, str]]:
    """Write Snakemake's config file; return its command and its environment."""
    if find_spec("snakemake") is None:
        raise OpenbookError("studies need Snakemake, which is not installed: pip install 'openbook-eval[study]'")
    profile, executor = find_profile(options.profile) if options.profile else (None, None)
    gpus = () if profile else jobs.visible_gpus()
    work = options.work.absolute()
    config = workflow.config(work, executor)
    if not profile:
        _fit(config["steps"], gpus)
    write_atomic(work / jobs.CONFIG, json.dumps(config, ensure_ascii=False, indent=1, sort_keys=True))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    at_once = options.jobs or len(os.sched_getaffinity(0))
    here = ["--profile", "none", "--cores", str(at_once), "--resources", f"gpu={len(gpus)}", f"mem_mb={memory}"]
    far = ["--profile", str(profile), *(["--jobs", str(options.jobs)] if options.jobs else [])]
    command = [
        *(sys.executable, "-P", "-m", "openbook_eval.study.runner" if executor == "kubernetes" else "snakemake"),
        *("--snakefile", str(SNAKEFILE), "--directory", str(work), "--configfile", str(work / jobs.CONFIG)),
        # Params hold what a result is made of; times of files say nothing. A lock would survive a kill.
        *("--keep-going", "--rerun-triggers", "params", "input", "--rerun-incomplete", "--nolock"),
        *("--scheduler", "greedy", "--workflow-profile", "none", "--nocolor"),
        *(far if profile else here),
    ]
    # The plugin of Slurm reads USER, which containers may not set.
    environment = {"USER": getpass.getuser(), **os.environ, jobs.GPUS: ",".join(gpus)}
    if profile:
        del environment[jobs.GPUS]
    if options.training_env:
        environment[jobs.TRAINING_ENV] = str(options.training_env.absolute())
    return command, environment


def _fit(steps: Mapping[str, dict[str, Any]], gpus: Sequence[str]) -> None:
    """Give an evaluation a GPU where the engine does not start without one; refuse steps that want too many."""
    for name, step in steps.items():
        engine = str(step["task"].get("engine", ""))
        if gpus and name.startswith("evaluate/") and engine.startswith("vllm") and not _engine_on_cpu():
            step["gpus"] = step["resources"]["gpu"] = max(1, step["gpus"])
    greedy = {name: step["gpus"] for name, step in steps.items() if step["gpus"] > len(gpus)}
    if greedy:
        most = max(greedy, key=lambda name: greedy[name])
        others = f" ({len(greedy) - 1} other steps need too many as well)" if len(greedy) > 1 else ""
        raise OpenbookError(
            f"{most.replace('/', ' ')} needs {greedy[most]} GPUs, and this machine has {len(gpus) or 'none'}{others}; "
            "run it where there are as many, or on a cluster: --profile slurm"
        )


def _engine_on_cpu() -> bool:
    try:
        return version("vllm").endswith("+cpu")
    except PackageNotFoundError:
        return True


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the folder for this run; the lock ends with the process, however that ends."""
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


def _follow(
    command: Sequence[str], environment: Mapping[str, str], log: Path, todo: Sequence[Step], work: Path,
    console: Console, *, far: bool,
) -> list[Step]:  # fmt: skip
    """Run Snakemake to its end, with a line for each step that is over; return the steps that are not done."""
    waiting = {step.id: step for step in todo}
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        _snakemake(command, environment, log, far=far) as process,
    ):
        progress, over = bar.add_task("", total=len(todo)), False
        while not over:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_FAR if far else _LOOK)
            over = process.poll() is not None
            for step in list(waiting.values()):
                if line := _line(step, work):
                    del waiting[step.id]
                    count = f"{len(todo) - len(waiting):>{len(str(len(todo)))}} of {len(todo)}"
                    bar.console.print(visible(f"{count}  {step.kind} {step.name}: {line}"), markup=False)
                    bar.advance(progress)
    return list(waiting.values())


def _line(step: Step, work: Path) -> str:
    """Return what is told of a step that is over; nothing of any other."""
    state = state_of(step, work)
    if state.done:
        return f"done in {state.record.get('seconds', 0):.1f} s"
    return f"failed: {state.reason}" if state.reason else ""


@contextmanager
def _snakemake(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, far: bool
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run Snakemake; where this process is stopped, it and its steps end first, or it takes its jobs back."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            # Nothing is ever said: it ends with this process, and tells the jobs on this machine that it has.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            yield process
        finally:
            gently = (signal.SIGINT, _GRACE_FAR) if far else (signal.SIGTERM, _GRACE)
            for number, grace in (gently, (signal.SIGKILL, _GRACE)):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
            signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> None:
    """Where the system can (Linux), have a kill of this process kill Snakemake, which would begin further steps."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _snakemake_on_a_shared_volume(arguments: Sequence[str]) -> None:
    """Run Snakemake where pods of Kubernetes share a volume, as a study needs.

    The plugin takes it that they share nothing: it would fetch and store every file, and install a storage plugin in
    every pod.
    """
    settings: Any = import_module("snakemake_executor_plugin_kubernetes").common_settings
    settings.implies_no_shared_fs = False
    settings.job_deploy_sources = False
    settings.auto_deploy_default_storage_provider = False
    import_module("snakemake.cli").main(list(arguments))


if __name__ == "__main__":
    _snakemake_on_a_shared_volume(sys.argv[1:])
