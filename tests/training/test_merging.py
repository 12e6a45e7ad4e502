"""A run's adapter becomes a whole model that answers as base and adapter do together, or it is told why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.prompt import render
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.merging import merge
from openbook_eval.types import Book
from tests.test_engine import read, sit

MODULES = ["q_proj", "k_proj", "v_proj"]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def base() -> Path:
    return tiny_model_dir()


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves: an adapter over the examinee, large enough that hardly two answers are alike."""
    return write_run(tmp_path_factory.mktemp("trained") / "run", base)


@pytest.fixture(scope="module")
def merged(trained: Path) -> Path:
    return merge(trained)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed, without the merged model."""
    return shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("merged"))


def write_run(run: Path, base: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=8, lora_alpha=16, target_modules=MODULES, task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=1.0)
    adapted.save_pretrained(str(run))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(base / name, run / name)
    return run


def change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def write_bf16(base: Path, folder: Path) -> Path:
    """The base in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, folder)
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def answers(model: Any, folder: Path) -> list[list[int]]:
    """Greedy answers, 16 tokens each, to twelve questions of the bundled exam."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for question in load_exam("mini").questions[::22]:
        asked = tokenizer(render(question, Book.of(question)), return_tensors="pt")
        said = model.generate(**asked, max_new_tokens=16, do_sample=False)[0].tolist()
        found.append(said[asked["input_ids"].shape[1] :])
    return found


def test_the_merged_model_answers_as_base_and_adapter_do_and_not_as_the_base(
    base: Path, trained: Path, merged: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    of_base = answers(AutoModelForCausalLM.from_pretrained(base), base)
    of_both = answers(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), trained), base)
    assert len({tuple(answer) for answer in of_both}) == 12
    assert all(one != other for one, other in zip(of_both, of_base, strict=True))
    assert answers(AutoModelForCausalLM.from_pretrained(merged), merged) == of_both


def test_what_was_adapted_is_base_plus_b_a_alpha_over_r_and_nothing_else_changes(
    base: Path, trained: Path, merged: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    adapter = load_file(trained / "adapter_model.safetensors")
    before, after = weights_of(base), weights_of(merged)
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


def test_the_weights_have_the_number_format_of_the_base(base: Path, run: Path, tmp_path: Path) -> None:
    import torch

    out = merge(run, tmp_path / "out", str(write_bf16(base, tmp_path / "base")))
    assert {weights.dtype for weights in weights_of(out).values()} == {torch.bfloat16}
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"


def test_tokenizer_and_template_of_the_run_and_its_record_are_copied(run: Path) -> None:
    (run / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    (run / "trained_on.json").write_text("{}", encoding="utf-8")
    out = merge(run)
    assert out == run / "merged"
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "trained_on.json"):
        assert (out / name).read_bytes() == (run / name).read_bytes()
    assert {path.name for path in out.iterdir()} == {
        "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "trained_on.json",
    }  # fmt: skip


def test_without_a_tokenizer_of_the_run_that_of_the_base_is_copied(base: Path, run: Path) -> None:
    for path in run.glob("tokenizer*"):
        path.unlink()
    (run / "chat_template.jinja").unlink()
    out = merge(run)
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()


def test_a_model_without_a_tokenizer_is_refused_and_its_weights_do_not_stay(
    base: Path, run: Path, tmp_path: Path
) -> None:
    for path in (*run.glob("tokenizer*"), *run.glob("chat_template*")):
        path.unlink()
    bare = shutil.copytree(base, tmp_path / "base", ignore=shutil.ignore_patterns("tokenizer*", "chat_template*"))
    there = sorted(run.iterdir())
    with pytest.raises(OpenbookError, match="has no tokenizer, nor has its base"):
        merge(run, None, str(bare))
    assert sorted(run.iterdir()) == there


def test_how_the_base_generates_is_kept_to_the_letter(base: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base")
    # transformers reads this, and does not save it: a temperature means nothing without do_sample.
    (tmp_path / "base" / "generation_config.json").write_text('{"temperature": 0.5, "repetition_penalty": 1.1}')
    out = merge(run, tmp_path / "new" / "out", str(tmp_path / "base"))
    assert (out / "generation_config.json").read_text() == '{"temperature": 0.5, "repetition_penalty": 1.1}'


def no_adapter(run: Path) -> None:
    (run / "adapter_model.safetensors").unlink()


def only_checkpoints(run: Path) -> None:
    no_adapter(run)
    for step in (4, 8, 12):
        (run / f"checkpoint-{step}").mkdir()
        if step < 12:
            (run / f"checkpoint-{step}" / "trained_on.json").write_text("{}")


def whole_model(run: Path) -> None:
    (run / "adapter_model.safetensors").rename(run / "model.safetensors")


def cut_off(run: Path) -> None:
    file = run / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def not_json(run: Path) -> None:
    (run / "adapter_config.json").write_text("{")


def of_another_kind(run: Path) -> None:
    change(run / "adapter_config.json", peft_type="IA3")


def without_base(run: Path) -> None:
    change(run / "adapter_config.json", base_model_name_or_path=None)


def base_gone(run: Path) -> None:
    change(run / "adapter_config.json", base_model_name_or_path="./models/tiny")


def base_of_no_hub(run: Path) -> None:
    change(run / "adapter_config.json", base_model_name_or_path="models/tiny")


def less_than_declared(run: Path) -> None:
    change(run / "adapter_config.json", target_modules=[*MODULES, "o_proj"])


def more_than_declared(run: Path) -> None:
    change(run / "adapter_config.json", target_modules=["q_proj"])


def of_another_size(run: Path) -> None:
    change(run / "adapter_config.json", r=4)


def not_numbers(run: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter = load_file(run / "adapter_model.safetensors")
    save_file({name: weights * float("nan") for name, weights in adapter.items()}, run / "adapter_model.safetensors")


def out_there(run: Path) -> None:
    (run / "merged").mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_adapter, "holds no adapter, adapter_model.safetensors is missing; name the output_dir of a recipe with"),
        (only_checkpoints, "its training has not ended; finish it, or merge RUN/checkpoint-8"),
        (whole_model, "it is a whole model already, and needs no merging"),
        (not_json, "adapter_config.json: cannot be read (Expecting property name"),
        (of_another_kind, "adapter_config.json: not of a LoRA adapter"),
        (without_base, "adapter_config.json: names no base model; name it by --base"),
        (base_gone, "its base model ./models/tiny is not there; name the folder where it is now by --base"),
        (base_of_no_hub, "base model models/tiny: cannot be loaded ("),
        (cut_off, "its adapter is broken, or of another base model (Error while deserializing"),
        (less_than_declared, "its adapter is of another base model (base_model.model.model.layers.0.self_attn.o_proj"),
        (more_than_declared, "its adapter is of another base model (base_model.model.model.layers.0.self_attn.k_proj"),
        (of_another_size, "its adapter is broken, or of another base model (Error(s) in loading state_dict"),
        (not_numbers, "its adapter is broken, or of another base model (NaNs detected in the merged weights"),
        (out_there, "RUN/merged: is there already; remove it, or name another folder by --out"),
    ],
)
@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_what_cannot_be_merged_is_told_in_one_line_and_leaves_nothing(
    run: Path, spoil: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    spoil(run)
    there = sorted(run.rglob("*"))
    with pytest.raises(OpenbookError) as raised:
        merge(run)
    assert said.replace("RUN", str(run)) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(run.rglob("*")) == there


def test_no_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"none: no such folder; name the output_dir of a recipe$"):
        merge(tmp_path / "none")


def test_a_base_with_weights_missing_is_refused(base: Path, run: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    shutil.copytree(base, tmp_path / "base")
    some = {name: weights for name, weights in weights_of(base).items() if "layers.1.mlp.up_proj" not in name}
    save_file(some, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OpenbookError, match=r"weights are missing \(model\.layers\.1\.mlp\.up_proj\.weight\)"):
        merge(run, None, str(tmp_path / "base"))


def test_code_that_comes_with_a_model_is_not_run_unasked(base: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base")
    change(tmp_path / "base" / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own"})
    ran = tmp_path / "ran"
    (tmp_path / "base" / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    with pytest.raises(OpenbookError, match=r"cannot be loaded \(.*; read its code, then give --trust-remote-code$"):
        merge(run, None, str(tmp_path / "base"))
    assert not ran.exists()


def test_a_place_that_cannot_be_written_to_is_told_in_one_line(run: Path) -> None:
    with pytest.raises(OpenbookError, match=r"tokenizer\.json/out: cannot be written"):
        merge(run, run / "tokenizer.json" / "out")


@pytest.mark.engine
def test_vllm_answers_the_same_with_the_adapter_and_with_the_merged_model(
    base: Path, trained: Path, merged: Path, tmp_path: Path
) -> None:
    def responses(pretrained: Path, *more: str) -> dict[str, str]:
        model_args = ",".join(
            (f"pretrained={pretrained}", "dtype=float32,max_model_len=2048,enforce_eager=True", *more)
        )
        output = tmp_path / f"out{len(more)}"
        asked = ["--tasks", "cmed_openbook", "--limit", "10", "--gen_kwargs", "max_gen_toks=16"]
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
        command = ["run", "--model", "vllm", "--model_args", model_args, *asked]
        sit("openbook-eval", *command, output=output, OPENBOOK_EXAM="mini", **quiet)
        rows = [row for task in read(output)[1].values() for row in task]
        return {row["doc"]["id"]: row["resps"][0][0] for row in rows}

    with_adapter = responses(base, f"lora_local_path={trained}", "enable_lora=True")
    assert len(with_adapter) == 60
    # A model whose answers are all alike, as the base's are, would prove nothing.
    assert len(set(with_adapter.values())) > 50
    assert responses(merged) == with_adapter
