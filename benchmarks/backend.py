"""What `vllm-openbook` computes and how long it takes, beside lm-eval's `vllm`, on prompts that share long books.

    .venv/bin/python -m benchmarks.backend [--questions 400] [--books 8] [--characters 16000] [--caches 1.5 5 all]

The prompts are those of cmed_reading_library_16k on an invented exam, as many of each book. For each size of the cache,
in books or large enough for all, both models answer them, in processes of their own, loaded beforehand. Printed are the
tokens computed by the least possible (wanted at most 1.02), ours by the least in whole blocks too, and the seconds by
ours (wanted at least 3.5 where five books of eight fit, at least 1 where all do). Then both rank five letters a
question (wanted at least 4 times as fast). Last, what is done outside the engine for 11,200 questions at 16,000
characters and 600 at 256,000: seconds, as a share of what the engine would take at the speed seen (wanted under 5 %),
and memory (limit 4 GB).

The model has 25 M random weights unless --model names a folder or a shape of benchmarks.random_model, such as
qwen1.5-7b; on a card its share of the card's peak is printed too. `--parts` chooses. With fewer questions, or a shorter
book, all of it takes minutes; 400 questions on two cores take hours, nearly all of them in lm-eval's order.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backend_parts import ANSWER, ANSWER_TOKENS, OURS, OUTSIDE, PARTS, RANK, THEIRS, prompts_of
from benchmarks.overhead import write_exam
from benchmarks.random_model import lay_model
from openbook_eval.models.scheduling import encode, least, order, shared
from openbook_eval.tiny_model import tiny_model_dir

LARGE = ((11_200, 16_000), (600, 256_000))
MEGABYTES = 4_000
_SHAPE = {
    "vocab_size": 4096,
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}


def lay(model: str, tokenizer: Path | None, folder: Path) -> None:
    """Puts the model into `folder`."""
    if model != "25m":
        lay_model(model, tokenizer, folder)
        return
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    words = AutoTokenizer.from_pretrained(tokenizer or tiny_model_dir())
    shape = {**_SHAPE, "vocab_size": max(_SHAPE["vocab_size"], len(words))}
    torch.manual_seed(20240726)
    Qwen2ForCausalLM(Qwen2Config(**shape, eos_token_id=words.eos_token_id)).save_pretrained(folder)
    words.save_pretrained(folder)


def in_own_process(**spec: Any) -> dict[str, Any]:
    """Runs one part in a fresh process; ends the program, with what was printed, where that fails."""
    usual = {"OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    fixed = {"HF_HUB_OFFLINE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OPENBOOK_CACHE": "none"}
    with tempfile.TemporaryDirectory() as folder:
        asked, out = Path(folder) / "spec.json", Path(folder) / "figures.json"
        asked.write_text(json.dumps(spec), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.backend_parts", str(asked), str(out)]
        done = subprocess.run(command, env={**usual, **os.environ, **fixed}, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{spec}: {done.stdout[-2000:]}{done.stderr[-5000:]}")
        figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return figures


def compare(part: str, cache: str, tokens: int, least_tokens: int, **spec: Any) -> float:
    """Has both models do one part with one cache and prints a line; returns the seconds that ours took."""
    theirs, ours = (in_own_process(part=part, name=name, cache=tokens, **spec) for name in (THEIRS, OURS))
    alike = sum(one == other for one, other in zip(theirs["answers"], ours["answers"], strict=True))
    computed = [theirs["computed"] / least_tokens, ours["computed"] / least_tokens, ours["computed"] / ours["blocks"]]
    print(
        f"{part:6} {cache:>5} {' '.join(f'{each:7.3f}' for each in computed)}"
        f" {theirs['seconds']:9.1f} {ours['seconds']:9.1f}"
        f" {theirs['seconds'] / ours['seconds']:7.2f} {ours['outside'] / ours['seconds']:8.1%}"
        f"  {alike} of {len(ours['answers'])}",
        flush=True,
    )
    return float(ours["seconds"])


def print_outside(model: str, exam: str, questions: Sequence[int], tokens_per_second: float | None) -> None:
    """Prints what is done outside the engine for large runs, against the limits."""
    for (most, characters), number in zip(LARGE, questions, strict=True):
        run = in_own_process(part=OUTSIDE, model=model, exam=exam, characters=characters, questions=min(most, number))
        seconds = run["tokenising"] + run["ordering"]
        print(
            f"outside the engine, {run['questions']:,} questions at {characters:,} characters: "
            f"{run['tokens']:,} tokens, {run['least']:,} at least\n"
            f"  tokenising {run['tokenising']:.1f} s, ordering {run['ordering']:.1f} s; "
            f"{run['before']:,.0f} MB before, {run['megabytes']:,.0f} MB at most "
            f"({run['megabytes'] / MEGABYTES:.0%} of the limit)"
        )
        if tokens_per_second:
            engine = run["least"] / tokens_per_second
            share = seconds / (seconds + engine)
            print(f"  the engine takes {engine:,.0f} s at the speed seen above: outside are {share:.1%}")


def of_peak(model: str, tokens_per_second: float, length: float) -> str:
    """The share of the card's peak that went into the model, where there is a card of known speed.

    Forward only: a third of what openbook_eval.training.recipes counts for training all weights.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from openbook_eval.training.recipes import flops_per_token, utilisation

    if not torch.cuda.is_available():
        return ""
    card, config = torch.cuda.get_device_name(), AutoConfig.from_pretrained(model)
    with torch.device("meta"):
        # Without the output layer: a prompt computes it for its last token only.
        weights = AutoModel.from_config(config).num_parameters(exclude_embeddings=True)
    flops = flops_per_token(
        weights, weights, layers=config.num_hidden_layers, attention_width=config.hidden_size, length=length
    )
    share = utilisation(tokens_per_second, flops / 3, card, 1)
    return f", on {card}" + ("" if share is None else f" {share:.0%} of its peak")


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """All parts that are asked for."""
    from transformers import AutoTokenizer

    model, exam, file = str(folder / "model"), str(folder / "exam"), folder / "prompts.json"
    lay(arguments.model, arguments.tokenizer, Path(model))
    Path(exam).mkdir()
    write_exam(Path(exam))
    texts = prompts_of(exam, arguments.characters, arguments.books, arguments.questions)
    file.write_text(json.dumps(texts), encoding="utf-8")
    prompts = encode(texts, AutoTokenizer.from_pretrained(model), first=None, special=True)
    ordered = [prompts[place] for place in order(prompts)]
    least_tokens, tails = least(ordered), len(prompts) * ANSWER_TOKENS
    book = int(np.median(shared(ordered)))
    length = max(map(len, prompts)) + ANSWER_TOKENS
    spec = {"model": model, "prompts": str(file), "length": length, "block": arguments.block}
    print(
        f"{len(prompts)} prompts over {arguments.books} books of {book:,} tokens: {sum(map(len, prompts)):,} tokens, "
        f"{least_tokens:,} at least\n"
        f"{'':6} {'':5} {'computed / least':>15} {'/ in':>7} {'seconds':>19}\n"
        f"{'':6} {'cache':>5} {THEIRS:>7} {'ours':>7} {'blocks':>7} {THEIRS:>9} {'ours':>9} {'ratio':>7} {'outside':>8}"
        "  answers alike"
    )
    speed = None
    if ANSWER in arguments.parts:
        for cache in arguments.caches:
            # All with their answers, each in blocks of its own.
            tokens = 2 * (least_tokens + tails) if cache == "all" else int(float(cache) * book)
            seconds = compare(ANSWER, cache, tokens, least_tokens, **spec)
            speed = least_tokens / seconds
            told = of_peak(model, speed, sum(map(len, prompts)) / len(prompts))
            print(f"  {len(prompts) / seconds:.2f} questions/s, {speed:,.0f} tokens/s computed{told}")
    if RANK in arguments.parts:
        compare(RANK, "all", 2 * (least_tokens + tails), least_tokens, **spec)
    if OUTSIDE in arguments.parts:
        print_outside(model, exam, arguments.outside, speed)


def main() -> None:
    """Runs the parts and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--books", type=int, default=8)
    parser.add_argument("--characters", type=int, default=16_000, help="of each book")
    parser.add_argument("--caches", nargs="+", default=["1.5", "5", "all"], help="sizes in books, or all")
    parser.add_argument("--block", type=int, help="tokens of a block of ours; else 32 on a CPU, 16 on a card")
    parser.add_argument("--outside", nargs=2, type=int, default=[most for most, _ in LARGE], help="questions of each")
    parser.add_argument("--model", default="25m", help="25m, a folder, or a shape such as qwen1.5-7b")
    parser.add_argument("--tokenizer", type=Path, help="a folder; else the tiny model's")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(arguments, Path(folder))


if __name__ == "__main__":
    main()
