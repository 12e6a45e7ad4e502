"""Whether prompts fit a model's context window: checked before a run, found out after it; nothing is cut in silence.

lm-eval drops the tokens by which a prompt exceeds the model's length less the answer's (lm_eval/models/utils.py,
maybe_truncate; huggingface.py, left_truncate_len) with a line in the log and no trace in the results. What is said here
of --model_args is what lm-eval 0.4.13 and vLLM make of them; no engine is started.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from openbook_eval.errors import OpenbookError, first_line, some
from openbook_eval.models import HF, is_vllm
from openbook_eval.models.profiles import profile
from openbook_eval.models.scheduling import encode

# A letter, and the token that an engine generates in any case.
_RANKED = 2

_log = logging.getLogger(__name__)


class UncheckedError(Exception):
    """Why it cannot be told whether prompts fit; the run itself may be sound."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How many prompts of a task are cut, and how long the longest is; `longest` and `room` in tokens.

    `room` is what the model's length leaves for a prompt beside its answer. At a room of 0 all count as cut.
    """

    task: str
    prompts: int
    cut: int
    longest: int
    room: int


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many prompts of a run were cut; the longest prompt and the smallest room in tokens; its tasks one by one.

    Where it was not `checked`, `reason` says why and the numbers say nothing.
    """

    checked: bool
    reason: str | None
    prompts: int = 0
    cut: int = 0
    longest: int = 0
    room: int = 0
    tasks: tuple[Fit, ...] = ()

    @classmethod
    def unchecked(cls, reason: str) -> "Truncation":
        """Return what is known where nothing is."""
        return cls(checked=False, reason=reason)

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> "Truncation":
        """Return what is known of tasks that were counted."""
        prompts, cut = sum(fit.prompts for fit in fits), sum(fit.cut for fit in fits)
        longest, room = max((fit.longest for fit in fits), default=0), min((fit.room for fit in fits), default=0)
        return cls(True, None, prompts, cut, longest, room, tuple(fits))

    @classmethod
    def from_json(cls, part: Mapping[str, Any]) -> "Truncation":
        """Read what `asdict` and JSON have written. Raises TypeError or KeyError for anything else."""
        return cls(**{**part, "tasks": tuple(Fit(**task) for task in part["tasks"])})

    def only(self, tasks: Collection[str]) -> "Truncation":
        """Return what is known of some of the tasks; unchecked where one of them was not counted."""
        if not self.checked:
            return self
        fits = [fit for fit in self.tasks if fit.task in tasks]
        return self.of(fits) if len(fits) == len(tasks) else self.unchecked("not all tasks were counted")


def check(tasks: Sequence[Any], config: Any) -> list[Fit]:
    """Count the prompts of lm-eval's `tasks` as a run with `config` sends them; return how each task fits.

    Returns nothing where that cannot be told, and logs why. Raises OpenbookError where a prompt would be cut.
    """
    if not tasks:
        return []
    try:
        window = ContextWindow(config.model, config.model_args, bool(config.model_args.get("trust_remote_code")))
        length = window.length()
        fits = []
        for task in tasks:
            own = task.config.generation_kwargs
            generation = None if own is None else {**own, **config.gen_kwargs}
            fits.append(window.fit(task.task_name, _prompts(task, config, window), generation, length))
        if any(fit.cut for fit in fits):
            raise OpenbookError(_misfit(fits, length, window))
    except UncheckedError as error:
        _log.warning("not checked whether the model gets every prompt whole: %s", error)
        return []
    return fits


def _prompts(task: Any, config: Any, window: "ContextWindow") -> list[str]:
    """Return the prompts of a task, built by lm-eval itself. Raises OpenbookError where they cannot be."""
    from lm_eval.evaluator_utils import get_sample_size

    samples = config.samples or {}
    if not isinstance(samples, dict):
        raise OpenbookError(f"--samples {samples}: must be a JSON object of task names and question numbers, or a file")
    try:
        prompts = [
            task.fewshot_context(
                doc,
                num_fewshot=0,
                system_instruction=config.system_instruction,
                apply_chat_template=bool(config.apply_chat_template),
                fewshot_as_multiturn=bool(config.fewshot_as_multiturn),
                chat_template=window.render_chat,
                gen_prefix=task.doc_to_prefix(doc),
            )
            for _, doc in task.doc_iterator(
                limit=get_sample_size(task, config.limit), samples=samples.get(task.task_name)
            )
        ]
    except AssertionError as error:
        raise OpenbookError(f"--samples: {error}") from error
    except TypeError as error:  # of a format that a model's own code would have to write
        raise UncheckedError(f"the prompts of {task.task_name} cannot be built ({error})") from error
    return prompts


def no_chat(tokenizer: Any, error: Exception) -> str:
    """Return one line on a model that has no chat format, or one that fails with `error`."""
    reason = first_line(error).partition("!")[0]
    return (
        f"{tokenizer.name_or_path} cannot be asked as a chat ({reason}); leave out --apply_chat_template, or give its "
        "tokenizer a chat template"
    )


def _misfit(fits: Sequence[Fit], length: int, window: "ContextWindow") -> str:
    """Return one line on tasks whose prompts do not fit into `length` tokens, and what to do."""
    whole = Truncation.of(fits)
    beyond = {fit.task: fit.longest - fit.room for fit in fits}
    worst = max(fits, key=lambda fit: beyond[fit.task])
    needed, setting = length + beyond[worst.task], window.setting
    most = window.held(needed)
    advice = f"set {setting}={needed} in --model_args"
    if needed > most:
        advice = (
            f"the model holds {most:,} at most: leave out {some([t for t in beyond if length + beyond[t] > most])}, or "
            "take a model with a longer context (rope scaling in vLLM's hf_overrides lengthens some)"
        )
    return (
        f"{whole.cut:,} of {whole.prompts:,} prompts do not fit: the longest, of {worst.task}, has {worst.longest:,} "
        f"tokens and {length - worst.room:,} are kept for the answer, but {setting} is {length:,}; {advice}"
    )


class ContextWindow:
    """A run's model as `--model_args` name it: its tokenizer, its chat format, its length."""

    def __init__(self, name: str, arguments: Mapping[str, Any], trusted: bool = False, **loading: bool) -> None:
        """Load the tokenizer; `trusted` where the user allows its code to run, `loading` as transformers takes it.

        Raises UncheckedError for a model without a tokenizer of its own (API models) and for one that cannot be loaded.
        """
        self.is_vllm = is_vllm(name)
        self.arguments, self.trusted = arguments, trusted
        if not (self.is_vllm or name in HF):
            raise UncheckedError(f"lm-eval's model {name} has no tokenizer here")
        if not self.is_vllm and arguments.get("truncation"):
            raise UncheckedError("truncation=True lets the tokenizer cut as well")
        revision = arguments.get("tokenizer_revision" if self.is_vllm else "revision") or "main"
        settings = {"trust_remote_code": trusted, "revision": str(revision), **loading}
        if arguments.get("add_bos_token") is not None:
            settings["add_bos_token"] = arguments["add_bos_token"]
        source = arguments.get("tokenizer") or arguments.get("pretrained")
        try:
            from transformers import AutoTokenizer

            self.tokenizer: Any = AutoTokenizer.from_pretrained(str(source), **settings)
        except Exception as error:  # a tokenizer fails in as many ways as there are tokenizers
            raise UncheckedError(f"the tokenizer of {source} cannot be loaded: {first_line(error)}") from error

    def fit(self, task: str, prompts: Sequence[str], generation: Mapping[str, Any] | None, length: int) -> Fit:
        """Return how a task's prompts fit beside answers as lm-eval's `generation_kwargs` say, None where it ranks."""
        room = length - self.answer_length(generation)
        counts = self.count(prompts)
        return Fit(task, len(counts), sum(tokens > room for tokens in counts), max(counts, default=0), room)

    def count(self, prompts: Sequence[str]) -> list[int]:
        """Return the tokens of each prompt as lm-eval sends it."""
        first = self.tokenizer.bos_token
        if self.is_vllm:
            # vLLM's model takes the end token where none begins a text.
            tokenizer = self.tokenizer
            candidates = (self.arguments.get("prefix_token_id"), tokenizer.bos_token_id, tokenizer.eos_token_id)
            number = next((candidate for candidate in candidates if candidate is not None), None)
            first = None if number is None else str(tokenizer.decode(number))
        special = self.arguments.get("add_bos_token")
        return [len(ids) for ids in encode(prompts, self.tokenizer, first=first, special=special)]

    def render_chat(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Wrap messages as lm-eval's models do: in the tokenizer's chat format, or that of a profile.

        A format that takes no system message is asked again without it.
        """
        from jinja2 import TemplateError

        settings = dict(self.arguments.get("chat_template_args") or {})
        if self.is_vllm and self.arguments.get("profile"):
            settings["chat_template"] = profile(str(self.arguments["profile"])).template
        thinking = self.arguments.get("enable_thinking")
        if self.is_vllm or thinking is not None:
            settings["enable_thinking"] = thinking
        asked = add_generation_prompt
        settings |= {"add_generation_prompt": asked, "continue_final_message": not asked}
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, **settings))
        except TemplateError:
            others = [message for message in messages if message["role"] != "system"]
            return str(self.tokenizer.apply_chat_template(others, tokenize=False, **settings))

    def answer_length(self, generation: Mapping[str, Any] | None) -> int:
        """Return the tokens kept for an answer, by lm-eval's rule. Raises OpenbookError for no number."""
        if generation is None:
            return _RANKED
        from lm_eval.models.utils import normalize_gen_kwargs

        default = self.arguments.get("max_gen_toks", 256) if self.is_vllm else 256
        try:
            return int(normalize_gen_kwargs(dict(generation), default)["max_gen_toks"])
        except (TypeError, ValueError) as error:
            raise OpenbookError(f"max_gen_toks must be a whole number of tokens ({first_line(error)})") from error

    @property
    def setting(self) -> str:
        """Return the name of the setting of the model's length."""
        return "max_model_len" if self.is_vllm and self.arguments.get("max_length") is None else "max_length"

    def length(self) -> int:
        """Return the tokens that a prompt and its answer may have together: what the user has set, else all it holds.

        Raises OpenbookError for a setting that is no positive number (lm-eval takes -1 for a length and cuts all
        prompts) or that vLLM does not take, UncheckedError where the model's length cannot be read.
        """
        value = self.arguments.get(self.setting)
        if value is None:
            return self.held()
        said = f"{self.setting}={value} in --model_args"
        if not isinstance(value, int) or value < 1:
            raise OpenbookError(f"{said} must be a whole number of tokens, 1 or more")
        if self.is_vllm and self.setting == "max_length" and self.arguments.get("max_model_len") is not None:
            raise OpenbookError("max_model_len and max_length are both set in --model_args; set one of them")
        if self.is_vllm and value > (most := self.held(value)):
            raise OpenbookError(f"{said}: the model holds {most} tokens at most; set {most} or less, or leave it out")
        return value

    def held(self, needed: int | None = None) -> int:
        """Return the longest that the model holds, which a run without a setting takes.

        This is vLLM's own rule (rope scaling, sliding windows) where its engine runs the model, else lm-eval's. With
        `needed`, vLLM is asked only where lm-eval's rule says less than that. Raises UncheckedError where the
        configuration cannot be read.
        """
        from lm_eval.models.utils import resolve_max_length
        from transformers import AutoConfig

        model, revision = str(self.arguments["pretrained"]), str(self.arguments.get("revision") or "main")
        try:
            config = AutoConfig.from_pretrained(model, trust_remote_code=self.trusted, revision=revision)
            length = int(resolve_max_length(config, self.tokenizer))
            # With more than one replica lm-eval holds no engine that could be asked for its length.
            has_engine = self.is_vllm and self.arguments.get("data_parallel_size", 1) in (1, None)
            enough = needed is not None and needed <= length
            return self._vllm_length(model) if has_engine and not enough else length
        except Exception as error:  # whatever model and engine make of a configuration
            raise UncheckedError(f"the length of {model} is unknown: {first_line(error)}") from error

    def _vllm_length(self, model: str) -> int:
        # The import takes seconds; a run pays it in any case.
        from vllm.engine.arg_utils import EngineArgs

        known = {field.name for field in fields(EngineArgs)} - {"max_model_len"}
        settings = {name: value for name, value in self.arguments.items() if name in known}
        return int(EngineArgs(model=model, **settings).create_model_config().max_model_len)
