"""Completion prompts end with their first section, whatever the model writes on."""

from typing import Any, cast

import pytest
from lm_eval.api.instance import Instance
from lm_eval.config.evaluate_config import EvaluatorConfig

from openbook_eval.models.completions import are_completions, ending, first_section, first_sections
from openbook_eval.run import _replaced
from openbook_eval.types import Unanswered


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("B\n\n【题目】\n下一题", "B"),
        ("B\n【解析】因为甲", "B"),
        ("\n\n B\n \u3000\n再说", "B"),
        ("\n【答案】B\n【解析】因为甲", "【答案】B"),
        ("B\n因为甲", "B\n因为甲"),
        ("B【解析】因为甲", "B【解析】因为甲"),
        ("\n\n", ""),
    ],
)
def test_a_section_ends_at_a_blank_line_or_a_new_one_after_leading_blanks(text: str, section: str) -> None:
    assert first_section(text) == section


def test_only_prompts_of_ours_are_stopped_and_a_blank_answer_is_asked_for_in_full() -> None:
    written = {"a": "B\n\n【题目】", "b": "\n\nC\n\n【题目】", "c": "D\n\nE", "d": Unanswered("refused")}
    asked: list[list[str]] = []

    def ask(requests: list[Any]) -> list[str]:
        asked.append([request.args[0] for request in requests])
        return [_until(written[request.args[0]], request.args[1]["until"]) for request in requests]

    tasks = {"a": "cmed_openbook_nursing", "b": "cmed_openbook_nursing", "c": "others", "d": "cmed_openbook_nursing"}
    requests = [
        Instance("generate_until", {}, (prompt, {"until": ["<|im_end|>"]}), 0, (task, 0, 1))
        for prompt, task in tasks.items()
    ]
    assert first_sections(ask, requests) == ["B", "C", "D\n\nE", written["d"]]
    assert asked == [["a", "b", "c", "d"], ["b", "d"]]
    assert requests[0].args[1] == {"until": ["<|im_end|>"]}


def _until(text: str, stops: list[str]) -> str:
    """Write as an engine does: up to the first stop."""
    ends = [text.index(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"apply_chat_template": True}, False),
        ({"model_args": {"think_end_token": "</think>"}}, False),
        ({"model": "api-openbook"}, False),
    ],
)
def test_chats_endpoints_and_models_that_think_are_not_stopped(changes: dict[str, Any], expected: bool) -> None:
    assert are_completions(EvaluatorConfig(**{"model": "hf", **changes})) is expected


def test_a_model_of_lm_evals_ends_its_answers_while_it_is_told_to() -> None:
    kind, others = cast(Any, ending("dummy"))
    assert (ending("vllm-openbook"), ending("")) == ((object, {}), (object, {}))
    whole = kind.generate_until
    with _replaced(kind, others):
        assert kind.generate_until is others["generate_until"]
        request = Instance("generate_until", {}, ("a", {"until": []}), 0, ("cmed_openbook_nursing", 0, 1))
        assert kind().generate_until([request]) == ["lol"]
    assert kind.generate_until is whole
