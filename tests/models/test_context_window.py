"""The check before a run, with lm-eval's own tasks and the tiny model's tokenizer; no engine starts."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.tasks import TaskManager

from openbook_eval.errors import OpenbookError
from openbook_eval.install import tasks_dir
from openbook_eval.models import context_window
from openbook_eval.models.context_window import ContextWindow, check
from openbook_eval.models.settings import refuse

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


def config(tiny_model: str, arguments: dict[str, Any], **settings: Any) -> Any:
    settings = {"model": "vllm", "tasks": ["cmed_openbook"], **settings}
    return EvaluatorConfig(**settings, model_args={"pretrained": tiny_model, **arguments})._configure()


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
def test_the_prompts_are_those_that_lm_eval_sends(tiny_model: str, settings: dict[str, Any]) -> None:
    from lm_eval.evaluator_utils import get_sample_size
    from lm_eval.models.huggingface import HFLM

    wanted = config(tiny_model, {}, **settings)
    (task,) = load("cmed_openbook_nursing")
    model = object.__new__(HFLM)
    model.tokenizer, model.chat_template_args = ContextWindow("hf", {"pretrained": tiny_model}).tokenizer, {}
    task.build_all_requests(
        limit=get_sample_size(task, wanted.limit),
        samples=(wanted.samples or {}).get("cmed_openbook_nursing"),
        system_instruction=wanted.system_instruction,
        apply_chat_template=bool(wanted.apply_chat_template),
        fewshot_as_multiturn=wanted.fewshot_as_multiturn,
        chat_template=model.apply_chat_template if wanted.apply_chat_template else None,
    )
    window = ContextWindow("hf", {"pretrained": tiny_model})
    assert context_window._prompts(task, wanted, window) == [instance.args[0] for instance in task.instances]
    assert len(task.instances) in (2, 3, 5, 43)


def test_the_setting_that_is_named_is_the_smallest_that_works(tiny_model: str) -> None:
    tasks = load("cmed_openbook", "cmed_closedbook_nursing")
    with pytest.raises(OpenbookError) as caught:
        check(tasks, config(tiny_model, {"max_model_len": 830}))
    assert str(caught.value) == (
        "2 of 301 prompts do not fit: the longest, of cmed_openbook_physician, has 322 tokens and 512 are kept for the "
        "answer, but max_model_len is 830; set max_model_len=834 in --model_args"
    )
    fits = check(tasks, config(tiny_model, {"max_model_len": 834}))
    assert (len(fits), sum(fit.prompts for fit in fits), max(fit.longest for fit in fits)) == (7, 301, 322)
    with pytest.raises(OpenbookError, match="1 of 301 prompts do not fit"):
        check(tasks, config(tiny_model, {"max_model_len": 833}))


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ({"max_model_len": -1}, {}, "max_model_len=-1 in --model_args must be a whole number of tokens, 1 or more"),
        ({"max_model_len": "32k"}, {}, "max_model_len=32k in --model_args must be"),
        ({"max_length": 512.5}, {}, "max_length=512.5 in --model_args must be"),
        ({"max_length": 512, "max_model_len": 512}, {}, "max_model_len and max_length are both set"),
        ({"max_model_len": 2048}, {"gen_kwargs": {"max_gen_toks": "many"}}, "max_gen_toks must be a whole number"),
        ({"max_model_len": 2048}, {"samples": {"cmed_openbook_nursing": [43]}}, "--samples: "),
        ({"max_model_len": 2048}, {"samples": ["cmed"]}, "--samples .* must be a JSON object"),
        # What the model cannot hold is to be left out; without a setting its own length is taken.
        (
            {},
            {"gen_kwargs": {"max_gen_toks": 32700}, "model": "hf"},
            "43 of 43 .* max_length is 32,768; the model holds 32,768 at most: leave out cmed_openbook_nursing, or",
        ),
    ],
)
def test_what_cannot_be_run_is_one_line(
    tiny_model: str, arguments: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(OpenbookError, match=f"^{message}") as caught:
        check(load("cmed_openbook_nursing"), config(tiny_model, arguments, **settings))
    assert "\n" not in str(caught.value)


def test_the_answers_length_comes_from_the_task_or_from_gen_kwargs(tiny_model: str) -> None:
    tasks = load("cmed_openbook_nursing")
    shorter = config(tiny_model, {"max_length": 310}, model="hf", gen_kwargs={"max_gen_toks": 16})
    (fit,) = check(tasks, shorter)
    assert (fit.task, fit.prompts, fit.cut, fit.room) == ("cmed_openbook_nursing", 43, 0, 294)
    # A name that lm-eval reads only where the task's own max_gen_toks is not set.
    with pytest.raises(OpenbookError, match=r"43 of 43 prompts do not fit: .* but max_length is 310"):
        check(tasks, config(tiny_model, {"max_length": 310}, model="hf", gen_kwargs={"max_new_tokens": 16}))


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
    tiny_model: str, caplog: pytest.LogCaptureFixture, model: str, arguments: dict[str, Any], reason: str
) -> None:
    assert check(load("cmed_openbook_nursing"), config(tiny_model, arguments, model=model)) == []
    (message,) = [record.getMessage() for record in caplog.records if record.name == context_window.__name__]
    assert message.startswith(f"not checked whether the model gets every prompt whole: {reason}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            None,
            r"\S+ cannot be asked as a chat \(Cannot use chat template functions because .*\); leave out --apply_chat",
        ),
        ("{{ raise_exception('no system') if messages[0].role == 'system' }}{{ messages[0].content }}", "--system_ins"),
        (
            "{{ messages[-1].content }}",
            "--system_instruction: the chat template of .* leaves it out of what is asked; leave",
        ),
    ],
)
@pytest.mark.parametrize("model", ["hf", "vllm-openbook"])
def test_a_chat_that_is_not_as_was_asked_is_refused(
    tiny_model: str, tmp_path: Path, model: str, template: str | None, message: str
) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.jinja").unlink()
    if template:
        (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    settings = {"apply_chat_template": True, "system_instruction": "你是医生。\n"}
    asked = config(str(tmp_path), {"max_model_len": 2048}, model=model, **settings)
    with pytest.raises(OpenbookError, match=f"^{message}") as caught:
        refuse(asked)
    assert "\n" not in str(caught.value)


def test_a_text_that_begins_with_the_first_token_gets_no_second(tiny_model: str, tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = ContextWindow("hf", {"pretrained": tiny_model}).tokenizer
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(tmp_path)

    def count(model: str, **arguments: object) -> list[int]:
        return ContextWindow(model, {"pretrained": str(tmp_path), **arguments}).count(["甲", "<|im_start|>甲"])

    assert count("hf") == count("vllm") == [2, 2]
    assert count("vllm", add_bos_token=False) == [1, 2]


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
    tiny_model: str, model: str, arguments: dict[str, Any], expected: str
) -> None:
    window = ContextWindow(model, {"pretrained": tiny_model, **arguments})
    window.tokenizer.chat_template = "{{ enable_thinking if enable_thinking is defined else 'unset' }}"
    assert window.render_chat([{"role": "user", "content": "甲"}]) == expected


def test_a_chat_format_without_system_messages_is_asked_again_without_it(tiny_model: str) -> None:
    window = ContextWindow("vllm", {"pretrained": tiny_model})
    window.tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}{{ messages[0]['content'] }}"
    )
    messages = [{"role": "system", "content": "你是医生。"}, {"role": "user", "content": "甲"}]
    assert window.render_chat(messages) == "甲"


@pytest.mark.engine
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 32768),
        ({"hf_overrides": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}}, 65536),
    ],
)
def test_vllm_itself_says_what_the_model_holds(tiny_model: str, arguments: dict[str, Any], expected: int) -> None:
    window = ContextWindow("vllm", {"pretrained": tiny_model, **arguments})
    assert window.held() == window.held(expected) == expected
    beyond = config(tiny_model, {**arguments, "max_model_len": expected + 1})
    with pytest.raises(OpenbookError, match=f"max_model_len={expected + 1} .* holds {expected} tokens at most"):
        check(load("cmed_openbook_nursing"), beyond)
