"""What determines a model's answers beside the prompt: weights, adapter, tokenizer, number format, settings."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from platformdirs import user_cache_path

from openbook_eval.lines import append_line, read_lines

# Settings of speed and memory: none of them changes what is computed, so that a run may go on with others.
_OF_SPEED = {
    *("gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "block_size", "num_gpu_blocks_override"),
    *("enforce_eager", "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "swap_space"),
    *("distributed_executor_backend", "cpu_offload_gb", "enable_prefix_caching", "enable_chunked_prefill"),
    *("disable_log_stats", "download_dir", "enable_lora", "max_lora_rank", "trust_remote_code"),
}
# Told by what they hold, not by their names.
_OF_FILES = {"model", "revision", "tokenizer", "tokenizer_revision"}
_OF_A_MODEL = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".json", ".model", ".tiktoken", ".txt", ".jinja", ".py"}
# Not read by an engine, or told by others.
_NO_MATTER = {"trained_on.json", "trainer_state.json", "training_args.bin", "optimizer.pt", "scheduler.pt"}
_BIG = 1 << 20


def run_identity(arguments: Mapping[str, Any], adapter: str | None, dtype: str) -> dict[str, Any]:
    """What journal entries of one run have in common, fit for JSON. `arguments` are those of vLLM's engine.

    `dtype` is what the engine has made of "auto".
    """
    model, tokenizer = str(arguments["model"]), str(arguments.get("tokenizer") or arguments["model"])
    settings = {
        name: value
        for name, value in arguments.items()
        if value is not None and name not in _OF_SPEED and name not in _OF_FILES
    }
    return {
        "engine": f"vllm {version('vllm')}",
        "weights": files_digest(model, arguments.get("revision")),
        "adapter": files_digest(adapter, None) if adapter else None,
        "tokenizer": files_digest(tokenizer, arguments.get("tokenizer_revision")),
        "settings": {**settings, "dtype": dtype},
    }


def files_digest(name: str, revision: str | None) -> str:
    """A model by its content: a folder by the hashes of its files, a name on the hub by its commit.

    Hashes of large files are kept in the cache folder and hold as long as size and times stay as they are. A name
    whose commit is not known stands for itself.
    """
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{_commit(name, revision) or revision or 'main'}"
    files = sorted(path for path in folder.iterdir() if path.suffix in _OF_A_MODEL and path.name not in _NO_MATTER)
    known = _known_hashes()
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(lambda path: _file_digest(path, known), files))
    named = "".join(f"{path.name} {sha256}\n" for path, sha256 in zip(files, hashes, strict=True))
    return hashlib.sha256(named.encode()).hexdigest()


def _commit(name: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    # A cached file lies in a folder that is called after its commit.
    found = try_to_load_from_cache(name, "config.json", revision=revision or "main")
    return Path(found).parent.name if isinstance(found, str) else None


def _file_digest(path: Path, known: Mapping[str, str]) -> str:
    path = path.resolve()
    state = path.stat()
    if state.st_size < _BIG:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    fields = (str(path), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    seen = hashlib.sha256(repr(fields).encode()).hexdigest()
    if seen in known:
        return known[seen]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    with suppress(OSError):  # a cache that cannot be written costs the time only
        append_line(_hashes_file(), orjson.dumps([seen, found]))
    return found


def _known_hashes() -> dict[str, str]:
    """Hashes of large files by their name, place, size and times."""
    known = {}
    with suppress(OSError):
        for line in read_lines(_hashes_file()):
            with suppress(ValueError):
                seen, found = orjson.loads(line)
                known[str(seen)] = str(found)
    return known


def _hashes_file() -> Path:
    return user_cache_path("openbook-eval") / "file-hashes.jsonl"
