"""From what the user names - mini, cmb, a path, a hub data set - to an ExamFile."""

import os
import re
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from openbook_eval.errors import ExamError, ExamNotFetchedError, first_line, some
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource
from openbook_eval.exams.formats import EXAM_FORMATS, ExamFormat
from openbook_eval.types import EXAM_NAMES, ExamName

__all__ = ["EXAM_FORMATS", "ExamFile", "ExamFormat", "is_on_hub", "load_exam", "read_path", "require"]

_exists = os.path.exists
_MINI = Path(__file__).parent / "mini" / "mini.jsonl"
_MINI_VERSION = "1.0"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PAPERS = "wangrongsheng/open-book-CMB-exam"
# The last one with the authors' book, which was deleted afterwards (89e71ea).
_WITH_BOOK = "c5f38c94537b5704c7a1fec1befb6d144ed25f2e"
# By name: a data set on the hub, and the revision that is read unless another is named (NAME@REVISION).
_NAMED = {"cmb": (_PAPERS, _WITH_BOOK), "cmb-val": ("FreedomIntelligence/CMB", "main")}
_HUB_FILES = ["*.json", "*.zip"]
# Before the name of a data set of ModelScope's.
_MODELSCOPE = "modelscope:"
# CMB's training questions are as large as all else together, and no exam.
_HUB_UNWANTED = ["*train*"]
# A table without a header has questions in place of names.
_LONGEST_KEY = 30


def load_exam(name: str | None = None) -> ExamFile:
    """Load the exam called `name`, else by the variable OPENBOOK_EXAM, else `cmb`; each is read once a process.

    `mini` is the bundled exam, `cmb` the paper's (test set and book, from the hub), `cmb-val` CMB's validation set,
    PATH a file, folder or zip, `PATH#CLASS` one class of it, OWNER/DATASET a hub data set like CMB, with `modelscope:`
    before it one of ModelScope. Those of a hub may end in @REVISION. Raises ExamError.
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
    if is_on_hub(name):
        return _from_hub(name)
    path, _, part = name.rpartition("#")
    if _exists(name):
        return read_path(Path(name))
    if _exists(path):
        return read_path(Path(path), part)
    raise ExamError(f"exam {name!r}: no such file, folder or known exam; {_wanted()}")


def is_on_hub(name: str) -> bool:
    """Return whether an exam of this name is fetched from the hub: one known by name, or OWNER/DATASET and no path."""
    short = name.partition("@")[0]
    if short in _NAMED or name.startswith(_MODELSCOPE):
        return True
    return bool(_HUB_NAME.fullmatch(short)) and not _exists(name) and not _formats_of(Path(short))


def _wanted() -> str:
    formats = ", ".join(each.description for each in EXAM_FORMATS.values())
    hub = "cmb, cmb-val, OWNER/DATASET, modelscope:OWNER/DATASET, with @REVISION if you like"
    return f"wanted {formats} (docs/exam_format.md); bundled: mini; from the hub: {hub}"


def _formats_of(path: Path) -> list[ExamFormat]:
    return [each for each in EXAM_FORMATS.values() if path.suffix.lower() in each.suffixes]


def read_path(path: Path, part: str | None = None) -> ExamFile:
    """Read a file, folder or zip of any known format, or of it the class `part`. Raises ExamError."""
    source, keys = ExamSource(path, part), ""
    formats = [EXAM_FORMATS["cmb"]] if path.is_dir() else _formats_of(path)
    if len(formats) > 1:
        first = next(row for _, row in source.rows() if isinstance(row, dict))
        keys = f" (keys {some([key[:_LONGEST_KEY] for key in first], 15)})"
        formats = [each for each in formats if each.fits and each.fits(first)]
    if not formats:
        raise ExamError(f"{path}: unknown kind of exam file{keys}; {_wanted()}")
    return formats[0].read(source)


def _from_hub(name: str) -> ExamFile:
    short, _, revision = name.removeprefix(_MODELSCOPE).partition("@")
    dataset, usual = _NAMED.get(short, (short, _WITH_BOOK if short == _PAPERS else "main"))
    if name.startswith(_MODELSCOPE):
        # Its branch; a snapshot of it does not tell the commit.
        revision = revision or "master"
        folder, version = _fetch_from_modelscope(dataset, revision), f"{_MODELSCOPE}{dataset}@{revision}"
    else:
        folder = _fetch(dataset, revision or usual)
        # The hub's cache keeps each revision in a folder called by its commit.
        version = f"{dataset}@{folder.name}"
    exam = cmb.read(ExamSource(folder), cmb.VALIDATION_FILES) if short == "cmb-val" else read_path(folder)
    if dataset == _PAPERS and not any(question.knowledge for question in exam.questions):
        lacks = (
            f"{version} has no book; {_PAPERS}@{_WITH_BOOK} has the authors': OPENBOOK_EXAM=cmb@{_WITH_BOOK}; or ask "
            'for entries by their rule: --metadata \'{"entries": "statement"}\' (exam ...: --entries statement)'
        )
        exam = replace(exam, lacks_book=lacks, notices=(*exam.notices, lacks))
    return exam.named(name, version)


def _fetch_from_modelscope(dataset: str, revision: str) -> Path:
    try:
        from modelscope.hub.snapshot_download import dataset_snapshot_download
    except ImportError as error:
        raise ExamNotFetchedError(
            f"{_MODELSCOPE}{dataset}: the package of ModelScope is not installed; pip install modelscope"
        ) from error
    try:
        return Path(
            dataset_snapshot_download(
                dataset, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_UNWANTED
            )
        )
    except Exception as error:  # as below; where the data set is not there, older ones return None
        raise ExamNotFetchedError(
            f"{_MODELSCOPE}{dataset}@{revision}: cannot be fetched ({first_line(error)}); "
            "look for it on modelscope.cn, or set OPENBOOK_EXAM=PATH to a folder, zip or file that you have"
        ) from error


def _fetch(dataset: str, revision: str) -> Path:
    """Fetch the JSON and zip files of a hub data set into the hub's cache; return the folder."""
    from huggingface_hub import HfApi, snapshot_download

    snapshot = partial(
        snapshot_download,
        dataset,
        repo_type="dataset",
        revision=revision,
        allow_patterns=_HUB_FILES,
        ignore_patterns=_HUB_UNWANTED,
    )
    try:
        # A download asks a hub that does not answer for half a minute; this question is put once.
        HfApi().dataset_info(dataset, revision=revision)
        return Path(snapshot())
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        with suppress(Exception):  # as above: what it raises where nothing is in the cache changes
            return Path(snapshot(local_files_only=True))
        raise ExamNotFetchedError(
            f"hub data set {dataset}@{revision}: cannot be fetched ({first_line(error)}); in China set "
            "HF_ENDPOINT=https://hf-mirror.com; or set OPENBOOK_EXAM=mini for the bundled exam, or OPENBOOK_EXAM=PATH "
            "to a folder, zip or file that you have"
        ) from error
