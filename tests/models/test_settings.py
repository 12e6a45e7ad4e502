"""Settings that lm-eval would ignore, or fail over when the engine has started."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from lm_eval.config.evaluate_config import EvaluatorConfig

from openbook_eval import task_functions
from openbook_eval.errors import OpenbookError
from openbook_eval.models import settings

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


def config(**changes: Any) -> Any:
    return EvaluatorConfig(**{"model": "hf", "tasks": ["cmed_openbook"], **changes})._configure()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cache_requests": {"cache_requests": True}},
            "--cache_requests: lm-eval keeps prompts by the names of tasks, ",
        ),
        ({"cache_requests": True}, "--cache_requests: "),  # as a --config file says it
        (
            {"use_cache": "x.db"},
            "--use_cache: .* leave it out: --model vllm-openbook and api-openbook keep theirs in a ",
        ),
        ({"num_fewshot": 5}, "--num_fewshot 5: these exams show no examples, lm-eval ignores it; leave it out"),
        *(
            ({"gen_kwargs": {name: 16}}, f"--gen_kwargs {name}=16: .*; say max_gen_toks=16")
            for name in ("max_new_tokens", "max_tokens", "max_completion_tokens")
        ),
        ({"model_args": {"max_gen_toks": 16}}, "--model_args max_gen_toks=16: .*; say it in --gen_kwargs"),
        *(
            ({"gen_kwargs": one}, "--gen_kwargs: only do_sample=True with a temperature draws answers")
            for one in ({"temperature": 0.7}, {"do_sample": True})
        ),
        ({"gen_kwargs": {"stop": ["x"]}}, r"--gen_kwargs stop: what ends an answer is until here; say until=\[...\]"),
        ({"gen_kwargs": {"max_gen_tok": 16}}, "--gen_kwargs max_gen_tok: .*; did you mean 'max_gen_toks'?"),
        *(
            (
                {"model": name, "metadata": {"undecided": "ask"}, "model_args": {"model": "m"}},
                f"--metadata undecided: --model {name} cannot rank letters behind its own response; leave it out, or ",
            )
            for name in ("hf", "vllm", "api-openbook")
        ),
        ({"model": "local-chat-completions"}, "--model local-chat-completions: is asked as a chat alone; add --apply_"),
        ({"model_args": {"enable_thinking": True}}, "enable_thinking=True .*; add think_end_token="),
        (
            {"model": "vllm", "model_args": {"chat_template_args": {"enable_thinking": False}}},
            "--model_args chat_template_args: lm-eval ignores its enable_thinking; say enable_thinking= beside it",
        ),
    ],
)
def test_a_setting_that_would_not_do_what_it_says_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=f"^{message}") as caught:
        settings.refuse(config(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "api-openbook"}, "--model api-openbook generates answers; tasks that rank options need --model "),
        (
            {"model_args": {"enable_thinking": True, "think_end_token": "</think>"}},
            "enable_thinking=True is for tasks that generate",
        ),
    ],
)
def test_a_model_that_cannot_rank_is_refused_before_it_is_asked(changes: dict[str, Any], message: str) -> None:
    settings.refuse(config(**changes), ["generate_until"])
    with pytest.raises(OpenbookError, match=f"^{message}"):
        settings.refuse(config(**changes), ["generate_until", "multiple_choice"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cache_requests": {"cache_requests": False, "delete_requests_cache": True}, "num_fewshot": 0},
        {"gen_kwargs": {"max_gen_toks": 16, "do_sample": True, "temperature": 0.7, "top_p": 0.9, "until": ["x"]}},
        # An endpoint draws by temperature alone, and knows settings of its own.
        {"model": "api-openbook", "gen_kwargs": {"temperature": 0.7, "reasoning_effort": "low"}},
        {"model": "vllm-openbook", "metadata": {"undecided": "ask"}},
        {"model": "api-openbook", "metadata": {"undecided": "ask"}, "model_args": {"logprobs": True}},
    ],
)
def test_settings_that_do_what_they_say_pass(changes: dict[str, Any]) -> None:
    settings.refuse(config(**changes))


WANDB = """
def login(prompt):
    if {error!r}:
        raise ValueError({error!r})
    return {known}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wandb_args": {"project": "x"}}, "--wandb_args: wandb is not installed here; mend that, or leave --wandb_ar"),
        ({"trackio_args": {"project": "x"}}, "--trackio_args: trackio is not installed here; mend that, or leave --t"),
        *(
            (
                {"hf_hub_log_args": {name: True}},
                f"--hf_hub_log_args {name}: HF_TOKEN is not set; set it, or leave {name}",
            )
            for name in ("push_results_to_hub", "push_samples_to_hub")
        ),
    ],
)
def test_a_logger_that_could_not_begin_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(OpenbookError, match=f"^{message}"):
        settings.refuse_loggers(config(**changes))
    settings.refuse_loggers(config(hf_hub_log_args={"push_results_to_hub": True, "token": "hf_x"}))
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    settings.refuse_loggers(config(hf_hub_log_args={"push_results_to_hub": True}))


@pytest.mark.parametrize(
    ("known", "error", "message"),
    [
        (True, "", None),
        (False, "", r"no key is known \(wandb login, or the variable WANDB_API_KEY\)"),
        (False, "API key must have 40 characters.\nmore", "API key must have 40 characters"),
    ],
)
def test_wandb_is_asked_for_its_key_before_the_run_and_not_where_it_stays_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: bool, error: str, message: str | None
) -> None:
    (tmp_path / "wandb.py").write_text(WANDB.format(known=known, error=error), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    settings.refuse_loggers(config(wandb_args={"mode": "offline"}))
    with nullcontext() if message is None else pytest.raises(OpenbookError, match=f"^--wandb_args: {message}; mend th"):
        settings.refuse_loggers(config(wandb_args={"project": "x"}))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    settings.refuse_loggers(config(wandb_args={"project": "x"}))
    monkeypatch.delitem(sys.modules, "wandb")


@pytest.mark.parametrize("program", ["/bin/lm_eval", "/bin/lm-eval", "/lib/lm_eval/__main__.py", "/bin/my_script.py"])
def test_plain_lm_eval_is_refused_by_its_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "--tasks", "cmed_openbook", "--model", "hf", "--cache_req", "true"])
    settings.refuse_by_command_line.cache_clear()
    if program.endswith("script.py"):  # a call from Python, whose command line says nothing of lm-eval's
        assert len(task_functions.docs("openbook", "nursing", exam="mini")["test"]) == 43
        return
    with pytest.raises(SystemExit):
        task_functions.docs("openbook", "nursing", exam="mini")
    assert capsys.readouterr().err.startswith("openbook-eval: --cache_requests: lm-eval keeps prompts by the names of")
