"""`python -m openbook_eval.examinee.learning --out FOLDER`: trains the embedded examinee again."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from openbook_eval.console import run_program
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.examinee.learning.examining import scores
from openbook_eval.examinee.learning.training import Order, Progress, save, train

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the model to.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1)] = 11_000,
    seed: Annotated[int, typer.Option(help="Chooses weights and lessons.", min=0, max=2**32 - 1)] = 0,
    times: Annotated[int, typer.Option(help="Times as many lessons a step as the course says.", min=1)] = 1,
    device: Annotated[str | None, typer.Option(help="cuda or cpu; else what there is.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that make lessons; else one less than cores.", min=0)
    ] = None,
) -> None:
    """Train the embedded examinee from scratch; the same again goes on where it was cut off."""
    import torch

    device = _device(device)
    workers = max(0, (os.cpu_count() or 1) - 1) if workers is None else workers
    state = out / "state.pt"
    try:
        out.mkdir(parents=True, exist_ok=True)
        model = train(Order(steps, seed, times, device, workers), state, _tell)
        save(model, out)
        state.unlink(missing_ok=True)
    except OSError as error:
        raise OpenbookError(f"{out}: cannot be written to ({error.strerror or error}); name another --out") from error
    except torch.OutOfMemoryError as error:
        raise OpenbookError(f"--times {times}: too much for the card's memory; take fewer") from error
    print(json.dumps(scores(model, device), indent=1))


def _device(name: str | None) -> str:
    """The device to train on; raises OpenbookError where there is none of that name."""
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise OpenbookError(f"--device {name}: there is none here ({first_line(error)})") from error
    return name


def _tell(progress: Progress) -> None:
    at = progress.at
    print(
        f"step {at.step:,} stage {at.stage} loss {progress.loss:.3f} first tokens right {at.right:.3f} "
        f"told right {at.told:.3f} {progress.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    run_program("openbook_eval.examinee.learning", app)
