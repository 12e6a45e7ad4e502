"""How many long answers of a run differ where it is killed and goes on, by number format and batch invariance.

    .venv/bin/python -m benchmarks.resumption [--model FOLDER] [--tokens 192] [--kill-at 100] [--settings ...]

The bundled exam is asked three times for each setting of --model_args: in one run, and in one that is killed when so
many answers are kept and started again. An answer depends on what the engine computes beside it wherever sums are
rounded in another order, which in 16 bits changes words. Wanted: none differ in float32, and in bfloat16 none with
batch_invariant=True, vLLM's mode for NVIDIA GPUs of compute capability 9.0 and later: elsewhere the reason is printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from openbook_eval.tiny_model import tiny_model_dir

SETTINGS = ("dtype=bfloat16", "dtype=bfloat16,batch_invariant=True", "dtype=float32")


def command(model: str, settings: str, tokens: int, out: Path) -> list[str]:
    """The run: answers of at least `tokens`, since those of letters alone hardly ever differ."""
    arguments = f"pretrained={model},max_model_len=4096,max_num_seqs=32,{settings}"
    asked = ["--model", "vllm-openbook", "--model_args", arguments, "--tasks", "cmed_openbook", "--apply_chat_template"]
    lengths = f"min_tokens={tokens},max_gen_toks={tokens}"
    return [
        str(Path(sys.executable).with_name("openbook-eval")),
        "run",
        *asked,
        "--gen_kwargs",
        lengths,
        "--output_path",
        str(out),
    ]


def run(line: list[str], cache: Path, kill_at: int | None = None) -> str:
    """Runs to the end, or kills the run when so many answers are kept; returns its last words where it fails."""
    environment = {**os.environ, "OPENBOOK_EXAM": "mini", "OPENBOOK_CACHE": str(cache)}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(line, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            if kill_at and sum(path.read_bytes().count(b"\n") for path in cache.glob("*.jsonl")) > kill_at:
                process.kill()
                process.wait()
                return ""
            time.sleep(0.05)
        said.seek(0)
        return said.read().strip().splitlines()[-1] if process.returncode else ""


def answers(out: Path) -> dict[str, str]:
    """Returns the answers of a run by item."""
    lines = [line for path in out.rglob("samples_*.jsonl") for line in path.read_bytes().splitlines()]
    return {row["doc"]["id"]: row["resps"][0][0] for row in map(orjson.loads, lines)}


def differing(model: str, settings: str, tokens: int, kill_at: int, folder: Path) -> str:
    """Returns how many answers differ, or why a run could not be made."""
    for name, kills in (("whole", [None]), ("killed", [kill_at, None])):
        for kill in kills:
            if failed := run(command(model, settings, tokens, folder / name), folder / f"cache of {name}", kill):
                return failed
    whole, killed = answers(folder / "whole"), answers(folder / "killed")
    (results,) = (folder / "killed").rglob("results_*.json")
    kept = orjson.loads(results.read_bytes())["openbook"]["cost"]["kept"]
    different = sum(killed[item] != text for item, text in whole.items())
    return f"{different} of {len(whole)} answers differ, {kept} were kept when the run was killed"


def main() -> None:
    """Prints a line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(tiny_model_dir()))
    parser.add_argument("--tokens", type=int, default=192)
    parser.add_argument("--kill-at", type=int, default=100)
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    flags = parser.parse_args()
    for settings in flags.settings:
        with tempfile.TemporaryDirectory() as folder:
            print(settings, differing(flags.model, settings, flags.tokens, flags.kill_at, Path(folder)), sep=": ")


if __name__ == "__main__":
    main()
