"""The response cache: what a model has answered is kept, one JSON line each, and is not asked again.

The identity of a model and its settings is in the file's name, so that another model, or the same with other settings,
never gets responses that are not its own. A run that is killed goes on where it stopped. One process writes at a time,
and a line that is not as it was written is not believed.
"""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from openbook_eval.errors import OpenbookError
from openbook_eval.files import append_json_line, read_json_lines, sha256, sha256_file, sha256_json

# The folder of the cache; "none" keeps nothing and takes nothing that was kept.
VARIABLE = "OPENBOOK_CACHE"

Record = dict[str, Any]

_log = logging.getLogger(__name__)


class ResponseCache:
    """The responses of one identity: a JSON Lines file, each line with a checksum."""

    def __init__(self, identity: Mapping[str, Any], folder: Path | None = None) -> None:
        """Find the file, in `folder` where the environment names none, else among the user's caches.

        `identity` is all that determines responses beside the prompts and how they are asked.
        """
        named = os.environ.get(VARIABLE)
        self._identity = {"identity": dict(identity)}
        self.path: Path | None = None
        # Without a file, for this process alone.
        self._memory: dict[str, Record] = {}
        if named != "none":
            place = Path(named) if named else folder or user_cache_path("openbook-eval") / "responses"
            self.path = place / f"{sha256_json(self._identity)[:16]}.jsonl"

    def records(self) -> dict[str, Record]:
        """Return what is kept, by key; of several records of one key the first.

        What was changed since it was written is passed over and said. Raises OpenbookError where the file cannot be
        read.
        """
        found, changed = dict(self._memory), 0
        for line in read_json_lines(self.path) if self.path else ():
            if isinstance(line, dict) and isinstance(line.get("key"), str):
                if line.pop("checksum", None) == _checksum(line):
                    found.setdefault(line["key"], line)
                else:
                    changed += 1
        if changed:
            _log.warning("%s: %d lines are not as they were written, and are asked again", self.path, changed)
        return found

    def append(self, key: str, record: Mapping[str, Any]) -> None:
        """Write a record at once. Raises OpenbookError where it cannot be written whole."""
        line = {"key": key, **record}
        if self.path is None:
            self._memory.setdefault(key, line)
            return
        try:
            if not self.path.exists() or not self.path.stat().st_size:
                # For whoever looks into the file: whose responses these are.
                append_json_line(self.path, self._identity)
            append_json_line(self.path, {**line, "checksum": _checksum(line)})
        except (OSError, OpenbookError) as error:
            raise OpenbookError(f"{error}; name another folder in {VARIABLE}") from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from writing meanwhile: two runs would ask, and pay for, the same questions.

        Raises OpenbookError where another one writes.
        """
        with ExitStack() as opened:
            if self.path:
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    file = opened.enter_context(self.path.open("ab"))
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    reason = "another run of this model is writing its responses; wait until it ends, or"
                    raise OpenbookError(f"{self.path}: {reason} name another folder in {VARIABLE}") from error
                except OSError as error:
                    reason = f"cannot be written or locked ({error.strerror});"
                    raise OpenbookError(f"{self.path}: {reason} name another folder in {VARIABLE}") from error
            yield


def _checksum(line: Record) -> str:
    return sha256_json(line)[:16]


# Settings of speed and memory: none of them changes what is computed, so that a run may go on with others.
_OF_SPEED = {
    *("gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "block_size", "num_gpu_blocks_override"),
    *("enforce_eager", "tensor_parallel_size", "pipeline_parallel_size", "swap_space", "watermark"),
    *("distributed_executor_backend", "cpu_offload_gb", "enable_prefix_caching", "enable_chunked_prefill"),
    *("disable_log_stats", "download_dir", "enable_lora", "max_lora_rank", "trust_remote_code"),
}
# Identified by their content, not by their names.
_OF_FILES = {"model", "revision", "tokenizer", "tokenizer_revision"}
_OF_A_MODEL = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".json", ".model", ".tiktoken", ".txt", ".jinja", ".py"}
# No engine reads these.
_NO_MATTER = {"trained_on.json", "trainer_state.json", "training_args.bin", "optimizer.pt", "scheduler.pt"}


def engine_identity(arguments: Mapping[str, Any], adapter: str | None, dtype: str) -> dict[str, Any]:
    """Return what determines the answers of vLLM's engine: weights, adapter, tokenizer, number format, settings.

    `arguments` are those of vLLM's LLM, `dtype` is what the engine has made of "auto".
    """
    model, tokenizer = str(arguments["model"]), str(arguments.get("tokenizer") or arguments["model"])
    settings = {
        name: str(value)
        for name, value in arguments.items()
        if value is not None and name not in _OF_SPEED and name not in _OF_FILES
    }
    return {
        "engine": f"vllm {version('vllm')}",
        "weights": content_of(model, arguments.get("revision")),
        "adapter": content_of(adapter, None) if adapter else None,
        "tokenizer": content_of(tokenizer, arguments.get("tokenizer_revision")),
        "settings": {**settings, "dtype": dtype},
    }


def content_of(name: str, revision: str | None) -> str:
    """Return what a model consists of: for a folder the hash of its files, for a name on the hub its commit.

    A name whose commit is not known stands for itself.
    """
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{_commit(name, revision) or revision or 'main'}"
    files = sorted(path for path in folder.iterdir() if path.suffix in _OF_A_MODEL and path.name not in _NO_MATTER)
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(sha256_file, files))
    return sha256("".join(f"{path.name} {found}\n" for path, found in zip(files, hashes, strict=True)))


def _commit(name: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    # A cached file lies in a folder that is called after its commit.
    found = try_to_load_from_cache(name, "config.json", revision=revision or "main")
    return Path(found).parent.name if isinstance(found, str) else None
