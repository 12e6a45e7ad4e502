"""Puts our task files where lm-eval looks for tasks, and takes them away again."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from openbook_eval.errors import OpenbookError

# The folder in lm_eval/tasks that is ours alone.
FOLDER = "openbook_eval"


def tasks_dir() -> Path:
    """Return the folder of our task files: inside the package as installed, beside it in a checkout."""
    return data_dir("tasks")


def data_dir(name: str) -> Path:
    """`tasks` or `recipes`, wherever this installation keeps it. Raises OpenbookError where it is missing."""
    package = Path(__file__).parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise OpenbookError(f"{package / name}: missing; the installation is incomplete, install openbook-eval again")


def link() -> tuple[Path, int]:
    """Link every task file into the installed lm_eval; returns the folder there and the number of links.

    Links are to files, since lm-eval does not follow links to folders before Python 3.13. What was linked before is
    replaced. Raises OpenbookError where lm_eval is missing, cannot be written to, or the folder holds others' files.
    """
    unlink()
    folder, files = _target(), sorted(tasks_dir().rglob("*.yaml"))
    try:
        for file in files:
            place = folder / file.relative_to(tasks_dir())
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file.resolve())
    except OSError as error:
        raise OpenbookError(
            f'{folder}: cannot be linked ({error}); use --include_path "$(openbook-eval tasks-dir)" instead'
        ) from error
    return folder, len(files)


def unlink() -> tuple[Path, int]:
    """Undo `link`; returns the folder and the number of links removed. Raises OpenbookError as `link` does."""
    folder = _target()
    places = [place for place in folder.rglob("*") if place.is_symlink() or not place.is_dir()]
    if foreign := [place for place in places if not place.is_symlink()]:
        raise OpenbookError(f"{foreign[0]}: is not a link of ours; move it away and try again")
    try:
        # Nothing but links and folders.
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise OpenbookError(f"{folder}: cannot be removed ({error})") from error
    return folder, len(places)


def _target() -> Path:
    found = find_spec("lm_eval")
    if found is None or not found.submodule_search_locations:
        raise OpenbookError("lm-eval is not installed in this environment; install openbook-eval[cpu] or [gpu]")
    return Path(found.submodule_search_locations[0]) / "tasks" / FOLDER
