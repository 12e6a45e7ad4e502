"""How a run's model reads text: its tokenizer and chat format, as lm-eval 0.4.13 takes them from --model_args.

The sources are lm_eval/models/vllm_causallms.py and huggingface.py; nothing here starts an engine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from openbook_eval.errors import first_line
from openbook_eval.profiles import profile
from openbook_eval.window.fitting import Count

Arguments = Mapping[str, Any]

_HF = ("hf", "hf-auto", "huggingface")
# Characters handed to the tokenizer at once: a book's tokens take many times the memory of its text.
_AT_ONCE = 2_000_000


class UncheckedError(Exception):
    """Why it cannot be told whether prompts fit; the run itself may be sound."""


def is_vllm(model: str) -> bool:
    """Whether the model is lm-eval's vLLM backend for text, or one built on it."""
    return model == "vllm" or (model.startswith("vllm-") and model != "vllm-vlm")


def load_tokenizer(model: str, arguments: Arguments, trusted: bool = False) -> Any:
    """The tokenizer of the run's model; `trusted` where the user allows its code to run.

    Raises UncheckedError for a model without a tokenizer of its own (API models) and for one that cannot be loaded.
    """
    if not (is_vllm(model) or model in _HF):
        raise UncheckedError(f"lm-eval's model {model} has no tokenizer here")
    if model in _HF and arguments.get("truncation"):
        raise UncheckedError("truncation=True lets the tokenizer cut as well")
    name = arguments.get("tokenizer") or arguments.get("pretrained")
    settings = {"trust_remote_code": trusted, "revision": _revision(model, arguments)}
    if arguments.get("add_bos_token") is not None:
        settings["add_bos_token"] = arguments["add_bos_token"]
    try:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(name), **settings)
    except Exception as error:  # a tokenizer fails in as many ways as there are tokenizers
        raise UncheckedError(f"the tokenizer of {name} cannot be loaded: {first_line(error)}") from error


def _revision(model: str, arguments: Arguments) -> str:
    name = "tokenizer_revision" if is_vllm(model) else "revision"
    return str(arguments.get(name) or "main")


def token_counter(model: str, arguments: Arguments, tokenizer: Any) -> Count:
    """Counts the tokens of texts as lm-eval sends them: none are added before a text that begins with the first."""
    first = _first_text(model, arguments, tokenizer)
    adding = arguments.get("add_bos_token")

    def count(texts: Sequence[str]) -> list[int]:
        counts = [0] * len(texts)
        begun = [first is not None and text.startswith(first) for text in texts]
        for has_first in (False, True):
            settings = {"add_special_tokens": False if has_first else adding}
            settings = {name: value for name, value in settings.items() if value is not None}
            for places in _by_size([place for place, mark in enumerate(begun) if mark == has_first], texts):
                lists = tokenizer([texts[place] for place in places], verbose=False, **settings)["input_ids"]
                for place, tokens in zip(places, lists, strict=True):
                    counts[place] = len(tokens)
        return counts

    return count


def _first_text(model: str, arguments: Arguments, tokenizer: Any) -> str | None:
    """What stands for the token that begins a text; vLLM's backend takes the end token where there is none."""
    if not is_vllm(model):
        text = tokenizer.bos_token
        return None if text is None else str(text)
    candidates = (arguments.get("prefix_token_id"), tokenizer.bos_token_id, tokenizer.eos_token_id)
    number = next((candidate for candidate in candidates if candidate is not None), None)
    return None if number is None else str(tokenizer.decode(number))


def _by_size(places: Sequence[int], texts: Sequence[str]) -> Iterator[list[int]]:
    batch: list[int] = []
    size = 0
    for place in places:
        batch.append(place)
        size += len(texts[place])
        if size >= _AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def chat_format(model: str, arguments: Arguments, tokenizer: Any) -> Callable[..., str]:
    """Wraps a list of messages as lm-eval's backends do: the tokenizer's default format, or that of a profile.

    A format that takes no system message is asked again without it.
    """
    settings = dict(arguments.get("chat_template_args") or {})
    if is_vllm(model) and arguments.get("profile"):
        settings["chat_template"] = profile(str(arguments["profile"])).template
    thinking = arguments.get("enable_thinking")
    if is_vllm(model) or thinking is not None:
        settings["enable_thinking"] = thinking

    def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        from jinja2 import TemplateError

        wanted = {"add_generation_prompt": add_generation_prompt, "continue_final_message": not add_generation_prompt}
        try:
            return str(tokenizer.apply_chat_template(messages, tokenize=False, **wanted, **settings))
        except TemplateError:
            others = [message for message in messages if message["role"] != "system"]
            return str(tokenizer.apply_chat_template(others, tokenize=False, **wanted, **settings))

    return render
