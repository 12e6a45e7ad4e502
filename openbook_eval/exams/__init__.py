"""From what the user names - mini, cmb, a path, a hub data set - to an ExamFile."""

import os
import re
from functools import cache
from pathlib import Path

from openbook_eval.errors import ExamError, first_line
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource
from openbook_eval.exams.formats import EXAM_FORMATS, ExamFormat
from openbook_eval.types import EXAM_NAMES, ExamName

__all__ = ["EXAM_FORMATS", "ExamFile", "ExamFormat", "load_exam", "read_path", "require"]

_exists = os.path.exists
_MINI = Path(__file__).parent / "mini" / "mini.jsonl"
_MINI_VERSION = "1.0"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.zip"]
# CMB's training questions are as large as all else together, and no exam.
_HUB_UNWANTED = ["*train*"]


def load_exam(name: str | None = None) -> ExamFile:
    """Load the exam called `name`, else by the variable OPENBOOK_EXAM, else `cmb`; each is read once a process.

    `mini` is the bundled exam, `cmb` the paper's (test set and book, from the hub), `cmb-val` CMB's validation set,
    PATH a file, folder or zip, `PATH#CLASS` one class of it, OWNER/DATASET a hub data set like CMB. Raises ExamError.
    """
    return _load(name or os.environ.get("OPENBOOK_EXAM") or "cmb")


def require(exam: ExamFile, label: ExamName) -> None:
    """Raise ExamError where the exam has no question of one of the six exams, or `other`."""
    present = [name for name in EXAM_NAMES if any(question.exam == name for question in exam.questions)]
    if label not in present:
        raise ExamError(
            f"exam {exam.name!r} has no {label} questions, only {', '.join(present)}: "
            f"ask the tasks whose names end so, such as cmed_openbook_{present[0]}"
        )


@cache
def _load(name: str) -> ExamFile:
    if name == "mini":
        return read_path(_MINI).named("mini", _MINI_VERSION)
    if name == "cmb":
        return _from_hub(name, "wangrongsheng/open-book-CMB-exam")
    if name == "cmb-val":
        return _from_hub(name, "FreedomIntelligence/CMB")
    path, _, part = name.rpartition("#")
    if _exists(name):
        return read_path(Path(name))
    if _exists(path):
        return read_path(Path(path), part)
    if _HUB_NAME.fullmatch(name) and not _formats_of(Path(name)):
        return _from_hub(name, name)
    raise ExamError(f"exam {name!r}: no such file, folder or known exam; {_wanted()}")


def _wanted() -> str:
    formats = ", ".join(each.description for each in EXAM_FORMATS.values())
    return f"wanted {formats} (docs/exam_format.md); bundled: mini; from the hub: cmb, cmb-val, OWNER/DATASET"


def _formats_of(path: Path) -> list[ExamFormat]:
    return [each for each in EXAM_FORMATS.values() if path.suffix.lower() in each.suffixes]


def read_path(path: Path, part: str | None = None) -> ExamFile:
    """Read a file, folder or zip of any known format, or of it the class `part`. Raises ExamError."""
    source, keys = ExamSource(path, part), ""
    formats = [EXAM_FORMATS["cmb"]] if path.is_dir() else _formats_of(path)
    if len(formats) > 1:
        first = source.rows()[0]
        formats, keys = [each for each in formats if each.fits and each.fits(first)], f" (keys {', '.join(first)})"
    if not formats:
        raise ExamError(f"{path}: unknown kind of exam file{keys}; {_wanted()}")
    return formats[0].read(source)


def _from_hub(name: str, dataset: str) -> ExamFile:
    folder = _fetch(dataset)
    exam = cmb.read(ExamSource(folder), cmb.VALIDATION_FILES) if name == "cmb-val" else read_path(folder)
    # The hub's cache keeps each revision in a folder called by its commit.
    return exam.named(name, f"{dataset}@{folder.name}")


def _fetch(dataset: str) -> Path:
    """Fetch the JSON and zip files of a hub data set into the hub's cache; return the folder."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(dataset, repo_type="dataset", allow_patterns=_HUB_FILES, ignore_patterns=_HUB_UNWANTED)
        )
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        raise ExamError(
            f"hub data set {dataset}: cannot be fetched ({first_line(error)}); "
            "set OPENBOOK_EXAM=mini for the bundled exam, or OPENBOOK_EXAM=PATH to a folder, zip or file that you have"
        ) from error
