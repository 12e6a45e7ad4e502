"""Where the examinee lies: in a folder of the package, which every library for models loads as it is."""

import filecmp
import shutil
import tempfile
from pathlib import Path

from openbook_eval.errors import OpenbookError

_MODEL = Path(__file__).parent / "model"


def examinee_dir() -> Path:
    """The folder of the embedded examinee; its README.md is the model's card."""
    return _MODEL


def copy_examinee(out: Path) -> Path:
    """Copies the embedded examinee to a folder that is not there yet, or is a copy of it already; returns the folder.

    Raises OpenbookError where something else is there, or the folder cannot be written.
    """
    if _is_copy(out):
        return out
    if out.exists():
        raise OpenbookError(f"{out}: is there already, and is not the examinee; remove it, or name another with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Copied aside and moved in one step: no one ever sees half a model.
        with tempfile.TemporaryDirectory(dir=out.parent, prefix="copying-") as copying:
            shutil.copytree(_MODEL, Path(copying) / "model").rename(out)
    except OSError as error:
        reason = error.strerror or error  # of several files at once shutil tells no one reason
        raise OpenbookError(f"{out}: cannot be written ({reason}); name another folder with --out") from error
    return out


def _is_copy(folder: Path) -> bool:
    files = [path.name for path in _MODEL.iterdir()]
    return folder.is_dir() and filecmp.cmpfiles(folder, _MODEL, files, shallow=False)[0] == files
