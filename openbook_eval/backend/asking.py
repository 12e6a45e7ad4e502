"""One stream of prompts through vLLM's engine, in the order given; answers come as they are finished."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbook_eval.backend.admission import Admission
from openbook_eval.backend.journal import Answer, prompt_key


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt's token ids and the arguments of vLLM's SamplingParams with which it is asked."""

    tokens: NDArray[np.int32]
    sampling: Mapping[str, Any]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Makes the key: equal prompts that are asked alike have one."""
        object.__setattr__(self, "key", prompt_key(self.tokens, self.sampling))


@dataclass(slots=True)
class Load:
    """What the engine had to do for a stream: tokens of prompts and of answers, tokens computed, seconds."""

    prompt_tokens: int = 0
    computed_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0


class Engine:
    """vLLM's engine with one adapter, or none."""

    def __init__(self, model: Any, adapter: Any) -> None:
        """`model` is vLLM's LLM, with its statistics on, `adapter` a LoRARequest or None."""
        self._model, self._adapter = model, adapter
        self._again = _ComputedAgain()
        if manager := model.llm_engine.logger_manager:
            manager.stat_loggers.append(self._again)

    @property
    def block(self) -> int:
        """The tokens of a block of its cache: what prompts share, they share in whole blocks."""
        return int(self._model.llm_engine.vllm_config.cache_config.block_size)

    def stream(self, asked: Sequence[Asked], load: Load) -> Iterator[Answer]:
        """The answers in the order in which they end, `asked` in the order of prefixes.order; `load` counts along.

        The engine computes prompts in the order they come and begins a prompt only when all of the one before is on its
        way, so that neighbours with a common prefix compute it once (vllm.v1.core.sched.scheduler.Scheduler.schedule).
        It is handed no more than its cache holds and twice what it runs at once.
        """
        engine, again = self._model.llm_engine, self._again.tokens
        admission, most = self._admission(asked), 2 * engine.vllm_config.scheduler_config.max_num_seqs
        running: dict[str, tuple[str, int]] = {}
        try:
            while True:
                started = time.perf_counter()
                while len(running) < most and (place := admission.admit()) is not None:
                    name = self._enqueue(asked[place])
                    # Within the engine a name has a random end; outputs are called by what stands before it.
                    running[name.partition("-")[0]] = name, place
                if not running:
                    break
                outputs = [output for output in engine.step() if output.finished]
                load.seconds += time.perf_counter() - started
                for output in outputs:
                    _, place = running.pop(output.request_id)
                    admission.finish(place)
                    yield _answer(asked[place], output, load)
        finally:
            load.computed_tokens += self._again.tokens - again
            if running:
                engine.abort_request([name for name, _ in running.values()], internal=True)

    def _admission(self, asked: Sequence[Asked]) -> Admission:
        # vLLM keeps one block for itself.
        blocks = self._model.llm_engine.vllm_config.cache_config.num_gpu_blocks - 1
        answers = [one.sampling["max_tokens"] for one in asked]
        return Admission([one.tokens for one in asked], answers, self.block, blocks)

    def _enqueue(self, asked: Asked) -> str:
        from vllm import SamplingParams, TokensPrompt

        prompt, sampling = TokensPrompt(prompt_token_ids=asked.tokens.tolist()), SamplingParams(**asked.sampling)
        (name,) = self._model.enqueue([prompt], sampling, lora_request=self._adapter, use_tqdm=False)
        return str(name)


class _ComputedAgain:
    """Counts the tokens that vLLM computes once more for prompts that it put back for want of memory.

    It stands among an engine's stat loggers (vllm.v1.metrics.loggers.StatLoggerManager) and is told of every step.
    """

    def __init__(self) -> None:
        self.tokens = 0

    def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
        """Adds what one step tells."""
        stats = scheduler_stats and scheduler_stats.prefix_cache_stats
        if stats is not None:
            self.tokens += stats.preempted_queries - stats.preempted_hits

    def log(self) -> None:
        """Says nothing: the run reports in the end."""

    def log_engine_initialized(self) -> None:
        """Says nothing either."""


def _answer(asked: Asked, output: Any, load: Load) -> Answer:
    completion = output.outputs[0]
    load.prompt_tokens += len(asked.tokens)
    load.computed_tokens += len(asked.tokens) - (output.num_cached_tokens or 0)
    load.generated_tokens += len(completion.token_ids)
    wanted = asked.sampling.get("logprob_token_ids", ())
    steps = completion.logprobs or () if wanted else ()
    return Answer(
        key=asked.key,
        text=completion.text,
        finish=completion.finish_reason or "",
        generated=len(completion.token_ids),
        tokens=list(completion.token_ids) if wanted else [],
        logprobs=[[step[token].logprob for token in wanted] for step in steps],
    )
