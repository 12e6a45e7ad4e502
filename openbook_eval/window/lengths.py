"""How much a run's model holds, in tokens, as lm-eval 0.4.13 and vLLM take it from --model_args and the model."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.window.fitting import answer_tokens
from openbook_eval.window.tokens import Arguments, UncheckedError, is_vllm

# A letter, and the token that an engine generates in any case.
_RANKED = 2


def answer_length(model: str, arguments: Arguments, generation: Mapping[str, object] | None) -> int:
    """The tokens kept for an answer; `generation` is None where letters are ranked and nothing is generated.

    Raises OpenbookError for what is no number.
    """
    if generation is None:
        return _RANKED
    default = arguments.get("max_gen_toks", 256) if is_vllm(model) else 256
    try:
        return answer_tokens(generation, default)
    except (TypeError, ValueError) as error:
        raise OpenbookError(f"max_gen_toks must be a whole number of tokens ({first_line(error)})") from error


def set_length(model: str, arguments: Arguments) -> tuple[str, int | None]:
    """The name of the setting of the model's length and what the user set it to.

    Raises OpenbookError where it is no positive number: lm-eval takes -1 for a length and cuts all prompts.
    """
    names = ("max_model_len", "max_length") if is_vllm(model) else ("max_length",)
    given = [name for name in names if arguments.get(name) is not None]
    if len(given) > 1:
        raise OpenbookError("max_model_len and max_length are both set in --model_args; set one of them")
    name = given[0] if given else names[0]
    value = arguments.get(name)
    if value is not None and (not isinstance(value, int) or value < 1):
        raise OpenbookError(f"{name}={value} in --model_args must be a whole number of tokens, 1 or more")
    return name, value


def refuse_excess(name: str, length: int, model: str, arguments: Arguments, tokenizer: Any, trusted: bool) -> None:
    """Raises OpenbookError where vLLM would not start with this length since the model holds less.

    Raises UncheckedError as `own_length` does.
    """
    if not _has_engine(model, arguments) or length <= config_length(arguments, tokenizer, trusted):
        return
    try:
        _vllm_length(arguments, length)
    except ValueError as error:
        if "max_model_len" in str(error):
            most = own_length(model, arguments, tokenizer, trusted)
            raise OpenbookError(
                f"{name}={length} in --model_args: {arguments['pretrained']} holds {most} tokens at most; "
                f"set {name}={most} or less, or leave it out"
            ) from error


def most(needed: int, model: str, arguments: Arguments, tokenizer: Any, trusted: bool) -> int | None:
    """The longest that the model holds, None where that is unknown.

    The engine is asked only where the configuration as lm-eval reads it says less than `needed`: it may know better.
    """
    try:
        length = config_length(arguments, tokenizer, trusted)
        return length if needed <= length else max(length, own_length(model, arguments, tokenizer, trusted))
    except UncheckedError:
        return None


def own_length(model: str, arguments: Arguments, tokenizer: Any, trusted: bool) -> int:
    """The longest that the model holds by its own configuration, which is what a run without a setting takes.

    vLLM's own rule (rope scaling, sliding windows) where its engine runs the model, lm-eval's elsewhere. Raises
    UncheckedError where the configuration cannot be read.
    """
    if not _has_engine(model, arguments):
        return config_length(arguments, tokenizer, trusted)
    try:
        return _vllm_length(arguments)
    except Exception as error:  # whatever model and engine make of a configuration
        raise _unknown(arguments, error) from error


def _has_engine(model: str, arguments: Arguments) -> bool:
    # With more than one replica lm-eval holds no engine that could be asked for its length.
    return is_vllm(model) and arguments.get("data_parallel_size", 1) in (1, None)


def config_length(arguments: Arguments, tokenizer: Any, trusted: bool) -> int:
    """The length in the model's configuration, by lm-eval's rule. Raises UncheckedError as `own_length` does."""
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig

    revision = str(arguments.get("revision") or "main")
    try:
        config = AutoConfig.from_pretrained(str(arguments["pretrained"]), trust_remote_code=trusted, revision=revision)
        return int(resolve_max_length(config, tokenizer))
    except Exception as error:  # as above
        raise _unknown(arguments, error) from error


def _vllm_length(arguments: Arguments, length: int | None = None) -> int:
    # The import takes seconds; a run pays it in any case.
    from vllm.engine.arg_utils import EngineArgs

    known = {field.name for field in fields(EngineArgs)}
    settings = {name: value for name, value in arguments.items() if name in known}
    settings |= {"model": arguments["pretrained"], "max_model_len": length}
    return int(EngineArgs(**settings).create_model_config().max_model_len)


def _unknown(arguments: Arguments, error: Exception) -> UncheckedError:
    return UncheckedError(f"the length of {arguments.get('pretrained')} is unknown: {first_line(error)}")
