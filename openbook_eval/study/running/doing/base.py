"""The step `base`: the tiny model is put into place, for others to be trained from."""

from collections.abc import Iterable
from pathlib import Path

from openbook_eval.study.running.doing.place import Place
from openbook_eval.tiny_model import copy_tiny_model

MODEL = "model"


def do(place: Place) -> Iterable[Path]:
    """Copies the examinee; returns its files."""
    copied = copy_tiny_model(place.folder / MODEL)
    return [path for path in copied.rglob("*") if path.is_file()]
