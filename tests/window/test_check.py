"""The check before a run, with lm-eval's own tasks and the examinee's tokenizer; no engine starts."""

from pathlib import Path
from typing import Any

import pytest
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.tasks import TaskManager

from openbook_eval.errors import OpenbookError
from openbook_eval.linking import tasks_dir
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.window import check, lengths, tokens

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def examinee() -> str:
    return str(tiny_model_dir())


def config(examinee: str, arguments: dict[str, Any], **settings: Any) -> Any:
    settings = {"model": "vllm", "tasks": ["cmed_openbook"], **settings}
    return EvaluatorConfig(**settings, model_args={"pretrained": examinee, **arguments})._configure()


def load(*names: str) -> list[Any]:
    manager = TaskManager(include_path=str(tasks_dir()), include_defaults=False, metadata={"exam": "mini"})
    return list(manager.load(list(names))["tasks"].values())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"limit": 3},
        {"limit": 0.1},
        {"samples": {"cmed_openbook_nursing": [1, 4]}},
        {"apply_chat_template": True},
        {"apply_chat_template": "default", "system_instruction": "你是医生。", "fewshot_as_multiturn": False},
        {"system_instruction": "你是医生。"},
    ],
)
def test_the_prompts_are_those_that_lm_eval_sends(examinee: str, settings: dict[str, Any]) -> None:
    from lm_eval.evaluator_utils import get_sample_size
    from lm_eval.models.huggingface import HFLM

    wanted = config(examinee, {}, **settings)
    (task,) = load("cmed_openbook_nursing")
    model = object.__new__(HFLM)
    model.tokenizer, model.chat_template_args = tokens.load_tokenizer("hf", {"pretrained": examinee}), {}
    task.build_all_requests(
        limit=get_sample_size(task, wanted.limit),
        samples=(wanted.samples or {}).get("cmed_openbook_nursing"),
        system_instruction=wanted.system_instruction,
        apply_chat_template=bool(wanted.apply_chat_template),
        fewshot_as_multiturn=wanted.fewshot_as_multiturn,
        chat_template=model.apply_chat_template if wanted.apply_chat_template else None,
    )
    chat = tokens.chat_format("hf", {}, model.tokenizer) if wanted.apply_chat_template else None
    assert list(check._prompts(task, wanted, chat)) == [instance.args[0] for instance in task.instances]
    assert len(task.instances) in (2, 3, 5, 43)


def test_the_setting_that_is_named_is_the_smallest_that_works(examinee: str) -> None:
    tasks = load("cmed_openbook", "cmed_closedbook_nursing")
    with pytest.raises(OpenbookError) as caught:
        check.check(config(examinee, {"max_model_len": 830}), tasks)
    assert str(caught.value) == (
        "2 of 258 prompts of cmed_openbook do not fit: the longest has 322 tokens and 512 are kept for the answer, "
        "but max_model_len is 830; set max_model_len=834 in --model_args"
    )
    fits = check.check(config(examinee, {"max_model_len": 834}), tasks)
    assert (len(fits), sum(fit.prompts for fit in fits), max(fit.longest for fit in fits)) == (7, 301, 322)
    with pytest.raises(OpenbookError, match="1 of 258 prompts of cmed_openbook do not fit"):
        check.check(config(examinee, {"max_model_len": 833}), tasks)


def test_the_answers_length_comes_from_the_task_or_from_gen_kwargs(examinee: str) -> None:
    tasks = load("cmed_openbook_nursing")
    shorter = config(examinee, {"max_length": 310}, model="hf", gen_kwargs={"max_gen_toks": 16})
    (fit,) = check.check(shorter, tasks)
    assert (fit.task, fit.prompts, fit.cut, fit.room) == ("cmed_openbook_nursing", 43, 0, 294)
    # A name that lm-eval reads only where the task's own max_gen_toks is not set.
    with pytest.raises(OpenbookError, match=r"43 of 43 prompts of cmed_openbook_nursing .* but max_length is 310"):
        check.check(config(examinee, {"max_length": 310}, model="hf", gen_kwargs={"max_new_tokens": 16}), tasks)


def test_the_chat_format_and_the_system_prompt_are_counted(examinee: str) -> None:
    tasks = load("cmed_openbook_nursing")
    (plain,) = check.check(config(examinee, {"max_model_len": 2048}), tasks)
    (chat,) = check.check(config(examinee, {"max_model_len": 2048}, apply_chat_template=True), tasks)
    tokenizer = tokens.load_tokenizer("hf", {"pretrained": examinee})
    frame = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
    added = sum(len(tokenizer(text)["input_ids"]) for text in frame)
    assert chat.longest == plain.longest + added


def test_without_a_setting_the_models_own_length_is_taken(examinee: str) -> None:
    (fit,) = check.check(config(examinee, {}, model="hf"), load("cmed_openbook_nursing"))
    assert fit.room == 32768 - 512


def test_what_the_model_cannot_hold_is_to_be_left_out(examinee: str) -> None:
    beyond = config(examinee, {}, gen_kwargs={"max_gen_toks": 32700}, model="hf")
    with pytest.raises(OpenbookError, match="the model holds 32,768 at most: leave out cmed_openbook_nursing, or take"):
        check.check(beyond, load("cmed_openbook_nursing"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_model_len": -1}, "max_model_len=-1 in --model_args must be a whole number of tokens, 1 or more"),
        ({"max_model_len": "32k"}, "max_model_len=32k in --model_args must be"),
        ({"max_length": 512.5}, "max_length=512.5 in --model_args must be"),
        ({"max_length": 512, "max_model_len": 512}, "max_model_len and max_length are both set"),
    ],
)
def test_a_length_that_is_none_is_one_line(examinee: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=message) as caught:
        check.check(config(examinee, arguments), load("cmed_openbook_nursing"))
    assert "\n" not in str(caught.value)


def test_an_answers_length_that_is_none_is_one_line(examinee: str) -> None:
    wrong = config(examinee, {"max_model_len": 2048}, gen_kwargs={"max_gen_toks": "many"})
    with pytest.raises(OpenbookError, match="max_gen_toks must be a whole number of tokens"):
        check.check(wrong, load("cmed_openbook_nursing"))


@pytest.mark.parametrize("samples", [{"cmed_openbook_nursing": [43]}, ["cmed"]])
def test_samples_that_are_none_are_one_line(examinee: str, samples: Any) -> None:
    with pytest.raises(OpenbookError, match=r"^--samples"):
        check.check(config(examinee, {"max_model_len": 2048}, samples=samples), load("cmed_openbook_nursing"))


@pytest.mark.parametrize(
    ("model", "arguments", "reason"),
    [
        ("local-completions", {}, "lm-eval's model local-completions has no tokenizer here"),
        ("vllm-vlm", {}, "lm-eval's model vllm-vlm has no tokenizer here"),
        ("hf", {"truncation": True}, "truncation=True lets the tokenizer cut as well"),
        ("vllm", {"tokenizer": "/no/such/folder"}, "the tokenizer of /no/such/folder cannot be loaded: "),
    ],
)
def test_what_cannot_be_counted_is_said_and_stops_nothing(
    examinee: str, caplog: pytest.LogCaptureFixture, model: str, arguments: dict[str, Any], reason: str
) -> None:
    assert check.check(config(examinee, arguments, model=model), load("cmed_openbook_nursing")) == []
    (message,) = [record.getMessage() for record in caplog.records if record.name == "openbook_eval.window.check"]
    assert message.startswith(f"not checked whether the model gets every prompt whole: {reason}")
    assert "\n" not in message


def test_a_tokenizer_without_a_chat_format_stops_nothing(
    examinee: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = tokens.load_tokenizer("hf", {"pretrained": examinee})
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    arguments = {"tokenizer": str(tmp_path), "max_model_len": 2048}
    assert check.check(config(examinee, arguments, apply_chat_template=True), load("cmed_openbook_nursing")) == []
    assert "the prompts of cmed_openbook_nursing cannot be built" in caplog.text


def test_tasks_of_others_are_not_counted(examinee: str) -> None:
    assert check.check(config(examinee, {"max_model_len": 1}), []) == []


def test_a_text_that_begins_with_the_first_token_gets_no_second(examinee: str) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokens.load_tokenizer("hf", {"pretrained": examinee})
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    assert tokens.token_counter("hf", {}, tokenizer)(["甲", "<|im_start|>甲"]) == [2, 2]
    assert tokens.token_counter("vllm", {}, tokenizer)(["<|im_start|>甲", "甲"]) == [2, 2]
    assert tokens.token_counter("vllm", {"add_bos_token": False}, tokenizer)(["甲", "<|im_start|>甲"]) == [1, 2]


@pytest.mark.parametrize(
    ("model", "arguments", "expected"),
    [
        ("hf", {}, "unset"),
        ("hf", {"enable_thinking": False}, "False"),
        ("hf", {"chat_template_args": {"enable_thinking": True}}, "True"),
        # The backend of vLLM overwrites what chat_template_args say of it.
        ("vllm", {"chat_template_args": {"enable_thinking": True}}, "None"),
        ("vllm", {"enable_thinking": True}, "True"),
    ],
)
def test_thinking_is_asked_for_as_the_backend_does(
    examinee: str, model: str, arguments: dict[str, Any], expected: str
) -> None:
    tokenizer = tokens.load_tokenizer("hf", {"pretrained": examinee})
    tokenizer.chat_template = "{{ enable_thinking if enable_thinking is defined else 'unset' }}"
    assert tokens.chat_format(model, arguments, tokenizer)([{"role": "user", "content": "甲"}]) == expected


def test_a_chat_format_without_system_messages_is_asked_again_without_it(examinee: str) -> None:
    tokenizer = tokens.load_tokenizer("hf", {"pretrained": examinee})
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}{{ messages[0]['content'] }}"
    )
    messages = [{"role": "system", "content": "你是医生。"}, {"role": "user", "content": "甲"}]
    assert tokens.chat_format("vllm", {}, tokenizer)(messages) == "甲"


@pytest.mark.engine
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 32768),
        ({"hf_overrides": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}}, 65536),
    ],
)
def test_vllm_itself_says_what_the_model_holds(examinee: str, arguments: dict[str, Any], expected: int) -> None:
    arguments = {"pretrained": examinee, **arguments}
    tokenizer = tokens.load_tokenizer("vllm", arguments)
    assert lengths.own_length("vllm", arguments, tokenizer, trusted=False) == expected
    lengths.refuse_excess("max_model_len", expected, "vllm", arguments, tokenizer, trusted=False)
    with pytest.raises(OpenbookError, match=f"max_model_len={expected + 1} .* holds {expected} tokens at most"):
        lengths.refuse_excess("max_model_len", expected + 1, "vllm", arguments, tokenizer, trusted=False)
