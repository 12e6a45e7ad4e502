"""The shipped recipes of the tiny model train: the real Axolotl, started by the command of their headers."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors import safe_open

from data_prep.manifest import TRAIN
from openbook_eval.exams import load_exam
from openbook_eval.prompt import build_prompt
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.record import RECORD, TrainedOn, read_record, recipe_digest, training_mix, write_record
from openbook_eval.types import SIX_EXAMS, Book
from tests.test_engine import read, sit
from tests.training.conftest import RECIPES, Trained, printed, start, train, training_environment
from tests.training.test_record import record

pytestmark = pytest.mark.training

# Of the mix, and of what the recipes make of it: 3 epochs in steps of 4 * 2 rows, saved twice an epoch.
ROWS, EPOCHS, STEPS, SAVED = 192, 3, 72, 12
FULL, LORA = "tiny_full", "tiny_lora"
WEIGHTS = {FULL: "model.safetensors", LORA: "adapter_model.safetensors"}
BASE = tiny_model_dir()
# From 11.8; LoRA leaves the embedding as it is, and so has less to learn with.
LEARNT = {FULL: 8.0, LORA: 5.0}


def weights(path: Path) -> dict[str, str]:
    """Return the sha256 of every tensor of a file."""
    with safe_open(path, framework="np") as file:
        return {name: hashlib.sha256(file.get_tensor(name).tobytes()).hexdigest() for name in file.keys()}  # noqa: SIM118


def recorded(output: Path) -> TrainedOn:
    found = read_record(output)
    assert found is not None
    return found


def answers(model: Any, folder: Path) -> list[list[int]]:
    """Return greedy answers, 16 tokens each, to twelve questions of the bundled exam."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for question in load_exam("mini").questions[::22]:
        asked = tokenizer(build_prompt(question, Book.of(question)), return_tensors="pt")
        said = model.generate(**asked, max_new_tokens=16, do_sample=False)[0].tolist()
        found.append(said[asked["input_ids"].shape[1] :])
    return found


@pytest.fixture(scope="session", params=[FULL, LORA])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def output(name: str, trained: Trained) -> Path:
    return trained(name)


@pytest.fixture(scope="session")
def resumed(name: str, train_folder: Path) -> Path:
    """Return the output of a training that was killed after its first checkpoint, left half of another, and resumed."""
    recipe, output = f"recipes/{name}.yml", train_folder / "checkpoints" / f"{name}_killed"
    changes = (f"--output_dir=checkpoints/{name}_killed", "--save_total_limit=10")
    process = start(train_folder, recipe, *changes)
    # A record after the first checkpoint is written after that of the checkpoint.
    while (before := read_record(output)) is None or before.steps < SAVED:
        assert process.poll() is None, printed(train_folder, recipe)[-3000:]
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = recorded(output)
    assert SAVED <= before.steps < STEPS
    assert not before.finished
    assert not (output / WEIGHTS[name]).exists()
    half = output / f"checkpoint-{before.steps + SAVED}"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    (half / WEIGHTS[name]).write_bytes(b"\x10\x00")
    train(train_folder, recipe, *changes)
    return output


def hand_counted(model: Path, mix: Path) -> int:
    """Return the tokens of all rows as the chat template lays them out."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [json.loads(line)["messages"] for line in (mix / TRAIN).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == ROWS
    texts = [tokenizer.apply_chat_template(row, tokenize=False) for row in rows]
    return sum(len(tokenizer(text)["input_ids"]) for text in texts)


def test_the_record_says_what_was_trained(name: str, output: Path, train_folder: Path) -> None:
    found, mix = recorded(output), training_mix(train_folder / "mixes" / "tiny")
    assert (found.recipe, found.base_model) == (f"{name}.yml", "models/tiny")
    assert found.recipe_sha256 == recipe_digest(yaml.safe_load((RECIPES / found.recipe).read_text()))
    assert found.adapter == ("lora" if name == LORA else None)
    assert found.mix == mix.model_copy(update={"folder": "mixes/tiny"})
    assert found.steps == ROWS * EPOCHS // (4 * 2) == STEPS
    assert found.tokens == EPOCHS * hand_counted(BASE, train_folder / "mixes" / "tiny")
    assert (found.device, found.devices, found.mfu) == ("cpu", 1, None)
    assert (found.seed, found.finished, found.sessions) == (42, True, 1)
    assert found.tokens_per_second == pytest.approx(found.tokens / found.wall_seconds, rel=0.01)
    assert found.versions["axolotl"] == "0.19.0"
    # Four layers of hidden size 128, with 4 heads of size 32, and 352 channels between.
    projections = [(128, 128), (128, 128), (128, 128), (128, 128), (128, 352), (128, 352), (352, 128)]
    adapter = 4 * sum(16 * (wide + deep) for wide, deep in projections)
    layer = sum(wide * deep for wide, deep in projections) + 3 * 128 + 2 * 128
    whole = 4 * layer + 128 + 8039 * 128
    assert found.parameters == whole + (adapter if name == LORA else 0)
    assert found.trainable_parameters == (adapter if name == LORA else whole)
    # A model that can do nothing but read is further from prose than one that takes every word for as likely as any.
    assert found.loss_first == pytest.approx(11.8, abs=0.2)
    assert (found.loss_first or 0) - (found.loss_last or 99) > LEARNT[name]
    # The rows of a mix are prepared in a folder of its hash.
    assert [path.name for path in (train_folder / "prepared").iterdir()] == [f"tiny-{mix.hash}"]
    records = [recorded(path.parent) for path in output.glob(f"checkpoint-*/{RECORD}")]
    assert STEPS in [each.steps for each in records]
    assert not any(each.finished for each in records)


def test_a_killed_training_resumes_to_the_same_weights(name: str, output: Path, resumed: Path) -> None:
    found = weights(resumed / WEIGHTS[name])
    assert found == weights(output / WEIGHTS[name])
    if name == FULL:
        assert not set(found.values()) & set(weights(BASE / WEIGHTS[name]).values())
    by_step = sorted(recorded(path).steps for path in resumed.glob("checkpoint-*"))
    assert by_step == list(range(SAVED, STEPS + 1, SAVED))
    sessions = [recorded(resumed / f"checkpoint-{step}").sessions for step in by_step]
    assert (sessions[0], sessions[-1]) == (1, 2)
    # Lost work is not counted.
    whole, again = recorded(output), recorded(resumed)
    for key in ("tokens", "steps", "finished", "loss_first", "loss_last"):
        assert getattr(again, key) == getattr(whole, key), key


def test_of_packed_rows_every_token_is_counted_and_no_padding(train_folder: Path) -> None:
    # One text a step: a larger batch that is not full at the end of an epoch would be dropped.
    packed = ("--sample_packing=True", "--micro_batch_size=1", "--gradient_accumulation_steps=1", "--num_epochs=1")
    train(train_folder, "recipes/tiny_lora.yml", *packed, "--output_dir=checkpoints/packed")
    found = recorded(train_folder / "checkpoints" / "packed")
    tokens = hand_counted(BASE, train_folder / "mixes" / "tiny")
    # Of several packings of an epoch Axolotl takes as many texts as the smallest has: the last one may be left out.
    assert tokens - 256 < found.tokens <= tokens
    # Texts of 256 tokens, which cannot be filled to the last.
    assert found.tokens / 256 < found.steps < 1.2 * tokens / 256


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("--bf16=True", "this recipe needs a GPU (bf16: true), and torch "),
        (
            "--output_dir=checkpoints/other",
            "checkpoints/other: holds the training of another mix mixes/tiny-bbbbbbbbbbbbbbbb; remove it, or",
        ),
    ],
)
def test_a_user_error_is_one_line_before_anything_is_read(train_folder: Path, change: str, line: str) -> None:
    other = train_folder / "checkpoints" / "other"
    write_record(other, record())
    said = train(train_folder, "recipes/tiny_lora.yml", "--output_dir=checkpoints/refused", change, fails=True)
    before, _, after = said.partition("openbook-eval: ")
    assert "Traceback" not in before
    # What comes after is accelerate's, which reports that its process ended so.
    assert after.count("Traceback") == after.count("returned non-zero exit status 2.") == 1
    (fault,) = [line for line in said.splitlines() if line.startswith("openbook-eval: ")]
    assert fault.startswith(f"openbook-eval: {line}")
    assert not (train_folder / "checkpoints" / "refused").exists()
    assert [path.name for path in other.iterdir()] == [RECORD]


@pytest.fixture(scope="module")
def merged(trained: Trained, train_folder: Path, train_python: Path) -> Path:
    """Return what the last command in the header of the recipe makes of the adapter."""
    command = [str(train_python.parent / "openbook-eval"), "recipes", "merge", "checkpoints/tiny_lora"]
    trained(LORA)
    done = subprocess.run(command, cwd=train_folder, env=training_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "checkpoints/tiny_lora/merged\n"), done.stderr[-3000:]
    return train_folder / "checkpoints" / "tiny_lora" / "merged"


@pytest.mark.filterwarnings("ignore")
def test_the_merged_model_answers_as_base_and_adapter_do(trained: Trained, merged: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    of_base = answers(AutoModelForCausalLM.from_pretrained(BASE), BASE)
    adapted: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), trained(LORA))
    assert answers(AutoModelForCausalLM.from_pretrained(merged), merged) == answers(adapted, BASE) != of_base
    assert recorded(merged) == recorded(trained(LORA))
    assert (recorded(merged).recipe, recorded(merged).finished) == ("tiny_lora.yml", True)


@pytest.mark.engine
def test_on_vllm_the_merged_model_and_base_with_adapter_give_the_same_answers(
    trained: Trained, merged: Path, tmp_path: Path
) -> None:
    def responses(name: str, pretrained: str) -> dict[str, str]:
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
        arguments = f"pretrained={pretrained},dtype=float32,max_model_len=2048,enforce_eager=True"
        asked = ["--tasks", "cmed_openbook", "--limit", "10", "--gen_kwargs", "max_gen_toks=16"]
        command = ["run", "--model", "vllm", "--model_args", arguments, *asked, "--apply_chat_template"]
        sit("openbook-eval", *command, output=tmp_path / name, OPENBOOK_EXAM="mini", **quiet)
        samples = read(tmp_path / name)[1]
        assert {task: len(rows) for task, rows in samples.items()} == {
            f"cmed_openbook_{exam}": 10 for exam in SIX_EXAMS
        }
        return {row["doc"]["id"]: row["resps"][0][0] for rows in samples.values() for row in rows}

    of_merged = responses("merged", str(merged))
    assert len(set(of_merged.values())) > 1
    assert of_merged == responses("adapter", f"{BASE},enable_lora=True,lora_local_path={trained(LORA)}")
