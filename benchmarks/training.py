"""What training by our recipes costs beside a plain transformers Trainer: tokens a second, seconds, memory.

    .venv-train/bin/python -m benchmarks.training [--model small] [--rows 800] [--rounds 3] [--mix FOLDER]

Trains one model on one mix in three ways, in alternating order: a plain Trainer (LoRA by peft, batches padded to their
longest row), the recipe by its own command, and the recipe with packed rows. Rows, their order, batch size, rates, type
of numbers, attention and optimizer are the same. Prints medians, the best speed of all rounds, as others
on a machine only ever slow it down, and the median of the ratios within a round, with the outermost. Tokens are those
that went through the model, padding apart: packing drops the end of an epoch. `seconds` are those of training, `in all`
those of the command, with its imports and the saving of weights. Ends with an error where the plain Trainer and the
unpacked recipe differ in their tokens, or in the loss of the first step: then they did not train the same.

On a machine with a GPU, in the training environment, with openbook-eval[flash] if packing is to use it:

    python -m benchmarks.training --model qwen1.5-7b --rows 20000 --folder FOLDER [--tokenizer FOLDER] [--mix FOLDER]

makes a model of that shape in FOLDER (15 GB), of random weights in bfloat16, trains it as recipes/qwen7b_mix41.yml
does, on one GPU, and prints the share of the GPU's peak as well (openbook_eval/training/recipes.py). Without
--mix the rows are those that the project makes itself: they are short, and short rows gain most by packing.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.random_model import FAMILY, lay_model, size_of
from data_prep.manifest import MANIFEST, TRAIN
from openbook_eval.training.recipes import RecipeCell, cells, recipe_text
from openbook_eval.training.record import read_record

WAYS = ("plain Trainer", "recipe", "recipe, packed")
PLAIN, RECIPE, PACKED = WAYS
LOSSES_DIFFER = 1e-3
_MODEL, _MIX = "models/bench", "mixes/bench"
_PLAIN_TRAINING = Path(__file__).with_name("plain_training.py")


@dataclass(frozen=True, slots=True)
class Figures:
    """One training. `memory` is in bytes: of the GPU where there is one, else of the biggest process.

    `losses` are those of the first and the last step; `mfu` is what the record of a recipe says, None where it says
    nothing.
    """

    tokens: int
    seconds: float
    whole: float
    memory: float
    losses: tuple[float, float]
    mfu: float | None

    @property
    def speed(self) -> float:
        """Return the tokens a second."""
        return self.tokens / self.seconds


def lay_mix(built: Path, rows: int, folder: Path) -> None:
    """Write a mix of that many rows: those of a built one, again and again, and its manifest with their hash."""
    with (built / TRAIN).open("rb") as file:
        lines = [line.rstrip(b"\n") + b"\n" for line in file]
    content = b"".join(itertools.islice(itertools.cycle(lines), rows))
    output = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    folder.mkdir(parents=True)
    (folder / TRAIN).write_bytes(content)
    manifest = json.loads((built / MANIFEST).read_text(encoding="utf-8"))
    manifest["outputs"][TRAIN] = output
    (folder / MANIFEST).write_text(json.dumps({**manifest, "rows": rows}), encoding="utf-8")


def build_tiny(folder: Path) -> Path:
    """Build the mix `tiny` by data-prep and return its folder."""
    program = str(Path(sys.executable).parent / "data-prep")
    data, mixes = str(folder / "data"), str(folder / "built")
    for order in (["invent", "--out", data], ["build", "tiny", "--data", data, "--out", mixes, "--mix", "tiny"]):
        subprocess.run([program, *order], check=True, stdout=subprocess.DEVNULL)
    return Path(mixes) / "tiny"


def cell_of(model: str, *, on_gpu: bool) -> RecipeCell:
    """Return the cell whose settings are used: on a GPU that of the model's size, or of 7B, on mix41."""
    if not on_gpu or model in ("tiny", "small"):
        return cells()["tiny_lora"]
    of = f"{FAMILY}-{size_of(model) or '7b'}"
    return next(cell for cell in cells().values() if cell.model == of and cell.mix.name == "mix41")


def recipe(cell: RecipeCell, way: str, output: str, batch: int | None) -> dict[str, Any]:
    """Return a cell's recipe for the benchmark's model and mix: one epoch in the order of the file, no checkpoints.

    `batch` are the rows of a batch where they are not packed, None for as many as the recipe has of packed ones.
    """
    config: dict[str, Any] = yaml.safe_load(recipe_text(cell))
    for key in ("saves_per_epoch", "save_total_limit", "auto_resume_from_checkpoints", "warmup_ratio"):
        del config[key]
    if config["attn_implementation"] == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
        config["attn_implementation"] = "sdpa"
    if batch and way != PACKED:
        config["micro_batch_size"] = batch
    return {
        **config,
        "base_model": _MODEL,
        "datasets": [{**config["datasets"][0], "path": f"{_MIX}/{TRAIN}"}],
        "dataset_prepared_path": "prepared/bench",
        "curriculum_sampling": True,
        "sample_packing": way == PACKED,
        "num_epochs": 1,
        "warmup_steps": 0,
        "output_dir": output,
        "logging_steps": 1,
        "save_strategy": "no",
    }


def train(folder: Path, name: str, way: str, config: Mapping[str, Any]) -> Figures:
    """Train once, in processes of its own; end the program, with what was printed, where that fails."""
    file, printed, told = (folder / f"{name}.{ending}" for ending in ("yml", "log", "json"))
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    accelerate = str(Path(sys.executable).parent / "accelerate")
    by_axolotl = [accelerate, "launch", "-m", "axolotl.cli.train", file.name]
    command = [sys.executable, str(_PLAIN_TRAINING), file.name, told.name] if way == PLAIN else by_axolotl
    started = time.perf_counter()
    with printed.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=out, stderr=subprocess.STDOUT)
        # The kernel tells the peak of the biggest among the process and its children.
        _, process.returncode, used = os.wait4(process.pid, 0)
    whole = time.perf_counter() - started
    text = printed.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise SystemExit(f"{way}: {text[-5000:]}")
    memory = gpu_memory(text) or used.ru_maxrss * 1024
    if way == PLAIN:
        return _of_plain(json.loads(told.read_text(encoding="utf-8")), whole, memory)
    return _of_recipe(folder / config["output_dir"], whole, memory)


def _environment() -> dict[str, str]:
    """Return an environment without network and telemetry, of one thread and one GPU unless the caller says others."""
    usual = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"}
    return {**usual, **os.environ, "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"}


def _of_plain(told: Mapping[str, Any], whole: float, memory: float) -> Figures:
    losses = told["losses"][0], told["losses"][-1]
    return Figures(told["tokens"], told["seconds"], whole, told["memory"] or memory, losses, None)


def _of_recipe(output: Path, whole: float, memory: float) -> Figures:
    record = read_record(output)
    if record is None or record.loss_first is None or record.loss_last is None:
        raise SystemExit(f"{output}: holds no record of a training")
    losses = record.loss_first, record.loss_last
    return Figures(record.tokens, record.wall_seconds, whole, memory, losses, record.mfu)


def gpu_memory(printed: str) -> float | None:
    """Return the most bytes of a GPU that Axolotl's log says were held, None where it names no GPU."""
    found = re.findall(r"memory/max_allocated \(GiB\)\W+([\d.]+)", printed)
    return max(map(float, found)) * 2**30 if found else None


def check_same(plain: Figures, unpacked: Figures) -> None:
    """End the program where the two did not train the same."""
    if plain.tokens != unpacked.tokens or abs(plain.losses[0] - unpacked.losses[0]) > LOSSES_DIFFER:
        told = (f"{each.tokens:,} tokens, first loss {each.losses[0]:.5f}" for each in (plain, unpacked))
        raise SystemExit(f"plain Trainer and recipe did not train the same: {', and '.join(told)}")


def print_figures(rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print the medians of every way, and of its ratio to the plain Trainer of the same round, with the outermost."""

    def median(way: str, of: Callable[[Figures], float]) -> float:
        return statistics.median(of(each[way]) for each in rounds)

    print(
        f"{'':14} tokens/s    best  against plain       tokens   seconds    in all    memory  loss, first to last step"
    )
    for way in WAYS:
        ratios = sorted(each[way].speed / each[PLAIN].speed for each in rounds)
        first, last = rounds[0][way].losses
        print(
            f"{way:14} {median(way, lambda one: one.speed):8,.0f} {max(each[way].speed for each in rounds):7,.0f}"
            f"  {statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) {rounds[0][way].tokens:12,}"
            f" {median(way, lambda one: one.seconds):9.1f} {median(way, lambda one: one.whole):9.1f}"
            f" {median(way, lambda one: one.memory) / 1e9:6.2f} GB  {first:.5f} {last:.5f}{_of_peak(rounds, way)}"
        )


def _of_peak(rounds: Sequence[Mapping[str, Figures]], way: str) -> str:
    """Return the share of the GPU's peak; the plain Trainer keeps no record, and its tokens cost the same."""
    recipes = [(each[way].speed, each[RECIPE]) for each in rounds]
    shares = [speed / recipe.speed * recipe.mfu for speed, recipe in recipes if recipe.mfu is not None]
    return f"  {statistics.median(shares):.1%} of peak" if shares else ""


def device() -> str:
    """Return the GPU's name, or "cpu"."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def compare(folder: Path, cell: RecipeCell, rounds: int, batch: int | None) -> list[dict[str, Figures]]:
    """Train in every way, round after round, each round in the opposite order of the one before."""
    done: list[dict[str, Figures]] = []
    for number in range(rounds):
        figures = {}
        for place in range(len(WAYS)) if number % 2 == 0 else reversed(range(len(WAYS))):
            name = f"{place}-{number}"
            config = recipe(cell, WAYS[place], f"checkpoints/{name}", batch)
            figures[WAYS[place]] = train(folder, name, WAYS[place], config)
        check_same(figures[PLAIN], figures[RECIPE])
        done.append(figures)
    return done


def main() -> None:
    """Lay out model and mix, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, small, qwen1.5-SIZE, or a model's folder")
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer for a model of random weights")
    parser.add_argument("--mix", type=Path, help="folder of a mix that data-prep built; else `tiny` is built")
    parser.add_argument("--rows", type=int, default=800, help="rows to train on; those of the mix are repeated")
    parser.add_argument("--batch", type=int, help="rows of a batch that is not packed; else as the recipe has it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put the model; else the folder for temporary files")
    given = parser.parse_args()
    name = device()
    cell = cell_of(given.model, on_gpu=name != "cpu")
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary).resolve()
        lay_model(given.model, given.tokenizer, folder / _MODEL)
        lay_mix(given.mix or build_tiny(folder), given.rows, folder / _MIX)
        print(f"{given.model} as {cell.name}, {given.rows:,} rows, {name}, {given.rounds} rounds")
        print_figures(compare(folder, cell, given.rounds, given.batch))


if __name__ == "__main__":
    main()
