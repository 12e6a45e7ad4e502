"""`vllm-openbook`: lm-eval's vLLM model, which computes shared text once, keeps its responses and cuts nothing."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.models.utils import postprocess_generated_text
from lm_eval.models.vllm_causallms import VLLM
from tqdm import tqdm

from openbook_eval import models
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import sha256_json
from openbook_eval.matching.matcher import ASKED_AGAIN, letters_to_ask
from openbook_eval.matching.response import ends_thinking
from openbook_eval.models.cache import ResponseCache, engine_identity
from openbook_eval.models.completions import first_sections
from openbook_eval.models.profiles import profile
from openbook_eval.models.scheduling import EngineResponse, Ids, Prompt, Ranking, encode, least, order, rankings
from openbook_eval.types import Marked

# A prefix is shared in whole blocks, so that small ones share more of it. On a CPU vLLM takes 128 unless told, and has
# its fast kernels for multiples of 32 (vllm.v1.attention.backends.cpu_attn).
_CPU_BLOCK = 32
# The variable of vLLM's mode in which an answer is the same whatever else is in the batch, of 0.32.0 and others.
_INVARIANT = "VLLM_BATCH_INVARIANT"
# The share of the cache's blocks that stays free when a prompt is admitted, so that the answers of those at work find
# room. Without it vLLM puts prompts back for want of memory, and computes them once more.
_WATERMARK = 0.1

Result = tuple[float, bool]

_log = logging.getLogger(__name__)


@dataclass
class Cost:
    """Prompts and tokens of what was asked, and the seconds that it took.

    `kept` prompts were answered from the cache of responses and cost nothing; the rest is of those that the engine was
    asked. `computed_tokens` went through the model before answers began, those of prompts that the engine put back for
    want of memory once more; `least_tokens` are the nodes of the prompts' prefix trie, `least_block_tokens` the least
    for a cache that keeps whole blocks. Both begin with an empty cache each time that the model is asked; one that has
    read the same prompts before takes less. `cut_off` answers reached their limit of tokens. `engine_seconds` pass
    while the engine works, `other_seconds` before, after and between: tokenising, ordering, writing. `file` is the
    response cache. An answer is the same whatever is asked beside it where the engine is `batch_invariant` or its
    `dtype` is float32: only then does a run that goes on end as it would have ended.
    """

    dtype: str
    batch_invariant: bool
    prompts: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    least_tokens: int = 0
    least_block_tokens: int = 0
    generated_tokens: int = 0
    cut_off: int = 0
    engine_seconds: float = 0.0
    other_seconds: float = 0.0
    file: Path | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Return prompt tokens answered and tokens generated per second of the whole; None where nothing was asked."""
        seconds = self.engine_seconds + self.other_seconds
        return (self.prompt_tokens + self.generated_tokens) / seconds if self.prompt_tokens and seconds else None

    def to_json(self) -> dict[str, Any]:
        """Return the part of a results file."""
        own = {name: value for name, value in asdict(self).items() if name != "file"}
        return {**own, "tokens_per_second": self.tokens_per_second}

    def line(self) -> str:
        """Return one line for the terminal."""
        asked = f"cost: {self.prompts:,} prompts of {self.prompt_tokens:,} tokens"
        if self.kept:
            exact = self.batch_invariant or self.dtype == "float32"
            hint = "" if exact else f"; in {self.dtype} one run might have answered some of them in other words"
            asked += f" (and {self.kept:,} answers taken from {self.file}{hint})"
        if not self.prompts:
            return asked
        return (
            f"{asked}; {self.computed_tokens:,} computed ({self.least_tokens:,} at least, "
            f"{self.least_block_tokens:,} in whole blocks), {self.generated_tokens:,} generated; "
            f"{self.engine_seconds:.1f} s in the engine, {self.other_seconds:.1f} s outside; "
            f"{self.tokens_per_second or 0:,.0f} tokens/s"
        )


class VllmOpenbook(VLLM):  # type: ignore[misc]
    """Takes the arguments of lm-eval's vLLM model; a batch size has no effect, since all prompts are one stream.

    `profile` names a family of models: its chat format and stops are those of the run then.
    """

    def __init__(self, pretrained: str, **arguments: Any) -> None:
        """Load the model. Raises OpenbookError where vLLM cannot."""
        arguments = {**arguments, "batch_size": "auto", "disable_log_stats": False}
        # lm-eval's "cuda:0" is not for vLLM.
        arguments.pop("device", None)
        name = arguments.pop("profile", None)
        self._profile = profile(name) if name else None
        self._chat = False
        if int(arguments.get("data_parallel_size") or 1) > 1:
            raise OpenbookError(
                "data_parallel_size: one engine answers here; replicas are vLLM's own: start vllm serve MODEL "
                "--data-parallel-size N and ask it with --model api-openbook, or give each GPU a run of its own"
            )
        if arguments.pop("batch_invariant", False) or _is_batch_invariant():
            _set_batch_invariant()
        try:
            super().__init__(pretrained, **{**_cache_settings(), **arguments})
        except Exception as error:  # an engine fails in as many ways as there are models and machines
            raise OpenbookError(_why_not(pretrained, error)) from error
        if self._profile:
            self.tokenizer.chat_template = self.hf_chat_template = self._profile.template
        dtype, invariant = str(self.model.llm_engine.model_config.dtype), _is_batch_invariant()
        identity = engine_identity(self.model_args, arguments.get("lora_local_path"), dtype)
        identity |= {"batch_invariant": True} if invariant else {}
        self._cache = ResponseCache(identity, models.responses)
        models.reports["cost"] = self.cost = Cost(dtype.removeprefix("torch."), invariant, file=self._cache.path)
        self.model.llm_engine.logger_manager.stat_loggers.append(_Recomputed(self))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Render a chat as lm-eval's model does."""
        self._chat = True
        return str(super().apply_chat_template(chat_history, add_generation_prompt))

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return the responses to lm-eval's requests, in order; to completion prompts as `completions` says.

        Raises OpenbookError where a prompt does not fit.
        """
        ask = partial(self._generate, disable_tqdm=disable_tqdm)
        return ask(requests) if self._chat or self.think_end_token else first_sections(ask, requests)

    def _generate(self, requests: list[Any], disable_tqdm: bool) -> list[str]:
        begun = time.perf_counter()
        eos = self.tokenizer.decode(self.eot_token_id) or self.tokenizer.eos_token
        settings = [self._sampling(request.args[1], eos) for request in requests]
        ids = self._ids([request.args[0] for request in requests])
        self._refuse_misfits([len(one) + most for one, (_, _, most) in zip(ids, settings, strict=True)])
        times: Counter[str] = Counter()
        prompts = []
        for one, (sampling, until, most) in zip(ids, settings, strict=True):
            # A task's stop may stand in what a model thinks: there it counts afterwards only.
            stop = [text for text in until if text == eos] if self.think_end_token else until
            prompt = Prompt(one, {**sampling, "stop": stop, "max_tokens": most})
            prompts.append(self._seeded(prompt, times[prompt.key]))
            times[prompt.key] += 1
        answers = self._answer(prompts, begun, disable_tqdm)
        self.cost.cut_off += sum(answer.finish == "length" for answer in answers)
        texts = (
            postprocess_generated_text(answer.text, until, self.think_end_token)
            for answer, (_, until, _) in zip(answers, settings, strict=True)
        )
        responses = [
            Marked(text, cut_off=True) if self._is_cut_off(request.args[0], answer) else text
            for request, answer, text in zip(requests, answers, texts, strict=True)
        ]
        return self._asked_again(requests, answers, responses, disable_tqdm)

    def _asked_again(
        self, requests: Sequence[Any], answers: Sequence[EngineResponse], responses: list[str], quiet: bool
    ) -> list[str]:
        """Rank the letters behind each response that the exam wants decided; one that fits no more stays as it is."""
        if not models.ask_again:
            return responses
        pairs: list[tuple[str, str]] = []
        asked: list[int] = []
        for place, (request, answer, response) in enumerate(zip(requests, answers, responses, strict=True)):
            letters = letters_to_ask(request.doc, response)
            pairs += [(f"{request.args[0]}{answer.text}\n{ASKED_AGAIN}", letter) for letter in letters]
            asked += [place] * len(letters)
        groups = [(one, own) for one, own in rankings(pairs, self._ids) if len(one.context) + 2 <= self.max_length]
        self._ask_rankings([one for one, _ in groups], time.perf_counter(), quiet)
        for one, own in groups:
            logprobs = {pairs[pair][1]: logprob for pair, (logprob, _) in zip(own, one.results(), strict=True)}
            for place in {asked[pair] for pair in own}:
                responses[place] = Marked(responses[place], logprobs=logprobs)
        return responses

    def _is_cut_off(self, prompt: str, answer: EngineResponse) -> bool:
        """Return whether an answer ended in mid-thought, by the marks of thinking or the engine's word."""
        end = self.think_end_token
        runs_on = bool(end) and end not in answer.text and answer.finish == "length"
        return runs_on or not ends_thinking(prompt, answer.text)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Result]:
        """Return lm-eval's own results, but of all options of a prompt from one pass wherever that can be."""
        if self.enable_thinking:
            raise OpenbookError("enable_thinking=True is for tasks that generate; leave it out for those that rank")
        begun = time.perf_counter()
        groups = rankings([request.args for request in requests], self._ids)
        # One more, since the engine always generates a token.
        self._refuse_misfits(
            [len(one.context) + len(continuation) + 1 for one, _ in groups for continuation in one.continuations]
        )
        groups = [(one, places) for one, places in groups if one.worthwhile]
        self._ask_rankings([one for one, _ in groups], begun, disable_tqdm)
        found = {place: result for one, places in groups for place, result in zip(places, one.results(), strict=True)}
        if others := [place for place in range(len(requests)) if place not in found]:
            theirs = super().loglikelihood([requests[place] for place in others], disable_tqdm=disable_tqdm)
            found |= zip(others, theirs, strict=True)
        return [found[place] for place in range(len(requests))]

    def _ask_rankings(self, asked: Sequence[Ranking], begun: float, quiet: bool) -> None:
        """Ask until all is known: once where the continuations are single tokens."""
        while asking := [(one, prompt) for one in asked if (prompt := one.next_prompt())]:
            responses = self._answer([prompt for _, prompt in asking], begun, quiet)
            for (one, _), response in zip(asking, responses, strict=True):
                one.take(response)
            begun = time.perf_counter()

    def _answer(self, prompts: Sequence[Prompt], begun: float, quiet: bool) -> list[EngineResponse]:
        """Return the response to each prompt, from the cache or else from the engine; `begun` is when work on it began.

        Raises OpenbookError where a response cannot be kept.
        """
        kept = self._cache.records()
        distinct = {prompt.key: prompt for prompt in prompts}
        known = {key: EngineResponse.model_validate(kept[key]) for key in distinct if key in kept}
        if known:
            _log.warning("%d of %d responses are taken from %s", len(known), len(distinct), self._cache.path)
        new = [prompt for key, prompt in distinct.items() if key not in known]
        ordered = [new[place] for place in order([prompt.tokens for prompt in new])]
        cost, in_engine = self.cost, self.cost.engine_seconds
        cost.prompts += len(new)
        cost.kept += len(known)
        with (
            self._cache.writing(),
            tqdm(total=len(distinct), initial=len(known), disable=quiet or not new, desc="Questions answered") as bar,
        ):
            for prompt, output in self._stream(ordered):
                known[prompt.key] = response = _response(prompt, output.outputs[0])
                cost.prompt_tokens += len(prompt.tokens)
                cost.computed_tokens += len(prompt.tokens) - (output.num_cached_tokens or 0)
                cost.generated_tokens += response.generated
                self._cache.append(prompt.key, response.model_dump(exclude_defaults=True))
                bar.update()
        tokens = [prompt.tokens for prompt in ordered]
        cost.least_tokens += least(tokens)
        cost.least_block_tokens += least(tokens, self.model.llm_engine.vllm_config.cache_config.block_size)
        cost.other_seconds += time.perf_counter() - begun - (cost.engine_seconds - in_engine)
        return [known[prompt.key] for prompt in prompts]

    def _stream(self, ordered: Sequence[Prompt]) -> Iterator[tuple[Prompt, Any]]:
        """Yield vLLM's outputs as they end; the seconds in which the engine worked are added to the cost.

        The engine computes prompts in the order they come and begins a prompt only when all of the one before is on its
        way, so that neighbours with a common prefix compute it once (vllm.v1.core.sched.scheduler.Scheduler.schedule).
        It is handed twice what it runs at once: as lists, all prompts would take many times their memory.
        """
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        engine = self.model.llm_engine
        most = 2 * engine.vllm_config.scheduler_config.max_num_seqs
        waiting, running = iter(ordered), dict[str, Prompt]()
        try:
            while True:
                started = time.perf_counter()
                while len(running) < most and (prompt := next(waiting, None)):
                    tokens = TokensPrompt(prompt_token_ids=prompt.tokens.tolist())
                    running[prompt.key] = prompt
                    sampling = SamplingParams(**prompt.sampling, output_kind=RequestOutputKind.FINAL_ONLY)
                    engine.add_request(prompt.key, tokens, sampling, lora_request=self.lora_request)
                if not running:
                    return
                outputs = [output for output in engine.step() if output.finished]
                self.cost.engine_seconds += time.perf_counter() - started
                for output in outputs:
                    yield running.pop(output.request_id), output
        except RuntimeError as error:
            # Of vLLM 0.32.0 (vllm.v1.worker.gpu_model_runner, _bookkeeping_sync).
            if "CPU Generator does not use offset" not in str(error):
                raise
            reason = "vLLM cannot draw answers on a CPU while it splits prompts"
            raise OpenbookError(f"{reason}; add enable_chunked_prefill=False to --model_args") from error
        finally:
            if running:
                engine.abort_request(list(running))

    def _sampling(self, generation: dict[str, Any], eos: str) -> tuple[dict[str, Any], list[str], int]:
        """Return what lm-eval's modify_gen_kwargs makes of a task's settings, with what the profile adds."""
        sampling, until, most = self.modify_gen_kwargs(generation, eos, self.max_gen_toks)
        if self._profile is None:
            return sampling, until, most
        stops = [stop for stop in self._profile.stop if stop not in until]
        return {**self._profile.generation, **sampling}, [*until, *stops], most

    def _ids(self, texts: Sequence[str]) -> list[Ids]:
        first = None if self.prefix_token_id is None else self.tokenizer.decode(self.prefix_token_id)
        return encode(texts, self.tokenizer, first=first, special=self.add_bos_token)

    def _seeded(self, prompt: Prompt, before: int) -> Prompt:
        """Give a prompt whose answer is sampled a seed of its own: the same whatever is asked beside it.

        A prompt that was asked `before` gets another each time; a seed that the task sets stays.
        """
        if not prompt.sampling.get("temperature") or "seed" in prompt.sampling:
            return prompt
        own = int(sha256_json([prompt.key, before, self.model_args["seed"]])[:8], 16)
        return Prompt(prompt.tokens, {**prompt.sampling, "seed": own})

    def _refuse_misfits(self, sizes: Sequence[int]) -> None:
        """Raise OpenbookError where prompts with their answers (`sizes`, in tokens) exceed the model's length."""
        if cut := sum(size > self.max_length for size in sizes):
            raise OpenbookError(
                f"{cut:,} of {len(sizes):,} prompts do not fit with their answers: the longest needs {max(sizes):,} "
                f"tokens, but max_model_len is {self.max_length:,}; set max_model_len={max(sizes)} in --model_args"
            )


class _Recomputed:
    """Adds to a model's cost the tokens that vLLM computes once more for prompts that it put back for want of memory.

    It stands among an engine's stat loggers (vllm.v1.metrics.loggers.StatLoggerManager) and hears of every step.
    """

    def __init__(self, model: VllmOpenbook) -> None:
        self._model = model

    def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
        """Add the tokens of one step."""
        stats = scheduler_stats and scheduler_stats.prefix_cache_stats
        if stats is not None:
            self._model.cost.computed_tokens += stats.preempted_queries - stats.preempted_hits

    def log(self) -> None:
        """Say nothing: the run reports in the end."""

    log_engine_initialized = log


def _response(prompt: Prompt, completion: Any) -> EngineResponse:
    wanted = prompt.sampling.get("logprob_token_ids", ())
    steps = completion.logprobs or () if wanted else ()
    return EngineResponse(
        text=completion.text,
        finish=completion.finish_reason or "",
        generated=len(completion.token_ids),
        tokens=list(completion.token_ids) if wanted else [],
        logprobs=[[step[token].logprob for token in wanted] for step in steps],
    )


def _cache_settings() -> dict[str, Any]:
    from vllm.platforms import current_platform

    return {"watermark": _WATERMARK} | ({"block_size": _CPU_BLOCK} if current_platform.is_cpu() else {})


def _is_batch_invariant() -> bool:
    from vllm import envs

    return bool(getattr(envs, _INVARIANT, False))


def _set_batch_invariant() -> None:
    """Have vLLM compute each answer alike whatever is asked beside it. Raises OpenbookError where it cannot."""
    from vllm import envs
    from vllm.platforms import current_platform

    if _INVARIANT not in envs.environment_variables or not current_platform.has_device_capability(90):
        raise OpenbookError(
            f"batch_invariant=True, {_INVARIANT}: vLLM {version('vllm')} has no such mode on this machine (it is for "
            "NVIDIA GPUs of compute capability 9.0 and later); leave it out, or take dtype=float32, which does nearly "
            "the same"
        )
    os.environ[_INVARIANT] = "1"


def _why_not(pretrained: str, error: Exception) -> str:
    said = first_line(error).partition(". ")[0].rstrip(".")
    return (
        f"pretrained={pretrained}: vLLM cannot load it ({said}); give a model's folder or its name on the hub, and "
        "where memory is short lower max_model_len, raise gpu_memory_utilization (on a CPU the variable "
        "VLLM_CPU_KVCACHE_SPACE), or take more GPUs with tensor_parallel_size"
    )
