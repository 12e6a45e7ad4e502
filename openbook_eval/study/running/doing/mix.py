"""The step `mix`: data-prep builds one mix of a spec."""

from collections.abc import Iterable
from pathlib import Path

from data_prep.manifest import TRAIN
from openbook_eval.study.running.doing.place import Place, ours


def do(place: Place) -> Iterable[Path]:
    """Builds the mix in a folder of its name; returns its rows."""
    what = place.step.what
    data = Path(what["data"]) if what["data"] else place.folder / "no-data"
    if not what["data"]:
        # data-prep would look for raw files in places of its own, which the step's key knows nothing of.
        data.mkdir(exist_ok=True)
    command = [ours("data-prep"), "build", what["spec"], "--out", place.folder, "--mix", what["mix"], "--data", data]
    place.call(command, cwd=place.origin)
    return [folder_of(place.step.what["mix"], place.folder) / TRAIN]


def folder_of(mix: str, folder: Path) -> Path:
    """Where a step that built `mix` in `folder` has it."""
    return folder / mix
