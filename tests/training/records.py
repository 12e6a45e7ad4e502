"""Records of trainings that the tests start from."""

from typing import Any

from openbook_eval.training.record import Device, MixTrainedOn, TrainedOn


def record(**changes: Any) -> TrainedOn:
    """The record of a small training, with changes."""
    fields: dict[str, Any] = {
        "recipe": "tiny_lora.yml",
        "recipe_sha256": "a" * 64,
        "base_model": "models/tiny",
        "adapter": "lora",
        "mix": MixTrainedOn(folder="mixes/tiny", sha256="b" * 64, manifest_sha256="c" * 64, rows=192, tokens=3907),
        "versions": {"openbook_eval": "0.1.0", "python": "3.11.7"},
        "device": Device(name="cpu", count=1),
        "seed": 42,
        "started": "2024-07-26T08:00:00+00:00",
        "wall_seconds": 3.5,
        "tokens": 19468,
        "steps": 24,
        "tokens_per_second": 5562.3,
        "parameters": 922752,
        "trainable_parameters": 28672,
        "mfu": None,
        "loss_first": 8.25,
        "loss_last": 8.0,
        "finished": False,
        "sessions": 1,
    }
    return TrainedOn(**{**fields, **changes})
