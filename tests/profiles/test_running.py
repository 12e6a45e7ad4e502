"""A run with a profile takes its model, context and chat format; what the user gives stands over it."""

import pytest

from openbook_eval import harness
from openbook_eval.errors import OpenbookError
from openbook_eval.profiles.running import model_arguments, named


@pytest.mark.parametrize(
    ("name", "hub"),
    [
        ("huatuo2-7b", "FreedomIntelligence/HuatuoGPT2-7B"),
        ("huatuo2-34b", "FreedomIntelligence/HuatuoGPT2-34B"),
        ("qwen1.5-chat-1.8b", "Qwen/Qwen1.5-1.8B-Chat"),
        ("pulse-7b", "OpenMEDLab/PULSE-7bv5"),
        ("pulse", "OpenMEDLab/PULSE-7bv5"),
    ],
)
def test_a_name_is_family_and_size_or_the_family_of_one_size(name: str, hub: str) -> None:
    assert named(name)[1].hub == hub


@pytest.mark.parametrize(
    ("name", "hint"),
    [("huato2-7b", "did you mean 'huatuo2-7b'?"), ("huatuo2", "did you mean 'huatuo'?"), ("", "known")],
)
def test_a_name_that_is_none_is_told_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(OpenbookError, match=f"--profile {name}: there is none; ") as caught:
        named(name)
    assert hint in str(caught.value)


def test_model_and_context_are_those_of_the_profile() -> None:
    assert model_arguments("qwen1.5-chat-7b", {}) == {
        "pretrained": "Qwen/Qwen1.5-7B-Chat",
        "max_model_len": 32768,
        "profile": "qwen1.5-chat",
    }


def test_what_the_user_gives_stands_over_the_profile() -> None:
    given = {"pretrained": "checkpoints/mine", "max_model_len": 4096, "dtype": "float32"}
    assert model_arguments("qwen1.5-chat-7b", given) == {**given, "profile": "qwen1.5-chat"}


def test_code_of_a_models_authors_runs_only_where_the_user_says_so() -> None:
    with pytest.raises(OpenbookError, match=r"HuatuoGPT2-7B runs code of its authors .* add --trust_remote_code"):
        model_arguments("huatuo2-7b", {})
    assert model_arguments("huatuo2-7b", {"trust_remote_code": True})["pretrained"].endswith("HuatuoGPT2-7B")


def test_a_profile_brings_our_model_and_the_chat_format() -> None:
    flags, others = harness._own_flags(["--tasks", "cmed_openbook", "--profile", "pulse-7b", "--limit", "2"])
    assert (flags.profile, flags.dry_run) == ("pulse-7b", False)
    assert others == [
        *("--tasks", "cmed_openbook", "--limit", "2"),
        *("--model", "vllm-openbook", "--apply_chat_template"),
    ]


def test_without_our_flags_lm_evals_are_left_as_they_are() -> None:
    arguments = ["--tasks", "a,b", "--model", "vllm", "--model_args", "pretrained=x,profile=y"]
    assert harness._own_flags([*arguments, "--dry-run"])[1] == arguments


@pytest.mark.parametrize("model", [["--model", "vllm"], ["--model=hf"], ["-M", "hf"]])
def test_a_profile_is_for_our_own_model(model: list[str]) -> None:
    with pytest.raises(OpenbookError, match="leave out --model"):
        harness._own_flags(["--profile", "pulse-7b", *model])


def test_a_profile_without_a_name_is_told_in_one_line() -> None:
    with pytest.raises(OpenbookError, match="name a profile such as"):
        harness._own_flags(["--tasks", "cmed_openbook", "--profile"])
