"""What a rule of the Snakefile runs: `python -m openbook_eval.study.jobs KIND NAME`, in the folder of the study.

A job leaves `record.json` in its folder when it is done, or says in one line of `failed.json` why it is not. Started
again it goes on: what was made of the same content is kept, anything else is removed.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import sha256_json, write_atomic

CONFIG = "study.json"
RECORD, FAILURE, BEGUN, LOG = "record.json", "failed.json", "begun.json", "log.txt"
OUTPUT, MODEL = "output", "model"
# The GPUs that jobs on this machine share; unset on a cluster, which gives them itself.
GPUS = "OPENBOOK_STUDY_GPUS"
# The training environment: Axolotl pins libraries that the engine cannot take.
TRAINING_ENV = "OPENBOOK_TRAINING_ENV"
# One process and one thread: what needs no GPU is too small to gain from more.
_ON_CPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
# Ranks of adapters that vLLM has room for.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# Bytes of a log's end that are searched for a reason; its longest in characters; seconds left to others to end.
_LOG_END, _LONGEST, _GRACE = 200_000, 600, 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A step that is being done: `todo` are the digests of its parts that are not there, `gpus` those it holds.

    `gpus` is None on a cluster. `locks` are open files that a child must hold for as long as it lives.
    """

    kind: str
    name: str
    entry: Mapping[str, Any]
    origin: Path
    todo: Mapping[str, str]
    gpus: Sequence[str] | None
    locks: Sequence[int]

    @property
    def task(self) -> Mapping[str, Any]:
        """What the plan says is to be done."""
        task: Mapping[str, Any] = self.entry["task"]
        return task

    @property
    def folder(self) -> Path:
        """The folder of the step."""
        return Path(self.kind, self.name).absolute()

    @property
    def gpu_count(self) -> int:
        """How many GPUs it works on."""
        return int(self.entry["gpus"]) if self.gpus is None else len(self.gpus)

    def call(self, command: Sequence[str | Path], cwd: Path | None = None, **environment: str) -> None:
        """Run a command in the job's folder, or `cwd`; what it prints goes to the log. Raises OpenbookError."""
        shown = {} if self.gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)}
        on_cpu = {} if self.gpu_count else {name: os.environ.get(name, value) for name, value in _ON_CPU.items()}
        with (self.folder / LOG).open("ab") as log:
            start = log.tell()
            done = subprocess.run(  # noqa: S603
                [str(part) for part in command],
                cwd=cwd or self.folder,
                env={**os.environ, **shown, **on_cpu, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A GPU is not given away while one of the job's children lives.
                pass_fds=self.locks,
                check=False,
            )
        if done.returncode:
            with (self.folder / LOG).open("rb") as file:
                file.seek(max(start, file.seek(0, os.SEEK_END) - _LOG_END))
                raise OpenbookError(reason(file.read().decode("utf-8", errors="replace"), done.returncode))


def build_mix(job: Job) -> dict[str, str]:
    """Have data-prep build a mix."""
    # data-prep would look for raw files in places of its own, which the digest knows nothing of.
    data = job.task["data"] or job.folder / "no-data"
    Path(data).mkdir(exist_ok=True)
    options = ["--mix", job.task["mix"], "--out", job.folder, "--data", data]
    job.call([_ours("data-prep"), "build", job.task["spec"], *options], cwd=job.origin)
    return {}


def train(job: Job) -> dict[str, str]:
    """Have Axolotl train a recipe, or go on from its last checkpoint."""
    recipe = {**job.task["recipe"], "output_dir": OUTPUT, "dataset_prepared_path": "prepared"}
    recipe["base_model"] = _model(recipe["base_model"])
    # Seen from here: a study may be moved, and its trainings still go on.
    rows = Path("..", "..", job.task["mix_folder"], job.task["mix"], "train.jsonl").as_posix()
    recipe["datasets"] = [{**recipe["datasets"][0], "path": rows}]
    recipe |= shared_out(recipe, job.gpu_count)
    # JSON is YAML.
    write_atomic(job.folder / "recipe.yml", json.dumps(recipe, ensure_ascii=False, indent=1))
    options = ["--multi_gpu"] * (job.gpu_count > 1) + ["--num_processes", str(max(1, job.gpu_count))]
    launch: list[str | Path] = [accelerate(), "launch", "--quiet", *options, "-m", "axolotl.cli.train", "recipe.yml"]
    job.call(launch, AXOLOTL_DO_NOT_TRACK="1")
    _check_weights(job.folder / OUTPUT)
    return {}


def merge(job: Job) -> dict[str, str]:
    """Put an adapter into its base model."""
    task, out = job.task, job.folder / MODEL
    # A merge refuses to write over a model that an earlier start left.
    shutil.rmtree(out, ignore_errors=True)
    options = ["--out", str(out), "--base", _model(task["base"]), *["--trust-remote-code"] * task["trust_remote_code"]]
    adapter = Path(task["adapter"]).absolute()
    job.call([_ours("openbook-eval"), "recipes", "merge", adapter, *options], cwd=job.origin)
    _check_weights(out)
    return {}


def evaluate(job: Job) -> dict[str, str]:
    """Run the exam under the conditions that are to be done; return where the results lie.

    Responses that were given are in the cache and not asked again.
    """
    task, results = job.task, job.folder / "results" / sha256_json(job.todo)[:12]
    tasks = ",".join(f"cmed_{condition}" for condition in sorted(job.todo))
    options = ["--tasks", tasks, "--batch_size", task["batch_size"], *["--apply_chat_template"] * task["chat_template"]]
    options += ["--output_path", str(results), "--log_samples"]
    environment = {"OPENBOOK_EXAM": task["exam"], "OPENBOOK_CACHE": str(job.folder / "responses")}
    # A relative path in the engine's arguments begins where the study was started.
    job.call([_ours("openbook-eval"), "run", *_model_options(task), *options], cwd=job.origin, **environment)
    if not list(results.rglob("results_*.json")):
        raise OpenbookError("the exam left no results and no error; see the log")
    return {"results": results.relative_to(job.folder).as_posix()}


def _model_options(task: Mapping[str, Any]) -> list[str]:
    """Return which model is evaluated; its arguments as JSON, since a path may hold what `key=value` breaks at."""
    model, arguments = task["model"], dict(task["model_args"])
    if profile := model.get("profile"):
        return ["--profile", profile, *(["--model_args", json.dumps(arguments)] if arguments else [])]
    if endpoint := model.get("endpoint"):
        return ["--model", "api-openbook", "--model_args", json.dumps({"profile": endpoint})]
    arguments["pretrained"] = _model(model["pretrained"])
    if adapter := model.get("adapter"):
        rank = next((size for size in _RANKS if size >= model["rank"]), model["rank"])
        arguments |= {"enable_lora": True, "lora_local_path": str(Path(adapter).absolute()), "max_lora_rank": rank}
    return ["--model", task["engine"], "--model_args", json.dumps(arguments, ensure_ascii=False)]


_KINDS: Mapping[str, Callable[[Job], dict[str, str]]] = {
    "mix": build_mix, "train": train, "merge": merge, "evaluate": evaluate,
}  # fmt: skip


def _model(name: str) -> str:
    """Return where a model lies: the tiny one in this installation, one that a step made in the study's folder."""
    from openbook_eval.tiny_model import tiny_model_dir
    from openbook_eval.training.recipes import TINY_MODEL

    if name == TINY_MODEL:
        return str(tiny_model_dir())
    made = name.startswith(("train/", "merge/")) and Path(name).is_dir()
    return str(Path(name).absolute()) if made else name


def shared_out(recipe: Mapping[str, Any], gpus: int) -> dict[str, Any]:
    """Return what several GPUs change: as many texts a step as on one; DeepSpeed's ZeRO-3 shares the model out."""
    if gpus < 2:
        return {}
    texts = int(recipe.get("micro_batch_size", 1)) * int(recipe.get("gradient_accumulation_steps", 1))
    if texts % gpus:
        raise OpenbookError(f"a step of the recipe has {texts} texts, which {gpus} GPUs cannot share evenly")
    most = min(int(recipe.get("micro_batch_size", 1)), texts // gpus)
    micro = next(size for size in range(most, 0, -1) if texts // gpus % size == 0)
    batch = {"micro_batch_size": micro, "gradient_accumulation_steps": texts // gpus // micro}
    if any(recipe.get(key) for key in ("deepspeed", "fsdp", "fsdp_config")):
        return batch
    from openbook_eval.install import data_dir

    return {**batch, "deepspeed": str(data_dir("recipes") / "sharding" / "zero3.json")}


def accelerate(folder: Path | None = None) -> Path:
    """Return the launcher of the training environment: in `folder`, else as OPENBOOK_TRAINING_ENV or .venv-train."""
    told = folder or (Path(os.environ[TRAINING_ENV]) if os.environ.get(TRAINING_ENV) else None)
    launcher = (told or Path(sys.prefix).parent / ".venv-train").absolute() / "bin" / "accelerate"
    if launcher.is_file():
        return launcher
    if told is None and (on_path := shutil.which("accelerate")):
        return Path(on_path)
    raise OpenbookError(
        f"{launcher}: no training environment; make it with `make train-env`, or name its folder: --training-env DIR"
    )


def _ours(name: str) -> Path:
    return Path(sys.executable).parent / name


def _check_weights(folder: Path) -> None:
    if not list(folder.glob("*.safetensors")):
        raise OpenbookError(f"{folder.name}: no weights were left, and no error; see the log")


# In the order in which they are looked for: our own messages, then what stands behind most failures.
_TELLING = (
    re.compile(r"^(?:openbook-eval|data-prep): (?P<reason>.+)"),
    re.compile(r"(?P<reason>(?:torch\.\w*\.?OutOfMemoryError|RuntimeError)?:? ?CUDA (?:error: )?out of memory.*)"),
    re.compile(r"(?P<reason>[\w.]*(?:Error|Exception)?:? ?(?:\[Errno \d+\] .+|No space left on device.*))"),
)
# The last line of a traceback, but not what accelerate says of its child.
_RAISED = re.compile(
    r"^(?P<reason>(?!subprocess\.CalledProcessError)[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::.*)?)$"
)
# What rich and loggers put before a message.
_PREFIX = re.compile(r"^\[[a-z]+\d*\]:\s*|^\x1b\[[\d;]*m|\(EngineCore\S*(?: pid=\d+)?\) ")


def reason(log: str, code: int) -> str:
    """Return the line of a log that says why a command ended with `code`; a negative code is a signal."""
    lines = [_PREFIX.sub("", line).strip() for line in log.splitlines()]
    patterns = _TELLING if code < 0 else (*_TELLING, _RAISED)
    for pattern in patterns:
        for place in range(len(lines) - 1, -1, -1):
            if match := pattern.search(lines[place]):
                found = match["reason"].strip()
                # After a colon comes the first of several faults.
                more = next((line for line in lines[place + 1 :] if line), "") if found.endswith(":") else ""
                return f"{found} {more}".strip()
    if code < 0:
        memory = "; the machine may have run out of memory" if code == -signal.SIGKILL else ""
        return f"was ended by the signal {signal.Signals(-code).name}{memory}"
    said = next((line for line in reversed(lines) if line), "and said nothing")
    return f"ended with exit code {code}: {said}"


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return this machine's GPUs: those that CUDA_VISIBLE_DEVICES leaves, else as many as nvidia-smi lists."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name for part in named.split(",") if (name := part.strip()) and name != "-1")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return ()
    # Parts of a GPU (MIG) are listed below it, indented.
    return tuple(map(str, range(sum(line.startswith("GPU ") for line in listed.stdout.splitlines()))))


@contextmanager
def held_gpus(count: int, names: Sequence[str], folder: Path | None = None) -> Iterator[dict[str, int]]:
    """Hold `count` GPUs, waiting until so many are free; yields their names with the locked files.

    A lock ends with the processes that hold its file, however they end. Who waits holds none.
    """
    if count > len(names):
        raise OpenbookError(f"needs {count} GPUs, and this machine has {len(names)}")
    place = folder or Path(tempfile.gettempdir()) / f"openbook-eval-gpus-{os.getuid()}"
    place.mkdir(parents=True, exist_ok=True)
    while True:
        with ExitStack() as stack:
            taken: dict[str, int] = {}
            for name in names[: len(names) if count else 0]:
                file = stack.enter_context((place / f"{name.replace('/', '-')}.lock").open("a"))
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken[name] = file.fileno()
                if len(taken) == count:
                    break
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


def do(kind: str, name: str) -> None:
    """Do a step of the study in this folder, unless it is done. Raises OpenbookError or OSError where it fails."""
    config = json.loads(Path(CONFIG).read_bytes())
    entry, folder = config["steps"][f"{kind}/{name}"], Path(kind, name)
    folder.mkdir(parents=True, exist_ok=True)
    shared = os.environ.get(GPUS)
    names = [each for each in (shared or "").split(",") if each]
    # Nobody else does this step, such as a job of an earlier run that a cluster has not ended.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = read_json(folder / RECORD).get("parts", {})
        kept = {part: each for part, each in kept.items() if entry["digests"].get(part) == each.get("digest")}
        todo = {part: digest for part, digest in entry["digests"].items() if part not in kept}
        if not todo:
            return
        with held_gpus(entry["gpus"] if shared is not None else 0, names) as gpus:
            _clear(folder, kept, todo)
            began = time.time()
            job = Job(
                kind,
                name,
                entry,
                Path(config["origin"]),
                todo,
                None if shared is None else list(gpus),
                list(gpus.values()),
            )
            made = _KINDS[kind](job)
        parts = kept | {part: {"digest": digest, **made} for part, digest in todo.items()}
        record = {"parts": parts, "began": round(began, 3), "seconds": round(time.time() - began, 3)}
        write_atomic(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1))
        (folder / BEGUN).unlink(missing_ok=True)
        # What only a training that goes on needs: the rows as tokens, and checkpoints.
        for scratch in (*folder.glob("prepared*"), *folder.glob(f"{OUTPUT}/checkpoint-*")):
            shutil.rmtree(scratch, ignore_errors=True)


def _clear(folder: Path, kept: Mapping[str, Any], todo: Mapping[str, str]) -> None:
    """Remove what earlier starts made of other content: a training must not go on from another's checkpoint."""
    (folder / FAILURE).unlink(missing_ok=True)
    results = {each["results"] for each in kept.values()} if folder.parts[0] == "evaluate" else set()
    resumed = read_json(folder / BEGUN) == todo
    for path in [] if resumed else folder.iterdir():
        if path.name in (".lock", LOG, RECORD if kept else "", "responses", "results"):
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (folder / "results").glob("*"):
        if path.relative_to(folder).as_posix() not in results:
            shutil.rmtree(path)
    write_atomic(folder / BEGUN, json.dumps(todo))


def _end_with_the_runner() -> None:
    """End the process group when the runner is gone, which alone holds the other end of standard input."""
    while os.read(0, 1):
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Do a step; 0 when it is done, 1 when it failed."""
    kind, name = arguments
    if GPUS in os.environ:
        threading.Thread(target=_end_with_the_runner, daemon=True).start()
    try:
        do(kind, name)
    except (OpenbookError, OSError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        line = " ".join(visible(told.replace("\n", " ")).split())[:_LONGEST]
        print(f"{kind} {name}: {line}", file=sys.stderr)
        with suppress(OpenbookError):
            write_atomic(Path(kind, name, FAILURE), json.dumps({"reason": line, "log": f"{kind}/{name}/{LOG}"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
