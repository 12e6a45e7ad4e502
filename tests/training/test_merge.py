"""A run's adapter becomes a whole model, of the weights of base and adapter together, or one line says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.merge import merge

pytestmark = pytest.mark.filterwarnings("ignore")

MODULES = ["q_proj", "k_proj", "v_proj"]
BASE = tiny_model_dir()
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a run leaves: an adapter over the tiny model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    run = tmp_path_factory.mktemp("trained") / "run"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=MODULES, task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(BASE), config)
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=1.0)
    adapted.save_pretrained(str(run))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(BASE / name, run / name)
    return run


@pytest.fixture(scope="module")
def merged(trained: Path) -> Path:
    return merge(trained)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be changed, without the merged model."""
    return shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("merged"))


def change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_adapted_weights_are_base_plus_b_a_alpha_over_r_and_nothing_else_changes(trained: Path, merged: Path) -> None:
    import torch
    from safetensors.torch import load_file

    adapter = load_file(trained / WEIGHTS)
    before, after = weights_of(BASE), weights_of(merged)
    assert set(before) == set(after)
    adapted = {name for name in before if name.removesuffix(".weight").endswith(tuple(MODULES))}
    assert len(adapted) == 12
    for name in before:
        key = f"base_model.model.{name.removesuffix('.weight')}"
        if name in adapted:
            part = adapter[f"{key}.lora_B.weight"] @ adapter[f"{key}.lora_A.weight"] * (16 / 8)
            torch.testing.assert_close(after[name], before[name] + part)
        else:
            assert torch.equal(after[name], before[name]), name


def test_number_format_and_generation_are_the_bases_tokenizer_and_record_the_runs(run: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = shutil.copytree(BASE, tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.bfloat16).save_pretrained(base)
    # transformers reads this, and refuses to save it: a temperature means nothing without do_sample.
    (base / "generation_config.json").write_text('{"temperature": 0.5, "repetition_penalty": 1.1}')
    (run / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    (run / "trained_on.json").write_text("{}", encoding="utf-8")
    out = merge(run, tmp_path / "new" / "out", str(base))
    assert {weights.dtype for weights in weights_of(out).values()} == {torch.bfloat16}
    assert (out / "generation_config.json").read_bytes() == (base / "generation_config.json").read_bytes()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "trained_on.json"):
        assert (out / name).read_bytes() == (run / name).read_bytes()
    assert {path.name for path in out.iterdir()} == {
        "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "trained_on.json",
    }  # fmt: skip


def test_without_a_tokenizer_of_the_run_that_of_the_base_is_saved(run: Path) -> None:
    from transformers import AutoTokenizer

    for path in (*run.glob("tokenizer*"), run / "chat_template.jinja"):
        path.unlink()
    found, base = (AutoTokenizer.from_pretrained(folder) for folder in (merge(run), BASE))
    assert (found.get_vocab(), found.chat_template) == (base.get_vocab(), base.chat_template)


def only_checkpoints(run: Path) -> None:
    (run / WEIGHTS).unlink()
    for step in (4, 8, 12):
        (run / f"checkpoint-{step}").mkdir()
    for step in (4, 8):
        (run / f"checkpoint-{step}" / "trained_on.json").touch()


def not_numbers(run: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter = load_file(run / WEIGHTS)
    save_file({name: weights * float("nan") for name, weights in adapter.items()}, run / WEIGHTS)


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda run: change(run / "adapter_config.json", **changes)


BROKEN = "its adapter is broken, or of another base model "


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / WEIGHTS).unlink(), f"holds no adapter, {WEIGHTS} is missing; name the output_dir of a rec"),
        (only_checkpoints, f"{WEIGHTS} is missing; finish its training, or merge RUN/checkpoint-8"),
        (lambda run: (run / "adapter_config.json").write_text("{"), "adapter_config.json cannot be used (Expecting p"),
        (config(peft_type="IA3"), "adapter_config.json cannot be used (not of a LoRA adapter with a base model)"),
        (config(base_model_name_or_path=None), "cannot be used (not of a LoRA adapter with a base model); train again"),
        (config(base_model_name_or_path="models/tiny"), "base model models/tiny: cannot be loaded ("),
        (lambda run: (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:-9]), f"{BROKEN}(Error while deserial"),
        (config(target_modules=[*MODULES, "o_proj"]), "fit at base_model.model.model.layers.0.self_attn.o"),
        (config(target_modules=["q_proj"]), "(it does not fit at base_model.model.model.layers.0.self_attn.k_proj"),
        (config(r=4), f"{BROKEN}(Error(s) in loading state_dict"),
        (not_numbers, f"{BROKEN}(NaNs detected in the merged weights"),
        (lambda run: (run / "merged").mkdir(), "RUN/merged: exists; remove it, or name another folder by --out"),
    ],
)
def test_what_cannot_be_merged_is_one_line_and_leaves_nothing(
    run: Path, spoil: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    spoil(run)
    before = sorted(run.rglob("*"))
    with pytest.raises(OpenbookError) as raised:
        merge(run)
    assert said.replace("RUN", str(run)) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(run.rglob("*")) == before


def test_bases_that_are_incomplete_or_bring_code_and_places_that_cannot_be_written_are_refused(
    run: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    some, coded = (shutil.copytree(BASE, tmp_path / name) for name in ("some", "coded"))
    kept = {name: weights for name, weights in weights_of(BASE).items() if "layers.1.mlp.up_proj" not in name}
    save_file(kept, some / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OpenbookError, match=r"weights are missing \(model\.layers\.1\.mlp\.up_proj\.weight\)"):
        merge(run, None, str(some))
    change(coded / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own"})
    (coded / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(OpenbookError, match=r"cannot be loaded \(.*; read its code, then give --trust-remote-code$"):
        merge(run, None, str(coded))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(OpenbookError, match=r"tokenizer\.json/out: cannot be written"):
        merge(run, run / "tokenizer.json" / "out")
    with pytest.raises(OpenbookError, match="none: no such folder; name the output_dir of a recipe"):
        merge(tmp_path / "none")
