"""The step `base`: the embedded examinee is put into place, for others to be trained from."""

from collections.abc import Iterable
from pathlib import Path

from openbook_eval.examinee import copy_examinee
from openbook_eval.study.running.doing.place import Place

MODEL = "model"


def do(place: Place) -> Iterable[Path]:
    """Copies the examinee; returns its files."""
    copied = copy_examinee(place.folder / MODEL)
    return [path for path in copied.rglob("*") if path.is_file()]
