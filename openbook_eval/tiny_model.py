"""The bundled tiny model, a Qwen2 that can read, so that a real engine runs with nothing downloaded."""

import filecmp
import shutil
from pathlib import Path

from openbook_eval.errors import OpenbookError
from openbook_eval.files import replace_folder

_FILES = Path(__file__).parent / "tiny_model_files"


def tiny_model_dir() -> Path:
    """Return the folder of the tiny model; its README.md is the model's card."""
    return _FILES


def copy_tiny_model(out: Path) -> Path:
    """Copy the tiny model to a folder that does not exist yet, or is such a copy already; return the folder.

    Raises OpenbookError where `out` is something else, or cannot be written.
    """
    names = [path.name for path in _FILES.iterdir()]
    if out.is_dir() and filecmp.cmpfiles(out, _FILES, names, shallow=False)[0] == names:
        return out
    if out.exists():
        raise OpenbookError(f"{out}: exists and is not the tiny model; remove it, or name another folder with --out")
    with replace_folder(out, "name another folder with --out") as new:
        shutil.copytree(_FILES, new, dirs_exist_ok=True)
    return out
