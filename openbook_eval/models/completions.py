"""Completion prompts: what a model without a chat format writes on after its answer is no part of it.

Such a model writes an explanation, or another question, until its tokens are spent, in other forms after a book than
without one. So it is stopped at the first blank line or new section, whatever blanks it begins with.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from openbook_eval import models

STOPS = ("\n\n", "\n【")
_END = re.compile(r"\n[ \t\r\u3000]*\n|\n【")

Ask = Callable[[list[Any]], list[str]]


def are_completions(config: Any) -> bool:
    """Return whether prompts are completions in a run of lm-eval's `config`.

    Endpoints are asked as a chat, and of a model that thinks a blank line in its thoughts ends nothing.
    """
    thinks = config.model_args.get("think_end_token") is not None
    return not (config.apply_chat_template or thinks or config.model == models.API)


def ending(model: str) -> tuple[type, dict[str, object]]:
    """Return the class of a model of lm-eval's and what it needs to end its answers; ours does so by itself."""
    from lm_eval.api.registry import get_model

    if model in ("", models.VLLM):
        return object, {}
    kind = get_model(model)
    whole = kind.generate_until

    def generate_until(self: Any, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return first_sections(lambda asked: list(whole(self, asked, disable_tqdm)), requests)

    return kind, {"generate_until": generate_until}


def first_sections(ask: Ask, requests: Sequence[Any]) -> list[str]:
    """Return the responses to lm-eval's requests, those to our tasks up to the end of their first section.

    What is blank until the first stop is asked once more without them.
    """
    ours = [(request.task_name or "").startswith("cmed_") for request in requests]
    texts = ask([_stopped(request) if own else request for request, own in zip(requests, ours, strict=True)])
    blank = [place for place, own in enumerate(ours) if own and not texts[place].strip()]
    for place, text in zip(blank, ask([requests[place] for place in blank]) if blank else (), strict=True):
        texts[place] = text
    # A response that knows more than its text stays as it is.
    return [first_section(text) if own and type(text) is str else text for text, own in zip(texts, ours, strict=True)]


def first_section(text: str) -> str:
    """Return a text up to its first blank line or new section after the blanks that it begins with."""
    return _END.split(text.lstrip(), maxsplit=1)[0]


def _stopped(request: Any) -> Any:
    prompt, generation = request.args
    return replace(request, arguments=(prompt, {**generation, "until": [*generation["until"], *STOPS]}))
