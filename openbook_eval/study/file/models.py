"""Models as a study names them: the embedded examinee, a folder, or a name on the hub."""

from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.training.cells import EXAMINEE


def find(name: str, folder: Path) -> str:
    """A folder in full, beside the study or here; the embedded examinee and a name on the hub as they are.

    The hub is not asked. Raises OpenbookError for what can only be a folder, and is none.
    """
    if name.rstrip("/").removeprefix("./") == EXAMINEE:
        return EXAMINEE
    for place in (folder / name, Path(name)):
        if place.is_dir():
            return str(place.resolve())
    if name.startswith((".", "/", "~")):
        raise OpenbookError(f"{name}: no such folder of a model, beside the study or here")
    return name


def is_folder(name: str) -> bool:
    """Whether a name that `find` gave is a folder."""
    return name != EXAMINEE and Path(name).is_absolute()
