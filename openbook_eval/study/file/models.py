"""Models as a study names them: the tiny model, a folder, or a name on the hub."""

from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.training.recipes import TINY_MODEL

# What every folder of a model in the hub's form has.
_CONFIG = "config.json"


def find(name: str, folder: Path) -> str:
    """A folder in full, beside the study or here; the tiny model and a name on the hub as they are.

    The hub is not asked. Raises OpenbookError for what can only be a folder of a model, and is none.
    """
    if name.rstrip("/").removeprefix("./") == TINY_MODEL:
        return TINY_MODEL
    for place in (folder / name, Path(name)):
        if place.is_file():
            raise OpenbookError(f"{name}: is a file; name the folder of a model")
        if place.is_dir():
            if not (place / _CONFIG).is_file():
                raise OpenbookError(f"{name}: holds no {_CONFIG}, and is no folder of a model; name another")
            return str(place.resolve())
    if name.startswith((".", "/", "~")):
        raise OpenbookError(f"{name}: no such folder of a model, beside the study or here")
    return name


def is_folder(name: str) -> bool:
    """Whether a name that `find` gave is a folder."""
    return name != TINY_MODEL and Path(name).is_absolute()
