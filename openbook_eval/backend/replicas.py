"""Further engines with the same model, each a process on cards of its own, at work beside this process's engine."""

import atexit
import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from openbook_eval.backend.asking import Asked, Engine, Load
from openbook_eval.backend.journal import Answer
from openbook_eval.errors import OpenbookError

_CARDS = "CUDA_VISIBLE_DEVICES"


class Replicas:
    """Processes that each hold an engine and answer what they are sent; they end with this process."""

    def __init__(self, settings: Mapping[str, Any], adapter: Any, count: int) -> None:
        """Starts `count` of them, which load their models meanwhile; `settings` are the arguments of vLLM's LLM."""
        context = multiprocessing.get_context("spawn")
        self._ends: list[Connection] = []
        self.working = 0
        for number in range(1, count + 1):
            ours, theirs = context.Pipe()
            # Not a daemon: an engine on several cards has processes of its own.
            context.Process(target=_serve, args=(theirs, number, dict(settings), adapter)).start()
            theirs.close()
            self._ends.append(ours)
        # Before multiprocessing waits for its processes: these end when nobody can send to them any more.
        atexit.register(self.close)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ends)

    def send(self, shares: Sequence[Sequence[Asked]]) -> None:
        """Hands each replica its share, in the order of prefixes.order; `working` are those that are not done."""
        self.working = len(self._ends)
        for end, share in zip(self._ends, shares, strict=True):
            # Beside other work: it takes until the replica has loaded its model and listens.
            sent = [(one.tokens, one.sampling) for one in share]
            threading.Thread(target=_send, args=(end, sent), daemon=True).start()

    def received(self, load: Load, timeout: float | None = 0) -> Iterator[Answer]:
        """The answers that have come since, waiting for the first up to `timeout` seconds, or without end.

        `load` counts along when a replica is done. Raises OpenbookError where one has ended.
        """
        for end in wait(self._ends, timeout):
            try:
                found: Answer | Load = cast(Connection, end).recv()
            except (EOFError, OSError) as error:
                raise OpenbookError("a replica has ended; see what vLLM said above, then run again") from error
            if isinstance(found, Answer):
                yield found
                continue
            self.working -= 1
            load.prompt_tokens += found.prompt_tokens
            load.computed_tokens += found.computed_tokens
            load.generated_tokens += found.generated_tokens

    def close(self) -> None:
        """Lets them end."""
        for end in self._ends:
            end.close()


def cards(number: int, size: int, visible: str | None) -> str:
    """The cards of replica `number` (this process is 0) with `size` each, as CUDA_VISIBLE_DEVICES takes them.

    Raises OpenbookError where the user shows fewer.
    """
    names = visible.split(",") if visible else list(map(str, range((number + 1) * size)))
    some = names[number * size : (number + 1) * size]
    if len(some) < size:
        raise OpenbookError(f"{_CARDS}={visible} shows too few cards for replica {number + 1} with {size} each")
    return ",".join(some)


def _send(end: Connection, value: object) -> None:
    with suppress(OSError):  # one that has ended is told of where its answers are waited for
        end.send(value)


def _serve(end: Connection, number: int, settings: dict[str, Any], adapter: Any) -> None:
    os.environ[_CARDS] = cards(number, settings["tensor_parallel_size"], os.environ.get(_CARDS))
    from vllm import LLM

    engine = Engine(LLM(**settings), adapter)
    try:
        while True:
            asked = [Asked(tokens, sampling) for tokens, sampling in end.recv()]
            load = Load()
            for answer in engine.stream(asked, load):
                end.send(answer)
            end.send(load)
    except (EOFError, BrokenPipeError):
        return
