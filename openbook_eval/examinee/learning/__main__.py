"""`python -m openbook_eval.examinee.learning --out FOLDER`: trains the embedded examinee again."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from openbook_eval.examinee.learning.examining import scores
from openbook_eval.examinee.learning.training import Order, Progress, save, train


def main(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the model to.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1)] = 12_000,
    seed: Annotated[int, typer.Option(help="Chooses weights and lessons.")] = 0,
    times: Annotated[int, typer.Option(help="Times as many lessons a step as the course says.", min=1)] = 1,
    device: Annotated[str | None, typer.Option(help="cuda or cpu; else what there is.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that make lessons; else one less than cores.")] = None,
) -> None:
    """Train the embedded examinee from scratch."""
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    workers = max(0, (os.cpu_count() or 1) - 1) if workers is None else workers
    out.mkdir(parents=True, exist_ok=True)
    state = out / "state.pt"
    model = train(Order(steps, seed, times, device, workers), state, _tell)
    save(model, out)
    state.unlink(missing_ok=True)
    print(json.dumps(scores(model, device), indent=1))


def _tell(progress: Progress) -> None:
    at = progress.at
    print(
        f"step {at.step:,} stage {at.stage} loss {progress.loss:.3f} first tokens right {at.right:.3f} "
        f"told right {at.told:.3f} {progress.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
