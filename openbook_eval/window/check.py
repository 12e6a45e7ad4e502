"""The check before a run: whether the model gets every prompt whole, and what to set where it does not."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from openbook_eval.errors import OpenbookError
from openbook_eval.types import EXAM_NAMES
from openbook_eval.window import lengths, tokens
from openbook_eval.window.fitting import Fit, fit, merged, misfit
from openbook_eval.window.tokens import UncheckedError

_log = logging.getLogger(__name__)


def check(config: Any, tasks: Sequence[Any]) -> list[Fit]:
    """Counts the prompts of lm-eval's `tasks` as a run with `config` sends them; returns how each task fits.

    Returns nothing where that cannot be told, and logs why. Raises OpenbookError where a prompt would be cut.
    """
    if not tasks:
        return []
    try:
        return _check(config, tasks)
    except UncheckedError as error:
        _log.warning("not checked whether the model gets every prompt whole: %s", error)
        return []


def _check(config: Any, tasks: Sequence[Any]) -> list[Fit]:
    model, arguments = config.model, config.model_args
    trusted = bool(arguments.get("trust_remote_code"))
    tokenizer = tokens.load_tokenizer(model, arguments, trusted)
    setting, length = lengths.set_length(model, arguments)
    if length is None:
        length = lengths.own_length(model, arguments, tokenizer, trusted)
    else:
        lengths.refuse_excess(setting, length, model, arguments, tokenizer, trusted)
    count = tokens.token_counter(model, arguments, tokenizer)
    chat = tokens.chat_format(model, arguments, tokenizer) if config.apply_chat_template else None
    fits = []
    for task in tasks:
        own = task.config.generation_kwargs
        generation = None if own is None else {**own, **config.gen_kwargs}
        answer = lengths.answer_length(model, arguments, generation)
        fits.append(fit(task.task_name, _prompts(task, config, chat), count, length - answer))
    if any(one.cut for one in fits):
        needed = length + max(one.longest - one.room for one in fits)
        most = lengths.most(needed, model, arguments, tokenizer, trusted)
        raise OpenbookError(misfit(_by_condition(fits), length, most, setting))
    return fits


def _prompts(task: Any, config: Any, chat: Callable[..., str] | None) -> Iterator[str]:
    """The prompts of a task one by one, built by lm-eval itself."""
    from jinja2 import TemplateError
    from lm_eval.evaluator_utils import get_sample_size

    limit = get_sample_size(task, config.limit)
    samples = config.samples or {}
    if not isinstance(samples, dict):
        raise OpenbookError(f"--samples {samples}: must be a JSON object of task names and question numbers, or a file")
    try:
        for _, doc in task.doc_iterator(limit=limit, samples=samples.get(task.task_name)):
            yield task.fewshot_context(
                doc,
                num_fewshot=0,
                system_instruction=config.system_instruction,
                apply_chat_template=chat is not None,
                fewshot_as_multiturn=bool(config.fewshot_as_multiturn),
                chat_template=chat,
                gen_prefix=task.doc_to_prefix(doc),
            )
    except AssertionError as error:
        raise OpenbookError(f"--samples: {error}") from error
    except (ValueError, TypeError, TemplateError) as error:
        # A tokenizer without a chat format, or one that a model's own code would have to write.
        raise UncheckedError(f"the prompts of {task.task_name} cannot be built ({error})") from error


def _by_condition(fits: Sequence[Fit]) -> list[Fit]:
    """The exams of a condition together, as its group is called; an exam that is asked alone keeps its name."""
    groups: dict[str, list[Fit]] = {}
    for one in fits:
        name, _, exam = one.task.rpartition("_")
        groups.setdefault(name if exam in EXAM_NAMES else one.task, []).append(one)
    return [merged(name if len(group) > 1 else group[0].task, group) for name, group in groups.items()]
