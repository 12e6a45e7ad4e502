"""Every profile loads, its figures agree with each other and with the libraries, and a faulty one is told of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.files import load_model
from openbook_eval.models import profiles as room
from openbook_eval.models.profiles import Profile, model_arguments, named, profile, profiles

FOLDER = Path(room.__file__).with_name("families")
NAMES = ["disc", "huatuo", "huatuo2", "ivygpt", "pulse", "qwen1.5-chat", "wingpt2"]
SIZES = [(name, size) for name in NAMES for size in profiles()[name].sizes]


def content(name: str = "disc") -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def written(folder: Path, changed: Mapping[str, Any], name: str = "disc") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(dict(changed), allow_unicode=True), encoding="utf-8")
    return path


def test_every_file_of_the_room_is_a_profile_and_only_ivygpt_is_asked_by_guess() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir() if path.suffix in {".yml", ".yaml"}) == NAMES
    assert list(profiles()) == NAMES
    assert [name for name, found in profiles().items() if found.guess] == ["ivygpt"]
    sizes = [(size.base, size.hub) for size in profile("qwen1.5-chat").sizes.values()]
    assert sizes == [(f"Qwen/Qwen1.5-{b}B", f"Qwen/Qwen1.5-{b}B-Chat") for b in ("1.8", "4", "7", "14")]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_transformers_has_the_architecture_where_the_profile_says_so(name: str, size: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = profile(name).sizes[size]
    assert found.trust_remote_code == (found.architecture not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())


def test_all_faults_are_told_each_on_a_line(tmp_path: Path) -> None:
    changed = {**content(), "stop": "</s>"}
    del changed["licence"]
    changed["sizes"]["13b"] |= {"layers": 0, "head": 40}
    with pytest.raises(OpenbookError) as caught:
        load_model(written(tmp_path, changed), Profile, name="family")
    assert str(caught.value).splitlines()[1:] == [
        "  key 'licence' is missing",
        "  stop: input should be a valid tuple",
        "  sizes.13b.layers: input should be greater than 0",
        "  unknown key 'sizes.13b.head'; did you mean 'sizes.13b.heads'?",
    ]


@pytest.mark.parametrize(
    ("name", "hub"), [("huatuo2-34b", "FreedomIntelligence/HuatuoGPT2-34B"), ("pulse", "OpenMEDLab/PULSE-7bv5")]
)
def test_a_name_is_family_and_size_or_the_family_of_one_size(name: str, hub: str) -> None:
    assert named(name)[1].hub == hub
    for wrong, hint in (("huato2-7b", "did you mean 'huatuo2-7b'?"), ("", "known")):
        with pytest.raises(OpenbookError, match=f"--profile {wrong}: there is none; ") as caught:
            named(wrong)
        assert hint in str(caught.value)
    with pytest.raises(OpenbookError, match=r"^there is no profile 'huatou2'; did you mean 'huatuo2'\?$"):
        profile("huatou2")


def test_model_and_context_are_those_of_the_profile_unless_the_user_gives_others() -> None:
    assert model_arguments("qwen1.5-chat-7b", {}) == {
        "pretrained": "Qwen/Qwen1.5-7B-Chat",
        "max_model_len": 32768,
        "profile": "qwen1.5-chat",
    }
    given = {"pretrained": "checkpoints/mine", "max_model_len": 4096, "dtype": "float32"}
    assert model_arguments("qwen1.5-chat-7b", given) == {**given, "profile": "qwen1.5-chat"}


def test_code_of_a_models_authors_runs_only_where_the_user_says_so() -> None:
    with pytest.raises(OpenbookError, match=r"HuatuoGPT2-7B runs code of its authors .* add --trust_remote_code"):
        model_arguments("huatuo2-7b", {})
    assert model_arguments("huatuo2-7b", {"trust_remote_code": True})["pretrained"].endswith("HuatuoGPT2-7B")


def test_a_new_family_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/models.md: Add a model profile."""
    written(tmp_path, content(), name="mymed")
    monkeypatch.setattr(room, "_FOLDER", tmp_path)
    profiles.cache_clear()
    try:
        assert model_arguments("mymed-13b", {"trust_remote_code": True})["profile"] == "mymed"
    finally:
        profiles.cache_clear()
