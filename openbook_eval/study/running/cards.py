"""Cards: which a machine has, and how those who work on it at the same time share them out, never two on one."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.study.steps import Graph, Step

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Seconds between two looks for a free one.
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Held:
    """Cards that nobody else has. A child that is handed `files` holds them as well, for as long as it lives."""

    names: tuple[str, ...]
    files: tuple[int, ...]


def cards(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The names of this machine's cards: those that CUDA_VISIBLE_DEVICES leaves, else the numbers nvidia-smi counts."""
    named = environment.get(VISIBLE)
    if named is not None:
        return tuple(name for part in named.split(",") if (name := part.strip()) and name != "-1")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return ()
    # Parts of a card (MIG) are listed below it, further in.
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return tuple(map(str, range(count)))


@contextmanager
def held(count: int, names: Sequence[str], folder: Path) -> Iterator[Held]:
    """Takes `count` of the cards `names`, waiting until so many are free; they are free again at the end.

    A card, or whatever else is shared out by names, is its lock on a file in `folder`, which ends with those who hold
    it, however they end. Raises OpenbookError where there are too few, and OSError where the files cannot be made.
    """
    if count > len(names):
        raise OpenbookError(f"wants {count} cards, and this machine has {len(names)}")
    if count:
        folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, int] = {}
    while len(files := _taken(count, names, folder)) < count:
        time.sleep(_PAUSE)
    try:
        yield Held(tuple(files), tuple(files.values()))
    finally:
        _release(files)


def _taken(count: int, names: Sequence[str], folder: Path) -> dict[str, int]:
    """Open and locked files of `count` cards; none where fewer are free, so that no two wait for each other."""
    taken: dict[str, int] = {}
    for name in names[: len(names) * bool(count)]:
        file = os.open(folder / f"{name.replace('/', '-')}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken[name] = file
        except BlockingIOError:
            os.close(file)
        if len(taken) == count:
            return taken
    _release(taken)
    return {}


def _release(taken: Mapping[str, int]) -> None:
    for file in taken.values():
        os.close(file)


def fitted(graph: Graph, names: Sequence[str]) -> Graph:
    """The graph as a machine with these cards does it: where the engine is one for cards, each exam takes a card.

    Raises OpenbookError where a step wants more cards than there are.
    """
    steps = tuple(_with_a_card(step) if names else step for step in graph.steps)
    greedy = [step for step in steps if step.resources.gpus > len(names)]
    if greedy:
        most = max(greedy, key=lambda step: step.resources.gpus)
        raise OpenbookError(
            f"{most.kind} {most.name} wants {_counted(most.resources.gpus)}, and this machine has "
            f"{_counted(len(names)) if names else 'none'}{_and_others(len(greedy) - 1)}; run it where there "
            "are as many, or on a cluster: --profile slurm"
        )
    return replace(graph, steps=steps)


def _counted(cards: int) -> str:
    return f"{cards} {'card' if cards == 1 else 'cards'}"


def _and_others(more: int) -> str:
    return f" ({more} other {'step wants' if more == 1 else 'steps want'} too many as well)" if more else ""


def _with_a_card(step: Step) -> Step:
    """An engine that was built for cards does not start without one, however small the model."""
    if step.kind != "exam" or step.resources.gpus or not str(step.what.get("model", "")).startswith("vllm"):
        return step
    return step if _engine_on_cpu() else replace(step, resources=replace(step.resources, gpus=1))


def _engine_on_cpu() -> bool:
    try:
        return version("vllm").endswith("+cpu")
    except PackageNotFoundError:
        return True
