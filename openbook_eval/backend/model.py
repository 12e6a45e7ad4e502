"""`vllm-openbook`: lm-eval's vLLM model, which reads what prompts share once, keeps its answers and cuts nothing."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.models.vllm_causallms import VLLM
from platformdirs import user_cache_path

from openbook_eval.backend import ranking
from openbook_eval.backend.answering import Answering
from openbook_eval.backend.asking import Asked, Engine
from openbook_eval.backend.encoding import pair_ids, text_ids
from openbook_eval.backend.identity import run_identity
from openbook_eval.backend.journal import Journal, digest
from openbook_eval.backend.replicas import Replicas
from openbook_eval.backend.tokenising import Ids
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.profiles import profile

# The folder of the journals; "none" keeps no answers and takes none that were kept.
FOLDER = "OPENBOOK_ANSWERS"
# A prefix is shared in whole blocks, so that small ones share more of it. On a CPU vLLM takes 128 unless told, and has
# its fast kernels for multiples of 32 (vllm.v1.attention.backends.cpu_attn).
_CPU_BLOCK = 32

Result = tuple[float, bool]


class VllmOpenbook(VLLM):  # type: ignore[misc]
    """Takes the arguments of lm-eval's vLLM model; a batch size has no effect, since all prompts are one stream.

    `profile` names a family of models: its chat format and stops are those of the run then.
    """

    def __init__(self, pretrained: str, **arguments: Any) -> None:
        """Loads the model. Raises OpenbookError where vLLM cannot."""
        arguments = {**arguments, "batch_size": "auto", "disable_log_stats": False}
        # lm-eval's "cuda:0" is not for vLLM.
        arguments.pop("device", None)
        name = arguments.pop("profile", None)
        self._profile = profile(name) if name else None
        # lm-eval would make all replicas anew each time that they are asked.
        replicas = int(arguments.pop("data_parallel_size", None) or 1)
        try:
            super().__init__(pretrained, **{**_block(), **arguments})
        except Exception as error:  # an engine fails in as many ways as there are models and machines
            raise OpenbookError(_why_not(pretrained, error)) from error
        if self._profile:
            self.tokenizer.chat_template = self.hf_chat_template = self._profile.template
        adapter = arguments.get("lora_local_path")
        others = Replicas(self.model_args, self.lora_request, replicas - 1) if replicas > 1 else None
        self._answering = Answering(Engine(self.model, self.lora_request), others, self._journal(adapter))

    def _journal(self, adapter: str | None) -> Journal | None:
        folder = os.environ.get(FOLDER)
        if folder == "none":
            return None
        run = run_identity(self.model_args, adapter, str(self.model.llm_engine.model_config.dtype))
        return Journal(Path(folder) if folder else user_cache_path("openbook-eval") / "answers", run)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """As lm-eval's. Raises OpenbookError where the model has no chat format."""
        try:
            return str(super().apply_chat_template(chat_history, add_generation_prompt))
        except (ValueError, jinja2.exceptions.TemplateError) as error:
            raise OpenbookError(
                f"{self.tokenizer.name_or_path} cannot be asked as a chat ({first_line(error).partition('!')[0]}); "
                "leave out --apply_chat_template, or give its tokenizer a chat template"
            ) from error

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The answers to lm-eval's requests, in their order. Raises OpenbookError where a prompt does not fit."""
        begun = time.perf_counter()
        eos = self.tokenizer.decode(self.eot_token_id) or self.tokenizer.eos_token
        texts = [request.args[0] for request in requests]
        settings = [self._sampling(request.args[1], eos) for request in requests]
        prompts = self._ids(texts)
        self._refuse_misfits([len(ids) + most for ids, (_, _, most) in zip(prompts, settings, strict=True)])
        asked = []
        for ids, (sampling, until, most) in zip(prompts, settings, strict=True):
            # A task's stop may stand in what a model thinks: there it counts afterwards only.
            stop = [text for text in until if text == eos] if self.think_end_token else until
            asked.append(Asked(ids, {**sampling, "stop": stop, "max_tokens": most}))
        answers = self._answering.answers(_seeded(asked, self.model_args["seed"]), begun, disable_tqdm)
        responses = []
        for text, (sampling, until, most), answer in zip(texts, settings, answers, strict=True):
            responses.append(postprocess_generated_text(answer.text, until, self.think_end_token))
            asked_with = sampling | {"until": until, "max_gen_toks": most}
            self.cache_hook.add_partial("generate_until", (text, asked_with), responses[-1])
        return responses

    def _sampling(self, generation: dict[str, Any], eos: str) -> tuple[dict[str, Any], list[str], int]:
        """As lm-eval's modify_gen_kwargs, with what the profile adds."""
        sampling, until, most = self.modify_gen_kwargs(generation, eos, self.max_gen_toks)
        if self._profile is None:
            return sampling, until, most
        stops = [stop for stop in self._profile.stop if stop not in until]
        return {**self._profile.generation, **sampling}, [*until, *stops], most

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Result]:
        """As lm-eval's, but all options of a prompt come from one pass wherever that can be (see ranking)."""
        if self.enable_thinking:
            raise OpenbookError("enable_thinking=True is for tasks that generate; leave it out for those that rank")
        begun = time.perf_counter()
        texts = [request.args for request in requests]
        pairs = pair_ids(texts, self._ids, self._plain_ids, self.prefix_token_id)
        # One more, since the engine always generates a token.
        self._refuse_misfits([len(prompt) + len(continuation) + 1 for prompt, continuation in pairs])
        groups = [(one, places) for one, places in ranking.grouped(pairs) if one.worthwhile]
        self._ask_all([one for one, _ in groups], begun, disable_tqdm)
        found = {place: result for one, places in groups for place, result in zip(places, one.results(), strict=True)}
        for place, result in found.items():
            self.cache_hook.add_partial("loglikelihood", texts[place], result)
        if others := [place for place in range(len(pairs)) if place not in found]:
            lists = [(texts[place], *(ids.tolist() for ids in pairs[place])) for place in others]
            found |= zip(others, super()._loglikelihood_tokens(lists, disable_tqdm=disable_tqdm), strict=True)
        return [found[place] for place in range(len(pairs))]

    def _ask_all(self, rankings: Sequence[ranking.Ranking], begun: float, quiet: bool) -> None:
        """Asks until all is known: once where the continuations are single tokens."""
        while asking := [(one, asked) for one in rankings if (asked := one.asks())]:
            answers = self._answering.answers([asked for _, asked in asking], begun, quiet)
            for (one, _), answer in zip(asking, answers, strict=True):
                one.take(answer)
            begun = time.perf_counter()

    def _ids(self, texts: Sequence[str]) -> list[Ids]:
        return text_ids(texts, self.tokenizer, self.prefix_token_id, self.add_bos_token is not False)

    def _plain_ids(self, text: str) -> Ids:
        return np.array(self.tok_encode(text, add_special_tokens=False), np.int32)

    def _refuse_misfits(self, sizes: Sequence[int]) -> None:
        """Raises OpenbookError where prompts with their answers (`sizes`, in tokens) exceed the model's length."""
        if cut := sum(size > self.max_length for size in sizes):
            raise OpenbookError(
                f"{cut:,} of {len(sizes):,} prompts do not fit with their answers: the longest needs {max(sizes):,} "
                f"tokens, but max_model_len is {self.max_length:,}; set max_model_len={max(sizes)} in --model_args"
            )


def _block() -> dict[str, Any]:
    from vllm.platforms import current_platform

    return {"block_size": _CPU_BLOCK} if current_platform.is_cpu() else {}


def _seeded(asked: Sequence[Asked], seed: int) -> list[Asked]:
    """Gives each prompt whose answer is drawn a seed of its own, so that it is the same whatever is asked beside it.

    A prompt that is asked several times gets another each time; a seed that the task sets stays.
    """
    times: Counter[str] = Counter()
    seeded = []
    for one in asked:
        if one.sampling.get("temperature") and "seed" not in one.sampling:
            own = int(digest([one.key, times[one.key], seed])[:8], 16)
            times[one.key] += 1
            one = Asked(one.tokens, {**one.sampling, "seed": own})
        seeded.append(one)
    return seeded


def _why_not(pretrained: str, error: Exception) -> str:
    told = first_line(error).partition(". ")[0].rstrip(".")
    advice = "see what vLLM said above"
    if "memory" in told.lower() or "kv cache" in told.lower():
        advice = "lower max_model_len, raise gpu_memory_utilization (on a CPU the variable VLLM_CPU_KVCACHE_SPACE), or"
        advice += " take more cards with tensor_parallel_size"
    elif isinstance(error, OSError):
        advice = "give a model's folder or its name on the hub"
    return f"pretrained={pretrained}: vLLM cannot load it ({told}); {advice}"
