"""From what the user names - mini, cmb, a path, a hub data set - to an ExamFile."""

import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from openbook_eval.errors import ExamError
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource
from openbook_eval.exams.formats import EXAM_FORMATS, ExamFormat
from openbook_eval.files import sha256
from openbook_eval.types import EXAM_NAMES, ExamName, Question

__all__ = ["EXAM_FORMATS", "ExamFile", "ExamFormat", "load_exam", "read_path", "require"]

OPEN_BOOK_CMB = "wangrongsheng/open-book-CMB-exam"
CMB = "FreedomIntelligence/CMB"

_MINI = Path(__file__).parent / "mini" / "mini.jsonl"
_MINI_VERSION = "1.0"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.zip"]
# CMB's training questions are as large as all else together, and no exam.
_HUB_UNWANTED = ["*train*"]


def load_exam(name: str | None = None) -> ExamFile:
    """Load the exam called `name`, else by the variable OPENBOOK_EXAM, else `cmb`; each is read once a process.

    `mini` is the bundled exam, `cmb` the paper's (test set and book, from the hub), `cmb-val` CMB's validation set,
    PATH a file, folder or zip, `PATH#SOURCE` one source of Apollo's file, OWNER/DATASET a hub data set like CMB.
    Raises ExamError.
    """
    return _load(name or os.environ.get("OPENBOOK_EXAM") or "cmb")


def require(exam: ExamFile, label: ExamName) -> list[Question]:
    """Return the questions of one of the six exams, or `other`. Raises ExamError where the file has none."""
    questions = [question for question in exam.questions if question.exam == label]
    if not questions:
        present = [name for name in EXAM_NAMES if any(question.exam == name for question in exam.questions)]
        raise ExamError(
            f"exam {exam.name!r} has no {label} questions, only {', '.join(present)}: "
            f"ask the tasks whose names end so, such as cmed_openbook_{present[0]}"
        )
    return questions


@cache
def _load(name: str) -> ExamFile:
    match name:
        case "mini":
            return read_path(_MINI).named("mini", _MINI_VERSION)
        case "cmb":
            return _from_hub(name, OPEN_BOOK_CMB)
        case "cmb-val":
            return _from_hub(name, CMB, only=cmb.VALIDATION_FILES)
        case _ if name == CMB:
            return _from_cmb_itself()
    path, _, part = name.rpartition("#")
    if _exists(name):
        return read_path(Path(name))
    if path and _exists(path):
        exam = read_path(Path(path), part)
        return exam.named(f"{exam.name}#{part}", exam.version)
    if _HUB_NAME.fullmatch(name) and not _format_of(Path(name)):
        return _from_hub(name, name)
    raise ExamError(f"exam {name!r}: no such file, folder or known exam; {_wanted()}")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that no file system takes
        return False


def _wanted() -> str:
    formats = ", ".join(each.description for each in EXAM_FORMATS.values())
    return f"wanted {formats} (docs/exam_format.md); bundled: mini; from the hub: cmb, cmb-val, OWNER/DATASET"


def _format_of(path: Path) -> ExamFormat | None:
    return next((each for each in EXAM_FORMATS.values() if path.suffix.lower() in each.suffixes), None)


def read_path(path: Path, part: str | None = None) -> ExamFile:
    """Read a file, folder or zip of any known format; `part` is one source of a file with several. Raises ExamError."""
    source = ExamSource(path)
    found = EXAM_FORMATS["cmb"] if path.is_dir() else _format_of(path)
    if not found:
        raise ExamError(f"{path}: unknown kind of exam file; {_wanted()}")
    if path.is_file() and path.suffix.lower() == ".json":
        found = _format_of_rows(source)
    if part is not None and not found.has_parts:
        raise ExamError(f"{path}#{part}: only Apollo's .json file is divided by source, and this is not one")
    return found.read(source, part)


def _format_of_rows(source: ExamSource) -> ExamFormat:
    """Tell the formats that are JSON arrays apart by the keys of the first row."""
    first = source.rows(source.path.name)[0]
    for each in EXAM_FORMATS.values():
        if each.fits and each.fits(first):
            return each
    raise ExamError(f"{source.path}: keys {', '.join(first)} are of no known exam; {_wanted()}")


def _from_hub(name: str, dataset: str, only: tuple[str, ...] = ()) -> ExamFile:
    folder, revision = _fetch(dataset)
    exam = cmb.read_one(ExamSource(folder), only) if only else read_path(folder)
    return exam.named(name, f"{dataset}@{revision}")


def _from_cmb_itself() -> ExamFile:
    """Join CMB's own data set, which has no answers to its test questions, with those of the authors' data set."""
    folder, revision = _fetch(CMB)
    answers_folder, answers_revision = _fetch(OPEN_BOOK_CMB)
    answers = ExamSource(answers_folder)
    exam = cmb.read(cmb.unpacked(ExamSource(folder), cmb.QUESTION_FILES), answers_from=answers)
    both = replace(exam, sha256=sha256(f"{exam.sha256}\n{answers.sha256}"))
    return both.named(CMB, f"{CMB}@{revision}, answers {OPEN_BOOK_CMB}@{answers_revision}")


def _fetch(dataset: str) -> tuple[Path, str]:
    """Fetch the JSON and zip files of a hub data set into the hub's cache; return the folder and the revision."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(dataset, repo_type="dataset", allow_patterns=_HUB_FILES, ignore_patterns=_HUB_UNWANTED)
        )
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        reason = str(error).strip().partition("\n")[0]
        raise ExamError(
            f"hub data set {dataset}: cannot be fetched ({reason}); "
            "set OPENBOOK_EXAM=mini for the bundled exam, or OPENBOOK_EXAM=PATH to a folder, zip or file that you have"
        ) from error
    # The cache keeps each revision in a folder called by its commit.
    return folder, folder.name
