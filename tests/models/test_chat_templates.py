"""The exact prompt of each family, rendered as transformers renders it: one question, and a conversation."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from openbook_eval.models.profiles import profiles

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

Turns = Sequence[Mapping[str, str]]
QUESTION: Turns = [{"role": "user", "content": "感冒多喝水吗？\nA. 是\nB. 否"}]
CONVERSATION: Turns = [
    {"role": "system", "content": "请简短回答。"},
    {"role": "user", "content": "一？"},
    {"role": "assistant", "content": "答一。"},
    {"role": "user", "content": "二？"},
]
PULSE = "Instructions: You are Helper, a large language model full of intelligence. Respond conversationally.</s>"
HUATUO = (
    "一位用户和智能医疗大模型HuatuoGPT之间的对话。对于用户的医疗问诊，HuatuoGPT给出准确的、详细的、温暖的指导建议。"
    "对于用户的指令问题，HuatuoGPT给出有益的、详细的、有礼貌的回答。"
)
ASKED = {
    "disc": "<reserved_102>感冒多喝水吗？\nA. 是\nB. 否<reserved_103>",
    "huatuo": HUATUO + "<病人>：感冒多喝水吗？\nA. 是\nB. 否 <HuatuoGPT>：",
    "huatuo2": "<问>：感冒多喝水吗？\nA. 是\nB. 否\n<答>：",
    "ivygpt": "<reserved_106>感冒多喝水吗？\nA. 是\nB. 否<reserved_107>",
    "pulse": PULSE + "User: 感冒多喝水吗？\nA. 是\nB. 否</s>Helper",
    "qwen1.5-chat": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n感冒多喝水吗？\nA. 是\nB. 否<|im_end|>\n<|im_start|>assistant\n"
    ),
    "wingpt2": "User: 感冒多喝水吗？\nA. 是\nB. 否<|endoftext|>\n Assistant:",
}
CONTINUED = {
    "disc": "<reserved_102>请简短回答。\n一？<reserved_103>答一。</s><reserved_102>二？<reserved_103>",
    "huatuo": (HUATUO + "<病人>：请简短回答。\n一？ <HuatuoGPT>：答一。</s><病人>：二？ <HuatuoGPT>："),
    "huatuo2": "<问>：请简短回答。\n一？\n<答>：答一。</s>\n<问>：二？\n<答>：",
    "ivygpt": "<reserved_106>请简短回答。\n一？<reserved_107>答一。</s><reserved_106>二？<reserved_107>",
    "pulse": PULSE + "User: 请简短回答。\n一？</s>Helper: 答一。</s>User: 二？</s>Helper",
    "qwen1.5-chat": (
        "<|im_start|>system\n请简短回答。<|im_end|>\n<|im_start|>user\n一？<|im_end|>\n"
        "<|im_start|>assistant\n答一。<|im_end|>\n<|im_start|>user\n二？<|im_end|>\n<|im_start|>assistant\n"
    ),
    "wingpt2": (
        "User: 请简短回答。\n一？<|endoftext|>\n Assistant:答一。<|endoftext|>\n User: 二？<|endoftext|>\n Assistant:"
    ),
}
FAMILIES = sorted(ASKED)
# The eos_token of the tokenizers of those families whose templates leave it to the tokenizer.
END = "</s>"
# What follows a last answer.
ENDS = {"qwen1.5-chat": "<|im_end|>\n", "wingpt2": "<|endoftext|>"}


@pytest.fixture(scope="module")
def tokenizer(tiny_model: str) -> Any:
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tiny_model)
    loaded.eos_token = END
    return loaded


def rendered(tokenizer: Any, family: str, turns: Turns, ask: bool = True) -> str:
    text = tokenizer.apply_chat_template(
        turns, chat_template=profiles()[family].template, tokenize=False, add_generation_prompt=ask
    )
    assert isinstance(text, str)
    return text


def test_every_family_has_its_golden_prompts() -> None:
    assert sorted(profiles()) == FAMILIES == sorted(CONTINUED)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_asked_in_its_own_format(tokenizer: Any, family: str) -> None:
    assert rendered(tokenizer, family, QUESTION) == ASKED[family]
    assert rendered(tokenizer, family, CONVERSATION) == CONTINUED[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_trained_goes_on_from_what_is_asked_and_ends_in_the_end_token(tokenizer: Any, family: str) -> None:
    asked = rendered(tokenizer, family, CONVERSATION)
    trained = rendered(tokenizer, family, [*CONVERSATION, {"role": "assistant", "content": "答二。"}], ask=False)
    end = profiles()[family].end_token or END
    assert end in profiles()[family].stop
    assert trained.startswith(asked)
    assert trained[len(asked) :].removeprefix(": ") == "答二。" + ENDS.get(family, END)
    assert trained.count("答一。" + end) == trained.count("答二。" + end) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_text_of_a_turn_is_no_template_and_two_system_turns_stand_before_the_question(
    tokenizer: Any, family: str
) -> None:
    text = "{{ 7 * 6 }}{% if %} <b>&"
    assert text in rendered(tokenizer, family, [{"role": "user", "content": text}])
    if family != "qwen1.5-chat":
        turns = [{"role": "system", "content": "甲"}, {"role": "system", "content": "乙"}, *QUESTION]
        assert rendered(tokenizer, family, turns) == ASKED[family].replace("感冒", "甲\n乙\n感冒")
