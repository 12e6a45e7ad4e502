"""What a user sets must be what is done: settings that lm-eval would ignore, or fail over later, are refused.

What is said here of them is what lm-eval 0.4.13 makes of them; no engine is started.
"""

import io
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from openbook_eval import models
from openbook_eval.console import leave
from openbook_eval.errors import OpenbookError, did_you_mean, first_line
from openbook_eval.models.context_window import ContextWindow, UncheckedError, no_chat

# lm-eval takes a task's own max_gen_toks before these, an endpoint some of them before that.
_LENGTHS = ("max_new_tokens", "max_tokens", "max_completion_tokens")
_COMMON = {"max_gen_toks", "until", "do_sample", "temperature"}


def refuse_before_the_engine() -> None:
    """End plain lm_eval with our tasks before vLLM's engine begins: a plugin of vLLM's, which its processes run too."""
    if parent_process() is None:
        refuse_by_command_line("cmed_")


@cache
def refuse_by_command_line(of: str = "") -> None:
    """End plain lm_eval as `refuse` says, by the command line that it was started with, if it was, with tasks `of`."""
    program = Path(sys.argv[0])
    if "lm_eval" not in (program.stem.replace("-", "_"), program.parent.name):
        return
    from lm_eval._cli import HarnessCLI
    from lm_eval.config.evaluate_config import EvaluatorConfig

    # lm-eval has read the same and said what there is to say.
    with redirect_stdout(io.StringIO()):
        config = EvaluatorConfig.from_cli(HarnessCLI().parse_args())
    try:
        if of in str(config.tasks):
            refuse(config)
    except OpenbookError as error:
        leave(error)


def refuse_loggers(config: Any) -> None:
    """Raise OpenbookError for a logger of lm-eval's that could not begin: its package is missing, or a key."""
    for package in ("wandb", "trackio"):
        settings = getattr(config, f"{package}_args")
        if settings and (reason := _cannot_log(package, settings)):
            raise OpenbookError(f"--{package}_args: {reason}; mend that, or leave --{package}_args out")
    hub = config.hf_hub_log_args
    pushes = [name for name in ("push_results_to_hub", "push_samples_to_hub") if hub.get(name)]
    if pushes and not (hub.get("token") or os.environ.get("HF_TOKEN")):
        raise OpenbookError(f"--hf_hub_log_args {pushes[0]}: HF_TOKEN is not set; set it, or leave {pushes[0]} out")


def _cannot_log(package: str, settings: Mapping[str, Any]) -> str:
    try:
        service = import_module(package)
        online = str(settings.get("mode") or os.environ.get("WANDB_MODE") or "online") == "online"
        known = package != "wandb" or not online or service.login(prompt=False)
    except ModuleNotFoundError:
        return f"{package} is not installed here"
    except TypeError:  # of an older wandb, which always asks
        return ""
    except Exception as error:  # a service refuses in as many ways as there are services
        return first_line(error).rstrip(".")
    return "" if known else "no key is known (wandb login, or the variable WANDB_API_KEY)"


def refuse(config: Any, outputs: Collection[str] = ()) -> None:
    """Raise OpenbookError for the first setting of a run of our tasks that would not do what it says.

    `config` is lm-eval's, with its --config file; `outputs` are the tasks' output types, where they are known.
    """
    for fault in _faults(config, outputs):
        raise OpenbookError(fault)


def _faults(config: Any, outputs: Collection[str]) -> Iterator[str]:
    """Say what is wrong, where, and what to do, a line each."""
    kept = config.cache_requests
    if kept.get("cache_requests") if isinstance(kept, Mapping) else kept:
        yield (
            "--cache_requests: lm-eval keeps prompts by the names of tasks, so that another exam, or other books, get "
            "them and are scored by their own key; leave it out: prompts are made in seconds"
        )
    if config.use_cache:
        yield (
            "--use_cache: lm-eval keeps answers without the name of their model, so that another model gets them; "
            f"leave it out: --model {models.VLLM} and {models.API} keep theirs in a response cache of their own"
        )
    if config.num_fewshot:
        yield f"--num_fewshot {config.num_fewshot}: these exams show no examples, lm-eval ignores it; leave it out"
    if (config.metadata or {}).get("undecided") and not _can_ask_again(config.model, config.model_args):
        yield (
            f"--metadata undecided: --model {config.model} cannot rank letters behind its own response; leave it out, "
            f"or take openbook-eval run with --model {models.VLLM}, or with --model {models.API} and logprobs=True in "
            "--model_args where the endpoint gives log-probabilities"
        )
    yield from _of_model(config.model, config.model_args, outputs)
    yield from _of_chat(config)
    yield from _of_generation(config.model, config.gen_kwargs)


def _can_ask_again(model: str, arguments: Mapping[str, Any]) -> bool:
    return model == models.VLLM or (model == models.API and bool(arguments.get("logprobs")))


def _of_model(model: str, arguments: Mapping[str, Any], outputs: Collection[str]) -> Iterator[str]:
    thinks = arguments.get("enable_thinking")
    if "max_gen_toks" in arguments:
        length = arguments["max_gen_toks"]
        yield f"--model_args max_gen_toks={length}: the task's own goes before it; say it in --gen_kwargs"
    if thinks and arguments.get("think_end_token") is None and model != models.API:
        yield "enable_thinking=True in --model_args needs the mark that ends thinking; add think_end_token='</think>'"
    if models.is_vllm(model) and "enable_thinking" in (arguments.get("chat_template_args") or {}):
        yield "--model_args chat_template_args: lm-eval ignores its enable_thinking; say enable_thinking= beside it"
    if "multiple_choice" in outputs and model == models.API:
        yield f"--model {models.API} generates answers; tasks that rank options need --model {models.VLLM}"
    if "multiple_choice" in outputs and thinks:
        yield "enable_thinking=True is for tasks that generate; leave it out for those that rank"


def _of_chat(config: Any) -> Iterator[str]:
    """Say whether the chat template takes a question, and what goes before it: lm-eval asks without what it refuses."""
    from jinja2 import TemplateError

    if not config.apply_chat_template:
        if config.model.endswith("chat-completions"):
            yield f"--model {config.model}: is asked as a chat alone; add --apply_chat_template"
        return
    said = (config.system_instruction or "").strip()
    turns = [{"role": "system", "content": said}, {"role": "user", "content": "?"}]
    try:
        window = ContextWindow(config.model, config.model_args, bool(config.model_args.get("trust_remote_code")))
        asked = window.render_chat(turns)
    except UncheckedError:
        return
    except (ValueError, TemplateError) as error:
        yield no_chat(window.tokenizer, error)
        return
    if said not in asked:
        yield (
            f"--system_instruction: the chat template of {window.tokenizer.name_or_path} leaves it out of what is "
            "asked; leave it out, or take a template that has a system message"
        )


def _of_generation(model: str, generation: Mapping[str, Any]) -> Iterator[str]:
    for name in [name for name in _LENGTHS if name in generation]:
        length = generation[name]
        yield f"--gen_kwargs {name}={length}: the length of an answer is max_gen_toks here; say max_gen_toks={length}"
    if "stop" in generation:
        yield "--gen_kwargs stop: what ends an answer is until here; say until=[...]"
    if not (known := _known(model)):
        return
    if bool(generation.get("temperature")) != bool(generation.get("do_sample")):
        yield "--gen_kwargs: only do_sample=True with a temperature draws answers; say both, or neither"
    for name in [name for name in generation if name not in known]:
        yield f"--gen_kwargs {name}: --model {model} has no such setting; {did_you_mean(name, sorted(known))}"


def _known(model: str) -> set[str]:
    """Return the settings of generation that the engine of a model takes; none where that is not known."""
    if models.is_vllm(model):
        from vllm import SamplingParams

        return _COMMON | {name for name in SamplingParams.__struct_fields__ if not name.startswith("_")}
    if model in models.HF:
        from transformers import GenerationConfig

        return _COMMON | {name for name in vars(GenerationConfig()) if not name.startswith("_")}
    return set()
