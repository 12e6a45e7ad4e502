"""The shipped recipes of the examinee train: the real Axolotl, started by the command of their heads."""

import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from openbook_eval.training.mixes import TRAIN, training_mix
from openbook_eval.training.record import RECORD, TrainedOn, read_record, recipe_digest
from tests.training.conftest import RECIPES, Start, Train, Trained, printed_by

pytestmark = pytest.mark.training

# Of the mix, and of what the recipes make of it: 3 epochs in steps of 4 * 2 rows, saved twice an epoch.
ROWS, EPOCHS, STEPS, SAVED = 192, 3, 72, 12
FULL, LORA = "tiny_full", "tiny_lora"
WEIGHTS = {FULL: "model.safetensors", LORA: "adapter_model.safetensors"}
# From 12.2; LoRA leaves the table of words as it is, and so has less to learn with.
LEARNT = {FULL: 8.0, LORA: 5.0}


def weights(path: Path) -> dict[str, str]:
    """The sha256 of every tensor of a file."""
    with safe_open(path, framework="np") as file:
        return {name: hashlib.sha256(file.get_tensor(name).tobytes()).hexdigest() for name in file.keys()}  # noqa: SIM118


def recorded(output: Path) -> TrainedOn:
    found = read_record(output)
    assert found is not None
    return found


@pytest.fixture(scope="session", params=[FULL, LORA])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def output(name: str, trained: Trained) -> Path:
    """The output of a training that nothing cut off."""
    return trained(name)


@pytest.fixture(scope="session")
def resumed(name: str, train_folder: Path, start: Start, train: Train) -> Path:
    """The output of a training that was killed after its first checkpoint, left half of another, and began again."""
    recipe, output = f"recipes/{name}.yml", train_folder / "checkpoints" / f"{name}_killed"
    changes = (f"--output_dir=checkpoints/{name}_killed", "--save_total_limit=10")
    process = start(train_folder, recipe, *changes)
    # Of a record after the first checkpoint, that of the checkpoint was written before.
    while (before := read_record(output)) is None or before.steps < SAVED:
        assert process.poll() is None, printed_by(train_folder, recipe).read_text()[-3000:]
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
    done = train(train_folder, recipe, *changes)
    assert done.returncode == 0, done.stdout[-3000:]
    return output


def hand_counted(examinee: Path, mix: Path) -> int:
    """Tokens of all rows as the chat template lays them out."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(examinee)
    rows = [json.loads(line)["messages"] for line in (mix / TRAIN).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == ROWS
    texts = [tokenizer.apply_chat_template(row, tokenize=False) for row in rows]
    return sum(len(tokenizer(text)["input_ids"]) for text in texts)


def vocabulary(model: Path) -> int:
    return int(json.loads((model / "config.json").read_text())["vocab_size"])


def test_the_record_tells_what_was_trained(name: str, output: Path, train_folder: Path, examinee: Path) -> None:
    found, mix = recorded(output), training_mix(train_folder / "mixes" / "tiny")
    assert (found.recipe, found.base_model) == (f"{name}.yml", "models/tiny")
    assert found.recipe_sha256 == recipe_digest(yaml.safe_load((RECIPES / found.recipe).read_text()))
    assert found.adapter == ("lora" if name == LORA else None)
    assert (found.mix.folder, found.mix.sha256, found.mix.manifest_sha256) == (
        "mixes/tiny",
        mix.sha256,
        mix.manifest_sha256,
    )
    assert (found.mix.rows, found.mix.tokens) == (ROWS, mix.tokens)
    assert found.steps == ROWS * EPOCHS // (4 * 2) == STEPS
    assert found.tokens == EPOCHS * hand_counted(examinee, train_folder / "mixes" / "tiny")
    assert (found.device.name, found.device.count, found.mfu) == ("cpu", 1, None)
    assert (found.seed, found.finished, found.sessions) == (42, True, 1)
    assert found.tokens_per_second == pytest.approx(found.tokens / found.wall_seconds, rel=0.01)
    assert found.versions["axolotl"] == "0.19.0"


def test_the_record_counts_parameters(name: str, output: Path, examinee: Path) -> None:
    found = recorded(output)
    # Four layers of hidden size 128, with 4 heads of size 32, and 352 channels between.
    projections = [(128, 128), (128, 128), (128, 128), (128, 128), (128, 352), (128, 352), (352, 128)]
    adapter = 4 * sum(16 * (wide + deep) for wide, deep in projections)
    layer = sum(wide * deep for wide, deep in projections) + 3 * 128 + 2 * 128
    whole = 4 * layer + 128 + vocabulary(examinee) * 128
    assert found.parameters == whole + (adapter if name == LORA else 0)
    assert found.trainable_parameters == (adapter if name == LORA else whole)


def test_training_learns(name: str, output: Path) -> None:
    found = recorded(output)
    assert found.loss_first is not None
    assert found.loss_last is not None
    # A model that can do nothing but read is further from prose than one that takes every word for as likely as any.
    assert found.loss_first == pytest.approx(12.2, abs=0.2)
    assert found.loss_first - found.loss_last > LEARNT[name]


def test_the_rows_of_a_mix_are_prepared_in_a_folder_of_its_hash(output: Path, train_folder: Path) -> None:
    assert output.is_dir()
    found = [path.name for path in (train_folder / "prepared").iterdir()]
    assert found == [f"tiny-{training_mix(train_folder / 'mixes' / 'tiny').hash}"]


def test_a_killed_training_goes_on_to_the_same_weights(name: str, output: Path, resumed: Path, examinee: Path) -> None:
    found = weights(resumed / WEIGHTS[name])
    assert found == weights(output / WEIGHTS[name])
    if name == FULL:
        untrained = weights(examinee / WEIGHTS[name])
        assert not set(found.values()) & set(untrained.values())


def test_a_killed_training_does_not_begin_anew(resumed: Path) -> None:
    by_step = sorted(recorded(path).steps for path in resumed.glob("checkpoint-*"))
    assert by_step == list(range(SAVED, STEPS + 1, SAVED))
    sessions = [recorded(resumed / f"checkpoint-{step}").sessions for step in by_step]
    assert (sessions[0], sessions[-1]) == (1, 2)


def test_lost_work_is_not_counted(output: Path, resumed: Path) -> None:
    whole, found = recorded(output), recorded(resumed)
    assert (found.tokens, found.steps) == (whole.tokens, whole.steps)
    assert (found.finished, found.sessions) == (True, 2)
    assert (found.loss_first, found.loss_last) == (whole.loss_first, whole.loss_last)


def test_every_checkpoint_has_the_figures_of_its_step(output: Path) -> None:
    records = {path.parent.name: recorded(path.parent) for path in output.glob(f"checkpoint-*/{RECORD}")}
    assert f"checkpoint-{STEPS}" in records
    assert [f"checkpoint-{each.steps}" for each in records.values()] == list(records)
    tokens = [each.tokens for each in sorted(records.values(), key=lambda each: each.steps)]
    assert tokens == sorted(set(tokens))
    assert not any(each.finished for each in records.values())


def test_a_training_that_is_finished_stays_as_it_is(
    name: str, output: Path, train_folder: Path, tmp_path: Path, train: Train
) -> None:
    again = shutil.copytree(train_folder, tmp_path / "again", ignore=shutil.ignore_patterns("*_killed"))
    done = train(again, f"recipes/{name}.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    found = again / "checkpoints" / name
    assert weights(found / WEIGHTS[name]) == weights(output / WEIGHTS[name])
    assert recorded(found).tokens == recorded(output).tokens
    assert (recorded(found).steps, recorded(found).finished, recorded(found).sessions) == (STEPS, True, 2)


def test_of_packed_rows_every_token_is_counted_and_no_padding(train_folder: Path, examinee: Path, train: Train) -> None:
    # One text a step: a larger batch that is not full at the end of an epoch would be dropped.
    packed = ("--sample_packing=True", "--micro_batch_size=1", "--gradient_accumulation_steps=1", "--num_epochs=1")
    done = train(train_folder, "recipes/tiny_lora.yml", *packed, "--output_dir=checkpoints/packed")
    assert done.returncode == 0, done.stdout[-3000:]
    found = recorded(train_folder / "checkpoints" / "packed")
    tokens = hand_counted(examinee, train_folder / "mixes" / "tiny")
    assert found.tokens == tokens
    # Texts of 256 tokens, which cannot be filled to the last.
    assert tokens / 256 < found.steps < 1.2 * tokens / 256
