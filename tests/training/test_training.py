"""Recipes train: the real Axolotl, started by the command that a user gives it, on a small mix and a small model."""

import hashlib
import json
import math
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
from tests.training.conftest import Start, Train, printed_by
from tests.training.recipes import EPOCHS, RECIPES, SAVED, write

pytestmark = pytest.mark.training

ROWS, STEPS = 192, 36

WEIGHTS = {"full": "model.safetensors", "lora": "adapter_model.safetensors"}


def weights(path: Path) -> dict[str, str]:
    """The sha256 of every tensor of a file."""
    with safe_open(path, framework="np") as file:
        return {name: hashlib.sha256(file.get_tensor(name).tobytes()).hexdigest() for name in file.keys()}  # noqa: SIM118


def recorded(output: Path) -> TrainedOn:
    found = read_record(output)
    assert found is not None
    return found


@pytest.fixture(scope="session", params=["full", "lora"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def trained(kind: str, workplace: Path, train: Train) -> Path:
    """The output of a training that nothing cut off."""
    done = train(workplace, write(workplace, kind, RECIPES[kind]))
    assert done.returncode == 0, done.stdout[-3000:]
    return workplace / "checkpoints" / kind


@pytest.fixture(scope="session")
def resumed(kind: str, workplace: Path, start: Start, train: Train) -> Path:
    """The output of a training that was killed after its first checkpoint, left half of another, and began again."""
    recipe, output = write(workplace, f"{kind}_killed", RECIPES[kind]), workplace / "checkpoints" / f"{kind}_killed"
    process = start(workplace, recipe)
    while not list(output.glob(f"checkpoint-*/{RECORD}")):
        assert process.poll() is None, printed_by(workplace, recipe).read_text()[-3000:]
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = recorded(output)
    assert SAVED <= before.steps < STEPS
    assert not before.finished
    assert not (output / WEIGHTS[kind]).exists()
    half = output / f"checkpoint-{before.steps + SAVED}"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    (half / WEIGHTS[kind]).write_bytes(b"\x10\x00")
    done = train(workplace, recipe)
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


def test_the_record_tells_what_was_trained(kind: str, trained: Path, workplace: Path, examinee: Path) -> None:
    found, mix = recorded(trained), training_mix(workplace / "mixes" / "tiny")
    assert (found.recipe, found.base_model) == (f"{kind}.yml", "models/examinee")
    assert found.recipe_sha256 == recipe_digest(yaml.safe_load((workplace / found.recipe).read_text()))
    assert found.adapter == (kind if kind == "lora" else None)
    assert (found.mix.folder, found.mix.sha256, found.mix.manifest_sha256) == (
        "mixes/tiny",
        mix.sha256,
        mix.manifest_sha256,
    )
    assert (found.mix.rows, found.mix.tokens) == (ROWS, mix.tokens)
    assert found.steps == ROWS * EPOCHS // (8 * 2) == STEPS
    assert found.tokens == EPOCHS * hand_counted(examinee, workplace / "mixes" / "tiny")
    assert (found.device.name, found.device.count, found.mfu) == ("cpu", 1, None)
    assert (found.seed, found.finished, found.sessions) == (7 if kind == "lora" else 42, True, 1)
    assert found.tokens_per_second == pytest.approx(found.tokens / found.wall_seconds, rel=0.01)
    assert found.versions["axolotl"] == "0.19.0"


def test_the_record_counts_parameters(kind: str, trained: Path, examinee: Path) -> None:
    found = recorded(trained)
    # Two layers of hidden size 128, with 4 heads and 2 of keys and values of size 32, and 352 channels between.
    projections = [(128, 128), (128, 64), (128, 64), (128, 128), (128, 352), (128, 352), (352, 128)]
    adapter = 2 * sum(16 * (wide + deep) for wide, deep in projections)
    layer = sum(wide * deep for wide, deep in projections) + (128 + 64 + 64) + 2 * 128
    whole = 2 * layer + 128 + vocabulary(examinee) * 128
    assert found.parameters == whole + (adapter if kind == "lora" else 0)
    assert found.trainable_parameters == (adapter if kind == "lora" else whole)


def test_training_learns(kind: str, trained: Path, examinee: Path) -> None:
    found = recorded(trained)
    assert found.loss_first is not None
    assert found.loss_last is not None
    # A model of random weights takes every word for as likely as any other.
    assert found.loss_first == pytest.approx(math.log(vocabulary(examinee)), abs=0.1)
    # LoRA leaves the random table of words as it is, and so has little to learn with.
    assert found.loss_first - found.loss_last > (3.0 if kind == "full" else 0.15)


def test_the_rows_of_a_mix_are_prepared_in_a_folder_of_its_hash(trained: Path, workplace: Path) -> None:
    assert trained.is_dir()
    found = [path.name for path in (workplace / "prepared").iterdir()]
    assert found == [f"tiny-{training_mix(workplace / 'mixes' / 'tiny').hash}"]


def test_a_killed_training_goes_on_to_the_same_weights(kind: str, trained: Path, resumed: Path, examinee: Path) -> None:
    found = weights(resumed / WEIGHTS[kind])
    assert found == weights(trained / WEIGHTS[kind])
    if kind == "full":
        untrained = weights(examinee / WEIGHTS[kind])
        assert not set(found.values()) & set(untrained.values())


def test_a_killed_training_does_not_begin_anew(resumed: Path) -> None:
    by_step = sorted(recorded(path).steps for path in resumed.glob("checkpoint-*"))
    assert by_step == list(range(SAVED, STEPS + 1, SAVED))
    sessions = [recorded(resumed / f"checkpoint-{step}").sessions for step in by_step]
    assert (sessions[0], sessions[-1]) == (1, 2)


def test_lost_work_is_not_counted(trained: Path, resumed: Path) -> None:
    whole, found = recorded(trained), recorded(resumed)
    assert (found.tokens, found.steps) == (whole.tokens, whole.steps)
    assert (found.finished, found.sessions) == (True, 2)
    assert (found.loss_first, found.loss_last) == (whole.loss_first, whole.loss_last)


def test_every_checkpoint_has_the_figures_of_its_step(trained: Path) -> None:
    records = {path.parent.name: recorded(path.parent) for path in trained.glob(f"checkpoint-*/{RECORD}")}
    assert f"checkpoint-{STEPS}" in records
    assert [f"checkpoint-{each.steps}" for each in records.values()] == list(records)
    tokens = [each.tokens for each in sorted(records.values(), key=lambda each: each.steps)]
    assert tokens == sorted(set(tokens))
    assert not any(each.finished for each in records.values())


def test_a_training_that_is_finished_stays_as_it_is(
    kind: str, trained: Path, workplace: Path, tmp_path: Path, train: Train
) -> None:
    shutil.copytree(workplace, tmp_path / "again")
    done = train(tmp_path / "again", f"{kind}.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    output, before = tmp_path / "again" / "checkpoints" / kind, recorded(trained)
    assert weights(output / WEIGHTS[kind]) == weights(trained / WEIGHTS[kind])
    assert recorded(output).tokens == before.tokens
    assert (recorded(output).steps, recorded(output).finished, recorded(output).sessions) == (STEPS, True, 2)
