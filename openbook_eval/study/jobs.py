"""What a rule of the Snakefile runs: `python -m openbook_eval.study.jobs KIND NAME`, in the folder of the study.

A job leaves `record.json` when it is done, or says in one line of `failed.json` why it is not. Started again it goes
on: what was made of the same content is kept, anything else is removed.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import sha256_json, write_atomic

CONFIG = "study.json"
RECORD, FAILURE, BEGUN, LOG = "record.json", "failed.json", "begun.json", "log.txt"
# The GPUs that jobs on this machine share; unset on a cluster, which gives them itself.
GPUS = "OPENBOOK_STUDY_GPUS"
# The training environment: Axolotl pins libraries that the engine cannot take.
TRAINING_ENV = "OPENBOOK_TRAINING_ENV"
# One process and one thread: what needs no GPU is too small to gain from more.
_ON_CPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
# Bytes of a log's end that are searched for a reason; its longest in characters.
_LOG_END, _LONGEST = 200_000, 600


def accelerate() -> Path:
    """Return the launcher of the training environment, which lies beside this one unless OPENBOOK_TRAINING_ENV says."""
    place = Path(os.environ.get(TRAINING_ENV) or Path(sys.prefix).parent / ".venv-train").absolute()
    if (launcher := place / "bin" / "accelerate").is_file():
        return launcher
    raise OpenbookError(
        f"{launcher}: no training environment; make it with `make train-env`, or name its folder: {TRAINING_ENV}"
    )


def _program(name: str) -> Path:
    return accelerate() if name == "accelerate" else Path(sys.executable).parent / name


def _call(command: Sequence[str], log: Path, cwd: Path, environment: Mapping[str, str], locks: Sequence[int]) -> None:
    with log.open("a+b") as file:
        start = file.seek(0, os.SEEK_END)
        done = subprocess.run(  # noqa: S603
            [str(_program(command[0])), *command[1:]],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # A GPU is not given away while one of the job's children lives.
            pass_fds=locks,
            check=False,
        )
        if done.returncode:
            file.seek(max(start, file.seek(0, os.SEEK_END) - _LOG_END))
            raise OpenbookError(reason(file.read().decode("utf-8", errors="replace"), done.returncode))


# What says why, the first kind before the others: our own message (after a colon with the first of its faults), what
# stands behind most failures, and the end of a traceback, but not what accelerate says of its child.
_TELLING = (
    re.compile(r"^(?:openbook-eval|data-prep): (.+:\n.+|.+)", re.M),
    re.compile(r"(.*(?:CUDA (?:error: )?out of memory|No space left on device|\[Errno \d+\]).*)"),
    re.compile(
        r"^((?!subprocess\.CalledProcessError)[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::.*)?)$", re.M
    ),
)
# What rich and loggers put before a message.
_PREFIX = re.compile(r"^\s*(?:\[[a-z]+\d*\]:\s*|\x1b\[[\d;]*m|\(EngineCore\S*(?: pid=\d+)?\) )?", re.M)


def reason(log: str, code: int) -> str:
    """Return what in a log says why a command ended with `code`; a negative code is a signal."""
    text = _PREFIX.sub("", "\n".join(log.splitlines())).strip()
    # A traceback is not what a signal ended.
    for pattern in _TELLING[: 3 if code > 0 else 2]:
        if said := pattern.findall(text):
            return " ".join(said[-1].split())
    if code < 0:
        memory = "; the machine may have run out of memory" if code == -signal.SIGKILL else ""
        return f"was ended by the signal {signal.Signals(-code).name}{memory}"
    return f"ended with exit code {code}: {text.splitlines()[-1] if text else 'and said nothing'}"


def visible_gpus() -> list[str]:
    """Return the GPUs of this machine: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        try:
            listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return []
    return [name for name in re.split(r"[,\s]+", listed) if name not in ("", "-1")]


@contextmanager
def held_gpus(count: int, names: Sequence[str], folder: Path | None = None) -> Iterator[dict[str, int]]:
    """Hold `count` GPUs once so many are free, by locks that end with the processes; yields names with locked files."""
    place = folder or Path(tempfile.gettempdir()) / f"openbook-eval-gpus-{os.getuid()}"
    place.mkdir(parents=True, exist_ok=True)
    while True:
        with ExitStack() as stack:
            taken: dict[str, int] = {}
            for name in names:
                if len(taken) == count:
                    break
                file = stack.enter_context((place / f"{name.replace('/', '-')}.lock").open("a"))
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken[name] = file.fileno()
            if len(taken) == count:
                yield taken
                return
        time.sleep(0.1)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one where there is none or it is broken."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_bytes())
        return content if isinstance(content, dict) else {}
    return {}


@dataclass(frozen=True, slots=True)
class State:
    """What has become of a step."""

    parts: Mapping[str, Any]  # those that are made of what is wanted
    todo: Mapping[str, str]  # the digests of the others
    seconds: float
    reason: str  # of a failure
    log: str

    @classmethod
    def of(cls, folder: Path, digests: Mapping[str, str]) -> "State":
        """Read it in the folder of a step; broken files count for nothing."""
        record, failure = read_json(folder / RECORD), read_json(folder / FAILURE)
        made = (record.get("parts") or {}).items()
        parts = {part: each for part, each in made if digests.get(part, "") == each.get("digest")}
        todo = {part: digest for part, digest in digests.items() if part not in parts}
        told = (str(failure.get(key, "")) if todo else "" for key in ("reason", "log"))
        return cls(parts, todo, record.get("seconds", 0.0), *told)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.todo


def do(kind: str, name: str) -> None:
    """Do a step of the study in this folder, unless it is done."""
    config = json.loads(Path(CONFIG).read_bytes())
    step, folder = config["steps"][f"{kind}/{name}"], Path(kind, name).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # Nobody else does this step, such as a job of an earlier run that a cluster has not ended.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = State.of(folder, step["digests"])
        if state.done:
            return
        kept, todo = state.parts, state.todo
        _clear(folder, kept, todo)
        names = os.environ.get(GPUS)
        with held_gpus(step["gpus"] if names else 0, (names or "").split(",")) as gpus:
            began = time.time()
            environment = {**({} if step["gpus"] else _ON_CPU), **os.environ}
            if names is not None:
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
            made = _perform(folder, step["task"], Path(config["origin"]), todo, environment, list(gpus.values()))
        parts = {**kept, **{part: {"digest": digest, **made} for part, digest in todo.items()}}
        record = {"parts": parts, "began": round(began, 3), "seconds": round(time.time() - began, 3)}
        write_atomic(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1))
        (folder / BEGUN).unlink(missing_ok=True)
        # What only a training that goes on needs: the rows as tokens, and checkpoints.
        for scratch in (*folder.glob("prepared*"), *folder.glob("output/checkpoint-*")):
            shutil.rmtree(scratch, ignore_errors=True)


def _perform(
    folder: Path, task: Mapping[str, Any], origin: Path, todo: Mapping[str, str], environment: Mapping[str, str],
    locks: Sequence[int],
) -> dict[str, str]:  # fmt: skip
    log = folder / LOG
    if "recipe" in task:
        # JSON is YAML.
        write_atomic(folder / "recipe.yml", json.dumps(task["recipe"] | task["here"], ensure_ascii=False, indent=1))
        _call(task["command"], log, folder, {**environment, "AXOLOTL_DO_NOT_TRACK": "1"}, locks)
    elif "exam" in task:
        results = folder / "results" / sha256_json(todo)[:12]
        asked = ["--tasks", ",".join(f"cmed_{condition}" for condition in sorted(todo)), "--output_path", str(results)]
        # Responses that were given are not asked for again.
        own = {"OPENBOOK_EXAM": task["exam"], "OPENBOOK_CACHE": str(folder / "responses")}
        _call([*task["command"], *asked], log, origin, {**environment, **own}, locks)
        if not list(results.rglob("results_*.json")):
            raise OpenbookError("the exam left no results and no error; see the log")
        return {"results": results.relative_to(folder).as_posix()}
    else:
        _call(task["command"], log, origin, environment, locks)
    return {}


def _clear(folder: Path, kept: Mapping[str, Any], todo: Mapping[str, str]) -> None:
    # A training must not go on from another's checkpoint; builds and merges begin anew.
    goes_on = folder.parent.name == "train" and read_json(folder / BEGUN) == todo
    wanted = {".lock", LOG, "responses", "results", *([RECORD] if kept else [])}
    results = {folder / each.get("results", "") for each in kept.values()}
    for path in [] if goes_on else [*folder.iterdir(), *folder.glob("results/*")]:
        if path.name not in wanted and path not in results:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / FAILURE).unlink(missing_ok=True)
    write_atomic(folder / BEGUN, json.dumps(todo))


def _end_with_the_runner() -> None:
    # The runner alone holds the other end of standard input; Snakemake and all jobs are one group.
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Do a step; 0 when it is done, 1 when it failed."""
    kind, name = arguments
    if GPUS in os.environ:
        threading.Thread(target=_end_with_the_runner, daemon=True).start()
    try:
        do(kind, name)
    except (OpenbookError, OSError) as error:
        message = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        line = " ".join(visible(message.replace("\n", " ")).split())[:_LONGEST]
        print(f"{kind} {name}: {line}", file=sys.stderr)
        with suppress(OpenbookError):
            write_atomic(Path(kind, name, FAILURE), json.dumps({"reason": line, "log": f"{kind}/{name}/{LOG}"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
